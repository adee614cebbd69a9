"""The latent turn: projections of images and of the same images turned in; by how much the projection's points turned out.

The test of an equivariant objective, and it needs no labels: turn the image by 30° and PeCLR's points turn by 30°, SimCLR's stay.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def latent_turns(before: Float[Tensor, "rows points 2"], after: Float[Tensor, "rows points 2"]) -> Float[Tensor, "rows"]:
    """The rotation that best takes each row's points before to those after, by 2D Procrustes about their means.

    Returns:
        Degrees in (-180, 180], counter-clockwise on the screen, as images turn.

    Example:
        >>> from handbench.geometry import move, rotation
        >>> points = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]]])
        >>> turned = move(rotation(torch.tensor([torch.pi / 6])), points)
        >>> round(latent_turns(points, turned).item(), 4)
        30.0
    """
    first = (before - before.mean(1, keepdim=True)).double()
    second = (after - after.mean(1, keepdim=True)).double()
    along = (first * second).sum((1, 2))
    across = (first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]).sum(1)
    return torch.rad2deg(torch.atan2(-across, along)).float()


def median_and_spread(values: Float[Tensor, "rows"]) -> tuple[float, float]:
    """The median, and half the width of the central 68 % (one deviation, were the values normal)."""
    low, middle, high = torch.quantile(values.double(), torch.tensor([0.16, 0.5, 0.84], dtype=torch.float64)).tolist()
    return middle, (high - low) / 2
