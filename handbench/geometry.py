"""Warps and points: 3x3 matrices in, moved points, cameras and compositions out.

Conventions: points are (…, 2), x right, y down. An image of side S spans [0, S]; its window coordinates span [-1, 1] about the
centre. A warp takes a point of the source to its place in the target. A positive angle turns the content counter-clockwise as
seen on the screen, as OpenCV does.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def translation(x: Float[Tensor, "*batch"], y: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrices that shift points by (x, y)."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _matrix([one, zero, x], [zero, one, y], [zero, zero, one])


def scaling(factor: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrices that scale points about the origin."""
    one, zero = torch.ones_like(factor), torch.zeros_like(factor)
    return _matrix([factor, zero, zero], [zero, factor, zero], [zero, zero, one])


def rotation(radians: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrices that turn points about the origin, counter-clockwise on the screen.

    Example:
        >>> quarter = rotation(torch.tensor(torch.pi / 2))
        >>> (move(quarter, torch.tensor([1.0, 0.0])).round(decimals=6) + 0).tolist()  # from the right to the top
        [0.0, -1.0]
    """
    cosine, sine = radians.cos(), radians.sin()
    one, zero = torch.ones_like(radians), torch.zeros_like(radians)
    return _matrix([cosine, sine, zero], [-sine, cosine, zero], [zero, zero, one])


def window_from_pixel(side: float, *, like: Tensor) -> Float[Tensor, "3 3"]:
    """The matrix from pixels of an image of the given side to its window coordinates.

    Example:
        >>> move(window_from_pixel(64, like=torch.zeros(1)), torch.tensor([[0.0, 64.0], [32.0, 32.0]])).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """
    half, zero, one = (like.new_full((), value) for value in (2.0 / side, 0.0, 1.0))  # a copy from the host would wait for it
    return _matrix([half, zero, -one], [zero, half, -one], [zero, zero, one])


def pixel_from_window(side: float, *, like: Tensor) -> Float[Tensor, "3 3"]:
    """The inverse of `window_from_pixel`."""
    half, zero, one = (like.new_full((), value) for value in (side / 2.0, 0.0, 1.0))
    return _matrix([half, zero, half], [zero, half, half], [zero, zero, one])


def in_full_precision(device: torch.device) -> torch.autocast:
    """A context without autocast: bf16 holds two to three digits, a quarter of a pixel at 64 pixels, too few for geometry."""
    return torch.autocast(device.type, enabled=False)


def move(warps: Float[Tensor, "*batch 3 3"], points: Float[Tensor, "*points 2"]) -> Float[Tensor, "*moved 2"]:
    """Apply warps to points; leading axes broadcast: warps (*batch, 3, 3) with points (*batch, count, 2), or one of each."""
    lone = points.dim() == 1
    many = points[None] if lone else points
    with in_full_precision(warps.device):
        moved = many @ warps[..., :2, :2].transpose(-1, -2) + warps[..., None, :2, 2]
        weight = many @ warps[..., 2:, :2].transpose(-1, -2) + warps[..., None, 2:, 2]
    return (moved / weight)[..., 0, :] if lone else moved / weight


def inverse(warps: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The inverses of affine warps in closed form; on a GPU the host need not wait for it, as it must for a solver's verdict.

    A warp that loses a dimension gives infinite or undefined numbers.

    Example:
        >>> there = translation(torch.tensor(3.0), torch.tensor(1.0)) @ scaling(torch.tensor(2.0))
        >>> (inverse(there) @ there).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    a, b, c, d = warps[..., 0, 0], warps[..., 0, 1], warps[..., 1, 0], warps[..., 1, 1]
    area = a * d - b * c
    back = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / area[..., None, None]
    with in_full_precision(warps.device):
        column = torch.cat([back, -back @ warps[..., :2, 2:]], -1)
    return torch.cat([column, warps[..., 2:, :]], -2)


def _matrix(*rows: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
