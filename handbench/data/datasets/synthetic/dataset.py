"""A Config goes in; the synthetic hands come out, rendered when they are asked for.

Order: training, validation, test. Nothing is stored and nothing has to be downloaded; image i of a part is a function of
(generator version, seed, domain, i) and of the settings that say how it is shown (size, roll, anti-aliasing, versions).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from handbench.data.datasets.synthetic import config
from handbench.data.datasets.synthetic.render import Pictures, Renderer
from handbench.data.datasets.synthetic.rig import ASSET_SHA256, load_rig
from handbench.data.datasets.synthetic.scene import Address, Scenes, Stage
from handbench.errors import RecipeError
from handbench.types import JOINTS, MIDDLE_MCP, MIDDLE_PIP, Part, Sample

PIXELS_A_CHUNK = {"cpu": 32 * 64 * 64, "cuda": 256 * 128 * 128}  # of fine pixels; the fastest of 4 to 32 images measured
FEWEST, MOST = 4, 1024  # images a chunk
PARTS: tuple[Part, ...] = ("train", "validation", "test")


class SyntheticHands:
    """Rendered hands with complete labels.

    Args:
        config: what to render.
        root: not used; synthetic hands have no folder.

    Raises:
        RecipeError: CUDA is asked for and not there.
    """

    Config: ClassVar[type[config.Config]] = config.Config
    context: float = 1.0

    def __init__(self, config: config.Config, root: Path | None = None) -> None:
        self.config = config
        self._device = _device(config.device)
        self._counts: dict[Part, int] = {"train": config.images, "validation": config.validation, "test": config.test}
        self._renderer: Renderer | None = None

    @property
    def parallel(self) -> Literal["threads", "processes", "none"]:
        """Processes on the CPU; one caller on CUDA, whose batches are large."""
        return "processes" if self._device.type == "cpu" else "none"

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __getitem__(self, index: int) -> Sample:
        return self.samples([index])[0]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_renderer": None}

    def samples(self, indices: Sequence[int]) -> list[Sample]:
        """Render several images, in chunks of a size that suits the device.

        Raises:
            IndexError: an index is out of range.
        """
        addresses = [self.address(index) for index in indices]
        chunk = self._chunk()
        return [
            sample for start in range(0, len(addresses), chunk) for sample in self._rendered(addresses[start : start + chunk])
        ]

    def fingerprint(self) -> str:
        """A digest of generator version, asset and settings; the device is not among them."""
        identity = f"synthetic {config.GENERATOR_VERSION} {ASSET_SHA256} {self.config.identity()}"
        return hashlib.sha256(identity.encode()).hexdigest()

    def address(self, index: int) -> Address:
        """Tell which image an index names.

        Raises:
            IndexError: the index is out of range.
        """
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"image {index} of {len(self)} synthetic hands")
        part: Part = "train"
        for following in PARTS[1:]:
            if number >= self._counts[part]:
                number, part = number - self._counts[part], following
        versions = self.config.versions if part == "train" else 1
        return Address(part, number, number // versions, number % versions)

    def scene(self, index: int) -> str:
        """Name of the scene that an image shows, e.g. "lab/test/scene-00012"; scenes are disjoint between parts."""
        scenes = Stage(self.config).compose([self.address(index)])
        return self._name(scenes.addresses[0], f"scene-{scenes.places[0]:05d}")

    def _chunk(self) -> int:
        pixels = (self.config.size * self.config.antialias) ** 2
        return min(max(PIXELS_A_CHUNK[self._device.type] // pixels, FEWEST), MOST)

    def _rendered(self, addresses: Sequence[Address]) -> list[Sample]:
        if self._renderer is None:
            self._renderer = Renderer(load_rig(), self.config.size, self.config.antialias, self._device)
        scenes = Stage(self.config).compose(addresses)
        pictures = self._renderer.render(scenes)
        on_cpu = Pictures(pictures.images.cpu(), pictures.masks.cpu(), pictures.visible.cpu())
        joints, intrinsics = scenes.joints, scenes.cameras.intrinsics
        pixels = scenes.cameras.project(joints)
        return [self._sample(row, scenes, on_cpu, joints[row], pixels[row], intrinsics[row]) for row in range(len(addresses))]

    def _sample(
        self,
        row: int,
        scenes: Scenes,
        pictures: Pictures,
        joints: Float[np.ndarray, "21 3"],
        pixels: Float[np.ndarray, "21 2"],
        intrinsics: Float[np.ndarray, "3 3"],
    ) -> Sample:
        address, mask = scenes.addresses[row], pictures.masks[row].numpy()
        return Sample(
            key=self._name(address, f"{address.number:06d}"),
            image=pictures.images[row].numpy(),
            box=hand_box(mask, pixels) if self.config.framing == "hand" else None,
            joints_2d=pixels,
            joints_3d=joints,
            valid=np.ones(JOINTS, bool),
            visible=pictures.visible[row].numpy(),
            intrinsics=intrinsics,
            side="left" if scenes.cameras.left[row] else "right",
            mask=mask,
            scale=float(np.linalg.norm(joints[MIDDLE_MCP] - joints[MIDDLE_PIP])),
            part=address.part,
            subject=self._name(address, f"subject-{scenes.subjects[row]:04d}"),
            frame=f"{address.hand:06d}",
            source=self._name(address, f"hand-{address.hand:06d}"),
        )

    def _name(self, address: Address, what: str) -> str:
        return f"{self.config.domain}/{address.part}/{what}"


def hand_box(mask: Bool[np.ndarray, "height width"], joints_2d: Float[np.ndarray, "21 2"]) -> tuple[float, float, float, float]:
    """The box x, y, width, height around the hand's mask and joints, in pixels."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    corners = [joints_2d]
    if len(rows):
        corners.append(np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], np.float64))
    points = np.concatenate(corners)
    low, extent = points.min(0), np.ptp(points, axis=0)
    return float(low[0]), float(low[1]), float(extent[0]), float(extent[1])


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "synthetic hands: device is 'cuda', but PyTorch finds no CUDA device; set dataset.device to 'cpu' or 'auto'"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
