"""Gaussian blur: a deviation drawn per view in, blurred images out."""

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.learn.augmentations.drawing import chance, change_drawn, check_probability, check_range, uniform
from handbench.learn.threads import image_by_image

PUBLISHED_WINDOW = 128.0  # pixels of the photograph in the window of a FreiHAND hand, which a view shows
SMALLEST = 1e-3  # pixels; below it nothing is blurred, and nothing is divided by zero


class GaussianBlur:
    """Blur by a Gaussian whose deviation is drawn uniformly, as a share of the view's side.

    Kernels reach four deviations out, where a three-thousandth of the centre's weight is left, and images continue by their
    reflection. On the CPU OpenCV blurs image by image; elsewhere each axis is one batched product with a banded matrix, into
    which the reflection is folded; on the CPU that takes four times as long.

    Source:
        PeCLR, "gaussian blur": probability 0.5, deviation U(0.1, 2) pixels of the photograph, before the hand's window is cut;
        SimCLR the same of a 224-pixel view. Their kernel, 10 % of the image, reaches further than any weight counts.
    """

    kind: ClassVar = "filter"
    moves: ClassVar = False

    @dataclass(frozen=True)
    class Config:
        """How much, how often.

        Args:
            smallest, largest: deviation over the view's side, in [0, 0.1]; 2/128 is 1 pixel of a 64-pixel view.
            probability: of a view being changed at all.
        """

        smallest: float = 0.1 / 128
        largest: float = 2 / 128
        probability: float = 0.5

        def __post_init__(self) -> None:
            check_range(self.smallest, self.largest, 0.0, 0.1)
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "GaussianBlur.Config":
            """PeCLR's range over a FreiHAND hand's window."""
            return cls(smallest=0.1 / PUBLISHED_WINDOW, largest=2 / PUBLISHED_WINDOW, probability=0.5)

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]:
        """Blur the drawn images."""
        drawn = chance(len(images), self.config.probability, generator)
        side = images.shape[-1]
        deviations = side * uniform(len(images), self.config.smallest, self.config.largest, generator)
        reach = max(1, math.ceil(4 * side * self.config.largest))

        if images.device.type == "cpu":
            return by_opencv(images, drawn, deviations, reach)
        return change_drawn(images, drawn, lambda some, rows: by_products(some, deviations[rows], reach))


def by_opencv(
    images: Float[Tensor, "batch 3 height width"], drawn: Bool[Tensor, "batch"], deviations: Float[Tensor, "batch"], reach: int
) -> Float[Tensor, "batch 3 height width"]:
    """Blur the drawn images on the CPU, each with a kernel no longer than its own deviation asks for."""
    numbers = deviations.tolist()

    def blur(image: np.ndarray, place: int) -> None:
        side = 2 * min(reach, math.ceil(4 * numbers[place])) + 1
        cv2.GaussianBlur(image, (side, side), max(numbers[place], SMALLEST), dst=image)

    return image_by_image(images, drawn, blur)


def by_products(
    images: Float[Tensor, "batch 3 height width"], deviations: Float[Tensor, "batch"], reach: int
) -> Float[Tensor, "batch 3 height width"]:
    """Blur on any device: rows times one banded matrix an image, then columns times another."""
    down, along = (_band(side, deviations, reach)[:, None] for side in images.shape[-2:])
    return down @ images @ along.transpose(-1, -2)


def _band(side: int, deviations: Float[Tensor, "batch"], reach: int) -> Float[Tensor, "batch side side"]:
    """The matrix that blurs a line of pixels: the kernel's weights by distance, with those of the two reflections added."""
    deviations = deviations.clamp(min=SMALLEST)[:, None, None]
    reaches = (4 * deviations).ceil().clamp(max=reach)

    def weight(distance: Tensor) -> Tensor:
        return torch.where(distance.abs() <= reaches, (-(distance**2) / (2 * deviations**2)).exp(), 0.0)

    places = torch.arange(side, device=deviations.device, dtype=deviations.dtype)
    here, there = places[:, None], places
    before = weight(here + there) * (there > 0)  # the first pixel itself is not repeated, nor is the last
    after = weight(2 * (side - 1) - here - there) * (there < side - 1)
    band = weight(here - there) + before + after
    return band / band.sum(-1, keepdim=True)
