"""SimCLR: two views in; the loss that pulls their projections together and pushes other images' away out.

Source:
    Chen, Kornblith, Norouzi, Hinton, "A simple framework for contrastive learning of visual representations", ICML 2020.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from handbench.learn.objectives.contrast import Projector, agreement, nt_xent
from handbench.types import Facts, Views


class SimCLR(nn.Module):
    """Invariant to all augmentations: the projection may keep nothing of the view's warp."""

    views: ClassVar[int] = 2
    trains_on_labels: ClassVar[bool] = False
    symmetry: ClassVar[str] = "invariant"

    @dataclass(frozen=True)
    class Config:
        """The objective's settings.

        Args:
            temperature: of NT-Xent; as PeCLR's, so that the two differ in one thing.
            hidden, points: the projector's hidden width and half its output width.
        """

        temperature: float = 0.1
        hidden: int = 512
        points: int = 64

        def __post_init__(self) -> None:
            if self.temperature <= 0 or self.hidden < 1 or self.points < 1:
                raise ValueError("temperature, hidden and points must be above 0")

    def __init__(self, config: Config, *, backbone: nn.Module, facts: Facts) -> None:
        super().__init__()
        self.config = config
        self.projector = Projector(int(backbone.width), config.hidden, 2 * config.points)  # type: ignore[arg-type]

    def forward(self, backbone: nn.Module, views: Views) -> tuple[Float[Tensor, ""], Mapping[str, Tensor]]:
        """NT-Xent of the two views' projections."""
        first, second = self.projector(backbone(views.flat)).chunk(2)
        return nt_xent(first, second, self.config.temperature), agreement(first, second)

    def project(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch points 2"]:
        """The projection read as points: channels (0, 1), (2, 3), … are (x, y)."""
        points: Tensor = self.projector(features).unflatten(1, (-1, 2))
        return points
