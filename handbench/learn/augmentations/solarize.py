"""Solarisation: a coin thrown per view in; images whose bright values are inverted out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.drawing import Selection, chance, change_drawn, check_probability


class Solarize:
    """Turn each value v of at least the threshold into 1 - v.

    Source:
        BYOL (Grill et al. 2020, arXiv:2006.07733), appendix B: threshold 0.5, probability 0.2 in one of the two views, 0 in the
        other; here each view draws for itself.
    """

    kind: ClassVar = "filter"
    moves: ClassVar = False

    @dataclass(frozen=True)
    class Config:
        """What is inverted, how often.

        Args:
            threshold: of 1 (full brightness), in [0, 1].
            probability: of a view being changed at all.
        """

        threshold: float = 0.5
        probability: float = 0.2

        def __post_init__(self) -> None:
            if not 0 <= self.threshold <= 1:
                raise ValueError(f"threshold = {self.threshold} must be in [0, 1]")
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "Solarize.Config":
            """BYOL's numbers, which are the defaults."""
            return cls()

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]:
        """Invert bright values of the drawn images."""

        def inverted(some: Tensor, _: Selection) -> Tensor:
            bright = (some >= self.config.threshold).to(some.dtype)  # torch.where takes five times as long on the CPU
            return torch.lerp(some, 1 - some, bright)

        return change_drawn(images, chance(len(images), self.config.probability, generator), inverted)
