"""Fine-tuning: the loss is the sum of its parts, and what has no label trains nothing."""

import math
from dataclasses import replace

import pytest
import torch
from fixtures import hand_joints
from torch import nn

from handbench.pose.finetune import PoseNetwork, finetuning_loss, plan_of
from handbench.pose.lifting import root
from handbench.pose.refinement import RootRefinement, root_loss
from handbench.pose25d import pose_from_window, pose_loss, project, root_depth, target_of
from handbench.settings import Pose
from handbench.types import Targets, Views

SIDE = 64
CAMERA = torch.tensor([[110.0, 0, 32], [0, 110, 32], [0, 0, 1]])


class Fixed(nn.Module):
    """A backbone that gives back numbers, one row an image, whatever it sees."""

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.rows[: len(images)]


class Reshape(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.unflatten(1, (21, 3))


def views_of(count: int) -> Views:
    joints = torch.stack([torch.from_numpy(hand_joints(number)) for number in range(count)]).float()
    cameras, square = CAMERA.expand(count, 3, 3), torch.eye(3).expand(count, 3, 3)
    targets = Targets(
        torch.zeros(count, dtype=torch.long),
        project(joints, cameras),
        joints,
        torch.ones(count, 21, dtype=torch.bool),
        cameras,
        torch.zeros(count, dtype=torch.bool),
    )
    return Views(torch.rand(1, count, 3, SIDE, SIDE), square[None], square, targets)


def network_of(views: Views, noise: float = 0.05) -> PoseNetwork:
    targets = views.targets
    wanted = target_of(views.joints_2d[0], targets.joints_3d, SIDE)
    torch.manual_seed(0)
    return PoseNetwork(Fixed((wanted + noise * torch.randn(wanted.shape)).flatten(1)), Reshape(), RootRefinement())


def test_the_loss_is_the_sum_of_its_parts() -> None:
    views = views_of(6)
    network = network_of(views).eval()
    loss, monitors = finetuning_loss(network, views, "wrist")
    output = network(views.flat)
    rooted = root(pose_from_window(output, SIDE), views.intrinsics[0])
    assert network.refinement is not None
    miss = root_loss(network.refinement(rooted), root_depth(views.targets.joints_3d.double()), rooted)
    plain = pose_loss(output, target_of(views.joints_2d[0], views.targets.joints_3d, SIDE), views.targets.valid)
    assert loss.item() == pytest.approx((plain + miss).item(), rel=1e-5)
    assert monitors["root_depth"].item() == pytest.approx(miss.item(), rel=1e-5) and miss > 0
    bare, nothing = finetuning_loss(PoseNetwork(network.backbone, network.head), views, "wrist")
    assert bare.item() == pytest.approx(plain.item(), rel=1e-6) and not nothing


def test_hands_without_depth_or_camera_train_what_they_can_with_finite_gradients() -> None:
    views = views_of(6)
    network = network_of(views)
    joints, cameras, valid = views.targets.joints_3d.clone(), views.targets.intrinsics.clone(), views.targets.valid.clone()
    joints[0] = math.nan  # labelled in the image only
    cameras[1] = math.nan
    valid[2, 5] = False  # no end of the reference bone
    spoiled = replace(views, targets=replace(views.targets, joints_3d=joints, intrinsics=cameras, valid=valid))
    loss, _ = finetuning_loss(network, spoiled, "wrist")
    loss.backward()
    assert loss.isfinite()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    rows = gradients[0].view(6, 21, 3)  # type: ignore[union-attr]
    assert (rows[:2, :, :2] != 0).any((1, 2)).all() and not rows[0, :, 2].any() and not rows[2, 5].any()


def test_the_schedule_is_peclrs_by_default() -> None:
    plan = plan_of(Pose(protocol="finetune", epochs=100), steps=7, seed=3)
    assert (plan.epochs, plan.steps, plan.seed, plan.weight_decay, plan.warmup) == (100, 7, 3, 2e-4, 0.0)
    assert plan.rate == pytest.approx(5.0e-4, rel=1e-3)


def test_refinement_needs_a_network_that_trains() -> None:
    assert Pose(protocol="finetune", refine=True).refine
    with pytest.raises(ValueError, match="protocol = probe freezes it; use protocol = finetune"):
        Pose(refine=True)
