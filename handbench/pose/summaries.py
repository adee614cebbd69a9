"""Summaries: the distances of many hands go in; one number, averaged as a protocol averages, comes out.

Each is a small value that says how to average and can be called. A number is NaN where no hand was scored.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from handbench.pose.distances import Distances

# Averaged per joint over hands and then over joints, or over all joints of all hands at once.
Over = Literal["joints", "all"]


@dataclass(frozen=True)
class Mean:
    """Mean distance."""

    over: Over = "joints"

    def __call__(self, measured: Distances) -> float:
        """Average, in the unit of the distances."""
        return _over_joints(measured.joints) if self.over == "joints" else _of_all(measured.points)


@dataclass(frozen=True)
class Median:
    """Median distance of each joint over the hands, then the mean over joints."""

    def __call__(self, measured: Distances) -> float:
        """Average, in the unit of the distances."""
        known = np.isfinite(measured.points).any(0)
        return float(np.mean(np.nanmedian(measured.points[:, known], axis=0))) if known.any() else np.nan


@dataclass(frozen=True)
class Share:
    """Share of each joint's distances below a threshold, then the mean over joints.

    Args:
        threshold: in the unit of the distances.
        strict: below means `<`, not `<=`.
    """

    threshold: float
    strict: bool = True

    def __call__(self, measured: Distances) -> float:
        """The share, in [0, 1]."""
        shares = shares_within(measured, np.array([self.threshold]), strict=self.strict)
        return _over_joints(shares[:, 0])


@dataclass(frozen=True)
class Area:
    """Area under the share of joints within each threshold; per joint, then their mean.

    Args:
        low, high: first and last threshold, in the unit of the distances.
        steps: number of thresholds, evenly spaced.
        rule: trapezoids over the width; or the mean height of left bins, whose thresholds stop one short of `high`.
        strict: within means `<`, not `<=`.
    """

    low: float
    high: float
    steps: int
    rule: Literal["trapezoid", "left"] = "trapezoid"
    strict: bool = False

    @property
    def thresholds(self) -> Float[np.ndarray, "thresholds"]:
        """Ascending."""
        thresholds: Float[np.ndarray, thresholds] = np.linspace(self.low, self.high, self.steps, endpoint=self.rule != "left")
        return thresholds

    def __call__(self, measured: Distances) -> float:
        """The area, in [0, 1]."""
        thresholds = self.thresholds
        shares = shares_within(measured, thresholds, strict=self.strict)
        if self.rule == "left":
            return _over_joints(shares.mean(1))
        return _over_joints(np.trapezoid(shares, thresholds, axis=1) / (self.high - self.low))


@dataclass(frozen=True)
class FScore:
    """Harmonic mean of precision and recall of a mesh's points within a threshold (<) of the other mesh; mean over hands.

    Args:
        threshold: in the unit of the distances, which must be those to nearest points.

    Source:
        Knapitsch et al., ACM Transactions on Graphics 2017 (Tanks and Temples); FreiHAND's evaluator.
    """

    threshold: float

    def __call__(self, measured: Distances) -> float:
        """The mean F-score, in [0, 1]."""
        distances = measured.points[measured.scored]
        if not len(distances):
            return np.nan
        recall, precision = (_share_of_known(half, self.threshold) for half in np.split(distances, 2, axis=1))
        both = recall + precision
        return float(np.mean(np.where(both > 0, 2 * recall * precision / np.where(both > 0, both, 1.0), 0.0)))


def shares_within(
    measured: Distances, thresholds: Float[np.ndarray, "thresholds"], *, strict: bool = False
) -> Float[np.ndarray, "points thresholds"]:
    """Share of each joint's distances within each threshold; NaN where a joint is never scored.

    Args:
        measured: in the unit of the thresholds.
        thresholds: ascending.
        strict: within means `<`, not `<=`.
    """
    number, steps = measured.points.shape[1], len(thresholds)
    # The first threshold that holds each distance; NaN comes behind all thresholds.
    first = np.searchsorted(thresholds, measured.points, side="right" if strict else "left")
    first += np.arange(number) * (steps + 1)
    counts = np.bincount(first.ravel(), minlength=number * (steps + 1)).reshape(number, steps + 1)
    scored = np.isfinite(measured.points).sum(0)[:, None]
    within = np.cumsum(counts[:, :steps], axis=1)
    shares: Float[np.ndarray, "points thresholds"] = np.where(scored > 0, within / np.maximum(scored, 1), np.nan)
    return shares


def spread(measured: Distances) -> float | None:
    """Standard deviation over hands of each hand's mean distance; None for fewer than two hands."""
    hands = measured.hands[measured.scored]
    return float(hands.std(ddof=1)) if len(hands) > 1 else None


def _over_joints(values: Float[np.ndarray, "points"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _of_all(points: Float[np.ndarray, "rows points"]) -> float:
    known = np.isfinite(points)
    if known.all():
        return float(points.mean()) if points.size else np.nan
    return float(points[known].mean()) if known.any() else np.nan


def _share_of_known(distances: Float[np.ndarray, "rows points"], threshold: float) -> Float[np.ndarray, "rows"]:
    share: Float[np.ndarray, rows] = (distances < threshold).sum(1) / np.maximum(np.isfinite(distances).sum(1), 1)
    return share
