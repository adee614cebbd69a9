"""Scoring: predictions and truth go in; distances per joint, their averages and counts of what could not be scored come out.

A metric is a choice of alignment, average, thresholds and unit over these functions. Distances are NaN at joints that are not
scored, in the unit of the points; hands that cannot be scored are left out and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from handbench.types import Prediction, Score, Truth

MM = 1000.0  # millimetres in a metre


@dataclass(frozen=True)
class Pairs:
    """Predicted and true points of the hands that can be compared.

    Args:
        predicted, true: 0 at joints that do not count.
        counts: joints with a valid, finite label.
        excluded: hands left out: unsolvable, not finite, or without any label.
    """

    predicted: Float[np.ndarray, "rows 21 dimensions"]
    true: Float[np.ndarray, "rows 21 dimensions"]
    counts: Bool[np.ndarray, "rows 21"]
    excluded: int


@dataclass(frozen=True)
class Distances:
    """Distance of each joint to its truth, NaN where it does not count; every row has one that does.

    Args:
        joints: in the unit of the points.
        excluded: hands left out so far.
    """

    joints: Float[np.ndarray, "rows 21"]
    excluded: int


def pairs_3d(prediction: Prediction, truth: Truth) -> Pairs:
    """Pair the hands in the camera frame; unsolvable ones are left out."""
    return _pairs(prediction, truth, prediction.joints_3d, truth.joints_3d, prediction.solvable)


def pairs_2d(prediction: Prediction, truth: Truth) -> Pairs:
    """Pair the hands in the view's pixels; an unsolvable hand still has them."""
    return _pairs(prediction, truth, prediction.joints_2d, truth.joints_2d, np.ones_like(prediction.solvable))


def keep(pairs: Pairs, rows: Bool[np.ndarray, "rows"]) -> Pairs:
    """Leave out further hands, and count them."""
    left_out = int((~rows).sum())
    return Pairs(pairs.predicted[rows], pairs.true[rows], pairs.counts[rows], pairs.excluded + left_out)


def distances(pairs: Pairs, predicted: Float[np.ndarray, "rows 21 dimensions"] | None = None) -> Distances:
    """Measure each joint's distance; `predicted` may be the aligned hands, whose NaN rows are left out and counted."""
    points = pairs.predicted if predicted is None else predicted
    offset = points - pairs.true
    length = np.sqrt(np.einsum("rjd,rjd->rj", offset, offset))
    fits = np.isfinite(points).all((1, 2))
    joints = np.where(pairs.counts, length, np.nan)[fits]
    return Distances(joints, pairs.excluded + int((~fits).sum()))


def mean_over_joints(measured: Distances) -> float:
    """Mean per joint over hands, then over joints (FreiHAND's average); NaN when there is no hand."""
    return _over_joints(measured, np.nanmean)


def median_over_joints(measured: Distances) -> float:
    """Median per joint over hands, then mean over joints; NaN when there is no hand."""
    return _over_joints(measured, np.nanmedian)


def mean_of_all(measured: Distances) -> float:
    """Mean over all joints that count of all hands; NaN when there is none."""
    return float(np.nanmean(measured.joints)) if len(measured.joints) else np.nan


def spread_over_hands(measured: Distances) -> float | None:
    """Standard deviation over hands of each hand's mean distance; None for fewer than two."""
    return float(np.nanmean(measured.joints, 1).std(ddof=1)) if len(measured.joints) > 1 else None


def area_under_curve(measured: Distances, thresholds: Float[np.ndarray, "thresholds"]) -> float:
    """Area under the share of joints within each threshold (<=), by trapezoids over the width; per joint, then their mean.

    Args:
        measured: in the unit of the thresholds.
        thresholds: ascending.
    """
    areas = [_area(column[np.isfinite(column)], thresholds) for column in measured.joints.T]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else np.nan


def score(metric: str, value: float, unit: str, measured: Distances, protocol: str, spread: float | None = None) -> Score:
    """A Score that says how many hands it holds and how many it does not."""
    return Score(metric, value, unit, len(measured.joints), measured.excluded, protocol, spread)


def _pairs(
    prediction: Prediction,
    truth: Truth,
    predicted: Float[np.ndarray, "rows 21 dimensions"],
    true: Float[np.ndarray, "rows 21 dimensions"],
    usable: Bool[np.ndarray, "rows"],
) -> Pairs:
    if not np.array_equal(prediction.key, truth.key):
        raise ValueError("predictions and truth must have the same keys in the same order")
    counts = truth.valid & np.isfinite(true).all(-1)
    scored = usable & counts.any(1) & (np.isfinite(predicted).all(-1) | ~counts).all(1)
    where = counts[scored][..., None]
    clean_predicted = np.where(where, predicted[scored], 0.0).astype(np.float64)
    clean_true = np.where(where, true[scored], 0.0).astype(np.float64)
    return Pairs(clean_predicted, clean_true, counts[scored], int((~scored).sum()))


def _over_joints(measured: Distances, average: Callable[..., Any]) -> float:
    known = np.isfinite(measured.joints).any(0)
    if not known.any():
        return np.nan
    return float(np.mean(average(measured.joints[:, known], axis=0)))


def _area(column: Float[np.ndarray, "hands"], thresholds: Float[np.ndarray, "thresholds"]) -> float | None:
    if not len(column):
        return None
    # The first threshold that holds each distance; equality holds, hence "left".
    first = np.searchsorted(thresholds, column, side="left")
    within = np.cumsum(np.bincount(first, minlength=len(thresholds) + 1)[: len(thresholds)]) / len(column)
    return float(np.trapezoid(within, thresholds) / (thresholds[-1] - thresholds[0]))
