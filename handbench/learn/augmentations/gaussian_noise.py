"""Gaussian noise: a coin thrown per view in; images with a normal number added to every value out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.drawing import Selection, chance, change_drawn, check_probability


class GaussianNoise:
    """Add normal noise to each value of each pixel, and clip to [0, 1].

    Source:
        PeCLR, "gaussian noise": probability 0.5, deviation 25 of 255. Its code adds the noise's absolute value and lets bytes
        wrap round; here it has both signs and is clipped.
    """

    kind: ClassVar = "filter"
    moves: ClassVar = False

    @dataclass(frozen=True)
    class Config:
        """How much noise, how often.

        Args:
            deviation: of 1 (full brightness), in (0, 1].
            probability: of a view being changed at all.
        """

        deviation: float = 25 / 255
        probability: float = 0.5

        def __post_init__(self) -> None:
            if not 0 < self.deviation <= 1:
                raise ValueError(f"deviation = {self.deviation} must be in (0, 1], a share of full brightness")
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "GaussianNoise.Config":
            """PeCLR's numbers, which are the defaults."""
            return cls()

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]:
        """Add noise to the drawn images."""

        def noisy(some: Tensor, _: Selection) -> Tensor:
            noise = torch.randn(some.shape, generator=generator, device=generator.device)
            return noise.mul_(self.config.deviation).add_(some).clamp_(0, 1)

        return change_drawn(images, chance(len(images), self.config.probability, generator), noisy)
