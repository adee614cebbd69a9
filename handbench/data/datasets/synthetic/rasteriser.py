"""Triangles in pixels go in; for each pixel the nearest triangle and its depth come out, the same whatever the order of work.

Every triangle that faces the camera lists the pixels of its bounding box, the three edges are tested at the pixels' centres,
and depth and face are packed into one int64 whose minimum is taken: exact, so neither batch nor threads can change a pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FACE_BITS = 20
MICRONS = 1e6  # depth is compared in micrometres
NEAREST = 0.05  # metres; triangles nearer to the camera are not drawn
EDGE = -1e-5  # share of a triangle by which its edges overlap, so that no pixel falls between two
SMALLEST_AREA = 1e-6  # square pixels, doubled
EMPTY = 2**62


@dataclass(frozen=True)
class Triangles:
    """What one mesh contributes to a picture.

    Args:
        corners: pixels; x right, y down.
        depth: of the corners, metres.
        winding: +1 where outward faces run counter-clockwise seen from outside, -1 for mirrored meshes.
    """

    corners: Float[Tensor, "batch faces 3 2"]
    depth: Float[Tensor, "batch faces 3"]
    winding: Float[Tensor, "batch"]


@dataclass(frozen=True)
class Buffer:
    """What each pixel sees: the face, numbered through all meshes, or -1; and its depth in metres, 1e6 where there is none."""

    face: Int[Tensor, "batch side side"]
    depth: Float[Tensor, "batch side side"]


def rasterise(meshes: Sequence[Triangles], side: int, *, perspective: bool = True) -> Buffer:
    """Find the nearest front face at each pixel's centre.

    Args:
        meshes: their faces are numbered in this order.
        side: of the picture in pixels.
        perspective: depth goes as 1 / z over the picture; false for parallel projection.
    """
    batch, device = len(meshes[0].winding), meshes[0].winding.device
    nearest = torch.full((batch * side * side,), EMPTY, dtype=torch.int64, device=device)
    first = 0
    for mesh in meshes:
        pixel, key = _fragments(mesh, side, first, perspective)
        nearest.scatter_reduce_(0, pixel, key, "amin")
        first += mesh.corners.shape[1]
    empty = nearest == EMPTY
    face = torch.where(empty, -1, nearest & (2**FACE_BITS - 1))
    depth = torch.where(empty, MICRONS, (nearest >> FACE_BITS).float() / MICRONS)
    return Buffer(face.view(batch, side, side), depth.view(batch, side, side))


def _fragments(
    mesh: Triangles, side: int, first_face: int, perspective: bool
) -> tuple[Int[Tensor, "fragments"], Int[Tensor, "fragments"]]:
    """List the pixels whose centres lie in each triangle: flat pixel index, and depth and face packed into a key."""
    drawn = _front(mesh).reshape(-1).nonzero()[:, 0]
    corners = mesh.corners.reshape(-1, 3, 2)[drawn]
    low = (corners.amin(1) - 0.5).ceil().clamp_min(0)
    high = (corners.amax(1) - 0.5).floor().clamp_max(side - 1)
    extent = (high - low + 1).clamp_min(0).long()
    count = extent[:, 0] * extent[:, 1]
    depth = mesh.depth.reshape(-1, 3)[drawn]
    planes = _planes(corners, 1 / depth if perspective else depth, low)
    triangle = torch.repeat_interleave(torch.arange(len(drawn), device=drawn.device), count)
    within = torch.arange(len(triangle), device=drawn.device) - (count.cumsum(0) - count)[triangle]
    row = torch.div(within, extent[triangle, 0], rounding_mode="floor")
    column = within - row * extent[triangle, 0]
    across, down, start = planes[triangle].unbind(2)
    values = across * column[:, None] + down * row[:, None] + start
    inside = (values[:, :3].amin(1) >= EDGE).nonzero()[:, 0]
    triangle, value = triangle[inside], values[inside, 3]
    faces = mesh.corners.shape[1]
    image, face = torch.div(drawn[triangle], faces, rounding_mode="floor"), drawn[triangle] % faces
    corner = low.long()[triangle]
    pixel = (image * side + corner[:, 1] + row[inside]) * side + corner[:, 0] + column[inside]
    microns = ((1 / value if perspective else value) * MICRONS).long()
    return pixel, (microns << FACE_BITS) | (face + first_face)


def _front(mesh: Triangles) -> Bool[Tensor, "batch faces"]:
    """Triangles that face the camera, have an area and lie before it; y points down, so they run clockwise in numbers."""
    first, second, third = mesh.corners.unbind(2)
    one, other = second - first, third - first
    area = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return (area * mesh.winding[:, None] < -SMALLEST_AREA) & (mesh.depth.amin(2) > NEAREST)


def _planes(
    corners: Float[Tensor, "triangles 3 2"], value: Float[Tensor, "triangles 3"], low: Float[Tensor, "triangles 2"]
) -> Float[Tensor, "triangles 4 3"]:
    """Slopes across and down, and value at the centre of pixel `low`, of the three corner weights and of `value`."""
    x, y = corners.unbind(2)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    across = torch.stack([y[:, 1] - y[:, 2], y[:, 2] - y[:, 0], y[:, 0] - y[:, 1]], 1) / area[:, None]
    down = torch.stack([x[:, 2] - x[:, 1], x[:, 0] - x[:, 2], x[:, 1] - x[:, 0]], 1) / area[:, None]
    start = across * (low[:, :1] + 0.5 - x[:, :1]) + down * (low[:, 1:] + 0.5 - y[:, :1])
    start = torch.cat([start[:, :1] + 1, start[:, 1:]], 1)
    slopes = torch.stack([across, down, start], 2)  # triangles, corners, 3
    weighted = slopes[:, 0] * value[:, :1] + slopes[:, 1] * value[:, 1:2] + slopes[:, 2] * value[:, 2:]
    return torch.cat([slopes, weighted[:, None]], 1)
