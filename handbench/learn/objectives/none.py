"""No objective: nothing is trained, so that a scratch encoder stands in every table beside the pre-trained ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from handbench.types import Facts, Views


class NoPretraining(nn.Module):
    """Leaves the encoder as it was initialised."""

    views: ClassVar[int] = 0
    trains_on_labels: ClassVar[bool] = False

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config, *, backbone: nn.Module, facts: Facts) -> None:
        super().__init__()

    def forward(self, backbone: nn.Module, views: Views) -> tuple[Float[Tensor, ""], Mapping[str, Tensor]]:
        """Never called: it asks for no views."""
        raise RuntimeError("'none' has nothing to train")

    def project(self, features: Float[Tensor, "batch width"]) -> None:
        """It has no projection."""
        return
