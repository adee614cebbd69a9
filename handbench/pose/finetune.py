"""Fine-tuning: a pre-trained encoder, a head and labelled views in; both trained together on the 2.5D pose out."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from handbench.optimisation import scaled_rate
from handbench.pose25d import Convention, pose_loss, target_of
from handbench.settings import Pose
from handbench.training import Plan, Row, Task, train
from handbench.types import Views


class PoseNetwork(nn.Module):
    """Encoder and head as one network from images to 2.5D poses."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to (batch, 21, 3), u and v in [-1, 1]."""
        output: Tensor = self.head(self.backbone(images))
        return output


def plan_of(settings: Pose, steps: int, seed: int) -> Plan:
    """The schedule that [pose] asks for.

    Source:
        PeCLR's fine-tuning: Adam, a rate of 4.42e-5 · sqrt(batch), decay 2e-4, cosine to 0 without warm-up, batch 128,
        100 epochs.
    """
    rate = scaled_rate(settings.learning_rate, settings.batch)
    return Plan(settings.epochs, steps, rate, seed=seed, weight_decay=settings.weight_decay)


def finetune(
    network: PoseNetwork,
    views: Callable[[int, int, int], Views],
    plan: Plan,
    convention: Convention,
    device: torch.device,
    folder: Path,
    checkpoint_seconds: float,
) -> list[Row]:
    """Train the whole network in place; goes on from a checkpoint in the folder."""

    def loss(seen: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        targets = seen.targets
        wanted = target_of(seen.joints_2d[0], targets.joints_3d, seen.size, convention, targets.valid)
        return pose_loss(network(seen.flat).float(), wanted, targets.valid), {}

    return train(Task(network.train(), views, loss, "fine-tuning"), plan, device, folder, checkpoint_seconds=checkpoint_seconds)
