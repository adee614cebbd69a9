"""Translation: a shift drawn per view in, a warp out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.geometry import translation


class Translate:
    """Shift the content by up to a share of the window's side along x and y, each uniform and independent.

    Source:
        PeCLR, "crop" with jitter: 0 to 15 source pixels, to the right and down only (a defect: here both ways).
    """

    kind: ClassVar = "warp"

    @dataclass(frozen=True)
    class Config:
        """share: largest shift over the window's side, in (0, 0.5]; 0.125 is 8 pixels of a 64-pixel view."""

        share: float = 0.125

        def __post_init__(self) -> None:
            if not 0 < self.share <= 0.5:
                raise ValueError(f"share = {self.share} must be in (0, 0.5]")

    def __init__(self, config: Config) -> None:
        self.share = config.share

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Draw warps in window coordinates, whose side is 2."""
        shift = (2 * torch.rand(2, count, generator=generator) - 1) * 2 * self.share
        return translation(shift[0], shift[1])
