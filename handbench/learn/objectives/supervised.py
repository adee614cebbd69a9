"""Supervised pre-training: one view and its labels in; cross-entropy of the class or the 2.5D pose loss out.

It is the baseline of every self-supervised table: the same encoder, views and schedule, with the training part's labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from handbench.errors import RecipeError
from handbench.pose25d import pose_loss, target_of
from handbench.types import JOINTS, Facts, Views


class Supervised(nn.Module):
    """Poses where the data has them, else classes; a linear layer on the features predicts either."""

    views: ClassVar[int] = 1
    trains_on_labels: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config, *, backbone: nn.Module, facts: Facts) -> None:
        super().__init__()
        if not facts.posed and facts.classes < 2:
            raise RecipeError(
                f"objective 'supervised' needs labels: the data has no hand joints and {facts.classes} class labels; "
                "put photographs into one sub-folder a class, or choose peclr or simclr"
            )
        self.posed = facts.posed
        self.readout = nn.Linear(int(backbone.width), 3 * JOINTS if facts.posed else facts.classes)  # type: ignore[arg-type]

    def forward(self, backbone: nn.Module, views: Views) -> tuple[Float[Tensor, ""], Mapping[str, Tensor]]:
        """The loss of the labelled hands among the batch."""
        output = self.readout(backbone(views.flat)).float()
        if self.posed:
            return self._pose_loss(output.unflatten(1, (JOINTS, 3)), views)
        classes = views.targets.classes
        loss = functional.cross_entropy(output, classes, ignore_index=-1)
        hits = (output.argmax(1) == classes)[classes >= 0].float().mean()
        return loss, {"training_accuracy": hits.detach()}

    def project(self, features: Float[Tensor, "batch width"]) -> None:
        """It has no projection to read as points."""
        return

    def _pose_loss(self, output: Tensor, views: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        targets = views.targets
        wanted = target_of(views.joints_2d[0], targets.joints_3d, views.size, valid=targets.valid)
        loss = pose_loss(output, wanted, targets.valid)
        seen = targets.valid & wanted[..., 0].isfinite()
        misses = (output - wanted)[..., :2].norm(dim=-1)[seen].mean() * (views.size / 2)
        return loss, {"training_epe_px": torch.nan_to_num(misses).detach()}
