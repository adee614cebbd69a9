"""Sobel: a coin thrown per view in; images of their edges out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.color_jitter import LUMA
from handbench.learn.augmentations.drawing import chance, change_drawn, check_probability


class Sobel:
    """Replace an image by how steeply its grey rises: the sum of the Sobel derivatives along x and y, in all three channels.

    What is shown is the sum's absolute value, clipped to 1; at the border the image is continued by its reflection without
    the outermost pixels, as OpenCV does.

    Source:
        PeCLR, "sobel": probability 0.5, 3x3 kernels, dx + dy. Its code puts signed numbers into bytes, where negative and
        large ones wrap round, and filters the photograph before the hand's window is cut; here it is the view.
    """

    kind: ClassVar = "filter"
    moves: ClassVar = False

    @dataclass(frozen=True)
    class Config:
        """probability: of a view being changed at all."""

        probability: float = 0.5

        def __post_init__(self) -> None:
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "Sobel.Config":
            """PeCLR's probability."""
            return cls(probability=0.5)

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]:
        """Replace the drawn images by their edges."""
        return change_drawn(images, chance(len(images), self.config.probability, generator), lambda some, _: edges(some))


def edges(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """|dx + dy| of the grey image. The kernels are separable, so shifted sums do without a convolution.

    The sum's kernel is [[-2, -2, 0], [-2, 0, 2], [0, 2, 2]].
    """
    red, green, blue = images.unbind(1)
    grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    wide = functional.pad(grey[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
    height, width = grey.shape[-2:]

    def shifted(x: int, y: int) -> Tensor:
        return wide[:, 1 + y : 1 + y + height, 1 + x : 1 + x + width]

    rising = shifted(1, 0) + shifted(0, 1) + shifted(1, 1) - shifted(-1, 0) - shifted(0, -1) - shifted(-1, -1)
    return rising.mul_(2).abs_().clamp_(max=1)[:, None].expand(-1, 3, -1, -1)
