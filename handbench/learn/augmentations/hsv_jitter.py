"""HSV jitter: factors for hue, saturation and value drawn per view in; images recoloured exactly so out."""

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.learn.augmentations.drawing import chance, change_drawn, check_probability, check_range, uniform
from handbench.learn.threads import bytes_by_image
from handbench.protocols import ByteChange, Picture

Range = tuple[float, float]


class HsvJitter:
    """Multiply hue, saturation and value by factors of their own, and add to the value: PeCLR's own colour jitter.

    A multiplied hue depends on where the circle of colours begins (at red), so it is no matrix on RGB but an exact change of
    every pixel, there for reproduction. On the CPU OpenCV changes image by image and in bytes, so that hues are rounded to 1.4
    degrees: photographs differ by a third of a grey level from the unrounded form.

    Source:
        PeCLR, "color jitter": H · U(0.01, 1), S · U(0.01, 1), V · U(0.5, 1) + U(5, 20) of 255, always applied. Its code reads RGB
        as BGR, which swaps red and blue before the hue is multiplied, and rounds the hue to two degrees; here RGB is RGB.
    """

    kind: ClassVar = "filter"
    moves: ClassVar = False

    @dataclass(frozen=True)
    class Config:
        """Ranges drawn from uniformly, smaller number first.

        Args:
            hue: factor on the hue, 0 to 1 once round the circle from red; in [0, 2]. Beyond the circle it starts again.
            saturation, value: factors in [0, 2]; results are clipped to 1.
            offset: added to the value, in [-1, 1] of full brightness.
            probability: of a view being changed at all.
        """

        hue: Range = (0.01, 1.0)
        saturation: Range = (0.01, 1.0)
        value: Range = (0.5, 1.0)
        offset: Range = (5 / 255, 20 / 255)
        probability: float = 1.0

        def __post_init__(self) -> None:
            for name, least, most in (("hue", 0, 2), ("saturation", 0, 2), ("value", 0, 2), ("offset", -1, 1)):
                low, high = getattr(self, name)
                check_range(low, high, least, most, name)
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "HsvJitter.Config":
            """PeCLR's ranges, which are the defaults."""
            return cls()

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]:
        """Recolour the drawn images; on a CPU in bytes."""
        drawn, factors = self._draw(len(images), generator)
        if images.device.type == "cpu":
            return bytes_by_image(images, drawn, by_opencv(drawn, factors))
        return change_drawn(images, drawn, lambda some, rows: by_torch(some, factors[:, rows]))

    def in_bytes(self, count: int, generator: torch.Generator) -> ByteChange:
        """Draw for `count` images, each of which is then recoloured by (image, its number)."""
        drawn, factors = self._draw(count, generator)
        return by_opencv(drawn, factors)

    def _draw(self, count: int, generator: torch.Generator) -> tuple[Bool[Tensor, "count"], Float[Tensor, "4 count"]]:
        """Which images change, and the factors of hue, saturation and value and the value's offset."""
        config = self.config
        drawn = chance(count, config.probability, generator)
        spans = (config.hue, config.saturation, config.value, config.offset)
        return drawn, torch.stack([uniform(count, *span, generator) for span in spans])


def by_opencv(drawn: Bool[Tensor, "count"], factors: Float[Tensor, "4 count"]) -> ByteChange:
    """The change of one image in place, hue, saturation and value being bytes; 256 hues make the circle."""
    chosen, by_hue = drawn.tolist(), factors[0].tolist()
    matrices = np.zeros((len(drawn), 3, 4))
    matrices[:, :, :3] = factors[:3].T.diag_embed().numpy()
    matrices[:, 2, 3] = 255 * factors[3].numpy()

    def jitter(image: Picture, number: int) -> None:
        if chosen[number]:
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
            changed = cv2.transform(hsv, matrices[number])
            if by_hue[number] > 1:  # beyond the circle it starts again
                changed[..., 0] = (np.rint(by_hue[number] * np.arange(256)) % 256).astype(np.uint8)[hsv[..., 0]]
            cv2.cvtColor(changed, cv2.COLOR_HSV2RGB_FULL, dst=image)

    return jitter


def by_torch(
    images: Float[Tensor, "batch 3 height width"], factors: Float[Tensor, "4 batch"]
) -> Float[Tensor, "batch 3 height width"]:
    """The same on any device, with nothing rounded."""
    by_hue, by_saturation, by_value, offset = factors[..., None, None]
    hue, saturation, value = hsv_of(images)
    return rgb_of(hue * by_hue, (saturation * by_saturation).clamp_(0, 1), (value * by_value + offset).clamp_(0, 1))


def hsv_of(images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (0 to 6, red at 0, green at 2, blue at 4), saturation and value (0 to 1), each (batch, height, width)."""
    red, green, blue = images.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    one = torch.ones((), device=images.device)
    per = 1 / torch.where(chroma > 0, chroma, one)
    hue = torch.where(
        value == red,
        torch.remainder((green - blue) * per, 6.0),
        torch.where(value == green, (blue - red) * per + 2, (red - green) * per + 4),
    )
    return hue, chroma / torch.where(value > 0, value, one), value


def rgb_of(hue: Tensor, saturation: Tensor, value: Tensor) -> Float[Tensor, "batch 3 height width"]:
    """The inverse of `hsv_of`, for any hue: channel n is v - v s max(0, min(k, 4 - k, 1)) with k = (n + hue) mod 6."""
    chroma = value * saturation
    channels = []
    for start in (5.0, 3.0, 1.0):
        place = torch.remainder(hue + start, 6.0)
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp_(0, 1))
    return torch.stack(channels, 1)
