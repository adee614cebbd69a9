"""The metrics: the official evaluators' values, a slow loop over hands for each, and what cannot be scored."""

import dataclasses
import importlib
import math
from collections.abc import Sequence

import numpy as np
import pytest

from handbench.hookspecs import Lazy
from handbench.pose.metrics import handbench_metrics
from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.pixels import Pixels
from handbench.pose.metrics.rotation import Rotation
from handbench.streams import Draws
from handbench.types import Prediction, Score, Truth

METRICS = (FreiHAND(FreiHAND.Config(medians=True)), Rotation(Rotation.Config()), Pixels(Pixels.Config()))


def pair(predicted: np.ndarray, true: np.ndarray, valid: np.ndarray | None = None) -> tuple[Prediction, Truth]:
    """Hands in metres; their pixels are x and y in millimetres."""
    rows, key = len(true), np.arange(len(true)).astype(str)
    flags = np.ones((rows, 21), bool) if valid is None else valid
    prediction = Prediction(key, 1000 * predicted[..., :2], predicted, np.ones(rows, bool), 64)
    return prediction, Truth(key, 1000 * true[..., :2], true, flags, flags)


def official() -> tuple[Prediction, Truth]:
    """The pose of the check values."""
    index = np.arange(4 * 21 * 3)
    true = (0.05 * np.sin(0.37 * index)).reshape(4, 21, 3)
    return pair(true + (0.012 * np.cos(0.91 * index)).reshape(4, 21, 3), true)


def random_pair(rows: int = 12) -> tuple[Prediction, Truth]:
    """Hands with gaps, errors up to beyond 50 mm, and labels of NaN where not valid."""
    draws = Draws("metrics")
    true = draws.normal(0, 0.05, (rows, 21, 3)) + np.array([0, 0, 0.6])
    predicted = true + draws.normal(0, 0.02, (rows, 21, 3))
    valid = draws.uniform(shape=(rows, 21)) < 0.8
    valid[:, 0] = True
    true[~valid] = np.nan
    return pair(predicted, true, valid)


def scores(prediction: Prediction, truth: Truth) -> dict[str, Score]:
    found = [score for metric in METRICS for score in metric.score(prediction, truth)]
    assert len({score.metric for score in found}) == len(found)
    return {score.metric: score for score in found}


def slow_align(source: np.ndarray, target: np.ndarray, reflection: bool) -> np.ndarray:
    """One hand, written from the definition."""
    epsilon = 1e-8 if reflection else 0.0
    source_centre, target_centre = source.mean(0), target.mean(0)
    source_norm = np.linalg.norm(source - source_centre) + epsilon
    target_norm = np.linalg.norm(target - target_centre) + epsilon
    a, b = (target - target_centre) / target_norm, (source - source_centre) / source_norm
    u, s, vt = np.linalg.svd(a.T @ b)
    signs = np.array([1, 1, 1 if reflection else np.sign(np.linalg.det(u @ vt))])
    return (s * signs).sum() * target_norm * b @ (u * signs @ vt).T + target_centre


def slow_scores(prediction: Prediction, truth: Truth) -> dict[str, float]:
    """Everything by loops over hands and joints, as the evaluators do it."""
    kept: dict[str, list[list[float]]] = {
        name: [[] for _ in range(21)] for name in ("absolute", "aligned", "rooted", "rotated", "pixels")
    }
    for hand in range(len(truth.key)):
        joints = np.flatnonzero(truth.valid[hand])
        predicted, true = prediction.joints_3d[hand, joints], truth.joints_3d[hand, joints]
        variants = {
            "absolute": (predicted, true),
            "aligned": (slow_align(predicted, true, True), true),
            "rooted": (predicted - predicted[0], true - true[0]),
            "rotated": (slow_align(predicted, true, False), true),
            "pixels": (prediction.joints_2d[hand, joints], truth.joints_2d[hand, joints]),
        }
        for name, (ours, theirs) in variants.items():
            for place, joint in enumerate(joints):
                kept[name][joint].append(float(np.linalg.norm(ours[place] - theirs[place])))

    def area(distances: list[float]) -> float:
        thresholds = np.linspace(0, 0.05, 100)
        shares = [np.mean([distance <= threshold for distance in distances]) for threshold in thresholds]
        return float(sum((shares[i] + shares[i + 1]) / 2 for i in range(99)) / 99)

    def flat(name: str) -> list[float]:
        return [distance for joint in kept[name] for distance in joint]

    return {
        "epe_3d": 1000 * np.mean([np.mean(joint) for joint in kept["absolute"]]),
        "epe_3d_median": 1000 * np.mean([np.median(joint) for joint in kept["absolute"]]),
        "auc": np.mean([area(joint) for joint in kept["absolute"]]),
        "pa_epe": 1000 * np.mean([np.mean(joint) for joint in kept["aligned"]]),
        "pa_epe_median": 1000 * np.mean([np.median(joint) for joint in kept["aligned"]]),
        "pa_auc": np.mean([area(joint) for joint in kept["aligned"]]),
        "mpjpe": 1000 * np.mean(flat("rooted")),
        "pa_mpjpe": 1000 * np.mean(flat("rotated")),
        "epe_2d": np.mean([np.mean(joint) for joint in kept["pixels"]]),
    }


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("epe_3d", 14.670196097125507),
        ("epe_3d_median", 14.686176077927321),
        ("auc", 0.706950456950457),
        ("pa_epe", 14.093581805920978),
        ("pa_auc", 0.7186147186147187),
        ("pa_mpjpe", 14.093582234533336),
        ("epe_2d", 11.687895),
    ],
)
def test_the_official_evaluators_values(metric: str, value: float) -> None:
    assert scores(*official())[metric].value == pytest.approx(value, rel=0, abs=1e-6)


@pytest.mark.parametrize("case", [official, random_pair])
def test_each_metric_is_its_loop(case: object) -> None:
    assert callable(case)
    prediction, truth = case()
    fast, slow = scores(prediction, truth), slow_scores(prediction, truth)
    assert fast.keys() == slow.keys()
    for metric, value in slow.items():
        assert fast[metric].value == pytest.approx(value, rel=1e-10), metric


def test_names_units_protocols_and_counts() -> None:
    found = scores(*random_pair())
    units = {name: (score.unit, score.protocol) for name, score in found.items()}
    millimetres = ("epe_3d", "epe_3d_median", "pa_epe", "pa_epe_median")
    assert units == {
        **dict.fromkeys(millimetres, ("mm", "freihand")),
        **dict.fromkeys(("auc", "pa_auc"), ("", "freihand")),
        **dict.fromkeys(("mpjpe", "pa_mpjpe"), ("mm", "rotation")),
        "epe_2d": ("px@64", "pixels"),
    }
    assert all((score.count, score.excluded) == (12, 0) for score in found.values())
    prediction, truth = random_pair()
    absolute = np.linalg.norm(prediction.joints_3d - truth.joints_3d, axis=-1)
    assert found["epe_3d"].spread == pytest.approx(1000 * np.nanmean(absolute, 1).std(ddof=1))


def test_medians_come_when_asked_for() -> None:
    assert [score.metric for score in FreiHAND(FreiHAND.Config()).score(*official())] == ["epe_3d", "auc", "pa_epe", "pa_auc"]


def test_a_perfect_prediction() -> None:
    _, truth = official()
    found = scores(*pair(truth.joints_3d, truth.joints_3d))
    assert found["auc"].value == 1
    # The evaluator's 1e-8 leaves some 1e-6 mm after alignment, which the first threshold, 0, does not let pass.
    assert found["pa_auc"].value == pytest.approx(1 - 0.5 / 99)
    assert all(score.value == pytest.approx(0, abs=1e-4) for score in found.values() if score.unit)


def test_a_distance_on_a_threshold_counts_as_within() -> None:
    true = np.zeros((1, 21, 3))
    true[0, :, 1] = np.arange(21) / 100
    found = scores(*pair(true + np.array([0.05, 0, 0]), true))
    assert found["auc"].value == pytest.approx(0.5 / 99)  # the last trapezoid alone


def test_mirrored_hands_tell_the_protocols_apart() -> None:
    true = Draws("mirror").normal(0, 0.05, (10, 21, 3))  # the check values' hands are flat: a turn mirrors them
    found = scores(*pair(true * [-1, 1, 1], true))
    assert found["pa_epe"].value == pytest.approx(0, abs=1e-4)
    assert found["pa_mpjpe"].value > 5


def test_an_unsolvable_hand_is_left_out_and_counted() -> None:
    prediction, truth = official()
    solvable = np.array([True, False, True, True])
    joints = np.where(solvable[:, None, None], prediction.joints_3d, np.nan)
    found = scores(dataclasses.replace(prediction, joints_3d=joints, solvable=solvable), truth)
    rest = [0, 2, 3]
    expected = scores(*pair(prediction.joints_3d[rest], truth.joints_3d[rest]))
    for metric in ("epe_3d", "auc", "pa_epe", "pa_auc", "mpjpe", "pa_mpjpe"):
        assert (found[metric].count, found[metric].excluded) == (3, 1)
        assert found[metric].value == pytest.approx(expected[metric].value)
    assert (found["epe_2d"].count, found["epe_2d"].excluded) == (4, 0)  # its pixels are still there


def test_the_flag_alone_leaves_a_hand_out() -> None:
    prediction, truth = official()
    found = scores(dataclasses.replace(prediction, solvable=np.zeros(4, bool)), truth)
    assert found["epe_3d"].excluded == 4
    assert math.isnan(found["epe_3d"].value)


def test_what_has_no_extent_has_no_aligned_error() -> None:
    prediction, truth = official()
    joints = prediction.joints_3d.copy()
    joints[2] = 0.1
    found = scores(dataclasses.replace(prediction, joints_3d=joints), truth)
    assert (found["epe_3d"].count, found["epe_3d"].excluded) == (4, 0)  # a point is a bad hand, but it is somewhere
    for metric in ("pa_epe", "pa_auc", "pa_mpjpe"):
        assert (found[metric].count, found[metric].excluded) == (3, 1)


def test_a_hand_without_its_wrist_has_no_root() -> None:
    prediction, truth = official()
    valid = truth.valid.copy()
    valid[0, 0] = False
    found = scores(prediction, dataclasses.replace(truth, valid=valid))
    assert (found["mpjpe"].count, found["mpjpe"].excluded) == (3, 1)
    assert (found["pa_mpjpe"].count, found["pa_mpjpe"].excluded) == (4, 0)


def nan_joint(prediction: Prediction, truth: Truth) -> tuple[Prediction, Truth]:
    joints, pixels = prediction.joints_3d.copy(), prediction.joints_2d.copy()
    joints[:, 3], pixels[:, 3] = np.nan, np.nan
    return dataclasses.replace(prediction, joints_3d=joints, joints_2d=pixels), truth


def no_labels(prediction: Prediction, truth: Truth) -> tuple[Prediction, Truth]:
    return prediction, dataclasses.replace(truth, valid=np.zeros((4, 21), bool))


@pytest.mark.parametrize("spoil", [nan_joint, no_labels])
def test_nothing_to_score_is_never_a_number(spoil: object) -> None:
    assert callable(spoil)
    for score in scores(*spoil(*official())).values():
        assert math.isnan(score.value)
        assert (score.count, score.excluded, score.spread) == (0, 4, None)


def test_zero_rows() -> None:
    nothing = np.zeros((0, 21, 3))
    for score in scores(*pair(nothing, nothing)).values():
        assert math.isnan(score.value)
        assert (score.count, score.excluded) == (0, 0)


def test_a_joint_nobody_labelled_is_not_averaged() -> None:
    prediction, truth = official()
    valid = truth.valid.copy()
    valid[:, 8] = False
    found = scores(prediction, dataclasses.replace(truth, valid=valid))
    others = np.delete(np.linalg.norm(prediction.joints_3d - truth.joints_3d, axis=-1), 8, axis=1)
    assert found["epe_3d"].value == pytest.approx(1000 * others.mean())


def test_rows_must_be_the_same_hands() -> None:
    prediction, truth = official()
    with pytest.raises(ValueError, match="same keys"):
        METRICS[0].score(prediction, dataclasses.replace(truth, key=truth.key[::-1]))


@pytest.mark.parametrize("name", list(handbench_metrics()))
def test_the_hook_names_the_metrics(name: str) -> None:
    offer = handbench_metrics()[name]
    assert isinstance(offer, Lazy)
    module, _, attribute = offer.target.partition(":")
    metric = getattr(importlib.import_module(module), attribute)
    found: Sequence[Score] = metric(metric.Config()).score(*official())
    assert {score.protocol for score in found} == {name}
