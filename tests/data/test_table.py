"""Labels move with their crop, keep what is missing missing, and survive the file."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from handbench.data.table import join, load, save, tabulate
from handbench.errors import DataError
from handbench.types import Labels, Sample

IMAGE = np.zeros((4, 4, 3), np.uint8)
CROP = np.array([[2.0, 0, -20], [0, 2, 10], [0, 0, 1]])


def test_points_and_camera_move_by_the_same_matrix() -> None:
    joints_3d = np.random.RandomState(0).normal(size=(21, 3)) * 0.05 + [0, 0, 0.6]
    camera = np.array([[400.0, 0, 100], [0, 410, 90], [0, 0, 1]])
    joints_2d = joints_3d @ camera.T
    joints_2d = joints_2d[:, :2] / joints_2d[:, 2:]
    labels = tabulate([Sample("a", IMAGE, joints_2d=joints_2d, joints_3d=joints_3d, intrinsics=camera, scale=0.03)], [CROP])
    np.testing.assert_allclose(labels.joints_2d[0], joints_2d * 2 + [-20, 10])
    assert labels.intrinsics[0].tolist() == [[800, 0, 180], [0, 820, 190], [0, 0, 1]]
    projected = labels.joints_3d[0] @ labels.intrinsics[0].T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], labels.joints_2d[0], atol=1e-9)
    assert labels.scale.tolist() == [0.03]
    assert labels.posed.tolist() == [True]


def test_validity_needs_every_labelled_space() -> None:
    flat, spatial = np.zeros((21, 2)), np.zeros((21, 3))
    hole = spatial.copy()
    hole[4, 2] = np.nan
    samples = [
        Sample("neither", IMAGE),
        Sample("said but nowhere", IMAGE, valid=np.ones(21, bool)),
        Sample("flat only", IMAGE, joints_2d=flat),
        Sample("a hole in space", IMAGE, joints_2d=flat, joints_3d=hole),
        Sample("one said to be bad", IMAGE, joints_2d=flat, joints_3d=spatial, valid=np.arange(21) != 7),
    ]
    valid = tabulate(samples, [CROP] * 5).valid
    assert valid.sum(1).tolist() == [0, 0, 21, 20, 20]
    assert (valid[3, 4], valid[4, 7]) == (False, False)


def test_table_survives_the_file_and_joins(tmp_path: Path) -> None:
    first = tabulate([Sample("a", IMAGE, label="ä", subject="long name"), Sample("b", IMAGE)], [CROP] * 2)
    second = tabulate([Sample("a longer key", IMAGE, joints_2d=np.ones((21, 2)), side="left")], [CROP])
    both = join([first, second])
    assert both.key.tolist() == ["a", "b", "a longer key"]
    save(both, tmp_path / "labels.npz")
    again = load(tmp_path / "labels.npz")
    for field in fields(Labels):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(both, field.name))


def test_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "labels.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"labels\.npz: is not a label table"):
        load(tmp_path / "labels.npz")
