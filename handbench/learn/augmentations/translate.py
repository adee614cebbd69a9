"""Translation: a shift drawn per view in, a warp out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.geometry import translation
from handbench.learn.augmentations.drawing import uniform

PUBLISHED_SHIFT = 15.0  # pixels of the photograph
PUBLISHED_WINDOW = 128.0  # pixels of the photograph: a FreiHAND hand's window, 64 to 205 over the set


class Translate:
    """Shift the content by up to a share of the window's side along x and y, each uniform and independent.

    Source:
        PeCLR, "crop" with jitter: 0 to 15 pixels of the photograph, cut to whole ones, in one direction only, and squeezed at the
        right and bottom border. The preset keeps the size, as a share of the window, and none of the defects: both
        directions, any fraction, the window never squeezed.
    """

    kind: ClassVar = "warp"

    @dataclass(frozen=True)
    class Config:
        """share: largest shift over the window's side, in (0, 0.5]; 0.125 is 8 pixels of a 64-pixel view."""

        share: float = 0.125

        def __post_init__(self) -> None:
            if not 0 < self.share <= 0.5:
                raise ValueError(f"share = {self.share} must be in (0, 0.5]")

        @classmethod
        def published(cls) -> "Translate.Config":
            """PeCLR's largest shift over a FreiHAND hand's window."""
            return cls(share=PUBLISHED_SHIFT / PUBLISHED_WINDOW)

    def __init__(self, config: Config) -> None:
        self.share = config.share

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Draw warps in window coordinates, whose side is 2."""
        most = 2 * self.share
        return translation(uniform(count, -most, most, generator), uniform(count, -most, most, generator))
