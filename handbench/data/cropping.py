"""A sample in, a square crop about its hand out, with the one matrix that moves pixels, joints and camera alike.

The nominal window is the square of side 1.25 times the box's longer side about the box's centre (without a box: the square of the
image's longer side about its centre). The crop shows the window times `context`, in whole pixels, as the matrix says; outside the
image it shows the image reflected, because black corners would betray where the hand lay.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float, Int, UInt8

from handbench.errors import UnreadableSample
from handbench.types import Sample

MARGIN = 1.25  # PeCLR's crop margin where scale is not drawn


@dataclass(frozen=True)
class Crop:
    """A square piece of an image.

    Args:
        image: RGB.
        matrix: pixel of the source -> pixel of the crop.
    """

    image: UInt8[np.ndarray, "side side 3"]
    matrix: Float[np.ndarray, "3 3"]


@dataclass(frozen=True)
class Square:
    """A square of whole pixels of an image: the left upper one, which may lie outside, and how many there are to a side."""

    left: int
    top: int
    side: int

    @classmethod
    def about(cls, x: float, y: float, side: float) -> "Square":
        """The one nearest to a square with that centre and side, among those whose mirror image is a square of whole pixels too.

        Example:
            >>> Square.about(30.2, 20.0, 39.7), Square.about(30.5, 20.0, 39.7)
            (Square(left=10, top=0, side=40), Square(left=11, top=0, side=39))
        """
        twice = round(2 * x)
        odd = twice % 2
        whole = max(2 * round((side - odd) / 2) + odd, 2 - odd)
        return cls((twice - whole) // 2, round(y - whole / 2), whole)


def crop(sample: Sample, side: int, context: float) -> Crop:
    """Cut the hand out of its image.

    Args:
        sample: the image and the hand's box.
        side: pixels of the crop.
        context: side of the crop over the side of the nominal window.

    Raises:
        UnreadableSample: the box is no box, or lies outside the image.
    """
    region = square(sample, context)
    return Crop(_resampled(sample.image, region, side), matrix(region, side))


def crop_mask(sample: Sample, side: int, context: float) -> Bool[np.ndarray, "side side"] | None:
    """Cut the same piece out of the hand's mask; None where there is none."""
    if sample.mask is None:
        return None
    grey = np.repeat(sample.mask[..., None].astype(np.uint8) * np.uint8(255), 3, axis=-1)
    return np.asarray(_resampled(grey, square(sample, context), side)[..., 0] > 127)


def square(sample: Sample, context: float) -> Square:
    """The region a crop shows.

    Raises:
        UnreadableSample: as `crop`.
    """
    height, width = sample.image.shape[:2]
    if sample.box is None:
        return Square.about(width / 2, height / 2, max(width, height) * context)
    x, y, w, h = sample.box
    if not all(math.isfinite(number) for number in sample.box) or w <= 0 or h <= 0:
        raise UnreadableSample(sample.key, f"its box {sample.box} has no area")
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise UnreadableSample(sample.key, f"its box {sample.box} lies outside the image of {width} x {height} pixels")
    return Square.about(x + w / 2, y + h / 2, MARGIN * max(w, h) * context)


def matrix(region: Square, side: int) -> Float[np.ndarray, "3 3"]:
    """The matrix that takes pixels of the source to pixels of a crop of the region.

    Example:
        >>> matrix(Square(10, 0, 40), 80).tolist()
        [[2.0, 0.0, -20.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """
    zoom = side / region.side
    return np.array([[zoom, 0, zoom * -region.left], [0, zoom, zoom * -region.top], [0, 0, 1]])


def _resampled(image: UInt8[np.ndarray, "height width 3"], region: Square, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Resize a region to side x side: cubic, and widened against aliasing where it shrinks."""
    height, width = image.shape[:2]
    left, top, right, bottom = region.left, region.top, region.left + region.side, region.top + region.side
    if left < 0 or top < 0 or right > width or bottom > height:
        columns, rows = reflected(np.arange(left, right), width), reflected(np.arange(top, bottom), height)
        part = np.take(np.take(image, rows, axis=0), columns, axis=1)
    else:
        part = image[top:bottom, left:right]
    if region.side == side:
        return part
    # Torch's kernel gives Pillow's pixels and takes a quarter of the time.
    pixels = torch.from_numpy(part.copy()).permute(2, 0, 1)[None]
    small = functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
    return np.asarray(small[0].permute(1, 2, 0).contiguous().numpy(), np.uint8)


def reflected(indices: Int[np.ndarray, "places"], length: int) -> Int[np.ndarray, "places"]:
    """Fold indices outside [0, length) back into it, as mirrors at both ends would, however far out they are.

    Example:
        >>> reflected(np.arange(-3, 6), 3).tolist()
        [2, 1, 0, 0, 1, 2, 2, 1, 0]
    """
    folded = indices % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)
