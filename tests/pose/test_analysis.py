"""A run's files for reports: what they hold, on few hands with known errors."""

import dataclasses
import io
import json

import numpy as np
import pytest

from handbench.pose.analysis import analyse, clusters
from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.rotation import Rotation
from handbench.streams import Draws
from handbench.types import Labels, Prediction, Truth

ROWS, SIDE = 9, 32


def labels(rows: int = ROWS) -> Labels:
    empty, unknown = np.full(rows, ""), np.full((rows, 3, 3), np.nan)
    return Labels(
        key=np.array([f"hand {row}" for row in range(rows)]),
        joints_2d=np.zeros((rows, 21, 2)),
        joints_3d=np.zeros((rows, 21, 3)),
        valid=np.ones((rows, 21), bool),
        visible=np.ones((rows, 21), bool),
        intrinsics=unknown,
        scale=np.full(rows, np.nan),
        crop=unknown,
        side=empty,
        label=empty,
        part=empty,
        subject=np.array(["anna" if row < 2 else "" for row in range(rows)]),
        sequence=np.array(["walk" if row < 4 else "" for row in range(rows)]),
        frame=empty,
        camera=empty,
        source=np.array([f"photo {row // 2}" if row < 6 else "" for row in range(rows)]),
    )


def hands() -> tuple[Prediction, Truth]:
    """Errors in the image are 1, 2, … pixels in a shuffled order; row 3 is not solvable, row 5 has no labels."""
    draws = Draws("analysis")
    true = draws.normal(0, 0.05, (ROWS, 21, 3)) + np.array([0, 0, 0.6])
    predicted = true + draws.normal(0, 0.02, (ROWS, 21, 3))
    solvable, valid = np.ones(ROWS, bool), np.ones((ROWS, 21), bool)
    solvable[3], valid[5], predicted[3] = False, False, np.nan
    valid[:, 20] = False
    pixels = draws.uniform(0, SIDE, (ROWS, 21, 2))
    offset = np.array([5, 1, 9, 2, 7, 3, 8, 4, 6.0])[:, None, None] * [0.6, 0.8]
    key = labels().key
    return (
        Prediction(key, pixels + offset, predicted, solvable, SIDE),
        Truth(key, pixels, true, valid, valid),
    )


def images(rows: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(rows.astype(np.uint8)[:, None, None, None], SIDE, 1), SIDE, 2).repeat(3, 3)


def arrays(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return analyse(*hands(), labels(), images)


def test_the_files_are_the_same_each_time(files: dict[str, bytes]) -> None:
    assert list(files) == ["hands.npz", "curves.json", "examples.npz"]
    again = analyse(*hands(), labels(), images)
    assert files["curves.json"] == again["curves.json"]
    for name in ("hands.npz", "examples.npz"):
        for key, values in arrays(files[name]).items():
            np.testing.assert_array_equal(values, arrays(again[name])[key])


def test_a_cluster_is_the_widest_thing_known() -> None:
    expected = ["anna", "anna", "walk", "walk", "photo 2", "photo 2", "hand 6", "hand 7", "hand 8"]
    assert clusters(labels()).tolist() == expected


def test_errors_by_hand(files: dict[str, bytes]) -> None:
    found = arrays(files["hands.npz"])
    assert list(found) == ["key", "cluster", "epe_2d", "epe_3d", "pa_epe", "mpjpe", "pa_mpjpe"]
    assert all(found[name].dtype == np.float32 for name in list(found)[2:])
    np.testing.assert_allclose(found["epe_2d"], [5, 1, 9, 2, 7, np.nan, 8, 4, 6], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(found["pa_epe"]), [False] * 3 + [True, False, True] + [False] * 3)
    scores = {
        score.metric: score
        for metric in (FreiHAND(FreiHAND.Config()), Rotation(Rotation.Config()))
        for score in metric.score(*hands())
    }
    for name in ("epe_3d", "pa_epe", "mpjpe", "pa_mpjpe"):
        # Every hand that counts has the same joints, so that the mean of hands is that of joints.
        assert np.nanmean(found[name].astype(float)) == pytest.approx(scores[name].value, rel=1e-6)


def test_curves_and_joints(files: dict[str, bytes]) -> None:
    found = json.loads(files["curves.json"])
    assert found["pck"].keys() == found["joints"].keys() == {"epe_2d", "epe_3d", "pa_epe", "mpjpe", "pa_mpjpe"}
    plane = found["pck"]["epe_2d"]
    assert plane["unit"] == f"px@{SIDE}" and plane["thresholds"][0] == 0 and plane["thresholds"][-1] == SIDE / 2
    shares = dict(zip(plane["thresholds"], plane["share"], strict=True))
    assert shares[0.0] == 0 and shares[SIDE / 2] == 1
    assert shares[16 * 0.32] == pytest.approx(4 / 8)  # within 5.12 px: 1, 2, 4 and 5
    space = found["pck"]["epe_3d"]
    assert space["unit"] == "mm" and space["thresholds"][-1] == 50 and len(space["share"]) == len(space["thresholds"])
    assert space["share"] == sorted(space["share"])
    assert found["joints"]["epe_3d"][20] is None and len(found["joints"]["epe_3d"]) == 21
    prediction, truth = hands()
    distance = 1000 * np.linalg.norm(prediction.joints_3d - truth.joints_3d, axis=-1)[[0, 1, 2, 4, 6, 7, 8]]
    np.testing.assert_allclose(found["joints"]["epe_3d"][:20], distance.mean(0)[:20])


def test_examples_are_the_best_and_the_worst_hands(files: dict[str, bytes]) -> None:
    found = arrays(files["examples.npz"])
    assert found["key"].tolist() == ["hand 1", "hand 3", "hand 7", "hand 4", "hand 6", "hand 2"]
    assert found["rank"].tolist() == ["best"] * 3 + ["worst"] * 3
    np.testing.assert_allclose(found["error"], [1, 2, 4, 7, 8, 9], rtol=1e-6)
    assert found["images"].shape == (6, SIDE, SIDE, 3) and found["images"].dtype == np.uint8
    assert found["images"][:, 0, 0, 0].tolist() == [1, 3, 7, 4, 6, 2]
    np.testing.assert_allclose(np.linalg.norm(found["predicted"] - found["true"], axis=-1)[:, 0], found["error"], rtol=1e-4)
    assert found["valid"].shape == (6, 21) and not found["valid"][:, 20].any()


def test_few_hands_are_not_both_best_and_worst() -> None:
    prediction, truth = hands()
    valid = truth.valid.copy()
    valid[[0, 2, 3, 4, 6, 7]] = False
    found = arrays(analyse(prediction, dataclasses.replace(truth, valid=valid), labels(), images)["examples.npz"])
    assert found["key"].tolist() == ["hand 1", "hand 8"]


def test_no_labels_make_files_without_numbers() -> None:
    prediction, truth = hands()
    made = analyse(prediction, dataclasses.replace(truth, valid=np.zeros((ROWS, 21), bool)), labels(), images)
    assert np.isnan(arrays(made["hands.npz"])["epe_2d"]).all()
    assert json.loads(made["curves.json"]) == {"pck": {}, "joints": {}}
    assert arrays(made["examples.npz"])["images"].shape == (0, SIDE, SIDE, 3)
