"""Flip: a coin thrown per view in, a warp that mirrors left and right out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.drawing import chance, check_probability


class Flip:
    """Mirror the content about the window's vertical axis: a right hand comes to look like a left one.

    Points and camera move along, so poses stay true, and PeCLR's exact mode undoes it as it undoes any warp; the published
    mode knows only rotation and translation and would not.

    Source:
        SimCLR, appendix A: probability 0.5. PeCLR's code lists a flip but never makes it.
    """

    kind: ClassVar = "warp"

    @dataclass(frozen=True)
    class Config:
        """probability: of a view being mirrored."""

        probability: float = 0.5

        def __post_init__(self) -> None:
            check_probability(self.probability)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Draw warps in window coordinates."""
        sign = 1.0 - 2.0 * chance(count, self.config.probability, generator).float()
        one = torch.ones_like(sign)
        return torch.diag_embed(torch.stack([sign, one, one], -1))
