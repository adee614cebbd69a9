"""Prediction files: each layout read, and each way in which a file can be wrong, with the message a user sees."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skeletons import right_hands

from handbench.errors import DataError
from handbench.files import as_npz
from handbench.joint_orders import MANO, from_common
from handbench.pose.submissions import OPENCV_FROM_OPENGL, read_submission
from handbench.streams import Draws

ROWS = 5
TRUE = right_hands(ROWS)
PREDICTED = TRUE + Draws("submissions").normal(0, 0.01, TRUE.shape)
MESH = Draws("mesh").normal(0, 0.02, (ROWS, 7, 3))
CAMERA = [[400.0, 0.0, 112.0], [0.0, 400.0, 112.0], [0.0, 0.0, 1.0]]


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def truth(folder: Path, joints: np.ndarray = TRUE, mesh: np.ndarray | None = None) -> Path:
    if mesh is not None:
        write(folder / "evaluation_verts.json", mesh.tolist())
    return write(folder / "evaluation_xyz.json", joints.tolist())


def pred(folder: Path, joints: Any = PREDICTED, mesh: Any = MESH) -> Path:
    lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in (joints, mesh)]
    return write(folder / "pred.json", lists)


def test_freihand_with_meshes(tmp_path: Path) -> None:
    found = read_submission(pred(tmp_path), truth(tmp_path, mesh=MESH + 0.001))
    assert found.layout == "freihand" and any("recognised" in note for note in found.notes)
    np.testing.assert_allclose(found.prediction.joints_3d, PREDICTED)
    np.testing.assert_allclose(found.truth.joints_3d, TRUE)
    assert found.prediction.vertices is not None and found.truth.vertices is not None
    np.testing.assert_allclose(found.truth.vertices - found.prediction.vertices, 0.001)
    assert found.truth.valid.all() and found.prediction.solvable.all()
    assert np.isnan(found.prediction.joints_2d).all()


def test_a_zip_a_folder_and_vertices_from_elsewhere(tmp_path: Path) -> None:
    pred(tmp_path)
    with zipfile.ZipFile(tmp_path / "pred.zip", "w") as archive:
        archive.write(tmp_path / "pred.json", "pred.json")
    truth(tmp_path)
    meshes = write(tmp_path / "mine.json", MESH.tolist())
    found = read_submission(tmp_path / "pred.zip", tmp_path, "freihand", meshes)
    np.testing.assert_allclose(found.prediction.joints_3d, PREDICTED)
    assert found.truth.vertices is not None and found.notes == ()


def test_both_are_projected_where_the_cameras_are(tmp_path: Path) -> None:
    write(tmp_path / "evaluation_K.json", [CAMERA] * ROWS)
    found = read_submission(pred(tmp_path), truth(tmp_path))
    np.testing.assert_allclose(found.truth.joints_2d, 400 * TRUE[..., :2] / TRUE[..., 2:] + 112)
    np.testing.assert_allclose(found.prediction.joints_2d, 400 * PREDICTED[..., :2] / PREDICTED[..., 2:] + 112)
    assert found.prediction.view == 224 and any("evaluation_K.json" in note for note in found.notes)


def test_a_joint_behind_the_camera_has_no_pixel(tmp_path: Path) -> None:
    write(tmp_path / "evaluation_K.json", [CAMERA] * ROWS)
    behind = PREDICTED.copy()
    behind[2, 4, 2] = -0.1
    found = read_submission(pred(tmp_path, behind), truth(tmp_path))
    assert np.argwhere(np.isnan(found.prediction.joints_2d[..., 0])).tolist() == [[2, 4]]


@pytest.mark.parametrize("mesh", [[], np.zeros((ROWS, 7, 3))])
def test_joints_alone_are_enough(tmp_path: Path, mesh: Any) -> None:
    found = read_submission(pred(tmp_path, mesh=mesh), truth(tmp_path, mesh=MESH))
    assert found.prediction.vertices is None and found.truth.vertices is None
    assert any("no vertices" in note for note in found.notes)
    bare = read_submission(write(tmp_path / "bare.json", PREDICTED.tolist()), truth(tmp_path))
    np.testing.assert_allclose(bare.prediction.joints_3d, PREDICTED)


def test_ho3d_is_recognised_and_converted(tmp_path: Path) -> None:
    theirs, ours = (from_common(joints, MANO) * OPENCV_FROM_OPENGL for joints in (TRUE, PREDICTED))
    (tmp_path / "evaluation.txt").write_text("".join(f"SM1/{row:04d}\n" for row in range(ROWS)))
    paths = pred(tmp_path, ours), truth(tmp_path, theirs, mesh=MESH)
    for found in (read_submission(*paths), read_submission(*paths, "ho3d")):
        assert found.layout == "ho3d" and any("MANO's order" in note for note in found.notes)
        np.testing.assert_allclose(found.truth.joints_3d, TRUE)
        np.testing.assert_allclose(found.prediction.joints_3d, PREDICTED)
        assert found.truth.vertices is not None
        np.testing.assert_allclose(found.truth.vertices, MESH * OPENCV_FROM_OPENGL)


def test_ho3d_s_list_must_be_as_long(tmp_path: Path) -> None:
    (tmp_path / "evaluation.txt").write_text("SM1/0000\nSM1/0001\n")
    with pytest.raises(DataError, match=r"evaluation_xyz.json: 5 samples, but .*evaluation.txt has 2"):
        read_submission(pred(tmp_path), truth(tmp_path), "ho3d")


def test_a_truth_of_neither_layout_asks(tmp_path: Path) -> None:
    cloud = Draws("cloud").normal(0, 0.05, TRUE.shape) + np.array([0, 0, 0.5])
    with pytest.raises(DataError, match=r"evaluation_xyz.json is not clearly .* say which with --layout"):
        read_submission(pred(tmp_path), truth(tmp_path, cloud))


def spoiled(row: int, value: Any) -> list[Any]:
    lists = PREDICTED.tolist()
    lists[row] = value
    return lists


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (
            PREDICTED[:4],
            r"pred.json: 4 samples, but .*evaluation_xyz.json has 5 samples; the first without a partner is sample 4",
        ),
        (np.concatenate([PREDICTED, PREDICTED]), r"pred.json: 10 samples, but .* has 5"),
        (spoiled(3, TRUE[0, :20].tolist()), r"pred.json: joints of sample 3 are 20 x 3, not 21 x 3 numbers; write every"),
        (PREDICTED[..., :2], r"joints of sample 0 are 21 x 2, not 21 x 3"),
        (spoiled(2, [["x"] * 3] * 21), r"joints of sample 2 are something else than numbers"),
        (spoiled(4, None), r"joints of sample 4 are something else"),
        (
            spoiled(1, [[0.0, 0.0, float("nan")]] * 21),
            r"joints of 1 samples are not finite, first of sample 1, point 0: \[0.0, 0.0, nan\]",
        ),
        (spoiled(1, [[0.0, float("inf"), 0.0]] * 21), r"first of sample 1, point 0"),
        (spoiled(2, [[None, 0.0, 0.0]] * 21), r"first of sample 2, point 0"),
    ],
)
def test_bad_joints_are_named(tmp_path: Path, joints: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_submission(pred(tmp_path, joints, mesh=[]), truth(tmp_path))


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (MESH[:3], r"pred.json: 3 meshes, but .*pred.json has 5 hands"),
        (MESH[:, :6], r"pred.json: 6 vertices a hand, the truth has 7"),
        ([*MESH[:4].tolist(), [[0.0, 0.0, 0.0]]], r"vertices of sample 4 are 1 x 3, not 7 x 3"),
        (np.where(np.arange(ROWS)[:, None, None] == 2, np.nan, MESH), r"vertices of 1 samples are not finite, first of sample 2"),
    ],
)
def test_bad_vertices_are_named(tmp_path: Path, mesh: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_submission(pred(tmp_path, mesh=mesh), truth(tmp_path, mesh=MESH))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[1, 2", r"not valid JSON"),
        (b"{}", r"not a list of hands"),
        (b"[]", r"not a list of hands"),
        (b"\xff\xfe\x00", r"not valid JSON"),
    ],
)
def test_files_that_are_no_lists(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "pred.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"pred.json: {message}"):
        read_submission(tmp_path / "pred.json", truth(tmp_path))


def test_files_that_are_not_there_or_no_zip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing.json: cannot be read \(No such file"):
        read_submission(tmp_path / "nothing.json", truth(tmp_path))
    (tmp_path / "pred.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"pred.zip: cannot be read \(File is not a zip file"):
        read_submission(tmp_path / "pred.zip", truth(tmp_path))
    with zipfile.ZipFile(tmp_path / "pred.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    with pytest.raises(DataError, match=r"holds 2 .json files"):
        read_submission(tmp_path / "pred.zip", truth(tmp_path))


def npz(path: Path, **arrays: Any) -> Path:
    path.write_bytes(as_npz(**arrays))
    return path


KEYS = np.array([f"hand {row}" for row in range(ROWS)])


def test_arrays_are_matched_by_key(tmp_path: Path) -> None:
    order = np.array([3, 1, 4, 0, 2])
    ours = npz(
        tmp_path / "predictions.npz",
        key=np.append(KEYS[order], "another"),
        joints_3d=np.concatenate([PREDICTED[order], TRUE[:1]]),
        joints_2d=np.concatenate([PREDICTED[order, :, :2], TRUE[:1, :, :2]]),
        solvable=np.ones(6, bool),
        view=64,
    )
    visible = Draws("seen").uniform(shape=(ROWS, 21)) < 0.5
    theirs = npz(tmp_path / "truth.npz", key=KEYS, joints_3d=TRUE, joints_2d=TRUE[..., :2], visible=visible, vertices=MESH)
    found = read_submission(ours, theirs)
    assert found.layout == "npz" and found.prediction.view == 64
    np.testing.assert_array_equal(found.prediction.joints_3d, PREDICTED)
    np.testing.assert_array_equal(found.prediction.joints_2d, PREDICTED[..., :2])
    np.testing.assert_array_equal(found.truth.visible, visible)
    assert found.truth.valid.all() and found.truth.vertices is not None and found.prediction.vertices is None
    assert found.notes == ("1 predicted hands are not in the truth and were left aside",)


def test_nan_stands_where_it_may(tmp_path: Path) -> None:
    joints, valid, true = PREDICTED.copy(), np.ones((ROWS, 21), bool), TRUE.copy()
    joints[2], valid[1, 5], true[1, 5] = np.nan, False, np.nan
    solvable = np.arange(ROWS) != 2
    found = read_submission(
        npz(tmp_path / "ours.npz", joints_3d=joints, solvable=solvable), npz(tmp_path / "truth.npz", joints_3d=true, valid=valid)
    )
    np.testing.assert_array_equal(found.prediction.solvable, solvable)
    assert found.notes[0].startswith("rows were matched by place")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"key": KEYS}, r"ours.npz: has no 'joints_3d' \(key\); add it, shape \(rows, 21, 3\)"),
        ({"joints_3d": PREDICTED[:, :20]}, r"'joints_3d' is \(5, 20, 3\) of float64, not \(rows, 21, 3\) of numbers"),
        ({"joints_3d": PREDICTED.astype(str)}, r"'joints_3d' is \(5, 21, 3\) of <U"),
        ({"joints_3d": PREDICTED[:4]}, r"ours.npz: 4 samples, but .*truth.npz has 5 samples"),
        ({"joints_3d": PREDICTED, "joints_2d": PREDICTED}, r"'joints_2d' is \(5, 21, 3\)"),
        ({"joints_3d": PREDICTED, "solvable": np.ones(4, bool)}, r"'solvable' is \(4\)"),
        ({"joints_3d": np.where(np.arange(ROWS)[:, None, None] == 3, np.nan, TRUE)}, r"not finite, first of sample 3, point 0"),
        ({"joints_3d": PREDICTED, "key": np.array(["a"] * ROWS)}, r"1 different keys for 5 hands"),
        (
            {"joints_3d": PREDICTED, "key": np.array([*KEYS[:3], "x", "y"])},
            r"2 of 5 hands of .* are not predicted, first 'hand 3'",
        ),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    theirs = npz(tmp_path / "truth.npz", key=KEYS, joints_3d=TRUE)
    with pytest.raises(DataError, match=message):
        read_submission(npz(tmp_path / "ours.npz", **arrays), theirs)


def test_a_truth_that_is_not_finite_is_named(tmp_path: Path) -> None:
    true = TRUE.copy()
    true[4, 2] = np.nan
    with pytest.raises(DataError, match=r"truth.npz: valid joints_3d of 1 samples are not finite, first of sample 4, point 2"):
        read_submission(npz(tmp_path / "ours.npz", joints_3d=PREDICTED), npz(tmp_path / "truth.npz", joints_3d=true))


def test_no_npz_and_mixed_layouts(tmp_path: Path) -> None:
    (tmp_path / "ours.npz").write_bytes(b"no arrays")
    theirs = npz(tmp_path / "truth.npz", joints_3d=TRUE)
    with pytest.raises(DataError, match=r"ours.npz: cannot be read as .npz"):
        read_submission(tmp_path / "ours.npz", theirs)
    for ours, layout in ((pred(tmp_path), None), (theirs, "freihand")):
        with pytest.raises(DataError, match="in one layout"):
            read_submission(ours, theirs, layout)  # type: ignore[arg-type]
