"""The best and worst predictions of runs go in; the test images with true and predicted hands over them come out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from handbench.results.figures import selection, style
from handbench.results.figures.notes import note
from handbench.results.figures.run_files import Run, Undrawable, arrays_of
from handbench.suite import FigureSpec
from handbench.types import FINGERS, WRIST, Evidence

MOST, ACROSS = 4, 5
GAP, BLOCK = 0.05, 2.75  # in units of an image's place
WIDE = (style.WIDTH - 0.06) / (ACROSS + GAP)  # inches
LOOKS: dict[str, tuple[str, Any]] = {"true": ("#FFFFFF", (0, (2, 0.8))), "predicted": ("#EE7733", "-")}
FILE, ARRAYS = "examples.npz", ("images", "predicted", "true", "valid", "error", "key", "rank")
CHAINS = tuple((WRIST, *finger) for finger in FINGERS.values())


def examples(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw the best and the worst predictions of the first seed of each group.

    Raises:
        Undrawable: no run has an examples.npz.
    """
    found = {}
    for group in selection.groups(evidence, selection.chosen(evidence, spec), spec.rows):
        run = next((run for run in group.runs if len(arrays_of(run, FILE, ("error",)).get("error", ()))), None)
        if run is not None:
            found[group.label] = (group, run)
    if not found:
        raise Undrawable("no run has an examples.npz (runs of an older version have none)")
    shown = list(found.values())[:MOST]
    cut = f"; the first {len(shown)} of {len(found)} groups" if len(shown) < len(found) else ""
    seeds = "/".join(sorted({str(run["seed"]) for _, run in shown}))
    words = f"2D error in pixels of the image below each; seed {seeds} shown{cut}"
    made = style.figure(note([group for group, _ in shown], words), height=0.05 + len(shown) * BLOCK * WIDE, legend_lines=1)
    axes = made.add_subplot()
    axes.set_axis_off()
    for place, (group, run) in enumerate(shown):
        _fill(axes, BLOCK * place, group.label, run)
    axes.set_xlim(0, ACROSS + GAP)
    axes.set_ylim(BLOCK * len(shown), 0)
    axes.set_aspect("equal")
    style.add_legend(made, [_line("true"), _line("predicted")], ["true", "predicted"])
    return made


def overlay(predicted: Any, true: Any, valid: Any) -> Iterator[tuple[str, Any]]:
    """The lines to draw, one a finger: "true" or "predicted" and its points in pixels; joints without a label are left out."""
    for kind, hand in (("true", true), ("predicted", predicted)):
        for chain in CHAINS:
            known = [joint for joint in chain if valid[joint] and np.isfinite(hand[joint]).all()]
            if len(known) > 1:
                yield kind, hand[known]


def _fill(axes: Axes, top: float, label: str, run: Run) -> None:
    """Two lines of images below `top`, in units of an image's place: the best and the worst."""
    arrays = arrays_of(run, FILE, ARRAYS)
    axes.text(GAP, top + 0.26, f"{label}: best above, worst below", fontsize=7, va="bottom")
    for line, rank in enumerate(("best", "worst")):
        rows = [row for row in range(len(arrays["error"])) if str(arrays["rank"][row]) == rank][:ACROSS]
        for place, row in enumerate(rows):
            _example(axes, (place + GAP, top + 0.3 + 1.2 * line), {name: values[row] for name, values in arrays.items()})


def _example(axes: Axes, corner: tuple[float, float], example: dict[str, Any]) -> None:
    """One image with both hands over it, and its error below."""
    left, top = corner
    side, size = example["images"].shape[0], 1 - GAP
    axes.imshow(example["images"], extent=(left, left + size, top + size, top), interpolation="none")
    bones: dict[str, list[Any]] = {"true": [], "predicted": []}
    for kind, bone in overlay(example["predicted"], example["true"], example["valid"].astype(bool)):
        bones[kind].append((bone * size / side).clip(0, size) + corner)
    for kind, (colour, dashes) in LOOKS.items():
        axes.add_collection(LineCollection(bones[kind], colors="black", linewidths=1.5, alpha=0.5), autolim=False)
        axes.add_collection(LineCollection(bones[kind], colors=colour, linewidths=0.9, linestyles=[dashes]), autolim=False)
    axes.text(left + size / 2, top + size + 0.02, f"{float(example['error']):.1f} px", fontsize=5.5, va="top", ha="center")


def _line(kind: str) -> Line2D:
    colour, dashes = LOOKS[kind]
    return Line2D([], [], color="#666666" if kind == "true" else colour, linestyle=dashes)
