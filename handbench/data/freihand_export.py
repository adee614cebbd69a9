"""A posed dataset in, a folder in FreiHAND v2's official layout out, so that other people's readers can use it.

FreiHAND holds right hands only, so left hands are mirrored: image, mask, joints and camera. Its images are 224 x 224: others are
cut out about the hand and resized, K with them. Versions of one source become FreiHAND's versions. There are no MANO parameters
to write; `training_mano.json` holds zeros, because the official reader opens it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from handbench.data.cropping import crop, crop_mask
from handbench.errors import DataError
from handbench.files import ensure_writable, write_text
from handbench.progress import Progress
from handbench.protocols import Dataset
from handbench.types import MIDDLE_MCP, MIDDLE_PIP, Sample

SIDE = 224
QUALITY = 95
MANO_NUMBERS = 61
VERSIONS = 4
CHUNK = 32
README = """FreiHAND v2's layout, written by handbench from the dataset '{name}'. These are not FreiHAND's images.
training_mano.json holds zeros: there are no MANO parameters; it is here because the official reader opens it.
{mirrored} left hands were mirrored to right ones (image, mask, joints and K alike).
{left_out} samples were left out: unreadable, without joints or K, or a surplus version of their source.
"""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        training: unique training frames.
        versions: images of each.
        evaluation: evaluation images.
        mirrored: left hands turned into right ones, of all images.
        left_out: samples that are not there.
    """

    training: int
    versions: int
    evaluation: int
    mirrored: int
    left_out: int


@dataclass(frozen=True)
class Annotated:
    """A frame's place in its set, its annotations as JSON values, and the temporary names of the images that show it."""

    number: int
    numbers: dict[str, Any]
    images: list[Path]


def export_freihand(dataset: Dataset, name: str, folder: Path) -> Exported:
    """Write a dataset as FreiHAND v2: its official test part as the evaluation set, everything else as the training set.

    Args:
        dataset: samples with joints_3d and intrinsics.
        name: what it is called, for the note in the folder.
        folder: new or empty.

    Returns:
        What was written.

    Raises:
        DataError: the folder holds something, or no sample has joints and intrinsics.
        ResultsError: the folder cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is not empty; an export needs a new folder, so that it mixes with nothing")
    for part in ("training/rgb", "training/mask", "evaluation/rgb"):
        ensure_writable(folder / part)
    frames: dict[str, dict[str, Annotated]] = {"training": {}, "evaluation": {}}
    mirrored = 0
    for sample in _posed(dataset, name):
        mirrored += sample.side == "left"
        _keep(_official(sample), frames, folder)
    if not frames["training"] and not frames["evaluation"]:
        raise DataError(f"dataset '{name}' has no samples with 3D joints and intrinsics, which FreiHAND's layout is made of")
    training, versions = _settle(frames["training"], folder / "training", VERSIONS)
    evaluation, _ = _settle(frames["evaluation"], folder / "evaluation", 1)
    left_out = len(dataset) - training * versions - evaluation
    write_text(folder / "README.txt", README.format(name=name, mirrored=mirrored, left_out=left_out))
    return Exported(training, versions, evaluation, mirrored, left_out)


def mirror(sample: Sample) -> Sample:
    """The same hand seen in a mirror: a right hand for a left one.

    x becomes width - x in the image and -x in space, so with M = [[-1, 0, width], [0, 1, 0], [0, 0, 1]] and D = diag(-1, 1, 1)
    the camera becomes M K D, and every joint still projects to its pixel.
    """
    width = float(sample.image.shape[1])
    flip = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
    turn = np.array([-1.0, 1, 1])
    box = sample.box
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        box=None if box is None else (width - box[0] - box[2], *box[1:]),
        joints_2d=None if sample.joints_2d is None else sample.joints_2d * turn[:2] + np.array([width, 0.0]),
        joints_3d=None if sample.joints_3d is None else sample.joints_3d * turn,
        vertices=None if sample.vertices is None else sample.vertices * turn,
        intrinsics=None if sample.intrinsics is None else flip @ sample.intrinsics * turn,
        mask=None if sample.mask is None else np.ascontiguousarray(sample.mask[:, ::-1]),
        side={"left": "right", "right": "left", None: None}[sample.side],
    )


def _posed(dataset: Dataset, name: str) -> Iterator[Sample]:
    """The samples that FreiHAND's layout can hold, in order."""
    with Progress(len(dataset), f"exporting {name}", "images") as progress:
        for start in range(0, len(dataset), CHUNK):
            chunk = range(start, min(start + CHUNK, len(dataset)))
            for sample in dataset.samples(chunk):
                if isinstance(sample, Sample) and _complete(sample):
                    yield sample
            progress.advance(len(chunk))


def _complete(sample: Sample) -> bool:
    joints, intrinsics = sample.joints_3d, sample.intrinsics
    if joints is None or intrinsics is None or not (sample.valid is None or sample.valid.all()):
        return False
    return bool(np.isfinite(joints).all() and np.isfinite(intrinsics).all())


def _official(sample: Sample) -> Sample:
    """A right hand in an image of FreiHAND's size."""
    right = mirror(sample) if sample.side == "left" else sample
    if right.image.shape == (SIDE, SIDE, 3):
        return right
    cut, mask = crop(right, SIDE, 1.0), crop_mask(right, SIDE, 1.0)
    assert right.intrinsics is not None
    return replace(right, image=cut.image, mask=mask, intrinsics=cut.matrix @ right.intrinsics)


def _keep(sample: Sample, frames: dict[str, dict[str, Annotated]], folder: Path) -> None:
    """Save a sample's image under a temporary name (its number is known only when all frames are) and remember its labels.

    A version whose labels differ from its source's would be lost in this layout, so it becomes a frame of its own.
    """
    group = "evaluation" if sample.part == "test" else "training"
    numbers = _annotation(sample, group)
    source = f"source {sample.source}" if sample.source and group == "training" else f"key {sample.key}"
    if source in frames[group] and frames[group][source].numbers != numbers:
        source = f"key {sample.key}"
    frame = frames[group].setdefault(source, Annotated(len(frames[group]), numbers, []))
    path = folder / group / "rgb" / f"{frame.number}-{len(frame.images)}.part"
    _save(sample.image, path)
    frame.images.append(path)
    if sample.mask is not None and group == "training" and len(frame.images) == 1:
        _save(_grey(sample.mask), folder / group / "mask" / f"{frame.number}.part")


def _annotation(sample: Sample, group: str) -> dict[str, Any]:
    """One entry of each JSON list."""
    assert sample.joints_3d is not None
    assert sample.intrinsics is not None
    bone = float(np.linalg.norm(sample.joints_3d[MIDDLE_MCP] - sample.joints_3d[MIDDLE_PIP]))
    numbers: dict[str, Any] = {
        "K": sample.intrinsics.tolist(),
        "xyz": sample.joints_3d.tolist(),
        "scale": bone if sample.scale is None else float(sample.scale),
    }
    if group == "training":
        numbers["mano"] = [[0.0] * MANO_NUMBERS]
    return numbers if sample.vertices is None else {**numbers, "verts": sample.vertices.tolist()}


def _settle(frames: dict[str, Annotated], folder: Path, most: int) -> tuple[int, int]:
    """Give images their official numbers, frame + frames * version, and write the lists; return frames and versions."""
    if not frames:
        return 0, 0
    versions = min(most, *(len(frame.images) for frame in frames.values()))
    lists: dict[str, list[Any]] = defaultdict(list)
    for number, frame in enumerate(frames.values()):
        for version, image in enumerate(frame.images):
            if version < versions:
                image.rename(folder / "rgb" / f"{number + len(frames) * version:08d}.jpg")
            else:
                image.unlink()
        mask = folder / "mask" / f"{number}.part"
        if mask.exists():
            mask.rename(mask.with_name(f"{number:08d}.jpg"))
        for name, value in frame.numbers.items():
            lists[name].append(value)
    for name, values in lists.items():
        if len(values) == len(frames):  # vertices that only some frames have cannot be told apart in a bare list
            write_text(folder.parent / f"{folder.name}_{name}.json", json.dumps(values, allow_nan=False))
    return len(frames), versions


def _save(image: UInt8[np.ndarray, "height width 3"], path: Path) -> None:
    with path.open("wb") as file:
        Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=QUALITY)


def _grey(mask: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    return np.repeat(mask[..., None].astype(np.uint8) * np.uint8(255), 3, axis=-1)
