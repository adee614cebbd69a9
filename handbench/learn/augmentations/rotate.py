"""Rotation: an angle drawn per view in, a warp about the window's centre out."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.geometry import rotation
from handbench.learn.augmentations.drawing import uniform


class Rotate:
    """Turn the content by an angle uniform in ±degrees.

    The paper turns about the mean 2D joint; the packed crop is centred on the hand's box, so its centre stands for it and no
    label is read.

    Source:
        PeCLR, augmentation "rotate": ±45°, always applied. Its code rounds the angle down to whole degrees and leaves black
        corners; neither is repeated here.
    """

    kind: ClassVar = "warp"

    @dataclass(frozen=True)
    class Config:
        """degrees: largest turn to either side, in (0, 180]."""

        degrees: float = 45.0

        def __post_init__(self) -> None:
            if not 0 < self.degrees <= 180:
                raise ValueError(f"degrees = {self.degrees} must be in (0, 180]")

        @classmethod
        def published(cls) -> "Rotate.Config":
            """PeCLR's range."""
            return cls(degrees=45.0)

    def __init__(self, config: Config) -> None:
        self.limit = math.radians(config.degrees)

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Draw warps in window coordinates."""
        return rotation(uniform(count, -self.limit, self.limit, generator))
