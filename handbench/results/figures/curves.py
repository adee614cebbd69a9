"""Groups of runs with a curve each go in; a figure of their means, with what lies between the seeds as a band, comes out.

Three kinds share this: the share of correct keypoints over the threshold, a metric over the share of labels, and training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from handbench.results.directions import METRICS, metric_of
from handbench.results.figures import selection, style
from handbench.results.figures.notes import note
from handbench.results.figures.run_files import Undrawable, curves_of, history_of
from handbench.results.figures.selection import Group
from handbench.suite import FigureSpec
from handbench.types import Evidence

SHARE = "pose.labels"
POSE = ("pose", "measure", "head", "metric")  # tables of the recipe on which pre-training does not depend
FULL_DOTS = 12  # more points than this are not marked one by one


@dataclass(frozen=True)
class Curve:
    """One group's curve: where, its mean, and the two ends of its band or whiskers, which are NaN for a single seed."""

    group: Group
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def pck(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw the share of joints whose error lies below a threshold, over the threshold.

    Raises:
        Undrawable: no run has such a curve.
    """
    runs = selection.chosen(evidence, spec)
    known = {id(run): curves_of(run).get("pck", {}) for run in runs}
    names = {name for curves in known.values() for name in curves}
    metric = spec.metric.rpartition(":")[2] or next((name for name in selection.PREFERRED if name in names), "")
    runs = [run for run in runs if metric in known[id(run)]]
    if not runs:
        raise Undrawable("no run has a curves.json with this curve (runs of an older version have none)")
    found = []
    every = selection.groups(evidence, selection.chosen(evidence, spec), spec.rows)
    for group in selection.only(every, lambda run: metric in known[id(run)]):
        x = [float(at) for at in known[id(group.runs[0])][metric]["thresholds"]]
        lines = [np.interp(x, known[id(run)][metric]["thresholds"], known[id(run)][metric]["share"]) for run in group.runs]
        found.append(_ranged(group, x, 100 * np.asarray(lines)))
    unit = known[id(runs[0])][metric].get("unit", "")
    shown = sorted(found, key=lambda curve: -float(np.mean(curve.mean)))[: style.STYLES]
    curves = [curve for curve in found if any(curve is kept for kept in shown)]
    made, axes = _canvas(curves, f"{_meaning(curves)}{_cut(curves, found)}", metric)
    _draw(axes, curves, "%", unit)
    axes.set_xlabel(f"threshold on the {_short(metric)} of a joint ({unit})")
    axes.set_ylabel("joints within (%)")
    axes.set_ylim(0, 100)
    axes.set_xlim(left=min(curves[0].x))
    return made


def labels(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw a metric over the share of labels a head or network was trained on, with 95 % intervals.

    Raises:
        Undrawable: no run has the metric, or all used the same share.
    """
    runs = selection.chosen(evidence, spec)
    metric = selection.metric_for(runs, spec)
    runs = [run for run in runs if selection.score_of(run, metric)]
    shares = sorted({float(run["labels"]) for run in runs})
    if len(shares) < 2:
        raise Undrawable(f"all runs use the same share of the labels ({100 * shares[0]:g} %)")
    rows = [axis for axis in spec.rows if axis not in (SHARE, "labels")]
    found = [_over_labels(group, metric) for group in selection.groups(evidence, runs, rows, apart_from=(SHARE,))]
    kept = selection.best_first([curve.group for curve in found], metric)[: style.STYLES]
    curves = [curve for curve in found if any(curve.group is group for group in kept)]
    meaning = "points: mean over seeds; whiskers: 95 % t-interval" if _banded(curves) else "points: one run each"
    made, axes = _canvas(curves, f"{meaning}{_cut(curves, found)}", metric)
    _whiskers(axes, curves, selection.unit_of(runs, metric))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(shares))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(shares, [f"{100 * share:g}" for share in shares])
    axes.set_xlabel("labels used for training (%)")
    axes.set_ylabel(style.wrapped(selection.metric_label(runs, metric), 34))
    return made


def training(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw a column of metrics.csv, the loss unless the specification says otherwise, over the epochs of pre-training.

    Raises:
        Undrawable: no run has a history with this column.
    """
    column = spec.metric or "loss"
    histories = {id(run): history_of(run).get(column, []) for run in selection.chosen(evidence, spec)}
    runs = [run for run in selection.chosen(evidence, spec) if len(histories[id(run)]) > 1]
    if not runs:
        raise Undrawable(f"no run has a metrics.csv with two epochs or more of '{column}'")
    found = []
    every = selection.groups(evidence, selection.chosen(evidence, spec), spec.rows, apart_from=POSE)
    for group in selection.only(every, lambda run: len(histories[id(run)]) > 1):
        epochs = min(len(histories[id(run)]) for run in group.runs)
        lines = np.asarray([histories[id(run)][:epochs] for run in group.runs])
        found.append(_ranged(group, [float(epoch + 1) for epoch in range(epochs)], lines))
    curves = found[: style.STYLES]
    apart = "; losses of different objectives are on different scales" if column == "loss" else ""
    made, axes = _canvas(curves, f"{_meaning(curves)}{apart}{_cut(curves, found, 'first')}", posed=False)
    _draw(axes, curves, "", "epoch")
    axes.set_xlabel("epoch of pre-training")
    axes.set_ylabel(column.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return made


def _canvas(curves: Sequence[Curve], meaning: str, metric: str = "", *, posed: bool = True) -> tuple[Figure, Axes]:
    names = [style.wrapped(curve.group.label, 60).replace("\n", " ") for curve in curves]
    legend = names if len(names) > 1 or names[0] else []
    groups = [curve.group for curve in curves]
    scored = metric if metric and all(selection.values_of(group, metric) for group in groups) else ""
    made = style.figure(note(groups, meaning, scored, posed=posed), legend_lines=style.legend_lines(legend))
    axes = made.add_subplot()
    style.grid(axes, "both")
    handles = [
        _handle(axes, place, dotted=len(curve.x) <= FULL_DOTS) for place, curve in zip(_places(curves), curves, strict=True)
    ]
    style.add_legend(made, handles, legend)
    return made, axes


def _handle(axes: Axes, place: int, *, dotted: bool) -> Any:
    look = style.look(place)
    return axes.plot([], [], color=look.colour, linestyle=look.dashes, marker=look.marker if dotted else "")[0]


def _draw(axes: Axes, curves: Sequence[Curve], unit: str, of: str) -> None:
    """Lines with a band from the lowest to the highest seed; some of the points say what they are."""
    for place, curve in zip(_places(curves), curves, strict=True):
        look, dotted = style.look(place), len(curve.x) <= FULL_DOTS
        axes.plot(curve.x, curve.mean, color=look.colour, linestyle=look.dashes)
        if np.isfinite(curve.low).all():
            axes.fill_between(curve.x, curve.low, curve.high, color=look.colour, alpha=0.15, linewidth=0)
        step = max(1, math.ceil(len(curve.x) / FULL_DOTS))
        told = slice(place % step, None, step)  # points of neighbouring curves do not lie above each other
        size = 3.5 if dotted else 5.0
        points = axes.plot(
            curve.x[told], curve.mean[told], look.marker, color=look.colour, markersize=size, alpha=1.0 if dotted else 0.0
        )
        style.tell(points[0], [_words(curve, at, unit, of) for at in range(len(curve.x))[told]])


def _whiskers(axes: Axes, curves: Sequence[Curve], unit: str) -> None:
    """Points with intervals, each curve a little beside the others, so that no whisker hides one."""
    for place, curve in enumerate(curves):
        look = style.look(_places(curves)[place])
        x = [at * 1.02 ** (place - (len(curves) - 1) / 2) for at in curve.x]
        axes.plot(x, curve.mean, color=look.colour, linestyle=look.dashes)
        whiskers = np.asarray([np.subtract(curve.mean, curve.low), np.subtract(curve.high, curve.mean)])
        axes.errorbar(x, curve.mean, yerr=np.nan_to_num(whiskers), fmt="none", ecolor=look.colour, elinewidth=0.8, capsize=1.5)
        points = axes.plot(x, curve.mean, look.marker, color=look.colour, markeredgecolor="white", markeredgewidth=0.3)
        style.tell(points[0], [_words(curve, at, unit, "labels") for at in range(len(curve.x))])


def _places(curves: Sequence[Curve]) -> list[int]:
    return selection.places([curve.group for curve in curves], style.STYLES)


def _over_labels(group: Group, metric: str) -> Curve:
    by_share: dict[float, list[float]] = {}
    for run in group.runs:
        score = selection.score_of(run, metric)
        if score is not None:
            by_share.setdefault(float(run["labels"]), []).append(float(score["value"]))
    x = sorted(by_share)
    found = [selection.estimate(by_share[share]) for share in x]
    return Curve(group, x, [one.mean for one in found], [one.low for one in found], [one.high for one in found])


def _ranged(group: Group, x: Sequence[float], lines: Any) -> Curve:
    """Mean over the runs, and their range."""
    nothing = np.full(len(x), np.nan)
    low, high = (lines.min(0), lines.max(0)) if len(lines) > 1 else (nothing, nothing)
    return Curve(group, x, lines.mean(0).tolist(), low.tolist(), high.tolist())


def _words(curve: Curve, at: int, unit: str, of: str) -> str:
    where = (
        f"{100 * curve.x[at]:g} % labels"
        if of == "labels"
        else f"epoch {curve.x[at]:g}"
        if of == "epoch"
        else f"≤ {curve.x[at]:g} {of}"
    )
    band = f" ({curve.low[at]:.4g} to {curve.high[at]:.4g})" if np.isfinite(curve.low[at]) else ""
    return f"{curve.group.label}, {where}: {curve.mean[at]:.4g}{f' {unit}' if unit else ''}{band}"


def _banded(curves: Sequence[Curve]) -> bool:
    return any(np.isfinite(curve.low).any() for curve in curves)


def _meaning(curves: Sequence[Curve]) -> str:
    return "lines: mean over seeds; bands: from the lowest to the highest seed" if _banded(curves) else "lines: one run each"


def _cut(shown: Sequence[Curve], every: Sequence[Curve], which: str = "best") -> str:
    return f"; the {which} {len(shown)} of {len(every)}" if len(shown) < len(every) else ""


def _short(metric: str) -> str:
    return METRICS[metric].label if metric in METRICS else metric_of(metric).label.replace("_", " ")
