"""A FreiHAND-layout folder, a folder of images or one image in; what can be predicted on, with its cameras and scales, out.

Nothing is decoded here but what is asked for, so a folder of any size costs its list of names.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from handbench.data.decoding import EXTENSIONS, read_rgb
from handbench.errors import DataError

EVALUATION = "evaluation"
FOCAL = (388.9018, 388.7123)  # for 224 pixels of the longer side: the camera that PeCLR's code assumes where none is known


@dataclass(frozen=True)
class Picture:
    """One image to predict on.

    Args:
        key: its name below the folder.
        path: the file.
        intrinsics: K, pixels; None where unknown.
        scale: length of the bone middle MCP - middle PIP, metres; None where unknown.
    """

    key: str
    path: Path
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    scale: float | None = None

    def read(self) -> UInt8[np.ndarray, "height width 3"]:
        """Its pixels; raises UnreadableSample."""
        return read_rgb(self.path, self.key)


@dataclass(frozen=True)
class Pictures:
    """All images of an input, in the order of their names.

    Args:
        items: the images.
        official: they are FreiHAND's evaluation set, whose leaderboard wants every one.
    """

    items: tuple[Picture, ...]
    official: bool = False


def find(source: Path) -> Pictures:
    """List what there is to predict on.

    Raises:
        DataError: no such place, no images, or annotation files that do not belong to the images.
    """
    if (source / EVALUATION / "rgb").is_dir():
        return _evaluation(source)
    if source.is_file():
        return Pictures((Picture(source.name, source),))
    if not source.is_dir():
        raise DataError(f"{source}: there is no such image or folder; give an image, a folder of images or FreiHAND's folder")
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in EXTENSIONS and path.name[0] != ".")
    if not files:
        raise DataError(f"{source}: holds no images ({', '.join(EXTENSIONS)}) and no evaluation/rgb; name another folder")
    return Pictures(tuple(Picture(path.relative_to(source).as_posix(), path) for path in files))


def with_scales(pictures: Pictures, given: str) -> Pictures:
    """Give every picture its scale: a number of metres for all, or the path of a JSON list with one number each.

    Raises:
        DataError: neither a positive number nor a list of as many as there are pictures.
    """
    try:
        scales = [float(given)] * len(pictures.items)
    except ValueError:
        scales = [float(value) for value in _numbers(Path(given), (), len(pictures.items))]
    wrong = [(place, value) for place, value in enumerate(scales) if not (math.isfinite(value) and value > 0)]
    if wrong:
        raise DataError(f"scale {wrong[0][1]:g} of picture {wrong[0][0]} must be a number of metres above 0, e.g. 0.025")
    if max(scales) > 1:
        raise DataError(
            f"scale {max(scales):g} is longer than a metre; it is the bone middle MCP - middle PIP in metres, about 0.025: "
            "divide millimetres by 1000"
        )
    items = tuple(replace(item, scale=scale) for item, scale in zip(pictures.items, scales, strict=True))
    return replace(pictures, items=items)


def with_camera(pictures: Pictures, given: str) -> Pictures:
    """Give every picture the same camera, `fx,fy,cx,cy` in pixels; raises DataError for anything else."""
    try:
        fx, fy, cx, cy = (float(word) for word in given.split(","))
    except ValueError:
        raise DataError(f"camera '{given}' is not fx,fy,cx,cy in pixels, e.g. 388.9,388.7,112,112") from None
    if not (fx > 0 and fy > 0 and math.isfinite(fx + fy + cx + cy)):
        raise DataError(f"camera '{given}': fx and fy must be above 0 and all four finite, in pixels, e.g. 388.9,388.7,112,112")
    intrinsics = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return replace(pictures, items=tuple(replace(item, intrinsics=intrinsics) for item in pictures.items))


def assumed_camera(width: int, height: int) -> Float[np.ndarray, "3 3"]:
    """FreiHAND's camera for an image of any size, looking at its middle.

    Example:
        >>> assumed_camera(448, 224).round(2).tolist()
        [[777.8, 0.0, 224.0], [0.0, 777.42, 112.0], [0.0, 0.0, 1.0]]
    """
    fx, fy = (focal * max(width, height) / 224 for focal in FOCAL)
    return np.array([[fx, 0, width / 2], [0, fy, height / 2], [0, 0, 1]])


def _evaluation(source: Path) -> Pictures:
    files = sorted(path for path in (source / EVALUATION / "rgb").iterdir() if path.suffix.lower() in EXTENSIONS)
    if not files:
        raise DataError(f"{source / EVALUATION / 'rgb'}: holds no images; extract the archive again")
    cameras = _numbers(source / f"{EVALUATION}_K.json", (3, 3), len(files))
    items = [Picture(path.relative_to(source).as_posix(), path, camera) for path, camera in zip(files, cameras, strict=True)]
    found = Pictures(tuple(items), official=True)
    scales = source / f"{EVALUATION}_scale.json"
    return with_scales(found, str(scales)) if scales.is_file() else found


def _numbers(path: Path, shape: tuple[int, ...], count: int) -> Float[np.ndarray, "count *rest"]:
    """Read a JSON list of `count` arrays of a shape; raises DataError."""
    if not path.is_file():
        raise DataError(
            f"{path}: is not a file; {count} images need a JSON list with one entry each, a scale may be a number of metres"
        )
    try:
        content: Any = json.loads(path.read_bytes())
        numbers = np.asarray(content, np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: is not a JSON list of numbers ({error}); extract the archive again") from error
    if numbers.ndim == 0 or numbers.size != len(numbers) * math.prod(shape):
        raise DataError(f"{path}: holds an array of shape {numbers.shape}, expected (images, {', '.join(map(str, shape))})")
    if len(numbers) != count:
        raise DataError(f"{path}: holds {len(numbers)} entries for {count} images; it belongs to another set of images")
    bad = ~np.isfinite(numbers.reshape(count, -1)).all(1)
    if bad.any():
        raise DataError(f"{path}: entry {int(bad.argmax())} is not finite; extract the archive again")
    return numbers.reshape(count, *shape)
