"""What contrastive objectives share: the projector, and NT-Xent over pairs of projections."""

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn


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

    Each anchor's positive is its pair's other view; its negatives are all views of the other pairs. The log of the sum
    is taken by logsumexp in fp32, with the anchor itself masked out, so that no temperature overflows.

    Args:
        first, second: projections of the two views, any scale.
        temperature: above 0.

    Returns:
        The mean over all anchors.

    Source:
        Chen et al., ICML 2020, arXiv:2002.05709, equation 1.
    """
    unit = functional.normalize(torch.cat([first, second]).float(), dim=1)
    logits = unit @ unit.T / temperature
    logits.fill_diagonal_(-torch.inf)
    pairs = len(first)
    anchors = torch.arange(2 * pairs, device=unit.device)
    return functional.cross_entropy(logits, (anchors + pairs) % (2 * pairs))


def agreement(first: Float[Tensor, "pairs width"], second: Float[Tensor, "pairs width"]) -> dict[str, Tensor]:
    """Monitors: mean cosine of positive pairs, and the mean cosine of each view with the next pair's (collapse shows as 1)."""
    with torch.no_grad():
        positive = functional.cosine_similarity(first, second).mean()
        negative = functional.cosine_similarity(first, second.roll(1, 0)).mean()
    return {"positive_cosine": positive, "negative_cosine": negative}
