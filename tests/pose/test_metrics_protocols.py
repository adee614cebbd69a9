"""The protocols beside freihand and rotation: each against a loop written from its evaluator's definition, and the meshes."""

import dataclasses
import math

import numpy as np
import pytest

from handbench.configs import configure
from handbench.errors import RecipeError
from handbench.pose.metrics import handbench_metrics
from handbench.pose.metrics.dexycb import DexYCB
from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.ho3d import HO3D
from handbench.pose.metrics.interhand import InterHand
from handbench.pose.metrics.mmpose_2d import MMPose2D
from handbench.pose.metrics.rhd import RHD
from handbench.pose.metrics.root_relative import RootRelative
from handbench.pose.scoring import RowMetric
from handbench.streams import Draws
from handbench.types import Prediction, Score, Truth


def hands(rows: int = 12, vertices: int = 0) -> tuple[Prediction, Truth]:
    """Hands with errors up to beyond 50 mm; some joints hidden, some without a label (never wrist and middle finger)."""
    draws = Draws("protocols", rows)
    true = draws.normal(0, 0.05, (rows, 21, 3)) + np.array([0, 0, 0.6])
    predicted = true + draws.normal(0, 0.02, (rows, 21, 3))
    visible, valid = (draws.uniform(shape=(rows, 21)) < 0.8 for _ in range(2))
    valid[:, [0, 9, 10]] = True
    key = np.arange(rows).astype(str)
    mesh = draws.normal(0, 0.02, (rows, vertices, 3)) if vertices else None
    theirs = None if mesh is None else mesh + draws.normal(0, 0.003, mesh.shape)
    prediction = Prediction(key, 500 * predicted[..., :2], predicted, np.ones(rows, bool), 128, theirs)
    return prediction, Truth(key, 500 * true[..., :2], true, valid, visible, mesh)


def scores(metric: RowMetric, prediction: Prediction, truth: Truth) -> dict[str, Score]:
    return {score.metric: score for score in metric.score(prediction, truth)}


def columns(prediction: Prediction, truth: Truth, move: object, visible: bool = False) -> list[list[float]]:
    """Distances by joint, hand after hand, in metres."""
    assert callable(move)
    kept: list[list[float]] = [[] for _ in range(21)]
    for hand in range(len(truth.key)):
        predicted, true = move(prediction.joints_3d[hand], truth.joints_3d[hand])
        for joint in range(21):
            if truth.valid[hand, joint] and (truth.visible[hand, joint] or not visible):
                kept[joint].append(float(np.linalg.norm(predicted[joint] - true[joint])))
    return kept


def by_joint(kept: list[list[float]]) -> float:
    return float(1000 * np.mean([np.mean(column) for column in kept if column]))


def flat(kept: list[list[float]]) -> float:
    return float(1000 * np.mean([distance for column in kept for distance in column]))


def area(kept: list[list[float]], low: float, high: float, steps: int) -> float:
    thresholds = np.linspace(low, high, steps)
    areas = []
    for column in kept:
        shares = [np.mean([distance <= threshold for distance in column]) for threshold in thresholds]
        areas.append(np.trapezoid(shares, thresholds) / (high - low))
    return float(np.mean(areas))


def rooted(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return predicted - predicted[0], true - true[0]


def boned(start: int, end: int) -> object:
    def move(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ours, theirs = (np.linalg.norm(hand[start] - hand[end]) for hand in (predicted, true))
        moved = predicted / ours * theirs
        return moved - moved[0] + true[0], true

    return move


def test_ho3d_adds_root_and_bone_alignment_to_freihand() -> None:
    found, family = scores(HO3D(HO3D.Config()), *hands()), scores(FreiHAND(FreiHAND.Config()), *hands())
    kept = columns(*hands(), boned(0, 9))
    assert found["root_bone_epe"].value == pytest.approx(by_joint(kept), rel=1e-12)
    assert found["root_bone_auc"].value == pytest.approx(area(kept, 0, 0.05, 100), rel=1e-12)
    for metric, score in family.items():
        assert found[metric] == dataclasses.replace(score, protocol="ho3d")


def test_dexycb_adds_the_root() -> None:
    found, kept = scores(DexYCB(DexYCB.Config()), *hands()), columns(*hands(), rooted)
    assert found["root_epe"].value == pytest.approx(by_joint(kept), rel=1e-12)
    assert found["root_auc"].value == pytest.approx(area(kept, 0, 0.05, 100), rel=1e-12)
    assert {"epe_3d", "auc", "pa_epe", "pa_auc"} < found.keys()


def test_interhand_counts_the_wrist_s_zero() -> None:
    prediction, truth = hands()
    truth = dataclasses.replace(truth, valid=np.ones_like(truth.valid))
    found = scores(InterHand(InterHand.Config()), prediction, truth)["mpjpe"].value
    others = columns(prediction, truth, rooted)[1:]
    assert found == pytest.approx(by_joint(others) * 20 / 21, rel=1e-12)


def test_rhd_scores_visible_joints_at_the_true_scale() -> None:
    found, kept = scores(RHD(RHD.Config()), *hands()), columns(*hands(), boned(9, 10), visible=True)
    assert found["root_epe"].value == pytest.approx(by_joint(kept), rel=1e-12)
    assert found["root_epe_median"].value == pytest.approx(float(1000 * np.mean([np.median(column) for column in kept])))
    assert found["root_auc"].value == pytest.approx(area(kept, 0, 0.05, 20), rel=1e-12)


def test_rhd_from_20_mm_and_with_the_scale_given() -> None:
    config = configure(RHD.Config, {"start": 20, "scaled": True}, "rhd")
    found, kept = scores(RHD(config), *hands()), columns(*hands(), rooted, visible=True)
    assert found["root_epe"].value == pytest.approx(by_joint(kept), rel=1e-12)
    assert found["root_auc"].value == pytest.approx(area(kept, 0.02, 0.05, 20), rel=1e-12)
    assert found["root_auc"].note == "20 to 50 mm"
    with pytest.raises(RecipeError, match="start = 60"):
        configure(RHD.Config, {"start": 60}, "rhd")


def test_a_hidden_wrist_is_still_the_root_of_rhd() -> None:
    prediction, truth = hands()
    visible = truth.visible.copy()
    visible[:, 0] = False
    assert scores(RHD(RHD.Config()), prediction, dataclasses.replace(truth, visible=visible))["root_epe"].count == 12


@pytest.mark.parametrize(("root", "joint"), [("wrist", 0), ("middle_mcp", 9)])
def test_root_relative_with_and_without_scale(root: str, joint: int) -> None:
    def about(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return predicted - predicted[joint], true - true[joint]

    def scaled(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ours, theirs = about(predicted, true)
        return ours * (ours * theirs).sum() / (ours * ours).sum(), theirs

    prediction, truth = hands()
    truth = dataclasses.replace(truth, valid=np.ones_like(truth.valid))  # the factor rests on the joints that count
    found = scores(RootRelative(configure(RootRelative.Config, {"root": root}, "m")), prediction, truth)
    assert found["mpjpe"].value == pytest.approx(flat(columns(prediction, truth, about)), rel=1e-12)
    assert found["n_mpjpe"].value == pytest.approx(flat(columns(prediction, truth, scaled)), rel=1e-12)
    assert found["n_mpjpe"].value < found["mpjpe"].value


def slow_mmpose(prediction: Prediction, truth: Truth, share: float, pixels: float) -> dict[str, float]:
    """Distances normalised, accuracy per joint over hands, then over joints; strictly below; left bins."""
    boxes, distances = [], np.full(truth.valid.shape, np.nan)
    for hand in range(len(truth.key)):
        known = truth.joints_2d[hand, truth.valid[hand]]
        boxes.append((known.max(0) - known.min(0)).max())
        for joint in np.flatnonzero(truth.valid[hand]):
            distances[hand, joint] = np.linalg.norm(prediction.joints_2d[hand, joint] - truth.joints_2d[hand, joint])

    def accuracy(values: np.ndarray, threshold: float) -> float:
        return float(np.mean([np.mean([value < threshold for value in column if not np.isnan(value)]) for column in values.T]))

    return {
        "epe_2d": float(np.nanmean(distances)),
        "pck": accuracy(distances / np.array(boxes)[:, None], share),
        "auc_2d": float(np.mean([accuracy(distances / pixels, place / 20) for place in range(20)])),
    }


def test_mmpose_2d_is_its_loop() -> None:
    config = configure(MMPose2D.Config, {"share": 0.1, "pixels": 20}, "mmpose-2d")
    found, slow = scores(MMPose2D(config), *hands()), slow_mmpose(*hands(), 0.1, 20)
    assert found.keys() == slow.keys()
    for metric, value in slow.items():
        assert found[metric].value == pytest.approx(value, rel=1e-12), metric
    assert (found["epe_2d"].unit, found["pck"].unit, found["auc_2d"].unit) == ("px@128", "", "")


def test_a_perfect_prediction_scores_0_95_under_mmpose_and_1_elsewhere() -> None:
    prediction, truth = hands(vertices=30)
    perfect = dataclasses.replace(prediction, joints_2d=truth.joints_2d, joints_3d=truth.joints_3d, vertices=truth.vertices)
    found = scores(MMPose2D(MMPose2D.Config()), perfect, truth)
    assert found["auc_2d"].value == pytest.approx(0.95) and found["pck"].value == 1
    for metric in (RHD(RHD.Config()), DexYCB(DexYCB.Config()), RootRelative(RootRelative.Config())):
        assert scores(metric, perfect, truth)["root_auc"].value == pytest.approx(1, rel=0, abs=1e-12)
    assert scores(HO3D(HO3D.Config()), perfect, truth)["root_bone_auc"].value == pytest.approx(1, rel=0, abs=1e-3)
    family = scores(FreiHAND(FreiHAND.Config()), perfect, truth)
    assert family["auc"].value == 1
    assert all(family[name].value == 1 for name in ("f5", "f15", "pa_f5", "pa_f15"))


def slow_f(predicted: np.ndarray, true: np.ndarray, threshold: float) -> float:
    to_true = [min(np.linalg.norm(point - other) for other in predicted) for point in true]
    to_predicted = [min(np.linalg.norm(point - other) for other in true) for point in predicted]
    recall, precision = (np.mean([distance < threshold for distance in found]) for found in (to_true, to_predicted))
    return float(2 * recall * precision / (recall + precision)) if recall + precision else 0.0


def test_f_scores_are_their_loop() -> None:
    prediction, truth = hands(4, vertices=40)
    assert prediction.vertices is not None and truth.vertices is not None
    found = scores(FreiHAND(FreiHAND.Config()), prediction, truth)
    for name, threshold in (("f5", 0.005), ("f15", 0.015)):
        pairs = zip(prediction.vertices, truth.vertices, strict=True)
        assert found[name].value == pytest.approx(np.mean([slow_f(*pair, threshold) for pair in pairs]), rel=1e-12)
    assert 0 < found["f5"].value < found["f15"].value <= 1
    distances = np.linalg.norm(prediction.vertices - truth.vertices, axis=-1)
    assert found["vertex_epe"].value == pytest.approx(1000 * distances.mean())
    assert (found["vertex_epe"].unit, found["f5"].unit) == ("mm", "")


def test_a_distance_on_the_threshold_does_not_count_for_f() -> None:
    true = np.zeros((1, 2, 3))
    true[0, 1, 0] = 1.0
    prediction, truth = hands(1)
    moved = dataclasses.replace(prediction, vertices=true + np.array([0, 0, 0.015625])), dataclasses.replace(truth, vertices=true)
    nearer = dataclasses.replace(prediction, vertices=true + np.array([0, 0, 0.0078125])), moved[1]
    assert scores(FreiHAND(FreiHAND.Config()), *moved)["f15"].value == 0.0
    assert scores(FreiHAND(FreiHAND.Config()), *nearer)["f15"].value == 1.0
    assert scores(FreiHAND(FreiHAND.Config()), *nearer)["f5"].value == 0.0


def test_meshes_are_scored_only_where_both_have_them() -> None:
    prediction, truth = hands(3, vertices=5)
    assert len(scores(FreiHAND(FreiHAND.Config()), prediction, truth)) == 12
    assert len(scores(FreiHAND(FreiHAND.Config()), prediction, dataclasses.replace(truth, vertices=None))) == 4
    assert len(scores(FreiHAND(FreiHAND.Config()), dataclasses.replace(prediction, vertices=None), truth)) == 4


def test_a_mesh_that_is_not_finite_is_left_out() -> None:
    prediction, truth = hands(3, vertices=5)
    assert prediction.vertices is not None
    vertices = prediction.vertices.copy()
    vertices[1, 2] = np.nan
    found = scores(FreiHAND(FreiHAND.Config()), dataclasses.replace(prediction, vertices=vertices), truth)
    for metric in ("vertex_epe", "f5", "pa_f15"):
        assert (found[metric].count, found[metric].excluded) == (2, 1)
    assert found["epe_3d"].count == 3


def test_every_score_says_what_it_is() -> None:
    for offer in handbench_metrics().values():
        module, _, attribute = offer.target.partition(":")  # type: ignore[union-attr]
        metric = getattr(__import__(module, fromlist=[attribute]), attribute)
        found = metric(metric.Config()).score(*hands())
        assert len({score.metric for score in found}) == len(found)
        for score in found:
            assert score.unit in ("mm", "px@128", "") and score.protocol and score.count + score.excluded == 12
            assert (score.unit == "") == any(word in score.metric for word in ("auc", "pck"))
            assert not math.isnan(score.value)
