"""What a linear decoder reads of an image's warp from features goes in; decoded against true comes out, a panel a group."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handbench.results.figures import selection, style
from handbench.results.figures.notes import note
from handbench.results.figures.run_files import Undrawable, arrays_of
from handbench.results.figures.selection import Group
from handbench.streams import Draws
from handbench.suite import FigureSpec
from handbench.types import Evidence

QUANTITIES = {
    "rotation": ("rotation", "°"),
    "translation_x": ("shift to the right", "share of the side"),
    "translation_y": ("shift down", "share of the side"),
    "log_scale": ("log of the scale", ""),
}
POSE = ("pose", "head", "metric")  # tables of the recipe on which features do not depend
MOST, POINTS, ACROSS = 6, 250, 3
Values = npt.NDArray[np.float64]


def equivariance(evidence: Evidence, spec: FigureSpec) -> Figure:
    """Draw decoded against true warps, by default the rotation, with the line on which they are equal.

    Raises:
        Undrawable: no run has an equivariance.npz with this quantity.
    """
    quantity = spec.metric or "rotation"
    groups = selection.groups(evidence, selection.chosen(evidence, spec), spec.rows, apart_from=POSE)
    wanted = [f"{quantity}_{side}" for side in ("true", "decoded")]
    found = {id(run): arrays_of(run, "equivariance.npz", wanted) for group in groups for run in group.runs}
    every = selection.only(groups, lambda run: bool(found[id(run)]))
    if not every:
        raise Undrawable(f"no run has an equivariance.npz with '{quantity}' (runs of an older version have none)")
    shown = every[:MOST]
    pairs = [_pair([found[id(run)] for run in group.runs], quantity) for group in shown]
    across = 2 if len(shown) in (2, 4) else min(ACROSS, len(shown))
    down = -(-len(shown) // across)
    name, unit = QUANTITIES.get(quantity, (quantity.replace("_", " "), ""))
    cut = f"; the first {len(shown)} of {len(every)} groups" if len(shown) < len(every) else ""
    dots = f"dots: at most {POINTS} held-out images a panel"
    meaning = f"{name}; {dots}; line: decoded = true; R² and median error over all images and seeds{cut}"
    made = style.figure(
        note(shown, meaning, posed=False), height=0.4 + down * (2.9 / across + 0.22 if across > 1 else 2.5), compress=True
    )
    limit = 1.05 * max(float(np.abs(true).max()) for true, _ in pairs)
    panels = made.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(panels.flat):
        axes.set_visible(place < len(shown))
        if place < len(shown):
            _panel(axes, shown[place], *pairs[place], limit, unit, place)
    for place, axes in enumerate(panels.flat):
        if place % across == 0:
            axes.set_ylabel(f"decoded{f' ({unit})' if unit else ''}")
        if len(shown) - across <= place < len(shown):
            axes.set_xlabel(f"true {name}{f' ({unit})' if unit else ''}" if across < 3 else f"true{f' ({unit})' if unit else ''}")
            axes.tick_params(labelbottom=True)
    return made


def agreement(true: Values, decoded: Values) -> tuple[float, float]:
    """Coefficient of determination, and the median absolute error.

    Example:
        >>> agreement(np.array([0.0, 2.0, 4.0]), np.array([0.0, 2.0, 2.0]))
        (0.5, 0.0)
    """
    left, spread = float(((decoded - true) ** 2).sum()), float(((true - true.mean()) ** 2).sum())
    return (1 - left / spread if spread else float("nan")), float(np.median(np.abs(decoded - true)))


def _pair(files: Sequence[object], quantity: str) -> tuple[Values, Values]:
    """True and decoded values of all runs of a group, without what is not a number."""
    both = [
        np.concatenate([np.asarray(file[f"{quantity}_{side}"], np.float64).ravel() for file in files])  # type: ignore[index]
        for side in ("true", "decoded")
    ]
    known = np.isfinite(both[0]) & np.isfinite(both[1])
    if not known.any():
        raise Undrawable(f"no decoded '{quantity}' is a number")
    return both[0][known], both[1][known]


def _panel(axes: Axes, group: Group, true: Values, decoded: Values, limit: float, unit: str, place: int) -> None:
    chosen = np.sort(Draws(0, "figure", "equivariance", place).permutation(len(true))[:POINTS])
    near = "°" if unit == "°" else ""
    axes.plot([-limit, limit], [-limit, limit], color="#444444", linewidth=0.7, linestyle=(0, (4, 2)))
    axes.plot(
        true[chosen],
        decoded[chosen].clip(-limit, limit),
        "o",
        color=style.COLOURS[0],
        markersize=1.6,
        alpha=0.6,
        markeredgewidth=0,
    )
    share, error = agreement(true, decoded)
    axes.set_title(style.wrapped(group.label, 20), pad=3)
    axes.text(
        0.04, 0.97, f"R² = {share:.2f}\nerror {error:.2g}{near}", transform=axes.transAxes, va="top", fontsize=6,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.8},
    )  # fmt: skip
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.set_aspect("equal")
    style.grid(axes, "both")
