"""PeCLR: two views and their warps in; NT-Xent on projections from which each view's own warp has been undone out.

The projection is read as 64 points in the plane, which must move as the image's content does.

Source:
    Spurr, Dahiya, Wang, Zhang, Hilliges, "Self-supervised 3D hand pose estimation from monocular RGB via contrastive
    learning", ICCV 2021, arXiv:2106.05953, and the authors' published code for the mode `published`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from handbench.geometry import inverse, move, rotation
from handbench.learn.objectives.contrast import Projector, agreement, nt_xent
from handbench.types import Facts, Views


class PeCLR(nn.Module):
    """Equivariant to the view's warp, invariant to its colours.

    `exact` undoes the warp as the group acts: points in window coordinates go back through the inverse matrix. `published`
    repeats the authors' steps: unit length, shift by a share of the points' range, turn about their mean, unit length.
    """

    views: ClassVar[int] = 2
    trains_on_labels: ClassVar[bool] = False
    symmetry: ClassVar[str] = "equivariant"

    @dataclass(frozen=True)
    class Config:
        """The objective's settings.

        Args:
            mode: exact or published.
            temperature: of NT-Xent. The paper's 0.5 belongs to its long schedule; in short ones a lower temperature learns
                the turn much sooner (photographs, `tiny`, 8 epochs: 24° of 30° at 0.1, 10° at 0.5).
            hidden, points: the projector's hidden width and half its output width.
            divisor: published mode only; `view` divides the shift in source pixels by the view's side as the authors' code
                does, `window` by the crop window's side, which is right.
        """

        mode: Literal["exact", "published"] = "exact"
        temperature: float = 0.1
        hidden: int = 512
        points: int = 64
        divisor: Literal["view", "window"] = "view"

        def __post_init__(self) -> None:
            if self.temperature <= 0 or self.hidden < 1 or self.points < 2:
                raise ValueError("temperature and hidden must be above 0, points at least 2")

    def __init__(self, config: Config, *, backbone: nn.Module, facts: Facts) -> None:
        super().__init__()
        self.config = config
        self.projector = Projector(int(backbone.width), config.hidden, 2 * config.points)  # type: ignore[arg-type]

    def forward(self, backbone: nn.Module, views: Views) -> tuple[Float[Tensor, ""], Mapping[str, Tensor]]:
        """NT-Xent of the two views' projections after their warps are undone."""
        points = self.project(backbone(views.flat)).float()
        first, second = self.undo(points, views).flatten(1).chunk(2)
        return nt_xent(first, second, self.config.temperature), agreement(first, second)

    def project(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch points 2"]:
        """The projection read as points: channels (0, 1), (2, 3), … are (x, y)."""
        points: Tensor = self.projector(features).unflatten(1, (-1, 2))
        return points

    def undo(self, points: Float[Tensor, "images points 2"], views: Views) -> Float[Tensor, "images points 2"]:
        """Take points of each view back to where they were before the view's warp."""
        warps = views.window_warps.flatten(0, 1)
        if self.config.mode == "exact":
            return move(inverse(warps), points)
        shift = warps[:, :2, 2] / 2 * (1.0 if self.config.divisor == "window" else _source_side(views) / views.size)
        return undo_as_published(points, shift, torch.atan2(warps[:, 0, 1], warps[:, 0, 0]))


def undo_as_published(
    points: Float[Tensor, "images points 2"], shift: Float[Tensor, "images 2"], radians: Float[Tensor, "images"]
) -> Float[Tensor, "images points 2"]:
    """The authors' inverse, in their order; range and pivot carry no gradient.

    Args:
        points: the projection.
        shift: the content's displacement over the side it is divided by.
        radians: the content's turn, counter-clockwise.

    Source:
        PeCLR's published code: translation undone by a share of the points' range, then rotation about their mean.
    """
    points = functional.normalize(points.flatten(1), dim=1).view_as(points)
    extent = (points.amax(1) - points.amin(1)).detach()
    points = points - (shift * extent)[:, None]
    pivot = points.mean(1, keepdim=True).detach()
    return move(rotation(-radians), points - pivot) + pivot


def _source_side(views: Views) -> Float[Tensor, "images 1"]:
    """Side of each view's window in pixels of the packed crop: the view's side over the warp's scale."""
    linear = views.warps.flatten(0, 1)[:, :2, :2]
    side: Tensor = views.size / torch.linalg.det(linear).abs().sqrt()[:, None]
    return side
