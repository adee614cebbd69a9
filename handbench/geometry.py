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
    half = 2.0 / side
    return torch.tensor([[half, 0, -1.0], [0, half, -1.0], [0, 0, 1.0]], dtype=like.dtype, device=like.device)


def pixel_from_window(side: float, *, like: Tensor) -> Float[Tensor, "3 3"]:
    """The inverse of `window_from_pixel`."""
    half = side / 2.0
    return torch.tensor([[half, 0, half], [0, half, half], [0, 0, 1.0]], dtype=like.dtype, device=like.device)


def move(warps: Float[Tensor, "*batch 3 3"], points: Float[Tensor, "*points 2"]) -> Float[Tensor, "*moved 2"]:
    """Apply warps to points; leading axes broadcast: warps (*batch, 3, 3) with points (*batch, count, 2), or one of each."""
    lone = points.dim() == 1
    many = points[None] if lone else points
    moved = many @ warps[..., :2, :2].transpose(-1, -2) + warps[..., None, :2, 2]
    weight = many @ warps[..., 2:, :2].transpose(-1, -2) + warps[..., None, 2:, 2]
    return (moved / weight)[..., 0, :] if lone else moved / weight


def _matrix(*rows: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
