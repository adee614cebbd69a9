"""Small data sets with known contents, written to a folder: photographs of classes, bad files, FreiHAND's layout."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from handbench.data.decoding import one_by_one
from handbench.errors import UnreadableSample
from handbench.types import Sample

COLOURS = {"fist": (200, 60, 60), "palm": (60, 200, 60), "point": (60, 60, 200)}
FREIHAND_CAMERA = [[388.9018, 0.0, 112.0], [0.0, 388.7123, 112.0], [0.0, 0.0, 1.0]]


def write_photos(folder: Path, people: int = 4, classes: Sequence[str] = tuple(COLOURS), size: int = 40) -> Path:
    """Write people x classes JPEGs, CLASS/person_N.jpg; a class has its colour, a person a bright square at an own place.

    Returns:
        The folder.
    """
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for person in range(people):
            noise = np.random.RandomState(1000 * number + person).randint(-20, 21, (size, size, 3))
            image = np.asarray(list(COLOURS.values())[number % len(COLOURS)]) + noise
            place = 2 + person * 5 % (size - 10)
            image[place : place + 8, place : place + 8] = 250
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / name / f"person_{person:02d}.jpg", quality=95)
    return folder


def write_bad_photos(folder: Path) -> list[str]:
    """Write one zero-byte, one truncated and one non-image file with image extensions; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("this is no image, whatever its extension says\n" * 20)
    whole = folder / "whole.jpg"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), np.uint8)).save(whole, quality=95)
    (folder / "truncated.jpg").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    return ["empty.jpg", "text.png", "truncated.jpg"]


def hand_joints(number: int) -> np.ndarray:
    """The joints (21, 3) in metres of made-up hand `number`: fingers fan out from the wrist, about 0.6 m before the camera."""
    random = np.random.RandomState(number)
    spread = np.linspace(-0.8, 0.8, 5) + random.uniform(-0.1, 0.1, 5)
    turn, reach = random.uniform(-np.pi, np.pi), np.array([0.04, 0.06, 0.08, 0.1])
    joints = np.zeros((21, 3))
    for finger in range(5):
        angle = spread[finger] + turn
        joints[1 + 4 * finger : 5 + 4 * finger, 0] = reach * np.cos(angle)
        joints[1 + 4 * finger : 5 + 4 * finger, 1] = reach * np.sin(angle)
        joints[1 + 4 * finger : 5 + 4 * finger, 2] = random.uniform(-0.02, 0.02, 4)
    centre = np.array([random.uniform(-0.02, 0.02), random.uniform(-0.02, 0.02), random.uniform(0.55, 0.7)])
    return joints - joints.mean(0) + centre


def project(joints: np.ndarray, camera: Any) -> np.ndarray:
    """Pixels (…, 2) of joints (…, 3) under a 3x3 camera."""
    points = joints @ np.asarray(camera).T
    return points[..., :2] / points[..., 2:]


def hand_image(joints: np.ndarray, background: Sequence[int], camera: Any = FREIHAND_CAMERA, size: int = 224) -> np.ndarray:
    """A picture in which the pose can be seen: a dot on every joint, its colour changing from joint to joint."""
    image = Image.new("RGB", (size, size), tuple(background))
    draw = ImageDraw.Draw(image)
    for joint, (x, y) in enumerate(project(joints, camera)):
        draw.ellipse((x - 6, y - 6, x + 5, y + 5), fill=(255, 10 * joint, 255 - 10 * joint))
    return np.asarray(image)


def write_freihand(folder: Path, unique: int = 10, evaluation: int = 4, annotated: bool = True, versions: int = 4) -> Path:
    """Write a small tree in FreiHAND v2's official layout.

    Training hand i is `hand_joints(i)`, evaluation hand i `hand_joints(10000 + i)`, both seen by `camera(i)`; versions differ in
    the colour of the background.

    Args:
        folder: the root.
        unique: unique training frames.
        evaluation: evaluation images.
        annotated: write evaluation_xyz.json.
        versions: images of each training frame.

    Returns:
        The folder.
    """
    backgrounds = [(20, 160, 20), (90, 90, 90), (30, 30, 120), (150, 120, 60)]
    for part in ("training/rgb", "training/mask", "evaluation/rgb"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(unique):
        joints = hand_joints(number)
        for version in range(versions):
            _save(
                hand_image(joints, backgrounds[version], camera(number)),
                folder / f"training/rgb/{number + unique * version:08d}.jpg",
            )
        mask = (hand_image(joints, (0, 0, 0), camera(number)).max(-1) > 60).astype(np.uint8) * np.uint8(255)
        _save(mask, folder / f"training/mask/{number:08d}.jpg")
    for number in range(evaluation):
        _save(
            hand_image(hand_joints(10000 + number), backgrounds[3], camera(number)), folder / f"evaluation/rgb/{number:08d}.jpg"
        )
    _write_lists(folder, "training", [hand_joints(number) for number in range(unique)], annotated=True)
    _write_lists(folder, "evaluation", [hand_joints(10000 + number) for number in range(evaluation)], annotated)
    return folder


def camera(number: int) -> list[list[float]]:
    """K of frame `number` of a written FreiHAND tree: FREIHAND_CAMERA with number / 10 more focal length."""
    matrix = np.array(FREIHAND_CAMERA)
    matrix[0, 0] += number / 10
    matrix[1, 1] += number / 10
    return matrix.tolist()


def edit_list(path: Path, number: int, value: Any) -> None:
    """Put another value into a JSON list; None removes the entry."""
    values = json.loads(path.read_text())
    if value is None:
        del values[number]
    else:
        values[number] = value
    path.write_text(json.dumps(values))


def _write_lists(folder: Path, group: str, joints: list[np.ndarray], annotated: bool) -> None:
    lists = {
        "K": [camera(number) for number in range(len(joints))],
        "scale": [float(np.linalg.norm(hand[9] - hand[10])) for hand in joints],
    }
    if annotated:
        lists["xyz"] = [hand.tolist() for hand in joints]
    for name, values in lists.items():
        (folder / f"{group}_{name}.json").write_text(json.dumps(values))


def _save(image: np.ndarray, path: Path) -> None:
    Image.fromarray(image).save(path, quality=95)


class Drawn:
    """A dataset of made-up hands in 32 x 24 images, importable by worker processes; every `broken`-th sample cannot be read.

    Sample i is plain grey of value i % 256 with one white pixel, the box covers most of the image, and i % 3 is its class.
    """

    context = 1.2

    @dataclass(frozen=True)
    class Config:
        """How many hands, which of them are broken, and whether every fifth belongs to a test part."""

        count: int = 20
        broken: int = 0
        part: bool = False

    def __init__(self, config: Config, parallel: str = "threads") -> None:
        self.config, self.parallel = config, parallel

    def __len__(self) -> int:
        return self.config.count

    def __getitem__(self, index: int) -> Sample:
        if self.config.broken and index % self.config.broken == self.config.broken - 1:
            raise UnreadableSample(f"hand {index}", "was never drawn")
        image = np.full((24, 32, 3), index % 256, np.uint8)
        image[10, 12] = 255
        joints = hand_joints(index)
        intrinsics = np.array([[40.0, 0, 16], [0, 40, 12], [0, 0, 1]])
        return Sample(
            f"hand {index}",
            image,
            box=(4.0, 3.0, 20.0, 16.0),
            joints_2d=project(joints, intrinsics),
            joints_3d=joints,
            intrinsics=intrinsics,
            side="left" if index % 2 else "right",
            label=f"class {index % 3}",
            mask=image[..., 0] == 255,
            part=("test" if index % 5 == 4 else "train") if self.config.part else None,
            source=f"source {index // 2}",
        )

    def samples(self, indices: Sequence[int]) -> Sequence[Sample | Exception]:
        return one_by_one(self.__getitem__, indices)

    def fingerprint(self) -> str:
        return f"drawn {self.config.count}"
