"""Prediction files: FreiHAND's submission, the arrays, the table; what the leaderboard would refuse is refused here."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from handbench.errors import ResultsError
from handbench.results.predictions import Hands, joint_names, write, write_submission


def hands(unit: str = "m") -> Hands:
    random = np.random.RandomState(0)
    joints = random.normal(size=(2, 21, 3))
    joints[1] = np.nan
    flags = np.array([True, False])
    square = np.tile(np.eye(3), (2, 1, 1))
    return Hands(np.array(["a.jpg", "b.jpg"]), random.uniform(0, 224, (2, 21, 2)), joints, square, flags, ~flags, unit)  # type: ignore[arg-type]


def test_a_submission_holds_joints_and_empty_meshes_in_full_precision(tmp_path: Path) -> None:
    joints = np.random.RandomState(1).normal(size=(3, 21, 3))
    written = write_submission(tmp_path, joints)
    assert [path.name for path in written] == ["pred.json", "pred.zip"]
    xyz, vertices = json.loads((tmp_path / "pred.json").read_text())
    np.testing.assert_array_equal(np.array(xyz), joints)
    assert np.array(vertices).shape == (3, 778, 3) and not np.array(vertices).any()
    with zipfile.ZipFile(tmp_path / "pred.zip") as archive:
        assert archive.namelist() == ["pred.json"]
        assert archive.read("pred.json") == (tmp_path / "pred.json").read_bytes()
    before = (tmp_path / "pred.zip").read_bytes()
    write_submission(tmp_path, joints)
    assert (tmp_path / "pred.zip").read_bytes() == before


def test_a_submission_without_a_hand_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"hand 1 of 2 has no 3D joints; pred.json needs every one"):
        write_submission(tmp_path, hands().joints_3d)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("unit", ["m", "bone"])
def test_the_table_has_a_row_a_joint_and_empty_cells_where_nothing_is_known(tmp_path: Path, unit: str) -> None:
    given = hands(unit)
    write(tmp_path, given)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "predictions.csv").read_text())))
    assert len(rows) == 42 and list(rows[0]) == ["image", "joint", "u_px", "v_px", f"x_{unit}", f"y_{unit}", f"z_{unit}"]
    assert [row["joint"] for row in rows[:21]] == joint_names()
    assert float(rows[9]["u_px"]) == pytest.approx(given.joints_2d[0, 9, 0], abs=1e-3)
    assert float(rows[9][f"z_{unit}"]) == pytest.approx(given.joints_3d[0, 9, 2], abs=1e-6)
    assert rows[21]["image"] == "b.jpg" and rows[21][f"x_{unit}"] == ""
    with np.load(tmp_path / "predictions.npz") as kept:
        np.testing.assert_array_equal(kept["joints_3d"], given.joints_3d)
        assert str(kept["unit"]) == unit and kept["solvable"].tolist() == [True, False]
