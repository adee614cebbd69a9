"""What contrastive objectives share: the projector, and NT-Xent over pairs of projections."""

from typing import Any

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

# Largest 1 / temperature whose exponentials, and sums of many, are far from overflow and, negative, from nothing.
MOST_SINGLE, MOST_DOUBLE = 40.0, 700.0
# Similarities held at a time. On a CPU they should stay in its cache; a GPU wants few, large products.
BLOCK_BYTES = {"cpu": 4 * 2**20, "cuda": 64 * 2**20}


class Projector(nn.Sequential):
    """Linear, batch norm, ReLU, linear without bias.

    Source:
        PeCLR: 2048 -> 512 -> 128, read as 64 points in the plane.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out, bias=False)
        )


def nt_xent(first: Float[Tensor, "pairs width"], second: Float[Tensor, "pairs width"], temperature: float) -> Float[Tensor, ""]:
    """Normalised temperature-scaled cross-entropy over 2 x pairs anchors.

    Each anchor's positive is its pair's other view; its negatives are all views of the other pairs. A few anchors at a time
    are compared with the views after them, and the gradient is formed while their similarities are at hand: memory grows with
    the batch, not with its square. Sums are taken in fp32, or in fp64 for fp64 input and very low temperatures, also under
    autocast; the anchor itself is left out, and no temperature allowed overflows.

    Args:
        first, second: projections of the two views, any scale.
        temperature: above 0.

    Returns:
        The mean over all anchors; differentiable once.

    Raises:
        ValueError: a temperature at which exp(1 / temperature) is no fp64 number.

    Source:
        Chen et al., ICML 2020, arXiv:2002.05709, equation 1.
    """
    if temperature * MOST_DOUBLE < 1:
        raise ValueError(f"temperature = {temperature} must be at least {1 / MOST_DOUBLE:.2g}")
    views = torch.cat([first, second])
    with torch.autocast(views.device.type, enabled=False):
        unit = functional.normalize(views if views.dtype == torch.float64 else views.float(), dim=1)
        exact = unit.double() if temperature * MOST_SINGLE < 1 else unit
        loss: Tensor = _NTXent.apply(exact, temperature).to(unit.dtype)
    return loss


class _NTXent(torch.autograd.Function):
    """NT-Xent of unit vectors u, the second half the partners of the first, with the gradient formed on the way forward.

    With e = exp(u u^T / temperature), its diagonal zero, s its row sums and N anchors, the loss is the mean of
    log s - u partner(u) / temperature, and its gradient by u is ((e / s + e / s^T) u - 2 partner(u)) / (N temperature). Since
    e is symmetric, each pair is looked at once for s and once for the gradient: two thirds of the products of the usual way.
    """

    @staticmethod
    def forward(context: FunctionCtx, unit: Tensor, temperature: float) -> Tensor:
        anchors = len(unit)
        partners = unit.roll(anchors // 2, 0)
        rows = _chunk(anchors, unit)
        space = unit.new_empty(2, rows * anchors)
        sums = torch.zeros_like(unit[:, 0])
        for start in range(0, anchors, rows):
            end = start + rows
            pairs = _exponentials(unit, temperature, start, end, space[0])
            sums[start:end] += pairs.sum(1)
            sums[end:] += pairs[:, rows:].sum(0)
        if context.needs_input_grad[0]:  # type: ignore[attr-defined]
            gradient, shares = partners.mul(-2.0), sums.reciprocal()
            for start in range(0, anchors, rows):
                end = start + rows
                pairs = _exponentials(unit, temperature, start, end, space[0])
                both = space[1, : pairs.numel()].view_as(pairs)
                pairs.mul_(torch.add(shares[start:end, None], shares[start:], out=both))
                gradient[start:end].addmm_(pairs, unit[start:])
                gradient[end:].addmm_(pairs[:, rows:].T, unit[start:end])
            context.save_for_backward(gradient.div_(anchors * temperature))
        return (sums.log().sum() - (unit * partners).sum() / temperature) / anchors

    @staticmethod
    @once_differentiable
    def backward(context: Any, outer: Tensor) -> tuple[Tensor, None]:
        (gradient,) = context.saved_tensors
        return gradient * outer, None


def _exponentials(unit: Tensor, temperature: float, start: int, end: int, space: Tensor) -> Tensor:
    """exp(u u^T / temperature) of the anchors from start to end with those from start on; 0 for each with itself."""
    here, others = unit[start:end] / temperature, unit[start:]
    found = torch.mm(here, others.T, out=space[: len(here) * len(others)].view(len(here), len(others))).exp_()
    found.diagonal().zero_()
    return found


def _chunk(anchors: int, like: Tensor) -> int:
    """Anchors at a time: as many as keep their similarities within the block that suits the device, 64 at least."""
    size = BLOCK_BYTES["cuda" if like.device.type == "cuda" else "cpu"]
    return min(anchors, max(64, size // (anchors * like.element_size())))


def agreement(first: Float[Tensor, "pairs width"], second: Float[Tensor, "pairs width"]) -> dict[str, Tensor]:
    """Monitors: mean cosine of positive pairs, and the mean cosine of each view with the next pair's (collapse shows as 1)."""
    with torch.no_grad():
        positive = functional.cosine_similarity(first, second).mean()
        negative = functional.cosine_similarity(first, second.roll(1, 0)).mean()
    return {"positive_cosine": positive, "negative_cosine": negative}
