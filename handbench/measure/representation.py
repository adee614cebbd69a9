"""Representation: features of images in; how they are spread over their space, and whether they have collapsed, out."""

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from handbench.standardiser import NEAR_DEAD

CHUNK = 1024


def alignment(first: Float[Tensor, "rows width"], second: Float[Tensor, "rows width"]) -> Float[Tensor, "rows"]:
    """Squared distance of two views' features of unit length: 0 for the same direction, 4 for opposite ones.

    Source:
        Wang & Isola, ICML 2020, arXiv:2005.10242, alpha = 2.
    """
    unit_first, unit_second = functional.normalize(first, dim=1), functional.normalize(second, dim=1)
    return (unit_first - unit_second).square().sum(1)


def uniformity(features: Float[Tensor, "rows width"]) -> float:
    """Log of the mean of exp(-2 d²) over pairs of different rows of unit length; 0 where all coincide, the lower the more even.

    Source:
        Wang & Isola, ICML 2020, arXiv:2005.10242, t = 2.
    """
    unit = functional.normalize(features.double(), dim=1)
    rows = len(unit)
    total = sum(float((4 * (part @ unit.T) - 4).clamp(max=0).exp().sum()) for part in unit.split(CHUNK))  # d² = 2 - 2 cos
    return float(torch.tensor((total - rows) / (rows * (rows - 1)), dtype=torch.float64).log())


def effective_rank(features: Float[Tensor, "rows width"]) -> float:
    """RankMe: exp of the entropy of the singular values as shares of their sum; from 1 to the width (or the rows, if fewer).

    Features are not centred, as in the paper.

    Source:
        Garrido et al., ICML 2023, arXiv:2210.02885, equation 2.

    Example:
        >>> round(effective_rank(torch.eye(5)), 4), round(effective_rank(torch.ones(4, 3)), 4)
        (5.0, 1.0)
    """
    values = torch.linalg.svdvals(features.double())
    total = values.sum()
    if total == 0:
        return 1.0
    share = values / total
    return float(torch.special.entr(share).sum().exp())


def channel_spread(features: Float[Tensor, "rows width"]) -> float:
    """Mean deviation of a channel of the features at unit length, times sqrt(width).

    1 where features point anywhere on the sphere, 0 where they have collapsed to one direction.

    Source:
        Chen & He, CVPR 2021, arXiv:2011.10566, section 4.1.
    """
    unit = functional.normalize(features.double(), dim=1)
    return float(unit.std(0, correction=0).mean() * features.shape[1] ** 0.5)


def dead_channels(features: Float[Tensor, "rows width"]) -> float:
    """Share of channels, in %, whose deviation is under 1 % of the largest; 100 where none moves."""
    deviation = features.double().std(0, correction=0)
    return float(100 * (deviation <= NEAR_DEAD * deviation.max()).double().mean()) if deviation.max() > 0 else 100.0
