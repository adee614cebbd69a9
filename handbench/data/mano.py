"""A user's own MANO file in, the matrix that turns its 778 vertices into 21 joints out; MANO itself may not be shipped.

The official MANO_RIGHT.pkl is a Python 2 pickle full of objects of two libraries; only its arrays and its sparse matrix are read.

Source: Romero, Tzionas, Black, SIGGRAPH Asia 2017; fingertips are vertices, as FreiHAND and YouTube 3D Hands choose them.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handbench.data.pickles import BROKEN, Husk, read_pickle
from handbench.errors import DataError
from handbench.joint_orders import MANO, to_common

VERTICES = 778
TIPS = (744, 320, 443, 555, 672)  # thumb, index, middle, ring, little


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
    except BROKEN as error:
        raise DataError(f"{path}: holds no J_regressor that can be read ({type(error).__name__}: {error})") from error
    if given.shape == (21, VERTICES):
        return given
    if given.shape != (16, VERTICES):
        raise DataError(f"{path}: J_regressor has shape {given.shape}, expected (16, {VERTICES}) or (21, {VERTICES})")
    tips = np.zeros((len(TIPS), VERTICES))
    tips[range(len(TIPS)), TIPS] = 1.0
    return to_common(np.concatenate([given, tips]), MANO)


def _given(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return archive["J_regressor"]
    regressor = read_pickle(path)["J_regressor"]
    return _dense(vars(regressor)) if isinstance(regressor, Husk) else regressor


def _dense(state: dict[str, Any]) -> Float[np.ndarray, "rows columns"]:
    """The matrix of a pickled scipy.sparse.csc_matrix: column j holds data[indptr[j]:indptr[j + 1]] at those indices."""
    rows, columns = state["_shape"] if "_shape" in state else state["shape"]
    matrix = np.zeros((rows, columns))
    column = np.repeat(np.arange(columns), np.diff(state["indptr"]))
    matrix[state["indices"], column] = state["data"]
    return matrix
