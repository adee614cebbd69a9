"""Named arrays: two .npz files in; a Prediction and a Truth, row by row the same hands, out.

The arrays are those that `handbench.pose.submissions` lists; a run's predictions.npz has them.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from handbench.errors import DataError
from handbench.pose.point_lists import Hands, require_equal, require_finite
from handbench.types import JOINTS, Prediction, Truth

VIEW = 224  # pixels, where a file does not say
Shape = tuple[int | None, ...]


def read_arrays(predicted: Path, truth: Path) -> tuple[Prediction, Truth, tuple[str, ...]]:
    """Read both files and bring the predictions into the truth's order.

    Returns:
        Prediction, truth, and what must be said about them.

    Raises:
        DataError: see `handbench.pose.submissions.read_submission`.
    """
    ours, theirs = _Arrays(predicted), _Arrays(truth)
    key, order, notes = _match(ours, theirs)
    solvable = ours.flags("solvable", (len(ours),))
    joints = ours.points("joints_3d", (len(ours), JOINTS, 3))
    require_finite(joints, solvable, predicted, "joints_3d")
    valid = theirs.flags("valid", (len(theirs), JOINTS))
    true = theirs.points("joints_3d", (len(theirs), JOINTS, 3))
    require_finite(np.where(valid[..., None], true, 0.0), np.ones(len(theirs), bool), truth, "valid joints_3d")
    mesh = ours.mesh()
    prediction = Prediction(
        key=key,
        joints_2d=ours.pixels()[order],
        joints_3d=joints[order],
        solvable=solvable[order],
        view=int(ours.arrays.get("view", VIEW)),
        vertices=None if mesh is None else mesh[order],
    )
    visible = theirs.flags("visible", (len(theirs), JOINTS))
    return prediction, Truth(key, theirs.pixels(), true, valid, visible, theirs.mesh()), notes


class _Arrays:
    """The arrays of one file, checked as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                self.arrays: dict[str, Any] = {name: file[name] for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile, AttributeError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(f"{path}: cannot be read as .npz ({reason}); write it with numpy.savez, without objects") from error
        self.points("joints_3d", (None, JOINTS, 3))

    def __len__(self) -> int:
        return len(self.arrays["joints_3d"])

    def array(self, name: str, shape: Shape) -> Any:
        """One array, its shape checked; None stands for any size."""
        if name not in self.arrays:
            raise DataError(f"{self.path}: has no '{name}' ({', '.join(sorted(self.arrays))}); add it, shape {_written(shape)}")
        values = self.arrays[name]
        fits = values.ndim == len(shape) and all(size in (None, found) for size, found in zip(shape, values.shape, strict=True))
        if not fits or values.dtype.kind not in "fiub":
            raise DataError(
                f"{self.path}: '{name}' is {_written(values.shape)} of {values.dtype}, not {_written(shape)} of numbers; "
                "write it in that shape"
            )
        return values

    def points(self, name: str, shape: Shape) -> Hands:
        """Coordinates in float64."""
        points: Hands = self.array(name, shape).astype(np.float64)
        return points

    def flags(self, name: str, shape: Shape) -> Any:
        """Flags; all true where the file has none."""
        return self.array(name, shape).astype(bool) if name in self.arrays else np.ones([size or 0 for size in shape], bool)

    def pixels(self) -> Hands:
        """joints_2d; NaN where the file has none."""
        shape = (len(self), JOINTS, 2)
        return self.points("joints_2d", shape) if "joints_2d" in self.arrays else np.full(shape, np.nan)

    def mesh(self) -> Hands | None:
        """The vertices, if any."""
        return self.points("vertices", (len(self), None, 3)) if "vertices" in self.arrays else None

    def keys(self) -> list[str] | None:
        """The rows' names, if any."""
        if "key" not in self.arrays:
            return None
        names = self.arrays["key"].astype(str).ravel().tolist()
        if len(names) != len(self) or len(set(names)) < len(names):
            raise DataError(
                f"{self.path}: {len(set(names))} different keys for {len(self)} hands; every hand needs one of its own"
            )
        return [str(name) for name in names]


def _match(ours: _Arrays, theirs: _Arrays) -> tuple[Any, Int[np.ndarray, "rows"], tuple[str, ...]]:
    """The truth's keys, the rows of the prediction in their order, and what to say."""
    names, wanted = ours.keys(), theirs.keys()
    if names is None or wanted is None:
        require_equal(ours.path, len(ours), theirs.path, len(theirs))
        key = np.arange(len(theirs)).astype(str) if wanted is None else np.array(wanted)
        return key, np.arange(len(theirs)), ("rows were matched by place: not both files have keys",)
    place = {name: row for row, name in enumerate(names)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise DataError(
            f"{ours.path}: {len(missing)} of {len(wanted)} hands of {theirs.path} are not predicted, first '{missing[0]}'; "
            "predict them all"
        )
    extra = len(names) - len(wanted)
    notes = (f"{extra} predicted hands are not in the truth and were left aside",) if extra else ()
    return np.array(wanted), np.array([place[name] for name in wanted], dtype=np.int64), notes


def _written(shape: Shape) -> str:
    return "(" + ", ".join("rows" if size is None else str(size) for size in shape) + ")"
