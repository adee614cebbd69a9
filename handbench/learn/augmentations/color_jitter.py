"""Colour jitter: brightness, contrast, saturation and hue drawn per view in, one 3x4 matrix on RGB out."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.drawing import chance, check_probability, constant, uniform

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey: ITU-R BT.601
# RGB to YIQ (NTSC), where a turn of (I, Q) is a turn of the hue; and its inverse.
YIQ = (*LUMA, 0.595716, -0.274453, -0.321263, 0.211456, -0.522591, 0.311135)
RGB = tuple(torch.linalg.inv(torch.tensor(YIQ, dtype=torch.float64).view(3, 3)).flatten().tolist())


class ColorJitter:
    """Change brightness, contrast, saturation and hue by one linear map of RGB, so that colours compose and cost one multiply.

    Contrast moves about mid-grey instead of the image's own mean: the map then depends on the draw alone. Results are clipped to
    [0, 1] where the matrices are applied.

    Source:
        Torchvision's jitter in matrix form; PeCLR's own jitter multiplies the hue, which no matrix expresses (`hsv_jitter`).
    """

    kind: ClassVar = "colour"

    @dataclass(frozen=True)
    class Config:
        """Largest changes.

        Args:
            brightness, contrast, saturation: relative, to 1.
            hue: turn as a share of the colour circle, to 0.5.
            probability: of a view being changed at all.
        """

        brightness: float = 0.4
        contrast: float = 0.4
        saturation: float = 0.4
        hue: float = 0.1
        probability: float = 1.0

        def __post_init__(self) -> None:
            for name, limit in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
                if not 0 <= getattr(self, name) <= limit:
                    raise ValueError(f"{name} = {getattr(self, name)} must be in [0, {limit}]")
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "ColorJitter.Config":
            """None: refused, so that nobody takes another jitter for PeCLR's."""
            raise ValueError("PeCLR's jitter multiplies the hue, which no matrix expresses; take hsv_jitter:published")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 4"]:
        """Draw colour matrices: hue, then saturation, then contrast, then brightness."""
        config = self.config
        brightness, contrast, saturation = (
            uniform(count, 1 - most, 1 + most, generator) for most in (config.brightness, config.contrast, config.saturation)
        )
        turn = 2 * math.pi * config.hue
        linear = _saturation(saturation) @ _hue(uniform(count, -turn, turn, generator))
        offset = (brightness * 0.5 * (1 - contrast))[:, None, None].expand(-1, 3, 1)
        matrix = torch.cat([(brightness * contrast)[:, None, None] * linear, offset], -1)
        return or_nothing(matrix, config.probability, generator)


def or_nothing(matrix: Float[Tensor, "count 3 4"], probability: float, generator: torch.Generator) -> Float[Tensor, "count 3 4"]:
    """The matrices with the given probability, else the identity."""
    drawn = chance(len(matrix), probability, generator)
    return torch.where(drawn[:, None, None], matrix, torch.eye(3, 4, device=matrix.device))


def to_grey(device: torch.device) -> Float[Tensor, "3 3"]:
    """The matrix from RGB to grey, three times over."""
    return constant(LUMA, device).expand(3, 3)


def _saturation(factor: Tensor) -> Tensor:
    colour, grey = torch.eye(3, device=factor.device), to_grey(factor.device)
    return factor[:, None, None] * colour + (1 - factor)[:, None, None] * grey


def _hue(radians: Tensor) -> Tensor:
    cosine, sine, zero, one = radians.cos(), radians.sin(), torch.zeros_like(radians), torch.ones_like(radians)
    rows = [torch.stack(row, -1) for row in ([one, zero, zero], [zero, cosine, -sine], [zero, sine, cosine])]
    forth, back = (constant(values, radians.device).view(3, 3) for values in (YIQ, RGB))
    return back @ torch.stack(rows, -2) @ forth
