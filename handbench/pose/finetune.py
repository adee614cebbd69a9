"""Fine-tuning: a pre-trained encoder, a head and labelled views in; both trained together on the 2.5D pose out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from handbench.optimisation import scaled_rate
from handbench.pose.lifting import root
from handbench.pose.refinement import RootRefinement, root_loss
from handbench.pose25d import BONES, Convention, pose_from_window, pose_loss, root_depth, target_of
from handbench.settings import Pose
from handbench.training import Plan, Row, Task, train
from handbench.types import Views


class PoseNetwork(nn.Module):
    """Encoder and head as one network from images to 2.5D poses, with the refinement of the root depth where there is one."""

    def __init__(self, backbone: nn.Module, head: nn.Module, refinement: RootRefinement | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.refinement = refinement

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
        return finetuning_loss(network, seen, convention)

    return train(Task(network.train(), views, loss, "fine-tuning"), plan, device, folder, checkpoint_seconds=checkpoint_seconds)


def finetuning_loss(network: PoseNetwork, seen: Views, convention: Convention) -> tuple[Tensor, Mapping[str, Tensor]]:
    """L1(u, v) + 5 · L1(z), and with a refinement + L1 of the refined root depth, each over the labels that are there.

    Source:
        PeCLR's released models; Spurr et al., ECCV 2020, for the refinement.
    """
    targets = seen.targets
    wanted = target_of(seen.joints_2d[0], targets.joints_3d, seen.size, convention, targets.valid)
    output = network(seen.flat).float()
    loss = pose_loss(output, wanted, targets.valid)
    if network.refinement is None:
        return loss, {}
    true = root_depth(targets.joints_3d.double().masked_fill(~targets.valid[..., None], torch.nan), convention)
    rooted = root(pose_from_window(output, seen.size), seen.intrinsics[0], BONES[convention])
    rooted = replace(rooted, solvable=rooted.solvable & ~true.isnan())  # batch norm must not see hands that teach nothing
    miss = root_loss(network.refinement(rooted), true, rooted)
    return loss + miss.float(), {"root_depth": miss.detach().float()}
