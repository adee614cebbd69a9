"""A user's own MANO file in, the matrix that turns its 778 vertices into 21 joints out; MANO itself may not be shipped.

The official MANO_RIGHT.pkl is a Python 2 pickle full of objects of two libraries. It is read without running any of its code:
arrays and the sparse matrix are rebuilt, every other object becomes an empty husk.

Source: Romero, Tzionas, Black, SIGGRAPH Asia 2017; fingertips are vertices, as FreiHAND and YouTube 3D Hands choose them.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handbench.errors import DataError

VERTICES = 778
TIPS = (744, 320, 443, 555, 672)  # thumb, index, middle, ring, little
# MANO's 16 joints (wrist; index, middle, little, ring, thumb from base to tip) and the tips, gathered into the common order.
COMMON_FROM_MANO = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
_PLAIN = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}


def joint_regressor(path: Path) -> Float[np.ndarray, "21 778"]:
    """Read the joint regressor of a MANO file and complete it to the 21 joints of the common order.

    Args:
        path: MANO_RIGHT.pkl or MANO_LEFT.pkl as MANO's authors give it out, or an .npy or .npz (key J_regressor) of shape
            (16, 778), in MANO's order, or (21, 778), in the common order.

    Returns:
        joints = regressor @ vertices, in whatever space the vertices are.

    Raises:
        DataError: missing, unreadable or of another shape.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; name your own MANO_RIGHT.pkl (mano.is.tue.mpg.de) as dataset.mano")
    try:
        given = np.asarray(_given(path), np.float64)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: holds no J_regressor that can be read ({type(error).__name__}: {error})") from error
    if given.shape == (21, VERTICES):
        return given
    if given.shape != (16, VERTICES):
        raise DataError(f"{path}: J_regressor has shape {given.shape}, expected (16, {VERTICES}) or (21, {VERTICES})")
    tips = np.zeros((len(TIPS), VERTICES))
    tips[range(len(TIPS)), TIPS] = 1.0
    return np.concatenate([given, tips])[list(COMMON_FROM_MANO)]


def _given(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return archive["J_regressor"]
    content = _Reader(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    regressor = content["J_regressor"]
    return _dense(vars(regressor)) if isinstance(regressor, _Husk) else regressor


class _Husk:
    """Stands for an object whose class is not loaded; keeps the state it was given."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            vars(self).update(state)


class _Reader(pickle.Unpickler):
    """Rebuilds arrays and nothing else: no name in the file can make it call other code."""

    def find_class(self, module: str, name: str) -> Any:
        """The few functions that arrays need; a husk for everything else."""
        return super().find_class(module, name) if (module, name) in _PLAIN else _Husk


def _dense(state: dict[str, Any]) -> Float[np.ndarray, "rows columns"]:
    """The matrix of a pickled scipy.sparse.csc_matrix: column j holds data[indptr[j]:indptr[j + 1]] at those indices."""
    rows, columns = state["_shape"] if "_shape" in state else state["shape"]
    matrix = np.zeros((rows, columns))
    column = np.repeat(np.arange(columns), np.diff(state["indptr"]))
    matrix[state["indices"], column] = state["data"]
    return matrix
