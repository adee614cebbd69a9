"""The two-layer head: features go in, a 2.5D pose comes out by Linear, BatchNorm, ReLU, Linear."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from handbench.types import JOINTS


class MLP(nn.Module):
    """Linear, BatchNorm, ReLU, dropout, Linear: the shape of PeCLR's projection head, ending in 21 x (u, v, depth).

    Args:
        config: see Config.
        width: of the features.
    """

    @dataclass(frozen=True)
    class Config:
        """hidden: units of the layer between; dropout: share of them dropped in training, in [0, 1)."""

        hidden: int = 512
        dropout: float = 0.0

        def __post_init__(self) -> None:
            if self.hidden < 1:
                raise ValueError(f"hidden = {self.hidden} must be at least 1")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout = {self.dropout} must be in [0, 1)")

    def __init__(self, config: Config, *, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, config.hidden, bias=False),  # the norm that follows has its own
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 3 * JOINTS),
        )

    def forward(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch 21 3"]:
        """Return u, v in [-1, 1] about the view's centre, then root-relative depth in bone lengths."""
        output: Tensor = self.layers(features)
        return output.view(-1, JOINTS, 3)
