"""Small data that contracts are tried on: pictures, hands, views of them and an encoder, all made from fixed seeds."""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from handbench.geometry import pixel_from_window, rotation, scaling, translation
from handbench.learn.views import make_views
from handbench.measure.representation import effective_rank
from handbench.types import Batch, Facts, Prediction, Targets, Truth, Views

SIDE, WINDOW, VIEW = 48, 40.0, 32
CLASSES = 4
FACTS = Facts(classes=CLASSES, posed=True, images=64, steps=60)


class ToyEncoder(nn.Module):
    """Two convolutions and a mean: enough to learn from the toy pictures in a few dozen steps."""

    width = 24

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, self.width, 5, 2, 2), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to features (batch, 24)."""
        features: Tensor = self.layers(images - 0.5).mean((2, 3))
        return features


def batch(count: int, seed: int = 0) -> Batch:
    """Pictures that differ in their colours and shapes, of a few classes, with hands before a camera."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    images = nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    joints_3d = 0.05 * torch.randn(count, 21, 3, generator=generator) + torch.tensor([0.0, 0.0, 0.6])
    camera = torch.tensor([[200.0, 0, SIDE / 2], [0, 200, SIDE / 2], [0, 0, 1]])
    seen = joints_3d @ camera.T
    targets = Targets(
        classes=torch.arange(count) % CLASSES,
        joints_2d=seen[..., :2] / seen[..., 2:],
        joints_3d=joints_3d,
        valid=torch.ones(count, 21, dtype=torch.bool),
        left=torch.zeros(count, dtype=torch.bool),
        intrinsics=camera.repeat(count, 1, 1),
    )
    return Batch((255 * images).permute(0, 2, 3, 1).to(torch.uint8).contiguous(), WINDOW, targets)


def views(count: int, number: int, seed: int = 0, images: int = 32) -> Views:
    """Views of the toy pictures, turned, shifted, zoomed and recoloured; `number` is that of the draw.

    Args:
        count: views of each picture.
        number: another number, other views of the same pictures.
        seed: of the pictures.
        images: how many.
    """
    generator = torch.Generator().manual_seed(number)
    return make_views(batch(images, seed), [_Moved(), _Tinted()], max(count, 1), VIEW, generator)


def with_warps(seen: Views, warps: Tensor) -> Views:
    """The same images under other warps, given in window coordinates (views, batch, 3, 3)."""
    to_pixels = pixel_from_window(seen.size, like=warps)
    return Views(seen.images, to_pixels @ warps @ seen.frame, seen.frame, seen.targets)


def hands(count: int, seed: int = 0) -> tuple[Prediction, Truth]:
    """A perfect prediction of random hands, and the truth."""
    random = np.random.default_rng(seed)
    joints = random.normal(0, 0.05, (count, 21, 3)) + np.array([0, 0, 0.6])
    pixels = random.uniform(0, 64, (count, 21, 2))
    key, flags = np.array([f"hand {row}" for row in range(count)]), np.ones((count, 21), bool)
    vertices = random.normal(0, 0.05, (count, 778, 3)) + np.array([0, 0, 0.6])
    prediction = Prediction(key, pixels, joints, np.ones(count, bool), 64, vertices)
    return prediction, Truth(key, pixels, joints, flags, flags, vertices)


def random_warps(count: int, seed: int = 0) -> Tensor:
    """Turns by up to 60°, zooms by 0.8 to 1.25 and shifts by up to a fifth of the window, in window coordinates."""
    turn, zoom, x, y = torch.rand(4, count, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    warps: Tensor = translation(0.2 * x, 0.2 * y) @ scaling(1.25**zoom) @ rotation(torch.pi / 3 * turn)
    return warps


def dot_views(joints: Tensor) -> Batch:
    """Black pictures with one round white dot each, centred where all their joints lie; joints (batch, 2) in pixels."""
    centres = torch.arange(SIDE) + 0.5
    x, y = joints[:, 0, None, None], joints[:, 1, None, None]
    glow = torch.exp(-((centres[None, None] - x) ** 2 + (centres[None, :, None] - y) ** 2) / (2 * 1.5**2))
    images = (255 * glow)[..., None].expand(-1, -1, -1, 3).round().to(torch.uint8).contiguous()
    known = batch(len(joints)).targets
    fields: dict[str, Any] = {**vars(known), "joints_2d": joints[:, None].expand(-1, 21, -1).contiguous()}
    return Batch(images, WINDOW, Targets(**fields))


def brightest(images: Tensor) -> Tensor:
    """The centre of what is brighter than half between the darkest and the brightest pixel, (batch, 2) in pixels."""
    grey = images.mean(1)
    low, high = grey.flatten(1).min(1).values[:, None, None], grey.flatten(1).max(1).values[:, None, None]
    weight = (grey - (low + high) / 2).clamp(min=0)
    centres = torch.arange(images.shape[-1]) + 0.5
    total = weight.sum((1, 2)).clamp(min=1e-9)
    return torch.stack([(weight * centres).sum((1, 2)) / total, (weight * centres[:, None]).sum((1, 2)) / total], -1)


def centred_rank(features: Tensor) -> float:
    """RankMe of centred features: 1 for a line; 0 for a point, where only rounding is left."""
    centred = features - features.mean(0)
    return 0.0 if centred.norm() <= 1e-6 * features.norm() else effective_rank(centred)


class _Moved:
    """A warp that turns, zooms and shifts."""

    kind: ClassVar[Literal["warp", "colour", "filter"]] = "warp"

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return random_warps(count, int(torch.randint(2**31, (1,), generator=generator)))


class _Tinted:
    """A colour that scales each channel by 0.7 to 1.3."""

    kind: ClassVar[Literal["warp", "colour", "filter"]] = "colour"

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        factors = 0.7 + 0.6 * torch.rand(count, 3, generator=generator)
        return torch.cat([torch.diag_embed(factors), torch.zeros(count, 3, 1)], -1)
