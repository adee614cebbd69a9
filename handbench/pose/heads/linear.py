"""The linear head: features go in, a 2.5D pose comes out by one affine map."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handbench.types import JOINTS


class Linear(nn.Module):
    """One affine map from features to 21 x (u, v, depth).

    Args:
        config: has nothing to set.
        width: of the features.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config, *, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 3 * JOINTS)

    def forward(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch 21 3"]:
        """Return u, v in [-1, 1] about the view's centre, then root-relative depth in bone lengths."""
        output: Tensor = self.map(features)
        return output.view(-1, JOINTS, 3)

    @torch.no_grad()
    def take_solution(self, weight: Float[Tensor, "outputs width"], bias: Float[Tensor, "outputs"]) -> None:
        """Become the given affine map, outputs joint by joint: what lets a probe solve this head in closed form."""
        self.map.weight.copy_(weight)
        self.map.bias.copy_(bias)
