"""Mean errors of the 21 joints go in; a schematic hand whose joints show them by size, shade and number comes out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from handbench.results.directions import METRICS
from handbench.results.figures import selection, style
from handbench.results.figures.notes import note
from handbench.results.figures.run_files import Undrawable, curves_of
from handbench.results.figures.selection import Group
from handbench.suite import FigureSpec
from handbench.types import FINGERS, JOINTS, WRIST, Evidence

MOST, ACROSS = 6, 2
UNITS = {"epe_2d": "px"}
# A right hand seen from its back, fingers up: for each finger the knuckle, the direction in degrees from straight up, and
# the distances along it, in units of the palm's height.
BASES = {"thumb": (-0.30, 0.30), "index": (-0.26, 0.98), "middle": (-0.03, 1.04), "ring": (0.19, 0.98), "little": (0.40, 0.84)}
LEANS = {"thumb": -48.0, "index": -12.0, "middle": -2.0, "ring": 9.0, "little": 22.0}
REACHES = {
    "thumb": (0.0, 0.33, 0.60, 0.82),
    "index": (0.0, 0.36, 0.60, 0.81),
    "middle": (0.0, 0.40, 0.67, 0.90),
    "ring": (0.0, 0.37, 0.62, 0.84),
    "little": (0.0, 0.28, 0.48, 0.67),
}
Points = npt.NDArray[np.float64]


def joints(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw the mean error of each joint, a hand a group, on one scale.

    Raises:
        Undrawable: no run has a curves.json with errors by joint.
    """
    runs = selection.chosen(evidence, spec)
    known = {id(run): curves_of(run).get("joints", {}) for run in runs}
    names = {name for errors in known.values() for name in errors}
    metric = spec.metric.rpartition(":")[2] or next((name for name in selection.PREFERRED if name in names), "")
    runs = [run for run in runs if len(known[id(run)].get(metric, ())) == JOINTS]
    if not runs:
        raise Undrawable("no run has a curves.json with errors by joint (runs of an older version have none)")
    every = selection.groups(evidence, runs, spec.rows)
    shown = every[:MOST]
    means = [_mean([known[id(run)][metric] for run in group.runs]) for group in shown]
    across = min(ACROSS, len(shown))
    down = -(-len(shown) // across)
    unit = selection.unit_of(runs, metric) or UNITS.get(metric, "mm")
    cut = f"; the first {len(shown)} of {len(every)} groups" if len(shown) < len(every) else ""
    made = style.figure(
        note(shown, f"mean over test hands and seeds; one scale for all hands{cut}", metric), height=0.55 + 2.05 * down
    )
    every_mean = np.concatenate(means)
    scale = ScalarMappable(Normalize(float(np.nanmin(every_mean)), float(np.nanmax(every_mean))), "cividis_r")
    panels = made.subplots(down, across, squeeze=False)
    for place, axes in enumerate(panels.flat):
        axes.set_axis_off()
        if place < len(shown):
            _hand(axes, shown[place], means[place], scale, unit)
    bar = made.colorbar(scale, ax=list(panels.flat), location="bottom", shrink=0.7, aspect=30, pad=0.02)
    bar.set_label(f"{METRICS[metric].label if metric in METRICS else metric.replace('_', ' ')} of the joint ({unit})")
    bar.outline.set_linewidth(0.4)
    return made


def places() -> Points:
    """Where the 21 joints stand in the drawing: (21, 2), x right, y up, the wrist in the origin."""
    found = np.zeros((JOINTS, 2))
    for finger, indices in FINGERS.items():
        lean = np.deg2rad(LEANS[finger])
        for index, reach in zip(indices, REACHES[finger], strict=True):
            found[index] = np.add(BASES[finger], (reach * np.sin(lean), reach * np.cos(lean)))
    return found


def _mean(errors: Sequence[Sequence[float | None]]) -> Points:
    """The mean over runs, joint by joint; NaN where no run has one."""
    table = np.asarray([[np.nan if value is None else value for value in row] for row in errors], np.float64)
    known = np.isfinite(table)
    total = np.where(known, table, 0).sum(0)
    means: Points = np.divide(total, known.sum(0), out=np.full(JOINTS, np.nan), where=known.any(0))
    return means


def _hand(axes: Axes, group: Group, errors: Points, scale: Any, unit: str) -> None:
    where = places()
    palm = [WRIST, 1, 5, 9, 13, 17, WRIST]
    axes.fill(where[palm, 0], where[palm, 1], facecolor="#d8d8d8", edgecolor="#d8d8d8", linewidth=8, joinstyle="round")
    for finger, indices in FINGERS.items():
        line = [WRIST, *indices] if finger == "thumb" else list(indices)
        axes.plot(where[line, 0], where[line, 1], color="#d8d8d8", linewidth=8, solid_capstyle="round", zorder=1)
    for joint in range(JOINTS):
        _joint(axes, joint, where[joint], float(errors[joint]), scale, unit)
    axes.set_title(style.wrapped(group.label, 36), pad=2)
    axes.set_aspect("equal")
    axes.set_xlim(-1.1, 0.95)
    axes.set_ylim(-0.17, 2.08)


def _joint(axes: Axes, joint: int, where: Points, error: float, scale: Any, unit: str) -> None:
    known = np.isfinite(error)
    colour = scale.to_rgba(error) if known else (1.0, 1.0, 1.0, 1.0)
    light = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 0.5
    mark = axes.plot(*where, "o", color=colour, markersize=9.5, markeredgecolor="#333333", markeredgewidth=0.4, zorder=2)
    style.tell(mark[0], f"{_name(joint)}: {error:.3g} {unit}")
    text = (f"{error:.0f}" if error >= 10 else f"{error:.1f}") if known else "–"
    axes.text(
        float(where[0]),
        float(where[1]),
        text,
        ha="center",
        va="center_baseline",
        fontsize=5.2,
        color="black" if light else "white",
        zorder=3,
    )


def _name(joint: int) -> str:
    for finger, indices in FINGERS.items():
        if joint in indices:
            return f"{finger} {indices.index(joint) + 1} of 4"
    return "wrist"
