"""Procrustes: exact for true similarities, the best among random ones, and no number where there is none."""

import numpy as np
import pytest

from handbench.pose.alignment import SIMILARITY, Alignment, align, residuals
from handbench.streams import Draws


def orthogonal(draws: Draws, determinant: float) -> np.ndarray:
    matrix = np.linalg.qr(draws.normal(shape=(3, 3)))[0]
    return matrix if np.linalg.det(matrix) * determinant > 0 else matrix * [-1, 1, 1]


def similarity(*, reflection: bool, scale: bool = True) -> Alignment:
    return Alignment("centroid", "fit" if scale else None, "orthogonal" if reflection else "rotation")


def everything(points: np.ndarray) -> np.ndarray:
    return np.ones(points.shape[:2], bool)


@pytest.mark.parametrize(("determinant", "reflection"), [(1, False), (1, True), (-1, True)])
def test_a_similarity_is_undone(determinant: int, reflection: bool) -> None:
    draws = Draws("similarity")
    target = draws.normal(0, 0.05, (10, 21, 3))
    source = np.stack([hand @ orthogonal(draws, determinant) * 1.7 + draws.normal(shape=3) for hand in target])
    np.testing.assert_allclose(align(source, target, everything(target), similarity(reflection=reflection)), target, atol=1e-12)


def test_a_mirrored_hand_stays_apart_without_reflection() -> None:
    target = Draws("mirror").normal(0, 0.05, (10, 21, 3))
    distance = np.linalg.norm(align(target * [1, 1, -1], target, everything(target), SIMILARITY) - target, axis=-1)
    assert (distance.mean(1) > 0.01).all()


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("reflection", [True, False])
def test_no_other_motion_is_better(scale: bool, reflection: bool) -> None:
    draws = Draws("best", int(scale), int(reflection))
    source, target = draws.normal(shape=(1, 8, 3)), draws.normal(shape=(1, 8, 3))
    aligned = align(source, target, everything(target), similarity(reflection=reflection, scale=scale))
    best = np.square(aligned - target).sum()
    for _ in range(300):
        small = draws.normal(0, 0.05, (3, 3))
        turn = np.linalg.qr(np.eye(3) + small - small.T)[0]
        turn = turn * np.sign(np.diag(turn))  # near the identity
        factor = 1 + draws.normal(0, 0.05) if scale else 1.0
        centre = aligned.mean(1, keepdims=True)
        other = factor * (aligned - centre) @ turn + centre + draws.normal(0, 0.05, 3)
        assert np.square(other - target).sum() >= best
    if not scale:
        extent = np.linalg.norm(source - source.mean(1, keepdims=True))
        assert np.linalg.norm(aligned - aligned.mean(1, keepdims=True)) == pytest.approx(extent)


def test_joints_that_do_not_count_do_not_steer_but_move_along() -> None:
    draws = Draws("counts")
    target = draws.normal(shape=(1, 21, 3))
    source = 2 * target @ orthogonal(draws, 1) + 1
    counts = everything(target)
    counts[0, 4] = False
    spoiled = source.copy()
    spoiled[0, 4] = 100.0
    aligned = align(spoiled, target, counts, SIMILARITY)
    np.testing.assert_allclose(aligned[counts], target[counts], atol=1e-12)
    assert np.linalg.norm(aligned[0, 4] - target[0, 4]) > 10


def test_points_without_extent_have_no_alignment() -> None:
    draws = Draws("extent")
    hands = draws.normal(shape=(4, 21, 3))
    source, target, counts = hands.copy(), hands + 1, everything(hands)
    source[0] = 0.1  # 0.1 has no exact mean of 21: rounding alone leaves a tiny extent
    target[1] = 0.1
    counts[2] = False
    aligned = align(source, target, counts, Alignment("centroid", "fit", "orthogonal", epsilon=1e-8))
    assert np.isnan(aligned[:3]).all()
    assert np.isfinite(aligned[3]).all()


def test_no_rows_are_no_trouble() -> None:
    nothing = np.zeros((0, 21, 3))
    assert align(nothing, nothing, everything(nothing), SIMILARITY).shape == (0, 21, 3)


def test_alignments_asked_for_together_are_those_asked_for_alone() -> None:
    draws = Draws("together")
    source, target = draws.normal(shape=(9, 21, 3)), draws.normal(shape=(9, 21, 3))
    counts = draws.uniform(shape=(9, 21)) < 0.8
    asked = [
        Alignment(),
        Alignment(origin=0),
        Alignment(origin=0, scale=(0, 9)),
        Alignment(scale="fit"),
        SIMILARITY,
        Alignment("centroid", "fit", "orthogonal", epsilon=1e-8),
        Alignment(origin=5, turn="rotation"),
    ]
    for alignment, together in zip(asked, residuals(source, target, counts, asked), strict=True):
        np.testing.assert_array_equal(together, residuals(source, target, counts, [alignment])[0])


def test_the_scale_alone_is_the_check_value() -> None:
    index = np.arange(4 * 21 * 3)
    true = (0.05 * np.sin(0.37 * index)).reshape(4, 21, 3)
    predicted = true + (0.012 * np.cos(0.91 * index)).reshape(4, 21, 3)

    def error(alignment: Alignment) -> float:
        return float(1000 * np.linalg.norm(align(predicted, true, everything(true), alignment) - true, axis=-1).mean())

    assert error(Alignment(scale="fit")) == pytest.approx(14.11899686849997, rel=0, abs=1e-6)
    assert error(Alignment("centroid", "fit")) == pytest.approx(14.11568, rel=0, abs=1e-5)


def test_root_and_bone_put_both_ends_of_the_bone_where_they_belong() -> None:
    draws = Draws("bone")
    target = draws.normal(shape=(5, 21, 3))
    source = 3 * target + draws.normal(shape=(5, 1, 3))
    np.testing.assert_allclose(align(source, target, everything(target), Alignment(origin=0, scale=(0, 9))), target, atol=1e-12)


def test_without_its_root_or_bone_a_hand_has_no_alignment() -> None:
    hands = Draws("roots").normal(shape=(4, 21, 3))
    counts, source = everything(hands), hands.copy()
    counts[0, 0], counts[1, 9], source[2, 9] = False, False, source[2, 0]
    rooted = align(source, hands, counts, Alignment(origin=0))
    assert np.isnan(rooted[0]).all() and np.isfinite(rooted[1:]).all()
    scaled = align(source, hands, counts, Alignment(origin=0, scale=(0, 9)))
    assert np.isnan(scaled[:3]).all() and np.isfinite(scaled[3]).all()


def test_flat_hands_have_an_exact_rotation() -> None:
    """Points in a plane leave the last singular vector free; the rotation must not depend on how it is chosen."""
    draws = Draws("flat")
    target = draws.normal(shape=(6, 21, 3)) * [1, 1, 0]
    source = np.stack([hand @ orthogonal(draws, 1) for hand in target])
    np.testing.assert_allclose(align(source, target, everything(target), SIMILARITY), target, atol=1e-12)
