"""Packed crops and one matrix per view in; the views' pixels, sampled once, out: by OpenCV on the CPU, by torch elsewhere.

Both take bilinear samples at pixel centres and treat what lies outside a crop alike. A view that shrinks its crop more than twice
would skip pixels; it is sampled from the crop averaged over 2x2, 4x4 or 8x8 pixels, so that what is left to shrink is at most 2x.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from handbench.geometry import inverse, move
from handbench.learn.threads import in_threads
from handbench.protocols import ByteChange
from handbench.settings import Fill

LEVELS = 3  # of averaged crops: views that shrink up to 16 times are filtered fully
GREYS = {"black": 0.0, "grey": 128.0}  # of 255; what is not here is the crop's reflection


def resample(
    images: UInt8[Tensor, "batch side side 3"],
    warps: Float[Tensor, "views batch 3 3"],
    size: int,
    fill: Fill = "reflect",
    colour: Float[Tensor, "views batch 3 4"] | None = None,
    changes: Sequence[ByteChange] = (),
) -> Float[Tensor, "views batch 3 size size"]:
    """Resample every crop under each of its affine warps, and recolour the samples on the way.

    Args:
        images: packed crops.
        warps: pixel of the crop -> pixel of the view.
        size: side of a view in pixels.
        fill: what lies outside a crop: its reflection, black or mid-grey.
        colour: maps of RGB in [0, 1], the last column being added; results are clipped.
        changes: made after that in bytes, on a CPU only; the image of view v and row r is number v * batch + r.

    Returns:
        RGB in [0, 1]; from OpenCV in steps of 1/255, channels last in memory.
    """
    if images.device.type == "cpu":
        return by_opencv(images, warps, size, fill, colour, changes)
    return by_torch(images, warps, size, fill, colour)


def by_opencv(
    images: UInt8[Tensor, "batch side side 3"],
    warps: Float[Tensor, "views batch 3 3"],
    size: int,
    fill: Fill = "reflect",
    colour: Float[Tensor, "views batch 3 4"] | None = None,
    changes: Sequence[ByteChange] = (),
) -> Float[Tensor, "views batch 3 size size"]:
    """`resample` on the CPU, image by image, in bytes until the end, so that an image stays in the core's own memory.

    Crops are warped with a fourth, empty channel: OpenCV 5 takes 58 µs for 128x128 of those and 137 for three channels.
    """
    views, count = warps.shape[:2]
    back = inverse(warps.double())
    levels = _levels(back.float())
    matrices, depths = _between_indices(back, levels).numpy(), levels.tolist()
    colours = None if colour is None else on_bytes(colour)
    made = np.empty((views, count, size, size, 3), np.float32)
    crops = images.numpy()
    border = (cv2.BORDER_CONSTANT, (GREYS[fill],) * 4) if fill in GREYS else (cv2.BORDER_REFLECT, (0.0,) * 4)

    # All views of an image go through a call together where they can: between calls a thread may have to wait for Python's lock.
    def work(rows: range) -> None:
        warped, rgb = (np.empty((views, size, size, channels), np.uint8) for channels in (4, 3))
        for row in rows:
            pyramid = {0: cv2.cvtColor(crops[row], cv2.COLOR_RGB2RGBA)}
            for view in range(views):
                level = depths[view][row]
                source = pyramid.setdefault(level, _averaged(pyramid[0], level)) if level else pyramid[0]
                matrix = matrices[view, row]
                cv2.warpAffine(source, matrix, (size, size), warped[view], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, *border)
            cv2.cvtColor(warped.reshape(-1, size, 4), cv2.COLOR_RGBA2RGB, rgb.reshape(-1, size, 3))
            for view in range(views):
                if colours is not None:
                    cv2.transform(rgb[view], colours[view, row], rgb[view])
                for change in changes:
                    change(rgb[view], view * count + row)
            made[:, row] = rgb
            made[:, row] *= np.float32(1 / 255)  # apart from the conversion, which NumPy then does without a buffer: faster

    in_threads(count, work)
    return torch.from_numpy(made).permute(0, 1, 4, 2, 3)


def by_torch(
    images: UInt8[Tensor, "batch side side 3"],
    warps: Float[Tensor, "views batch 3 3"],
    size: int,
    fill: Fill = "reflect",
    colour: Float[Tensor, "views batch 3 4"] | None = None,
) -> Float[Tensor, "views batch 3 size size"]:
    """`resample` on any device, all images at once, without making the host wait for a GPU."""
    back, side = inverse(warps), images.shape[1]
    levels = _levels(back)
    atlas, places = _atlas(images, _deepest(levels))
    points = _places(back, size)
    pixels = torch.stack([_sample(atlas, part, level, side, places, fill) for part, level in zip(points, levels, strict=True)])
    pixels = pixels.mul_(1 / 255)
    return pixels if colour is None else apply_colour(pixels.flatten(0, 1), colour.flatten(0, 1)).view_as(pixels)


def apply_colour(
    images: Float[Tensor, "batch 3 height width"], matrix: Float[Tensor, "batch 3 4"]
) -> Float[Tensor, "batch 3 height width"]:
    """Map RGB by each image's matrix and clip to [0, 1]."""
    mapped = torch.baddbmm(matrix[..., 3:], matrix[..., :3], images.flatten(2))
    return mapped.clamp_(0, 1).view(images.shape)


def on_bytes(colour: Float[Tensor, "*batch 3 4"]) -> Float[np.ndarray, "*batch 3 4"]:
    """Maps of RGB in [0, 1] as maps of bytes, as OpenCV takes them."""
    return torch.cat([colour[..., :3], 255 * colour[..., 3:]], -1).double().numpy()


def _levels(back: Float[Tensor, "*batch 3 3"]) -> Int[Tensor, "*batch"]:
    """How often each crop is halved before it is sampled, from the matrices view -> crop.

    Their largest singular value is how many pixels of the crop lie between neighbouring samples.
    """
    linear = back[..., :2, :2]
    squares = linear.square().sum((-1, -2))
    area = linear[..., 0, 0] * linear[..., 1, 1] - linear[..., 0, 1] * linear[..., 1, 0]
    largest = ((squares + (squares.square() - 4 * area.square()).clamp(min=0).sqrt()) / 2).sqrt()
    levels: Tensor = (largest / 2 * (1 - 1e-4)).log2().ceil().clamp(0, LEVELS).long()
    return levels


def _deepest(levels: Int[Tensor, "*batch"]) -> int:
    """The last level that is made; a GPU is not asked how far down its levels go."""
    return int(levels.max()) if levels.device.type == "cpu" else LEVELS


def _averaged(crop: UInt8[np.ndarray, "side side 4"], level: int) -> UInt8[np.ndarray, "reduced reduced 4"]:
    """The crop averaged over squares of 2^level pixels; the last ones are filled up with the border's."""
    square = 2**level
    missing = -len(crop) % square
    whole = cv2.copyMakeBorder(crop, 0, missing, 0, missing, cv2.BORDER_REPLICATE) if missing else crop
    side = len(whole) // square
    return np.asarray(cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _between_indices(back: Float[Tensor, "*batch 3 3"], levels: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 2 3"]:
    """From coordinates, where the first pixel's centre is 0.5, to OpenCV's, where it is 0; and to the level's pixels."""
    linear, shift = back[..., :2, :2], back[..., :2, 2:]
    matrix = torch.cat([linear, shift + linear.sum(-1, keepdim=True) / 2], -1) / (2.0**levels)[..., None, None]
    return torch.cat([matrix[..., :2], matrix[..., 2:] - 0.5], -1)


def _atlas(
    images: UInt8[Tensor, "batch side side 3"], deepest: int
) -> tuple[Float[Tensor, "batch 3 height width"], list[tuple[int, int]]]:
    """All levels of each crop side by side in one image, so that each may be sampled at a level of its own.

    Returns:
        The images, and where the upper left corner of each level is.
    """
    parts = [images.permute(0, 3, 1, 2).float()]
    side = images.shape[1]
    for level in range(1, deepest + 1):
        missing = -side % 2**level
        whole = functional.pad(parts[0], (0, missing, 0, missing), mode="replicate") if missing else parts[0]
        parts.append(functional.avg_pool2d(whole, 2**level).round())
    if not deepest:
        return parts[0], [(0, 0)]
    column = torch.cat([functional.pad(part, (0, parts[1].shape[-1] - part.shape[-1])) for part in parts[1:]], -2)
    height = max(side, column.shape[-2])
    atlas = torch.cat([functional.pad(part, (0, 0, 0, height - part.shape[-2])) for part in (parts[0], column)], -1)
    tops = [0]
    for part in parts[1:-1]:
        tops.append(tops[-1] + part.shape[-2])
    return atlas, [(0, 0), *((side, top) for top in tops)]


def _places(back: Float[Tensor, "views batch 3 3"], size: int) -> Float[Tensor, "views batch pixels 2"]:
    """Where in the crop the centre of each pixel of the views lies."""
    centres = torch.arange(size, device=back.device, dtype=back.dtype) + 0.5
    x, y = centres.expand(size, size), centres[:, None].expand(size, size)
    return move(back, torch.stack([x, y], -1).flatten(0, 1))


def _sample(
    atlas: Tensor,
    points: Float[Tensor, "batch pixels 2"],
    levels: Int[Tensor, "batch"],
    side: int,
    places: list[tuple[int, int]],
    fill: Fill,
) -> Float[Tensor, "batch 3 size size"]:
    """Sample one view of each crop from its level of the atlas."""
    size = round(points.shape[1] ** 0.5)
    square = (2.0**levels)[:, None, None]
    sides = (side / square).ceil()
    if fill == "reflect":
        points = side - (torch.remainder(points, 2 * side) - side).abs()
    points = points / square
    inside = points.clamp(min=0.5).minimum(sides - 0.5)
    corners = _corners(places, levels)
    extent = torch.stack([torch.full_like(corners[0, 0], atlas.shape[axis]) for axis in (-1, -2)])
    grid = (inside + corners[:, None]) * (2 / extent) - 1
    pixels = functional.grid_sample(atlas, grid.unflatten(1, (size, size)), mode="bilinear", align_corners=False)
    if fill not in GREYS:
        return pixels
    # What bilinear weights leave to pixels that are not there: the part of the square about the point that lies outside.
    share = (points + 0.5).clamp(0, 1) * (sides - points + 0.5).clamp(0, 1)
    covered = share.prod(-1).view(-1, 1, size, size)
    return covered * pixels + (1 - covered) * GREYS[fill]


def _corners(places: list[tuple[int, int]], levels: Int[Tensor, "batch"]) -> Float[Tensor, "batch 2"]:
    """The corner of each image's level in the atlas, without copying a table to the device."""
    corners = torch.zeros(len(levels), 2, device=levels.device)
    for level, place in enumerate(places):
        for axis in range(2):
            corners[:, axis] += (levels == level) * float(place[axis])
    return corners
