"""Commutation: projections of two views, one moved by the warp between them, in; by how much warping and projecting differ out.

For an equivariant projection, projecting a warped view is the same as letting the warp act on the projection of the plain one.
It needs no labels.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def commutation_errors(expected: Float[Tensor, "rows points 2"], found: Float[Tensor, "rows points 2"]) -> Float[Tensor, "rows"]:
    """How far points lie from where they should: RMS distance over the expected points' RMS distance from their own mean.

    The ratio does not change with the projection's scale. 0: exact; 1: as far off as putting all points on their mean.

    Args:
        expected: the warp acting on the projection of the first view.
        found: the projection of the second view.

    Returns:
        NaN where all expected points coincide.

    Example:
        >>> points = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
        >>> commutation_errors(points, 1.5 * points).item(), commutation_errors(points, 0 * points).item()
        (0.5, 1.0)
    """
    expected, found = expected.double(), found.double()
    off = (found - expected).square().sum(2).mean(1).sqrt()
    spread = (expected - expected.mean(1, keepdim=True)).square().sum(2).mean(1).sqrt()
    return torch.where(spread > 0, off / spread, torch.nan).float()


def constant_errors(expected: Float[Tensor, "rows points 2"], found: Float[Tensor, "rows points 2"]) -> Float[Tensor, "rows"]:
    """The same when the mean of all images' projections stands for each: what a projection that sees its image must beat."""
    return commutation_errors(expected, found.mean(0, keepdim=True).expand_as(found))
