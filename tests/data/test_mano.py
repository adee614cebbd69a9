"""The joint regressor comes out of a user's MANO file, and nothing in that file is run."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from handbench.data.mano import TIPS, joint_regressor
from handbench.errors import DataError


def regressor() -> np.ndarray:
    """A (16, 778) matrix with three vertices a joint."""
    matrix = np.zeros((16, 778))
    for joint in range(16):
        matrix[joint, [7 * joint, 7 * joint + 1, 300 + joint]] = (0.5, 0.25, 0.25)
    return matrix


def expected(vertices: np.ndarray) -> np.ndarray:
    """Joints in the common order, finger by finger: MANO's joints 13-15, 1-3, 4-6, 10-12, 7-9, each with its tip."""
    sixteen = regressor() @ vertices
    fingers = zip((13, 1, 4, 10, 7), TIPS, strict=True)
    return np.stack([sixteen[0], *[joint for first, tip in fingers for joint in (*sixteen[first : first + 3], vertices[tip])]])


@pytest.mark.parametrize("protocol", [0, 2])
def test_official_pickle_gives_the_joints(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    content = {"J_regressor": sparse.csc_matrix(regressor()), "hands_mean": np.zeros(45), "bs_style": "lbs"}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    vertices = np.random.RandomState(0).normal(size=(778, 3))
    np.testing.assert_allclose(joint_regressor(path) @ vertices, expected(vertices), atol=1e-12)


def test_plain_arrays_do_too(tmp_path: Path) -> None:
    vertices = np.random.RandomState(1).normal(size=(778, 2))
    np.save(tmp_path / "sixteen.npy", regressor())
    np.savez(tmp_path / "named.npz", J_regressor=regressor())
    complete = joint_regressor(tmp_path / "sixteen.npy")
    np.save(tmp_path / "complete.npy", complete)
    for name in ("sixteen.npy", "named.npz", "complete.npy"):
        np.testing.assert_allclose(joint_regressor(tmp_path / name) @ vertices, expected(vertices), atol=1e-12)


class Hostile:
    """Its unpickling would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_code_in_the_pickle_is_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "MANO_RIGHT.pkl", tmp_path / "mark"
    path.write_bytes(pickle.dumps({"J_regressor": sparse.csc_matrix(regressor()), "more": Hostile(mark)}))
    assert joint_regressor(path).shape == (21, 778)
    assert not mark.exists()


def test_what_is_no_mano_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.pkl: there is no such file; name your own MANO_RIGHT\.pkl"):
        joint_regressor(tmp_path / "absent.pkl")
    np.save(tmp_path / "wide.npy", np.zeros((16, 700)))
    with pytest.raises(DataError, match=r"wide\.npy: J_regressor has shape \(16, 700\), expected \(16, 778\)"):
        joint_regressor(tmp_path / "wide.npy")
    for name, content in (
        ("other.pkl", pickle.dumps({"weights": 1})),
        ("list.pkl", pickle.dumps([1])),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}: holds no J_regressor that can be read"):
            joint_regressor(tmp_path / name)
    (tmp_path / "text.pkl").write_bytes(b"no pickle")
    with pytest.raises(DataError, match=r"text\.pkl: is no pickle that can be read"):
        joint_regressor(tmp_path / "text.pkl")
