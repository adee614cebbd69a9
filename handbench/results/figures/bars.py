"""A metric by row goes in; horizontal bars with 95 % intervals and a dot for each seed come out: the augmentation ablation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from handbench.results.figures import selection, style
from handbench.results.figures.notes import note
from handbench.results.figures.run_files import Run
from handbench.results.figures.selection import Estimate, Group
from handbench.suite import FigureSpec
from handbench.types import Evidence

MOST = 26  # bars that are legible in a column; the tables hold the rest
BAR, GAP, NAME_LINE = 0.15, 0.1, 0.115  # inches
NAME = 26  # characters of a row's name in a line


def bars(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw a metric's mean over seeds for each group, from zero, so that lengths may be compared.

    Where several axes tell the groups apart, the objective (or else the last axis) becomes the colour and hatch.

    Raises:
        Undrawable: no run has the metric.
    """
    runs = selection.chosen(evidence, spec)
    metric = selection.metric_for(runs, spec)
    every = [group for group in selection.groups(evidence, runs, spec.rows) if selection.values_of(group, metric)]
    shown = _most(every, metric)
    hue = _hue(shown)
    hues = list(dict.fromkeys(group.words[hue] for group in shown)) if hue else []
    rows = _rows(shown, hue)
    several = any(len(group.runs) > 1 for group in shown)
    cut = f"; the best {len(shown)} of {len(every)}, the tables hold all" if len(shown) < len(every) else ""
    meaning = "bars: mean over seeds; whiskers: 95 % t-interval; dots: seeds" if several else "bars: one run each"
    luck = _luck(runs, metric)
    legend = hues + (["random encoder"] if luck is not None else [])
    made = style.figure(
        note(shown, meaning + cut, metric),
        height=sum(_height(label, len(groups)) for label, groups in rows.items()) + 0.42,
        legend_lines=style.legend_lines(legend),
    )
    axes = made.add_subplot()
    _draw(axes, rows, [*hues], hue, metric)
    handles: list[object] = [_patch(place) for place in range(len(hues))]
    if luck is not None:
        handles.append(axes.axvline(luck, color="#555555", linestyle=(0, (2, 2)), linewidth=0.9, zorder=0.5))
    if legend:
        style.add_legend(made, handles, legend)
    axes.set_xlabel(selection.metric_label(runs, metric))
    return made


def _most(every: Sequence[Group], metric: str) -> list[Group]:
    best = selection.best_first(every, metric)[:MOST]
    return [group for group in every if any(group is kept for kept in best)]


def _hue(shown: Sequence[Group]) -> str:
    axes = list(shown[0].words)
    hue = "objective" if "objective" in axes else axes[-1]
    return hue if len(axes) > 1 and len({group.words[hue] for group in shown}) <= style.STYLES else ""


def _rows(shown: Sequence[Group], hue: str) -> dict[str, list[Group]]:
    """Groups by the words that are no hue."""
    rows: dict[str, list[Group]] = {}
    for group in shown:
        rest = [text for axis, text in group.words.items() if axis != hue]
        rows.setdefault(", ".join(rest) if hue else group.label, []).append(group)
    return rows


def _height(label: str, bars: int) -> float:
    """Inches of one row: its bars or its name, whichever needs more."""
    lines = style.wrapped(label, NAME).count("\n") + 1
    return max(BAR * bars, NAME_LINE * lines) + GAP


def _draw(axes: Axes, rows: dict[str, list[Group]], hues: list[str], hue: str, metric: str) -> None:
    place, most, least = 0.0, 0.0, 0.0
    ticks: list[float] = []
    unit = selection.unit_of([run for groups in rows.values() for group in groups for run in group.runs], metric)
    for number, groups in enumerate(rows.values()):
        spare = (_height(list(rows)[number], len(groups)) - BAR * len(groups) - GAP) / 2  # a long name needs more room than bars
        place += spare
        ticks.append(place + BAR * (len(groups) - 1) / 2)
        for group in groups:
            found = selection.estimate(selection.values_of(group, metric))
            _bar(axes, place, group, found, style.look(hues.index(group.words[hue]) if hue else number), unit)
            most, least = max(most, found.mean, *_ends(found)), min(least, found.mean, *_ends(found))
            place += BAR
        place += GAP + spare
    axes.set_yticks(ticks, [style.wrapped(label, NAME) for label in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - GAP - BAR / 2 + 0.04, -BAR / 2 - 0.04)
    axes.set_xlim(1.05 * least, 1.04 * most or 1.0)
    style.grid(axes, "x")


def _bar(axes: Axes, place: float, group: Group, found: Estimate, look: style.Look, unit: str) -> None:
    text = f"{group.label}: {selection.number(found.mean, unit)} {unit}, {len(found.values)} seeds"
    bar = axes.barh(place, found.mean, 0.8 * BAR, color=look.colour, hatch=look.hatch, edgecolor="white", linewidth=0.0)
    style.tell(bar.patches[0], text)
    if np.isfinite(found.low):
        axes.plot([found.low, found.high], [place, place], color="#222222", linewidth=0.8, marker="|", markersize=3.5)
        axes.plot(
            found.values,
            [place] * len(found.values),
            "o",
            color="white",
            markeredgecolor="#222222",
            markersize=2,
            markeredgewidth=0.4,
        )
    axes.annotate(selection.number(found.mean, unit), (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=6)


def _ends(found: Estimate) -> tuple[float, ...]:
    return tuple(end for end in (found.low, found.high, *found.values) if np.isfinite(end))


def _patch(place: int) -> Patch:
    look = style.look(place)
    return Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", linewidth=0.0)


def _luck(runs: Sequence[Run], metric: str) -> float | None:
    """What a random encoder scores, where one number holds for all bars: each seed's runs agree on it."""
    by_seed: dict[int, set[float]] = {}
    for run in runs:
        score = selection.score_of(run, f"{metric}/random")
        if score is None:
            return None
        by_seed.setdefault(run["seed"], set()).add(round(float(score["value"]), 6))
    agree = all(len(values) == 1 for values in by_seed.values())
    return float(np.mean([min(values) for values in by_seed.values()])) if agree else None
