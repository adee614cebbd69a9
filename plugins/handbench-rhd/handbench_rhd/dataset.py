"""The Rendered Hand Pose Dataset in its official layout in; the dominant hand of each picture, with 3D joints, out.

Zimmermann and Brox, ICCV 2017. `{training,evaluation}/color/%.5d.png`, `…/mask/%.5d.png` and `anno_{set}.pickle`: picture number
-> {uv_vis (42, 3), xyz (42, 3) in metres, K (3, 3)}; the left hand's 21 joints first. Fingers run from tip to base.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from handbench.data.decoding import one_by_one, read_rgb
from handbench.data.pickles import read_pickle
from handbench.errors import DataError, UnreadableSample
from handbench.joint_orders import RHD as ORDER
from handbench.joint_orders import to_common
from handbench.types import Part, Sample

SETS: dict[str, Part] = {"training": "train", "evaluation": "test"}
SHAPES = {"uv_vis": (42, 3), "xyz": (42, 3), "K": (3, 3)}
RIGHT_FROM = 18  # mask: 0 background, 1 person, 2-17 left hand, from 18 right hand


class RHD:
    """Rendered hands of both sides: 41,258 training and 2,728 evaluation pictures of 320 x 320 pixels."""

    context = 1.2
    parallel: Literal["threads", "processes", "none"] = "threads"

    @dataclass(frozen=True)
    class Config:
        """Which hand.

        Args:
            hand: the dominant one (more pixels in the mask), or always the left or the right one.
        """

        hand: Literal["dominant", "left", "right"] = "dominant"

    def __init__(self, config: Config, root: Path | None = None) -> None:
        if root is None:
            raise DataError("dataset 'rhd' needs its folder: --data FOLDER, with training/ and evaluation/ in it")
        self.config, self.root = config, Path(root)
        self._annotations = {name: self._read(name) for name in SETS if (self.root / name / "color").is_dir()}
        if not self._annotations:
            raise DataError(f"{self.root}: neither training/color nor evaluation/color is there, so this is not RHD's layout")
        self._entries = [(name, number) for name, every in self._annotations.items() for number in sorted(every)]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture and its hand.

        Raises:
            UnreadableSample: picture or mask is broken, or the hand is not in the picture.
        """
        name, number = self._entries[index]
        key = f"{name}/color/{number:05d}.png"
        known = self._annotations[name][number]
        image = read_rgb(self.root / key, key)
        parts = read_rgb(self.root / name / "mask" / f"{number:05d}.png", f"{name}/mask/{number:05d}.png")[..., 0]
        left, right = (parts >= 2) & (parts < RIGHT_FROM), parts >= RIGHT_FROM
        side = self._side(int(left.sum()), int(right.sum()))
        rows = slice(0, 21) if side == "left" else slice(21, 42)
        seen = to_common(known["uv_vis"][rows], ORDER)
        return Sample(
            key,
            image,
            box=_box(seen[:, :2], image.shape[1], image.shape[0], key),
            joints_2d=seen[:, :2],
            joints_3d=to_common(known["xyz"][rows], ORDER),
            valid=np.ones(21, bool),
            visible=seen[:, 2] > 0,
            intrinsics=known["K"],
            side=side,
            mask=left if side == "left" else right,
            part=SETS[name],
            source=f"{name}/{number:05d}",
        )

    def samples(self, indices: Sequence[int]) -> Sequence[Sample | Exception]:
        """Several samples, an UnreadableSample standing where one failed."""
        return one_by_one(self.__getitem__, indices)

    def fingerprint(self) -> str:
        """Digest the names, sizes and times of all files."""
        digest = hashlib.blake2b(repr(self.config).encode(), digest_size=16)
        for path in sorted(self.root.rglob("*")):
            state = path.stat()
            digest.update(
                f"{path.relative_to(self.root)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode() if path.is_file() else b""
            )
        return digest.hexdigest()

    def _side(self, left: int, right: int) -> Literal["left", "right"]:
        if self.config.hand != "dominant":
            return self.config.hand
        return "left" if left > right else "right"

    def _read(self, name: str) -> dict[int, dict[str, np.ndarray]]:
        path = self.root / name / f"anno_{name}.pickle"
        content = read_pickle(path)
        if not isinstance(content, dict) or not content:
            raise DataError(f"{path}: is no annotation file of RHD, which maps picture numbers to arrays")
        return {int(number): _arrays(entry, path, number) for number, entry in content.items()}


def _arrays(entry: object, path: Path, number: object) -> dict[str, np.ndarray]:
    """The arrays of one picture, checked."""
    found = (
        {name: np.asarray(entry[name], np.float64) for name in SHAPES}
        if isinstance(entry, dict) and {*SHAPES} <= {*entry}
        else {}
    )
    for name, shape in SHAPES.items():
        if name not in found or found[name].shape != shape:
            raise DataError(f"{path}: picture {number} lacks {name} of shape {shape}; extract the archive again")
    return found


def _box(joints: np.ndarray, width: int, height: int, key: str) -> tuple[float, float, float, float]:
    """The box around the joints, cut to the picture."""
    left, top = np.maximum(joints.min(0), 0)
    right, bottom = np.minimum(joints.max(0), (width, height))
    if not (left < right and top < bottom):
        raise UnreadableSample(key, f"the hand lies outside the picture of {width} x {height} pixels")
    return float(left), float(top), float(right - left), float(bottom - top)
