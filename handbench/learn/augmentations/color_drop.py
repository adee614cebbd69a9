"""Colour drop: a coin thrown per view in, the matrix that turns RGB to grey out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.color_jitter import or_nothing, to_grey
from handbench.learn.augmentations.drawing import check_probability


class ColorDrop:
    """Make a view grey, with the luma weights of ITU-R BT.601.

    Source:
        PeCLR, "color drop": probability 0.5. Its code puts the weights of blue on red and of red on blue; not so here. SimCLR
        takes 0.2.
    """

    kind: ClassVar = "colour"

    @dataclass(frozen=True)
    class Config:
        """probability: of a view being made grey."""

        probability: float = 0.5

        def __post_init__(self) -> None:
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "ColorDrop.Config":
            """PeCLR's probability."""
            return cls(probability=0.5)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 4"]:
        """Draw colour matrices."""
        grey = to_grey(generator.device)
        matrix = torch.cat([grey, torch.zeros_like(grey[:, :1])], -1)
        return or_nothing(matrix.expand(count, 3, 4), self.config.probability, generator)
