"""Root-depth refinement: solved root depths, rays and relative depths go in; root depths improved by a small network come out.

The quadratic that lifting solves takes its answer from two joints alone, so that their errors go straight into the depth of the
whole hand; the network sees all 21. It adds a correction to the solved depth, and no gradient flows back through the solution.

Source: Spurr et al., ECCV 2020, arXiv:2003.09282.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handbench.pose.lifting import Rooted
from handbench.types import JOINTS

HIDDEN = 128
FAR = 100.0  # bone lengths: 3 m for FreiHAND's bone, beyond arm's length for any; a solution behind it is no depth but noise


class RootRefinement(nn.Module):
    """Z + MLP([relative depths (21), x and y of the rays (42), Z (1)]), with 128 units, batch norm and LeakyReLU twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * JOINTS + 1, HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.LeakyReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.LeakyReLU(),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, rooted: Rooted) -> Float[Tensor, "batch"]:
        """Improve the root depths that can be; the others stay as they were solved for.

        Args:
            rooted: of one axis of hands, on the device of the weights.

        Returns:
            Root depths in bone lengths, float64.
        """
        usable = refinable(rooted)
        depth = rooted.depth.detach()
        if usable.sum() < (2 if self.training else 1):  # batch norm needs two to train on
            return depth
        behind, rays = rooted.behind[usable], _as_right(rooted)[usable]
        corrected = self.correct(behind.float(), rays[..., :2].float(), depth[usable].float()).double()
        return depth.masked_scatter(usable, depth[usable] + corrected)

    def correct(
        self, behind: Float[Tensor, "batch 21"], plane: Float[Tensor, "batch 21 2"], depth: Float[Tensor, "batch"]
    ) -> Float[Tensor, "batch"]:
        """What is to be added to the root depths.

        Args:
            behind: depths behind the root, bone lengths.
            plane: x and y at depth 1, K^-1 (u, v, 1).
            depth: the root's, bone lengths.
        """
        with torch.autocast(depth.device.type, enabled=False):  # bf16 has three digits, a depth needs four
            added: Tensor = self.layers(torch.cat([behind, plane.flatten(1), depth[:, None]], 1))
        return added[:, 0]


def refinable(rooted: Rooted) -> Bool[Tensor, "*batch"]:
    """Hands whose solved depth is a depth: solvable, before the camera and not absurdly far."""
    return rooted.solvable & (rooted.depth > 0) & (rooted.depth < FAR)


def root_loss(refined: Float[Tensor, "batch"], true: Float[Tensor, "batch"], rooted: Rooted) -> Float[Tensor, ""]:
    """L1 of the refined root depth over the hands that could be refined and whose true depth is known; 0 where none is.

    Args:
        refined, true: bone lengths; true is NaN where unknown.
        rooted: what was refined.
    """
    counts = refinable(rooted) & ~true.isnan()
    return torch.where(counts, refined - true, 0.0).abs().sum() / counts.sum().clamp(min=1)


def _as_right(rooted: Rooted) -> Float[Tensor, "batch 21 3"]:
    """Rays of left hands, which the views show mirrored, mirrored too."""
    turned = rooted.rays * rooted.rays.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(rooted.mirrored[:, None, None], turned, rooted.rays)
