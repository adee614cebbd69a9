"""Alignment: predicted and true point sets go in; what parts them after each allowed motion of the prediction comes out.

An alignment is a row of choices: about which point, with which scale, after which turn. Those asked for together share the
centring and one singular value decomposition, whichever of them may mirror.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

Points = Float[np.ndarray, "rows joints dimensions"]
Counts = Bool[np.ndarray, "rows joints"]
PerRow = Float[np.ndarray, "rows"]
Turns = Float[np.ndarray, "rows dimensions dimensions"]
NO_EXTENT = 1e-8  # a norm that rounding alone can leave of points that coincide, in metres, millimetres or pixels


@dataclass(frozen=True)
class Alignment:
    """How a prediction may be moved before its distance to the truth is taken; nothing is moved unless named.

    Args:
        origin: the point of either set that is laid on the other's: the camera stays where it is, the centroid of the joints
            that count, or a joint by number.
        scale: none, the factor with the least squared distance, or the one that makes the bone between two joints as long as
            the true one.
        turn: none, the best rotation, or the best orthogonal map, which may mirror.
        epsilon: added to the prediction's norm where the scale is fitted; FreiHAND's evaluator has 1e-8.
    """

    origin: Literal["camera", "centroid"] | int = "camera"
    scale: Literal["fit"] | tuple[int, int] | None = None
    turn: Literal["rotation", "orthogonal"] | None = None
    epsilon: float = 0.0


ABSOLUTE = Alignment()
SIMILARITY = Alignment("centroid", "fit", "rotation")


@dataclass(frozen=True)
class _Centred:
    """Both sets about their origins, and which rows have one."""

    source: Points
    target: Points
    known: Bool[np.ndarray, "rows"]


@dataclass(frozen=True)
class _Factors:
    """The singular value decomposition of the sets' correlation, and the rows where U V^T mirrors."""

    left: Turns
    strength: Float[np.ndarray, "rows dimensions"]
    right: Turns
    mirrors: Bool[np.ndarray, "rows"]


def align(source: Points, target: Points, counts: Counts, alignment: Alignment) -> Points:
    """Move each source onto its target as far as the alignment allows; see `residuals`.

    Example:
        >>> triangle = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
        >>> mirrored, everything = triangle * [-1, 1, 1], np.ones((1, 4), bool)
        >>> may_mirror = Alignment("centroid", "fit", "orthogonal")
        >>> bool(np.allclose(align(mirrored, triangle, everything, may_mirror), triangle))
        True
        >>> bool(np.allclose(align(mirrored, triangle, everything, SIMILARITY), triangle))
        False
    """
    moved: Points = residuals(source, target, counts, [alignment])[0] + target
    return moved


def residuals(source: Points, target: Points, counts: Counts, alignments: Sequence[Alignment]) -> list[Points]:
    """What remains between each target and its source, moved by the similarity, or less, with the least squared distance.

    With A and B the centred target and source, the rotation is U V^T of the SVD of A^T B and the scale the sum of its singular
    values over |B|². Where U V^T would mirror and must not, the last direction is turned over.

    Args:
        source: float64; joints that do not count may hold any finite number.
        target: likewise.
        counts: joints that determine the motion; all joints are moved.
        alignments: what is allowed, one answer each.

    Returns:
        Moved source minus target for each alignment; NaN in rows that it does not fit: the joint it is about does not count,
        or there is no extent to scale or turn (all joints that count coincide, or none counts).

    Source:
        Umeyama, PAMI 1991; Schönemann, Psychometrika 1966 (the orthogonal problem).
    """
    centred = {origin: _centre(source, target, counts, origin) for origin in {one.origin for one in alignments}}
    turning = {one.origin for one in alignments if one.turn}
    factors = {origin: _decompose(centred[origin], counts) for origin in turning}
    return [_residual(centred[one.origin], factors.get(one.origin), counts, one) for one in alignments]


def _centre(source: Points, target: Points, counts: Counts, origin: Literal["camera", "centroid"] | int) -> _Centred:
    """Lay the origin of both sets at zero."""
    if origin == "camera":
        return _Centred(source, target, np.ones(len(counts), bool))
    if origin == "centroid":
        weights = (counts / np.maximum(counts.sum(1, keepdims=True), 1))[:, None, :]
        return _Centred(source - weights @ source, target - weights @ target, np.any(counts, axis=1))
    assert isinstance(origin, int)
    root = slice(origin, origin + 1)
    known: Bool[np.ndarray, rows] = counts[:, origin]
    return _Centred(source - source[:, root], target - target[:, root], known)


def _decompose(centred: _Centred, counts: Counts) -> _Factors:
    left, strength, right = np.linalg.svd(_only(centred.target, counts).swapaxes(-1, -2) @ centred.source)
    return _Factors(left, strength, right, np.linalg.det(left @ right) < 0)


def _residual(centred: _Centred, factors: _Factors | None, counts: Counts, alignment: Alignment) -> Points:
    """Source moved minus target, both about the origin."""
    if not alignment.scale and not alignment.turn:
        offset: Points = centred.source - centred.target
        offset[~centred.known] = np.nan
        return offset
    turn, overlap = _turn(centred, factors, counts, alignment)
    factor, fits = _scale(centred, overlap, counts, alignment)
    moved: Points = centred.source * factor[:, None, None] if turn is None else centred.source @ (turn * factor[:, None, None])
    moved -= centred.target
    moved[~(fits & centred.known)] = np.nan
    return moved


def _turn(
    centred: _Centred, factors: _Factors | None, counts: Counts, alignment: Alignment
) -> tuple[Turns | None, PerRow | None]:
    """The turn that is allowed, for row vectors, and the overlap of the turned source with the target where a fit needs it."""
    if factors is None or alignment.turn is None:
        overlap = _product(centred.source, centred.target, counts) if alignment.scale == "fit" else None
        return None, overlap
    left, strength = factors.left, factors.strength
    if alignment.turn == "rotation":
        signs = np.where(factors.mirrors, -1.0, 1.0)
        left, strength = left.copy(), strength.copy()
        left[..., -1] *= signs[:, None]
        strength[..., -1] *= signs
    return (left @ factors.right).swapaxes(-1, -2), strength.sum(-1)


def _scale(
    centred: _Centred, overlap: PerRow | None, counts: Counts, alignment: Alignment
) -> tuple[PerRow, Bool[np.ndarray, "rows"]]:
    """The factor on the source, and the rows that have one."""
    if isinstance(alignment.scale, tuple):
        start, end = alignment.scale
        ours, theirs = (np.linalg.norm(points[:, start] - points[:, end], axis=-1) for points in (centred.source, centred.target))
        fits = (ours > NO_EXTENT) & counts[:, start] & counts[:, end]
        return theirs / np.where(fits, ours, 1.0), fits
    source_norm = np.sqrt(_product(centred.source, centred.source, counts))
    target_norm = np.sqrt(_product(centred.target, centred.target, counts))
    fits = (source_norm > NO_EXTENT) & (target_norm > NO_EXTENT)
    if alignment.scale is None or overlap is None:
        return np.ones(len(fits)), fits
    return overlap / np.square(np.where(fits, source_norm, 1.0) + alignment.epsilon), fits


def _product(first: Points, second: Points, counts: Counts) -> PerRow:
    """The scalar product of two sets over the joints that count."""
    rows, joints, dimensions = first.shape
    flat, other = (points.reshape(rows, joints * dimensions) for points in (_only(first, counts), second))
    product: PerRow = np.einsum("rx,rx->r", flat, other)
    return product


def _only(points: Points, counts: Counts) -> Points:
    """The points with zeros where they do not count."""
    return points if counts.all() else points * counts[..., None]
