"""Procrustes alignment: pairs of point sets go in; the first of each, moved onto the second as well as allowed, comes out."""

import numpy as np
from jaxtyping import Bool, Float

Points = Float[np.ndarray, "rows joints dimensions"]
NO_EXTENT = 1e-8  # a norm that rounding alone can leave of points that coincide, in metres, millimetres or pixels


def align(
    source: Points,
    target: Points,
    counts: Bool[np.ndarray, "rows joints"],
    *,
    reflection: bool,
    scale: bool = True,
    epsilon: float = 0.0,
) -> Points:
    """Move each source onto its target by the similarity, or rigid motion, with the least squared distance.

    With A and B the centred target and source, the rotation is U V^T of the SVD of A^T B and the scale the sum of its singular
    values over |B|². Without reflection the last direction is turned over where U V^T would mirror.

    Args:
        source: float64 inside, whatever comes in; joints that do not count may hold any finite number.
        target: likewise.
        counts: joints that determine the motion; all joints are moved.
        reflection: allow mirroring, as FreiHAND's evaluator does (it does not look at the determinant).
        scale: allow scaling.
        epsilon: added to both norms; FreiHAND's evaluator has 1e-8.

    Returns:
        The moved sources; NaN in rows where source or target has no extent (all joints that count coincide, or none counts),
        which no similarity fits.

    Source:
        Umeyama, PAMI 1991; Schönemann, Psychometrika 1966 (the orthogonal problem).

    Example:
        >>> triangle = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
        >>> mirrored, everything = triangle * [-1, 1, 1], np.ones((1, 4), bool)
        >>> bool(np.allclose(align(mirrored, triangle, everything, reflection=True), triangle))
        True
        >>> bool(np.allclose(align(mirrored, triangle, everything, reflection=False), triangle))
        False
    """
    about_source, _, source_norm = _centred(source, counts)
    about_target, centre, target_norm = _centred(target, counts)
    fits = (source_norm > NO_EXTENT) & (target_norm > NO_EXTENT)
    source_norm, target_norm = np.where(fits, source_norm, 1.0) + epsilon, target_norm + epsilon
    correlation = (about_target * counts[..., None]).swapaxes(-1, -2) @ about_source
    turn, overlap = _turn(correlation / (source_norm * np.where(fits, target_norm, 1.0))[:, None, None], reflection)
    factor = overlap * target_norm / source_norm if scale else np.ones_like(overlap)
    aligned: Points = about_source @ (turn * factor[:, None, None]).swapaxes(-1, -2) + centre
    aligned[~fits] = np.nan
    return aligned


def _centred(
    points: Points, counts: Bool[np.ndarray, "rows joints"]
) -> tuple[Points, Float[np.ndarray, "rows 1 dimensions"], Float[np.ndarray, "rows"]]:
    """Points about the centroid of those that count, the centroid, and the norm of those that count."""
    points = np.asarray(points, np.float64)
    weights = counts.astype(np.float64)
    number = np.maximum(weights.sum(1), 1.0)
    centre = (np.einsum("rjd,rj->rd", points, weights) / number[:, None])[:, None]
    about = points - centre
    return about, centre, np.sqrt(np.einsum("rjd,rjd,rj->r", about, about, weights))


def _turn(
    correlation: Float[np.ndarray, "rows dimensions dimensions"], reflection: bool
) -> tuple[Float[np.ndarray, "rows dimensions dimensions"], Float[np.ndarray, "rows"]]:
    """The orthogonal matrices that maximise trace(turn^T correlation), and those maxima."""
    left, strength, right = np.linalg.svd(correlation)
    if not reflection:
        mirrors = np.linalg.det(left @ right) < 0
        left[mirrors, :, -1] *= -1
        strength[mirrors, -1] *= -1
    return left @ right, strength.sum(-1)
