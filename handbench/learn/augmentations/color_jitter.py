"""Colour jitter: brightness, contrast, saturation and hue drawn per view in, one 3x4 matrix on RGB out."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
# RGB to YIQ (NTSC), where a turn of (I, Q) is a turn of the hue.
YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


class ColorJitter:
    """Change brightness, contrast, saturation and hue by one linear map of RGB, so that colours compose and cost one multiply.

    Contrast moves about mid-grey instead of the image's own mean: the map then depends on the draw alone. Results are clipped to
    [0, 1] where the matrices are applied.

    Source:
        Torchvision's jitter in matrix form; PeCLR's own jitter multiplies the hue, which no matrix expresses.
    """

    kind: ClassVar = "colour"

    @dataclass(frozen=True)
    class Config:
        """Largest changes.

        Args:
            brightness, contrast, saturation: relative, to 1.
            hue: turn as a share of the colour circle, to 0.5.
        """

        brightness: float = 0.4
        contrast: float = 0.4
        saturation: float = 0.4
        hue: float = 0.1

        def __post_init__(self) -> None:
            for name, limit in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
                if not 0 <= getattr(self, name) <= limit:
                    raise ValueError(f"{name} = {getattr(self, name)} must be in [0, {limit}]")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 4"]:
        """Draw colour matrices: hue, then saturation, then contrast, then brightness."""
        spread = 2 * torch.rand(4, count, generator=generator) - 1
        config = self.config
        colour = _saturation(1 + config.saturation * spread[2]) @ _hue(2 * math.pi * config.hue * spread[3])
        contrast, brightness = 1 + config.contrast * spread[1], 1 + config.brightness * spread[0]
        linear = (brightness * contrast)[:, None, None] * colour
        offset = (brightness * 0.5 * (1 - contrast))[:, None, None].expand(-1, 3, 1)
        return torch.cat([linear, offset], -1)


def _saturation(factor: Tensor) -> Tensor:
    grey = torch.tensor(LUMA).expand(3, 3)
    return factor[:, None, None] * torch.eye(3) + (1 - factor)[:, None, None] * grey


def _hue(radians: Tensor) -> Tensor:
    cosine, sine, zero, one = radians.cos(), radians.sin(), torch.zeros_like(radians), torch.ones_like(radians)
    rows = [torch.stack(row, -1) for row in ([one, zero, zero], [zero, cosine, -sine], [zero, sine, cosine])]
    yiq = torch.tensor(YIQ)
    turned: Tensor = torch.linalg.inv(yiq) @ torch.stack(rows, -2) @ yiq
    return turned
