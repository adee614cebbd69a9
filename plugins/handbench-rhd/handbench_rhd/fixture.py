"""A small folder in RHD's official layout, made of handbench's embedded synthetic hands: what the tests read."""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from handbench.joint_orders import RHD, from_common
from handbench.plugins import discover
from handbench.types import Sample

SIDE = 320
LEFT, RIGHT = 5, 20  # numbers that stand for parts of the left and the right hand in a mask


def write_rhd(folder: Path, training: int = 6, evaluation: int = 3) -> Path:
    """Write pictures, masks and annotations; picture i of a set shows synthetic hand i, the other hand is far outside.

    Returns:
        The folder.
    """
    owner = discover().find("dataset", "synthetic").target
    hands = owner(owner.Config(images=training, validation=1, test=evaluation, size=SIDE), root=None)
    samples = [sample for sample in hands.samples(range(len(hands))) if isinstance(sample, Sample)]
    counts = {"training": ("train", training), "evaluation": ("test", evaluation)}
    for name, (part, count) in counts.items():
        for kind in ("color", "mask"):
            (folder / name / kind).mkdir(parents=True, exist_ok=True)
        chosen = [sample for sample in samples if sample.part == part][:count]
        annotations = {number: _write(sample, folder / name, number) for number, sample in enumerate(chosen)}
        (folder / name / f"anno_{name}.pickle").write_bytes(pickle.dumps(annotations, protocol=2))
    return folder


def _write(sample: Sample, folder: Path, number: int) -> dict[str, np.ndarray]:
    """Write one picture and its mask; return its annotations."""
    Image.fromarray(sample.image).save(folder / "color" / f"{number:05d}.png")
    mask = np.where(sample.mask, LEFT if sample.side == "left" else RIGHT, 0).astype(np.uint8)
    Image.fromarray(mask).save(folder / "mask" / f"{number:05d}.png")
    seen = np.concatenate([sample.joints_2d, sample.visible[:, None]], 1)
    hand, space = from_common(seen, RHD), from_common(sample.joints_3d, RHD)
    absent = np.concatenate([hand[:, :2] - 10 * SIDE, np.zeros((21, 1))], 1), space - np.array([3.0, 0, 0])
    halves = [(hand, space), absent] if sample.side == "left" else [absent, (hand, space)]
    return {
        "uv_vis": np.concatenate([half[0] for half in halves]),
        "xyz": np.concatenate([half[1] for half in halves]),
        "K": np.asarray(sample.intrinsics),
    }
