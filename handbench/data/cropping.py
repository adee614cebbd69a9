"""A sample in, a square crop about its hand out, with the one matrix that moves pixels, joints and camera alike.

The nominal window is the square of side 1.25 times the box's longer side about the box's centre (without a box: the square of the
image's longer side about its centre). The crop shows the window times `context`; outside the image it shows the image reflected,
because black corners would betray where the hand lay in the photograph.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

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
    """A square region of an image, in its pixels: centre and side."""

    x: float
    y: float
    side: float


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
        return Square(width / 2, height / 2, max(width, height) * context)
    x, y, w, h = sample.box
    if not all(math.isfinite(number) for number in sample.box) or w <= 0 or h <= 0:
        raise UnreadableSample(sample.key, f"its box {sample.box} has no area")
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise UnreadableSample(sample.key, f"its box {sample.box} lies outside the image of {width} x {height} pixels")
    return Square(x + w / 2, y + h / 2, MARGIN * max(w, h) * context)


def matrix(region: Square, side: int) -> Float[np.ndarray, "3 3"]:
    """The matrix that takes pixels of the source to pixels of a crop of the region.

    Example:
        >>> matrix(Square(30.0, 20.0, 40.0), 80).tolist()
        [[2.0, 0.0, -20.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """
    zoom = side / region.side
    return np.array([[zoom, 0, side / 2 - zoom * region.x], [0, zoom, side / 2 - zoom * region.y], [0, 0, 1]])


def _resampled(image: UInt8[np.ndarray, "height width 3"], region: Square, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Resize a region to side x side: cubic, and widened against aliasing where it shrinks."""
    height, width = image.shape[:2]
    left, top = region.x - region.side / 2, region.y - region.side / 2
    right, bottom = left + region.side, top + region.side
    if (left, top, right, bottom) == (0, 0, side, side) and image.shape == (side, side, 3):
        return image
    if left < 0 or top < 0 or right > width or bottom > height:
        reach = math.ceil(2 * max(1.0, region.side / side))  # the cubic's support, so that the fill enters as real pixels do
        first_x, first_y = math.floor(left) - reach, math.floor(top) - reach
        columns = reflected(np.arange(first_x, math.ceil(right) + reach), width)
        rows = reflected(np.arange(first_y, math.ceil(bottom) + reach), height)
        image = np.take(np.take(image, rows, axis=0), columns, axis=1)
        left, top, right, bottom = left - first_x, top - first_y, right - first_x, bottom - first_y
    whole = Image.fromarray(np.ascontiguousarray(image))
    small = whole.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, right, bottom), reducing_gap=3.0)
    return np.asarray(small, np.uint8)


def reflected(indices: Int[np.ndarray, "places"], length: int) -> Int[np.ndarray, "places"]:
    """Fold indices outside [0, length) back into it, as mirrors at both ends would, however far out they are.

    Example:
        >>> reflected(np.arange(-3, 6), 3).tolist()
        [2, 1, 0, 0, 1, 2, 2, 1, 0]
    """
    folded = indices % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)
