"""FreiHAND v2 in its official layout goes in; posed right hands come out, training in up to four versions of each frame.

Zimmermann et al., ICCV 2019. Image id = frame + frames * version, so the annotation of an image is `id % frames`. There is no
official validation part: as in PeCLR, a tenth of the unique frames is held out by scikit-learn's rule with random state 5.
"""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from handbench.data.decoding import one_by_one, read_mask, read_rgb
from handbench.errors import DataError, UnreadableSample
from handbench.types import MIDDLE_MCP, MIDDLE_PIP, Part, Sample

VERSIONS = ("gs", "hom", "sample", "auto")
HELD_OUT_STATE = 5
SHAPES = {"K": (3, 3), "xyz": (21, 3), "scale": (), "verts": (778, 3)}


@dataclass(frozen=True)
class Annotations:
    """The lists of one set (training or evaluation); None where a file is not there.

    Args:
        count: unique frames.
        intrinsics: K, pixels.
        joints_3d: metres, camera frame.
        scale: metres.
        vertices: metres, camera frame.
    """

    count: int
    intrinsics: Float[np.ndarray, "frames 3 3"]
    joints_3d: Float[np.ndarray, "frames 21 3"] | None
    scale: Float[np.ndarray, "frames"] | None
    vertices: Float[np.ndarray, "frames 778 3"] | None


@dataclass(frozen=True)
class Entry:
    """One image: its set, its id there, the annotation that goes with it, and its part."""

    group: Literal["training", "evaluation"]
    image: int
    frame: int
    part: Part


class FreiHand:
    """Right hands with 3D joints: 130,240 training and 3,960 evaluation images of 224 x 224 pixels."""

    context = 1.2
    parallel: Literal["threads", "processes", "none"] = "threads"

    @dataclass(frozen=True)
    class Config:
        """What is read of FreiHAND.

        Args:
            versions: which backgrounds of the training frames, of gs, hom, sample, auto; empty for all that are there.
            masks: read the hand masks of training frames.
            vertices: read the mesh vertices; their JSON takes minutes and 10 GB of memory to parse.
        """

        versions: tuple[str, ...] = ()
        masks: bool = True
        vertices: bool = False

    def __init__(self, config: Config, root: Path | None = None) -> None:
        if root is None:
            raise DataError("dataset 'freihand' needs its folder: --data FOLDER, with training/rgb and evaluation/rgb below it")
        self.config, self.root = config, Path(root)
        _check_versions(config.versions)
        self._states = {group: _images(self.root / group / "rgb") for group in ("training", "evaluation")}
        if not any(self._states.values()):
            raise DataError(_no_layout(self.root))
        self._annotations = {group: self._read(group) for group, images in self._states.items() if images}
        self._entries = [*self._training(), *self._evaluation()]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one image with its labels.

        Raises:
            UnreadableSample: the image is broken, or its joints are not numbers, behind the camera or all outside the image.
        """
        entry = self._entries[index]
        labels = self._annotations[entry.group]
        key = f"{entry.group}/rgb/{entry.image:08d}.jpg"
        image = read_rgb(self.root / key, key)
        height, width = image.shape[:2]
        joints_3d = None if labels.joints_3d is None else labels.joints_3d[entry.frame]
        joints_2d = None if joints_3d is None else _projected(joints_3d, labels.intrinsics[entry.frame], key, entry.frame)
        return Sample(
            key,
            image,
            box=_central(width, height) if joints_2d is None else _box(joints_2d, width, height, key),
            joints_2d=joints_2d,
            joints_3d=joints_3d,
            valid=None if joints_3d is None else np.ones(21, bool),
            intrinsics=labels.intrinsics[entry.frame],
            side="right",
            mask=self._mask(entry),
            vertices=None if labels.vertices is None else labels.vertices[entry.frame],
            scale=_scale(labels, entry.frame),
            part=entry.part,
            source=f"{entry.group}/{entry.frame:08d}",
        )

    def samples(self, indices: Sequence[int]) -> Sequence[Sample | Exception]:
        """Several samples, an UnreadableSample standing where one failed."""
        return one_by_one(self.__getitem__, indices)

    def fingerprint(self) -> str:
        """Digest the names, sizes and times of all images and annotation files."""
        digest = hashlib.blake2b(repr(self.config).encode(), digest_size=16)
        digest.update(json.dumps(self._states, sort_keys=True).encode())
        for path in sorted(self.root.glob("*_*.json")):
            state = path.stat()
            digest.update(f"{path.name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def _read(self, group: str) -> Annotations:
        """Parse the annotation files of one set and hold their lengths against each other."""
        required = ("K", "xyz") if group == "training" else ("K",)
        wanted = ("K", "xyz", "scale", *(("verts",) if self.config.vertices else ()))
        lists = {name: _numbers(self.root / f"{group}_{name}.json", SHAPES[name], name in required) for name in wanted}
        lengths = {name: len(numbers) for name, numbers in lists.items() if numbers is not None}
        _check_lengths(self.root, group, lengths, len(self._states[group]))
        intrinsics = lists["K"]
        assert intrinsics is not None
        return Annotations(len(intrinsics), intrinsics, lists["xyz"], lists["scale"], lists.get("verts"))

    def _training(self) -> list[Entry]:
        """Every wanted version of every training frame, version by version as the official ids run."""
        if "training" not in self._annotations:
            return []
        count, images = self._annotations["training"].count, len(self._states["training"])
        there = VERSIONS[: images // count]
        if images % count or not 1 <= images // count <= len(VERSIONS):
            raise DataError(
                f"{self.root / 'training/rgb'}: holds {images} images, expected {count * len(VERSIONS)}: "
                f"{len(VERSIONS)} versions of the {count} entries of training_K.json; extract the archive again"
            )
        absent = [name for name in self.config.versions if name not in there]
        if absent:
            raise DataError(f"{self.root}: has no version '{absent[0]}' of the training images; there are {', '.join(there)}")
        held_out = held_out_frames(count)
        return [
            Entry("training", frame + count * VERSIONS.index(version), frame, "validation" if held_out[frame] else "train")
            for version in self.config.versions or there
            for frame in range(count)
        ]

    def _evaluation(self) -> list[Entry]:
        if "evaluation" not in self._annotations:
            return []
        count, images = self._annotations["evaluation"].count, len(self._states["evaluation"])
        if images != count:
            raise DataError(f"{self.root / 'evaluation/rgb'}: holds {images} images, expected {count} as in evaluation_K.json")
        return [Entry("evaluation", frame, frame, "test") for frame in range(count)]

    def _mask(self, entry: Entry) -> Bool[np.ndarray, "height width"] | None:
        """The hand's mask; there is one a training frame, common to its versions."""
        name = f"{entry.group}/mask/{entry.frame:08d}.jpg"
        if not self.config.masks or entry.group != "training" or not (self.root / name).exists():
            return None
        return read_mask(self.root / name, name)


def held_out_frames(count: int) -> Bool[np.ndarray, "frames"]:
    """The frames that PeCLR holds out: `train_test_split(range(count), train_size=.9, random_state=5)`, without scikit-learn.

    Example:
        >>> held_out_frames(43).nonzero()[0].tolist(), int(held_out_frames(32560).sum())
        ([3, 23, 24, 25, 28], 3256)
    """
    order: Int[np.ndarray, frames] = np.random.RandomState(HELD_OUT_STATE).permutation(count)
    held_out = np.zeros(count, bool)
    held_out[order[: count - math.floor(0.9 * count)]] = True
    return held_out


def _check_lengths(root: Path, group: str, lengths: dict[str, int], images: int) -> None:
    """Hold the annotation files against each other and the images; the length that most of them have is the right one."""
    frames = images // len(VERSIONS) if group == "training" else images
    (expected, _), *_ = Counter([*lengths.values(), frames]).most_common(1)
    for name, length in lengths.items():
        if length != expected:
            raise DataError(
                f"{root / f'{group}_{name}.json'}: holds {length} entries, expected {expected} as the other {group} files have; "
                "extract the archive again"
            )


def _check_versions(versions: Sequence[str]) -> None:
    for name in versions:
        if name not in VERSIONS:
            raise DataError(f"dataset 'freihand': version '{name}' is unknown; {', '.join(VERSIONS)}")


def _images(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of every JPEG of a folder, sorted; empty where there is no such folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".jpg") and entry.name[0] != "."]
    return sorted((name, state.st_size, state.st_mtime_ns) for name, state in found)


def _no_layout(root: Path) -> str:
    """Say that this is no FreiHAND folder, and which folder near it is one."""
    if not root.is_dir():
        return f"{root}: there is no such folder; --data names the folder that holds FreiHAND's training/ and evaluation/"
    near = [folder for folder in (root.parent, *root.glob("*/")) if (folder / "training/rgb").is_dir()]
    guess = f"; did you mean {near[0]}?" if near else ""
    return f"{root}: neither training/rgb/*.jpg nor evaluation/rgb/*.jpg is there, so this is not FreiHAND v2's layout{guess}"


def _numbers(path: Path, shape: tuple[int, ...], required: bool) -> Float[np.ndarray, "frames *rest"] | None:
    """Parse a JSON list of equally shaped arrays.

    Raises:
        DataError: the file is missing though required, or is not such a list.
    """
    if not path.exists():
        if required:
            raise DataError(f"{path}: is missing; it belongs to FreiHAND v2, extract the archive again")
        return None
    try:
        content: Any = json.loads(path.read_bytes())
        numbers = np.asarray(content, np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: is not a JSON list of numbers of equal shapes ({error}); extract the archive again") from error
    if numbers.ndim == 0 or len(numbers) == 0 or numbers.size != len(numbers) * math.prod(shape):
        raise DataError(f"{path}: holds an array of shape {numbers.shape}, expected (frames, {', '.join(map(str, shape))})")
    return numbers.reshape(len(numbers), *shape)


def _projected(
    joints: Float[np.ndarray, "21 3"], intrinsics: Float[np.ndarray, "3 3"], key: str, frame: int
) -> Float[np.ndarray, "21 2"]:
    """Project joints, in metres, to pixels.

    Raises:
        UnreadableSample: a joint is not a number or lies behind the camera.
    """
    if not (np.isfinite(joints).all() and np.isfinite(intrinsics).all()):
        raise UnreadableSample(key, f"entry {frame} of its xyz or K list holds NaN")
    if (joints[:, 2] <= 0).any():
        raise UnreadableSample(key, f"entry {frame} of its xyz list has joints behind the camera")
    image_points = joints @ intrinsics.T
    return np.asarray(image_points[:, :2] / image_points[:, 2:])


def _box(joints: Float[np.ndarray, "21 2"], width: int, height: int, key: str) -> tuple[float, float, float, float]:
    """The box around the joints, cut to the image."""
    left, top = np.maximum(joints.min(0), 0.0)
    right, bottom = np.minimum(joints.max(0), (width, height))
    if left >= right or top >= bottom:
        raise UnreadableSample(key, f"all its joints lie outside the image of {width} x {height} pixels; K and xyz don't fit it")
    return float(left), float(top), float(right - left), float(bottom - top)


def _central(width: int, height: int) -> tuple[float, float, float, float]:
    """A box in the middle whose nominal window, 1.25 times as large, is the whole image."""
    return 0.1 * width, 0.1 * height, 0.8 * width, 0.8 * height


def _scale(labels: Annotations, frame: int) -> float | None:
    """The reference bone's length in metres, as given or from the joints."""
    if labels.scale is not None:
        return float(labels.scale[frame])
    if labels.joints_3d is None:
        return None
    joints = labels.joints_3d[frame]
    return float(np.linalg.norm(joints[MIDDLE_MCP] - joints[MIDDLE_PIP]))
