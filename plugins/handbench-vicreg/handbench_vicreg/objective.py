"""VICReg: two views in; a loss that makes their embeddings agree, vary and share nothing out.

Source:
    Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", ICLR 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from handbench.types import Facts, Views

EPSILON = 1e-4


class VICReg(nn.Module):
    """Invariant: the embedding may keep nothing of the view's warp."""

    views: ClassVar[int] = 2
    trains_on_labels: ClassVar[bool] = False
    symmetry: ClassVar[str] = "invariant"

    @dataclass(frozen=True)
    class Config:
        """The objective's settings; the three weights are the paper's.

        Args:
            invariance, variance, covariance: weights of the three terms.
            width: of the expander's three layers; 8192 in the paper.
        """

        invariance: float = 25.0
        variance: float = 25.0
        covariance: float = 1.0
        width: int = 512

        def __post_init__(self) -> None:
            if min(self.invariance, self.variance, self.covariance) < 0 or self.width < 1:
                raise ValueError("weights must not be negative, and width must be above 0")

    def __init__(self, config: Config, *, backbone: nn.Module, facts: Facts) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.expander = nn.Sequential(
            nn.Linear(backbone.width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
            nn.Linear(width, width),
        )  # fmt: skip

    def forward(self, backbone: nn.Module, views: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The weighted sum of the three terms, and each by itself."""
        embeddings = self.expander(backbone(views.flat)).float().chunk(2)
        terms = {
            "invariance": functional.mse_loss(*embeddings),
            "variance": sum(variance(embedding) for embedding in embeddings) / 2,
            "covariance": sum(covariance(embedding) for embedding in embeddings),
        }
        loss = sum(getattr(self.config, name) * term for name, term in terms.items())
        return loss, {name: term.detach() for name, term in terms.items()}

    def project(self, features: Tensor) -> None:
        """Its embedding is not read as points."""
        return


def variance(embedding: Tensor) -> Tensor:
    """How far the dimensions' standard deviations fall short of 1, on average (equation 1; the two views' mean)."""
    return functional.relu(1 - (embedding.var(0) + EPSILON).sqrt()).mean()


def covariance(embedding: Tensor) -> Tensor:
    """The squares of all covariances between different dimensions, over the number of dimensions (equation 4)."""
    with torch.autocast(embedding.device.type, enabled=False):  # squares of small numbers need all their digits
        centred = embedding - embedding.mean(0)
        matrix = centred.T @ centred / (len(embedding) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / embedding.shape[1]
