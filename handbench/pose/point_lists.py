"""Lists of points: JSON as evaluators exchange it in; checked arrays, or an error that names the first bad sample, out."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from handbench.errors import DataError
from handbench.types import JOINTS

Hands = Float[np.ndarray, "rows points dimensions"]


@dataclass(frozen=True)
class HandLists:
    """Joints of one JSON file, and vertices where it has them."""

    path: Path
    joints: Float[np.ndarray, "rows 21 3"]
    vertices: Float[np.ndarray, "rows vertices 3"] | None


def read_hands(path: Path) -> HandLists:
    """One JSON file: a list of hands, or [joints, vertices]."""
    content = load(path)
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: not a list of hands; expected [[21 joints of x, y, z], …] or [joints, vertices]")
    joints, vertices = (content[0], content[1:]) if _depth(content) >= 4 else (content, [])
    meshes = vertices[0] if vertices and isinstance(vertices[0], list) else []
    hands = read_points(joints, path, "joints", JOINTS)
    if not meshes or not any(_numbers(meshes[0])):  # methods without a mesh leave it out, or write zeros
        return HandLists(path, hands, None)
    require_equal(path, len(meshes), path, len(hands), ("meshes", "hands"))
    return HandLists(path, hands, read_points(meshes, path, "vertices", None))


def load(path: Path) -> Any:
    """What a JSON file, or the one JSON file in a .zip, holds."""
    try:
        return json.loads(_unzipped(path) if path.suffix == ".zip" else path.read_bytes())
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read ({reason}); give a .json file or a .zip of it") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); write it again") from error


def read_points(content: Any, path: Path, what: str, number: int | None) -> Hands:
    """Lists of points of three numbers as an array.

    Args:
        content: as JSON gives it.
        path: where it stood, for messages.
        what: what the points are, for messages.
        number: points of a row; as many as the first row has where it is None.

    Raises:
        DataError: naming the first row of another shape, or with what is no finite number.
    """
    wanted = (number,) if number is not None else _shape(content[0])[:1] if isinstance(content, list) and content else ()
    try:
        points = np.asarray(content, dtype=np.float64)
    except (ValueError, TypeError):
        points = np.zeros(0)
    if points.ndim != 3 or points.shape[1:] != (*wanted, 3):
        raise DataError(_first_of_wrong_shape(content, path, what, (*wanted, 3)))
    require_finite(points, np.ones(len(points), bool), path, what)
    return points


def require_finite(points: Hands, rows: Bool[np.ndarray, "rows"], path: Path, what: str) -> None:
    """Refuse NaN and infinity in the rows that count.

    Raises:
        DataError: naming the first bad sample and point.
    """
    bad = ~np.isfinite(points) & rows[:, None, None]
    if bad.any():
        row, point, _ = np.argwhere(bad)[0]
        raise DataError(
            f"{path}: {what} of {int(bad.any((1, 2)).sum())} samples are not finite, first of sample {row}, point {point}: "
            f"{points[row, point].tolist()}; give a number for every point"
        )


def require_equal(path: Path, found: int, other: Path, wanted: int, what: tuple[str, str] = ("samples", "samples")) -> None:
    """Refuse files of different lengths.

    Raises:
        DataError: naming both and the first sample without a partner.
    """
    if found != wanted:
        last = min(found, wanted)
        raise DataError(
            f"{path}: {found} {what[0]}, but {other} has {wanted} {what[1]}; the first without a partner is sample {last}. "
            "Both must hold the same hands in the same order"
        )


def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise DataError(f"{path}: holds {len(names)} .json files; it must hold exactly one, pred.json")
        return archive.read(names[0])


def _first_of_wrong_shape(content: Any, path: Path, what: str, wanted: tuple[Any, ...]) -> str:
    expected = " x ".join(str(size) for size in wanted)
    where = f"not {expected} numbers; write every sample in that shape"
    for row, values in enumerate(content if isinstance(content, list) else []):
        shape = _shape(values)
        if shape != wanted:
            found = " x ".join(str(size) for size in shape) if shape else "something else than numbers"
            return f"{path}: {what} of sample {row} are {found}, {where}"
    return f"{path}: {what} are no list of samples, {where}"


def _shape(values: Any) -> tuple[int, ...]:
    """Shape of nested lists of numbers; () where they are no such thing."""
    try:
        return np.asarray(values, dtype=np.float64).shape
    except (ValueError, TypeError):
        return ()


def _depth(content: Any) -> int:
    """How deep lists are nested."""
    return 1 + _depth(content[0]) if isinstance(content, list) and content else 0


def _numbers(values: Any) -> list[Any]:
    """The numbers of one mesh, flat."""
    return [number for value in values for number in _numbers(value)] if isinstance(values, list) else [values]
