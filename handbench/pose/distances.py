"""Distances: predictions and truth go in; how far each joint is from its truth, under each comparison asked for, comes out.

Blocks of hands that fit the processor's cache are measured in threads; everything is float64. Distances are NaN at points that
are not scored, and a hand that cannot be scored has none.
"""

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from handbench.pose.alignment import ABSOLUTE, Alignment, Points, residuals
from handbench.types import Prediction, Truth

BLOCK = 2048  # hands; one array of their joints is 1 MB. 100,000 hands take 1.5 times as long in one block
THREADS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Comparison:
    """What of a hand is held against what, and after which motion.

    Args:
        points: joints in the camera frame, in the image, or the vertices of the mesh.
        alignment: how the prediction may be moved before.
        visible: score only joints that are visible; the alignment still rests on all that are labelled.
        over_box: divide by the longer side of the box around the labelled joints.
        nearest: distances to the nearest point of the other set, from the true points first, then from the predicted ones, in
            place of those between points of one number.
    """

    points: Literal["joints_3d", "joints_2d", "vertices"] = "joints_3d"
    alignment: Alignment = ABSOLUTE
    visible: bool = False
    over_box: bool = False
    nearest: bool = False


@dataclass(frozen=True)
class Distances:
    """Distance of each point to its truth, all hands in their rows.

    Args:
        points: metres or pixels; NaN where not scored.
    """

    points: Float[np.ndarray, "rows points"]

    @cached_property
    def scored(self) -> Bool[np.ndarray, "rows"]:
        """Hands with at least one distance."""
        scored: Bool[np.ndarray, rows] = np.isfinite(self.points).any(1)
        return scored

    @cached_property
    def hands(self) -> Float[np.ndarray, "rows"]:
        """Mean distance of each hand; NaN where it is not scored."""
        return known_means(self.points, 1)

    @cached_property
    def joints(self) -> Float[np.ndarray, "points"]:
        """Mean distance of each point over the hands; NaN where it is never scored."""
        return known_means(self.points, 0)


def known_means(values: Float[np.ndarray, "rows columns"], axis: int) -> Float[np.ndarray, "others"]:
    """Means over what is finite; NaN where nothing is. A table without gaps, the usual one, costs a third."""
    known = np.isfinite(values)
    counts = known.sum(axis)
    sums = (values if known.all() else np.where(known, values, 0.0)).sum(axis)
    means: Float[np.ndarray, others] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


@dataclass(frozen=True)
class _Pairs:
    """Predicted and true points of a block, 0 where not known.

    Args:
        known: points with a valid, finite label.
        fit: hands that can be scored: solvable, finite and labelled.
    """

    predicted: Points
    true: Points
    known: Bool[np.ndarray, "rows joints"]
    fit: Bool[np.ndarray, "rows"]


def measure(prediction: Prediction, truth: Truth, wanted: Collection[Comparison]) -> dict[Comparison, Distances]:
    """Measure all comparisons at once; alignments of one kind of points share their decomposition.

    Raises:
        ValueError: the rows are not the same hands.
    """
    if not np.array_equal(prediction.key, truth.key):
        raise ValueError("predictions and truth must have the same keys in the same order")
    wanted = tuple(dict.fromkeys(wanted))
    rows = len(prediction.key)
    found = {one: np.empty((rows, _width(truth, one))) for one in wanted}

    def fill(start: int) -> None:
        block = slice(start, start + BLOCK)
        for kind in {one.points for one in wanted}:
            chosen = [one for one in wanted if one.points == kind]
            for one, distances in zip(chosen, _measure_block(prediction, truth, block, chosen), strict=True):
                found[one][block] = distances

    starts = range(0, rows, BLOCK)
    if len(starts) < 2:
        any(map(fill, starts))
    else:
        with ThreadPoolExecutor(min(THREADS, len(starts))) as pool:
            list(pool.map(fill, starts))
    return {one: Distances(points) for one, points in found.items()}


def _width(truth: Truth, comparison: Comparison) -> int:
    """Distances a hand has."""
    number = int(_points(truth, comparison).shape[1])
    return 2 * number if comparison.nearest else number


def _points(hands: Prediction | Truth, comparison: Comparison) -> Points:
    points: Points | None = getattr(hands, comparison.points)
    if points is None:
        raise ValueError(f"there are no {comparison.points} to compare")
    return points


def _measure_block(
    prediction: Prediction, truth: Truth, block: slice, wanted: list[Comparison]
) -> list[Float[np.ndarray, "rows _"]]:
    """Distances of one block of hands, for comparisons of one kind of points."""
    pairs = _pair(prediction, truth, block, wanted[0])
    alignments = list(dict.fromkeys(one.alignment for one in wanted))
    offsets = dict(zip(alignments, residuals(pairs.predicted, pairs.true, pairs.known, alignments), strict=True))
    return [_distances(pairs, truth.visible[block], offsets[one.alignment], one) for one in wanted]


def _pair(prediction: Prediction, truth: Truth, block: slice, comparison: Comparison) -> _Pairs:
    """Say what can be scored, and put zeros everywhere else, which no arithmetic minds."""
    predicted, true = (np.asarray(_points(hands, comparison)[block], np.float64) for hands in (prediction, truth))
    known = _finite(true)
    if comparison.points != "vertices":
        known &= truth.valid[block]
    fit = (_finite(predicted) | ~known).all(1) & known.any(1)
    if comparison.points != "joints_2d":  # an unsolvable hand still has its pixels
        fit &= prediction.solvable[block]
    if not (known.all() and fit.all()):
        where = (known & fit[:, None])[..., None]
        predicted, true = np.where(where, predicted, 0.0), np.where(where, true, 0.0)
    return _Pairs(predicted, true, known, fit)


def _finite(points: Points) -> Bool[np.ndarray, "rows joints"]:
    """Points that are known in every dimension; the test of the whole array is the fast and usual way."""
    finite = np.isfinite(points)
    known: Bool[np.ndarray, "rows joints"] = np.ones(points.shape[:2], bool) if finite.all() else finite.all(-1)
    return known


def _distances(
    pairs: _Pairs, visible: Bool[np.ndarray, "rows 21"], offsets: Points, comparison: Comparison
) -> Float[np.ndarray, "rows _"]:
    """The lengths of the offsets, NaN where they are not scored."""
    if comparison.nearest:
        return _nearest(pairs, offsets)
    lengths: Float[np.ndarray, "rows joints"] = np.sqrt(np.einsum("rjd,rjd->rj", offsets, offsets))
    if comparison.over_box:
        lengths /= _box(pairs)[:, None]
    scored = pairs.known & visible if comparison.visible else pairs.known
    if not (scored.all() and pairs.fit.all()):
        lengths[~(scored & pairs.fit[:, None])] = np.nan
    return lengths


def _box(pairs: _Pairs) -> Float[np.ndarray, "rows"]:
    """Longer side of the box around the points that are known; NaN where it has none."""
    known = pairs.known[..., None]
    high = np.where(known, pairs.true, -np.inf).max(1)
    low = np.where(known, pairs.true, np.inf).min(1)
    side: Float[np.ndarray, rows] = np.where(pairs.fit, (high - low).max(-1), np.nan)
    return np.where(side > 0, side, np.nan)


def _nearest(pairs: _Pairs, offsets: Points) -> Float[np.ndarray, "rows both"]:
    """Distances from each true point to the nearest moved one, then from each moved point to the nearest true one."""
    number = pairs.true.shape[1]
    found = np.full((len(pairs.true), 2 * number), np.nan)
    for row in np.flatnonzero(pairs.fit & np.isfinite(offsets).all((1, 2))):
        known = pairs.known[row]
        centre = pairs.true[row, known].mean(0)  # near zero, squares lose no digits
        true = pairs.true[row, known] - centre
        moved = true + offsets[row, known]
        squares = np.square(true).sum(1)[:, None] + np.square(moved).sum(1) - 2 * true @ moved.T
        found[row, :number][known] = np.linalg.norm(true - moved[squares.argmin(1)], axis=1)
        found[row, number:][known] = np.linalg.norm(moved - true[squares.argmin(0)], axis=1)
    return found
