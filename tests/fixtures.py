"""Small data sets with known contents, written to a folder: photographs of classes, bad files, FreiHAND's layout."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image, ImageDraw

from handbench.data.decoding import one_by_one
from handbench.errors import UnreadableSample
from handbench.types import Sample

COLOURS = {"fist": (200, 60, 60), "palm": (60, 200, 60), "point": (60, 60, 200)}
BONES = np.array([[43, 32, 31, 26], [92, 38, 23, 22], [92, 39, 26, 24], [86, 36, 26, 23], [80, 28, 20, 20]]) / 1000  # metres
FAN = np.array([-48, -14, 0, 13, 27])  # degrees, thumb to little finger
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
    """The joints (21, 3) in metres of made-up right hand `number`, about 0.6 m before the camera.

    Bones as long as a person's, fingers fanned out and bent, the hand turned in the image.
    """
    random = np.random.RandomState(number)
    spread = np.deg2rad(FAN + random.uniform(-3, 3, 5))
    bend = np.deg2rad(random.uniform(15, 30, (5, 1)) * np.arange(4))  # of each bone against the palm
    steps = np.stack([np.sin(spread)[:, None] * np.cos(bend), -np.cos(spread)[:, None] * np.cos(bend), np.sin(bend)], -1)
    joints = np.concatenate([np.zeros((1, 3)), np.cumsum(steps * BONES[..., None], 1).reshape(20, 3)])
    turn = random.uniform(-np.pi, np.pi)
    joints = joints @ np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
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


def run_record(run: str, seed: int = 0, scores: Any = (), **changes: Any) -> dict[str, Any]:
    """A finished run as reports receive it.

    Args:
        run: its id.
        seed: of everything random.
        scores: metric -> value in mm under the definition "rotation"; or score documents in full.
        changes: what differs from a probe of PeCLR; `recipe` is laid over the one that follows from these.
    """
    plain = {
        "objective": "peclr",
        "backbone": "tiny",
        "dataset": "synthetic",
        "protocol": "probe",
        "labels": 1.0,
        "budget": "quick",
        "device": "cpu",
        **{key: value for key, value in changes.items() if key != "recipe"},
    }
    blank = {"unit": "mm", "count": 100, "excluded": 0, "protocol": "rotation", "spread": None, "note": ""}
    listed = (
        [{"metric": name, "value": value, **blank} for name, value in scores.items()]
        if isinstance(scores, dict)
        else list(scores)
    )
    recipe = {
        "seed": seed,
        "objective": {"name": plain["objective"]},
        "backbone": {"name": plain["backbone"]},
        "dataset": {"name": plain["dataset"]},
        "pose": {"protocol": plain["protocol"], "labels": plain["labels"]},
        **changes.get("recipe", {}),
    }
    return {
        "id": run,
        "status": "finished",
        "seed": seed,
        "data": {"fingerprint": "0123456789"},
        "notes": [],
        "stages": [],
        "cost": {"seconds": 1.0},
        "provenance": {"handbench": "0.1.0", "hardware": {"device": "a CPU"}},
        "created": "2026-01-01T00:00:00+00:00",
        **plain,
        "recipe": recipe,
        "scores": listed,
    }


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


@contextmanager
def no_questions() -> Iterator[None]:
    """A context in which tensors refuse to be asked for numbers: on a GPU the host would wait for the answer."""

    def refuse(tensor: torch.Tensor, *_: Any, **__: Any) -> None:
        raise AssertionError(f"a tensor of shape {tuple(tensor.shape)} was asked for a number")

    asking = ("item", "tolist", "nonzero", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__")
    with ExitStack() as patches:
        for name in asking:
            patches.enter_context(mock.patch.object(torch.Tensor, name, refuse))
        yield
