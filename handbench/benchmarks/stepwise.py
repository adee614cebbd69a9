"""PeCLR's recipe one image and one operation at a time, as its published code works: a JPEG in, two normalised views out.

Written from what is known of it: OpenCV, uint8 between the operations, whole pixels, black corners. It is what `bench pipeline`
holds ours against, in speed and in pixels.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's

Image = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Draw:
    """The parameters of one view.

    Args:
        degrees: of rotation, counter-clockwise, about the image's centre (the published code takes the mean joint).
        window: side of what is shown over the image's side.
        x, y: shift of the content in shares of the image's side.
        hue, saturation, value, offset: factors on HSV, and what is added to V, of 255.
    """

    degrees: float
    window: float
    x: float
    y: float
    hue: float = 1.0
    saturation: float = 1.0
    value: float = 1.0
    offset: float = 0.0

    @property
    def geometry(self) -> "Draw":
        """The same without the jitter."""
        return Draw(self.degrees, self.window, self.x, self.y)


def draw(random: np.random.Generator) -> Draw:
    """Draw as PeCLR's best set does: rotate, scale, translate, colour jitter."""
    span = random.uniform
    x, y = span(-15 / 128, 15 / 128, 2)
    geometry = (span(-45, 45), span(0.9 / 1.25, 1.5 / 1.25), x, y)
    return Draw(*geometry, span(0.01, 1), span(0.01, 1), span(0.5, 1), span(5, 20))


def view(image: Image, drawn: Draw, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Rotate, cut out, resize, jitter: each a pass over the pixels."""
    side = len(image)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), drawn.degrees, 1.0)
    turned = cv2.warpAffine(image, turn, (side, side))
    resized = cv2.resize(_cut(turned, drawn), (size, size), interpolation=cv2.INTER_LINEAR)
    return _jittered(resized, drawn)


def normalised(image: UInt8[np.ndarray, "size size 3"]) -> Float[Tensor, "3 size size"]:
    """ImageNet's mean and deviation taken off."""
    mean, deviation = np.array(MEAN, np.float32), np.array(DEVIATION, np.float32)
    scaled = (image.astype(np.float32) / 255 - mean) / deviation
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def read(path: Path) -> Image:
    """A JPEG as RGB, by OpenCV's decoder."""
    image = cv2.imread(str(path))
    assert image is not None, path  # the benchmark wrote it
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


class Stepwise(torch.utils.data.Dataset[Tensor]):
    """Two views of each JPEG, made when they are asked for, by the workers of a DataLoader.

    Args:
        paths: the JPEGs.
        size: of a view.
        colours: maps of RGB in [0, 255], drawn beforehand, that take the place of the HSV jitter; None for that.
    """

    def __init__(self, paths: list[Path], size: int, colours: Float[np.ndarray, "images 2 3 4"] | None = None) -> None:
        self.paths, self.size, self.colours = paths, size, colours

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Float[Tensor, "2 3 size size"]:
        """Read the file, and draw twice."""
        image, random = read(self.paths[number]), np.random.default_rng(number)
        return torch.stack([normalised(self._view(image, draw(random), number, place)) for place in range(2)])

    def _view(self, image: Image, drawn: Draw, number: int, place: int) -> UInt8[np.ndarray, "size size 3"]:
        if self.colours is None:
            return view(image, drawn, self.size)
        return np.asarray(cv2.transform(view(image, drawn.geometry, self.size), self.colours[number, place]))


def _cut(image: Image, drawn: Draw) -> UInt8[np.ndarray, "window window 3"]:
    """The window, in whole pixels; black beyond the image."""
    side = len(image)
    half = drawn.window * side / 2
    left, top = (round(side / 2 - half - shift * drawn.window * side) for shift in (drawn.x, drawn.y))
    width = round(2 * half)
    reach = max(0, -left, -top, left + width - side, top + width - side)
    if reach:
        image = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    return image[top + reach : top + reach + width, left + reach : left + reach + width]


def _jittered(image: Image, drawn: Draw) -> Image:
    if (drawn.hue, drawn.saturation, drawn.value, drawn.offset) == (1.0, 1.0, 1.0, 0.0):
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    factors = np.array((drawn.hue, drawn.saturation, drawn.value), np.float32)
    hsv = hsv * factors + np.array((0, 0, drawn.offset), np.float32)
    clipped = np.clip(hsv, 0, (179, 255, 255)).astype(np.uint8)
    return np.asarray(cv2.cvtColor(clipped, cv2.COLOR_HSV2RGB))


def warp_of(drawn: Draw) -> Float[Tensor, "3 3"]:
    """The same geometry as one matrix in window coordinates: turn, enlarge, shift."""
    angle, zoom = math.radians(drawn.degrees), 1 / drawn.window
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    return torch.tensor([[cosine, sine, 2 * drawn.x], [-sine, cosine, 2 * drawn.y], [0.0, 0.0, 1.0]])
