"""Scores and the time their training took go in; accuracy against cost comes out, a point a run and a mark a group."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from handbench.results.figures import selection, style
from handbench.results.figures.notes import note
from handbench.results.figures.run_files import Run, Undrawable
from handbench.results.figures.selection import Group
from handbench.suite import FigureSpec
from handbench.types import Evidence

TRAINING = ("pretrain", "pose")  # the stages that train; data and probes are the same for all


def cost(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw a metric over the seconds of training, those of shared stages counted in full, whichever run made them.

    Raises:
        Undrawable: no run has both the metric and the seconds of its stages.
    """
    runs = selection.chosen(evidence, spec)
    metric = selection.metric_for(runs, spec)
    runs = [run for run in runs if selection.score_of(run, metric) and seconds(run) > 0]
    if not runs:
        raise Undrawable("no run says how long its training took")
    every = selection.only(selection.groups(evidence, selection.chosen(evidence, spec), spec.rows), runs.__contains__)
    best = selection.best_first(every, metric)[: style.STYLES]
    shown = [group for group in every if any(group is kept for kept in best)]
    cut = f"; the best {len(shown)} of {len(every)}" if len(shown) < len(every) else ""
    names = [group.label for group in shown]
    made = style.figure(
        note(shown, f"small: one run; large: mean over seeds; time: pre-training and fitting the pose{cut}", metric),
        legend_lines=style.legend_lines(names),
    )
    axes = made.add_subplot()
    style.grid(axes, "both")
    handles = [
        _mark(axes, place, group, metric) for place, group in zip(selection.places(shown, style.STYLES), shown, strict=True)
    ]
    style.add_legend(made, handles, names)
    _scale(axes, [seconds(run) for group in shown for run in group.runs])
    axes.set_xlabel(f"training time ({_unit(runs)})")
    axes.set_ylabel(style.wrapped(selection.metric_label(runs, metric), 34))
    return made


def seconds(run: Run) -> float:
    """Wall-clock seconds of the run's training stages; 0 where the record does not say."""
    taken = [float(stage["seconds"]) for stage in run.get("stages", ()) if stage["name"] in TRAINING]
    return sum(value for value in taken if math.isfinite(value))


def _mark(axes: Axes, place: int, group: Group, metric: str) -> object:
    look, unit = style.look(place), selection.unit_of(group.runs, metric)
    times, values = [seconds(run) for run in group.runs], selection.values_of(group, metric)
    points = axes.plot(times, values, look.marker, color=look.colour, markersize=2.2, alpha=0.55, markeredgewidth=0)
    style.tell(
        points[0],
        [f"{run['id']}: {value:.4g} {unit}, {time:,.0f} s" for run, value, time in zip(group.runs, values, times, strict=True)],
    )
    mean, time = float(np.mean(values)), float(np.mean(times))
    mark = axes.plot([time], [mean], look.marker, color=look.colour, markersize=6, markeredgecolor="white", markeredgewidth=0.5)
    style.tell(mark[0], f"{group.label}: {mean:.4g} {unit}, {time:,.0f} s")
    return mark[0]


def _scale(axes: Axes, times: Sequence[float]) -> None:
    """A logarithmic axis where times differ much, else one from zero."""
    if max(times) < 8 * min(times):
        axes.set_xlim(0, 1.15 * max(times))
        return
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 1.5, max(times) * 1.5)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _unit(runs: Sequence[Run]) -> str:
    if all(run["device"].startswith("cuda") for run in runs):
        return "GPU-seconds"
    threads = sorted({int(run["provenance"].get("hardware", {}).get("threads") or 0) for run in runs} - {0})
    return f"seconds on the CPU, {threads[0]} thread{'s' * (threads[0] > 1)}" if len(threads) == 1 else "seconds"
