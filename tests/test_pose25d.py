"""2.5D poses: exact small values, both conventions there and back, what is missing stays missing."""

import math

import pytest
import torch
from fixtures import hand_joints

from handbench.pose.lifting import decode
from handbench.pose25d import (
    BONES,
    Convention,
    bone_length,
    encode,
    joints_of,
    pose_from_window,
    pose_loss,
    project,
    slots_of,
    target_of,
    window_from_pose,
)
from handbench.types import MIDDLE_MCP, WRIST

CAMERA = torch.tensor([[388.9018, 0, 112], [0, 388.7123, 112], [0, 0, 1]], dtype=torch.float64)
CONVENTIONS: tuple[Convention, ...] = ("wrist", "palm")


def hands(count: int) -> torch.Tensor:
    return torch.stack([torch.from_numpy(hand_joints(number)) for number in range(count)])


def test_depths_are_in_bones_behind_the_root() -> None:
    joints = torch.zeros(21, 3)
    joints[:, 2] = 1.0
    joints[5] = torch.tensor([0.03, 0.04, 1.0])  # 50 mm from the wrist
    joints[9, 2] = 1.1
    joints[10] = torch.tensor([0.0, 0.02, 1.1])  # 20 mm from the middle MCP
    wrist = encode(joints, joints[:, :2] * 100, "wrist")
    assert wrist.scale.item() == pytest.approx(0.05)
    assert wrist.joints[9].tolist() == pytest.approx([0, 0, 2.0], abs=1e-5)
    palm = encode(joints, joints[:, :2] * 100, "palm")
    assert palm.scale.item() == pytest.approx(0.02)
    assert palm.joints[[0, 1, 9], 2].tolist() == pytest.approx([0, -2.5, 2.5], abs=1e-5)  # the palm lies at 1.05 m


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_there_and_back_is_exact(convention: Convention) -> None:
    joints = hands(50)
    pose = encode(joints, project(joints, CAMERA), convention)
    back = decode(pose, CAMERA.expand(50, 3, 3), convention)
    torch.testing.assert_close(back.joints, joints, rtol=0, atol=1e-9)
    assert back.solvable.all()
    assert (pose.joints[:, 0, 2] == 0).all()
    torch.testing.assert_close(bone_length(joints, convention), pose.scale)
    start, end = BONES[convention]
    assert (joints[:, start] - joints[:, end]).norm(dim=-1).tolist() == pytest.approx(pose.scale.tolist())


def test_the_palm_is_seen_where_its_3d_point_projects() -> None:
    joints = hands(20)
    joints[:, WRIST, 2] += 0.1  # a steep palm: the middle of the two pixels would be wrong
    palm = slots_of(joints, "palm")
    pixels = project(joints, CAMERA)
    pose = encode(joints, pixels, "palm")
    torch.testing.assert_close(pose.joints[:, 0, :2], project(palm, CAMERA)[:, 0])
    assert ((pixels[:, WRIST] + pixels[:, MIDDLE_MCP]) / 2 - pose.joints[:, 0, :2]).norm(dim=-1).min() > 0.1
    torch.testing.assert_close(joints_of(palm, "palm"), joints)


def test_the_window_spans_minus_one_to_one() -> None:
    pose = torch.tensor([0.0, 64.0, 3.0]).expand(21, 3)
    assert window_from_pose(pose, 64)[0].tolist() == [-1, 1, 3]
    torch.testing.assert_close(pose_from_window(window_from_pose(pose, 64), 64), pose)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_target_is_the_pose_in_the_window(convention: Convention) -> None:
    joints = hands(3)
    pixels = project(joints, CAMERA)
    target = target_of(pixels, joints, 224, convention)
    torch.testing.assert_close(pose_from_window(target, 224), encode(joints, pixels, convention).joints)
    assert target[..., :2].abs().max() < 1


def test_what_a_target_needs_and_does_not_have_is_nan() -> None:
    joints = hands(1)[0]
    pixels, valid = project(joints, CAMERA), torch.ones(21, dtype=torch.bool)

    def missing(joint: int, convention: Convention) -> set[tuple[int, int]]:
        known = valid.clone()
        known[joint] = False
        return set(map(tuple, target_of(pixels, joints, 224, convention, known).isnan().nonzero().tolist()))

    depths = {(joint, 2) for joint in range(21)}
    assert missing(20, "wrist") == {(20, 0), (20, 1), (20, 2)}
    assert missing(5, "wrist") == {(5, 0), (5, 1)} | depths  # the bone's end: no depths at all
    assert missing(0, "wrist") == {(0, 0), (0, 1)} | depths
    assert missing(0, "palm") == {(0, 0), (0, 1)} | depths
    assert missing(9, "palm") == {(0, 0), (0, 1), (9, 0), (9, 1)} | depths  # the palm hangs on the middle MCP
    assert missing(5, "palm") == {(5, 0), (5, 1), (5, 2)}


def test_labels_in_the_image_alone_still_train_u_and_v() -> None:
    pixels = project(hands(1), CAMERA)
    target = target_of(pixels, torch.full((1, 21, 3), math.nan, dtype=torch.float64), 224)
    assert target[..., :2].isfinite().all()
    assert target[..., 2].isnan().all()


def slow_loss(output: torch.Tensor, target: torch.Tensor, valid: torch.Tensor) -> float:
    plane, depth = [], []
    for hand in range(len(output)):
        for joint in range(21):
            for axis in range(3):
                if valid[hand, joint] and not math.isnan(target[hand, joint, axis]):
                    (depth if axis == 2 else plane).append(
                        abs(output[hand, joint, axis].item() - target[hand, joint, axis].item())
                    )
    return (sum(plane) / len(plane) if plane else 0.0) + 5 * (sum(depth) / len(depth) if depth else 0.0)


def random_case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    output, target = (torch.randn(6, 21, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    valid = torch.rand(6, 21, generator=generator) < 0.7
    target[torch.rand(6, 21, 3, generator=generator) < 0.2] = math.nan
    return output, target, valid


def test_it_is_the_mean_over_what_counts() -> None:
    output, target, valid = random_case()
    assert math.isclose(pose_loss(output, target, valid).item(), slow_loss(output, target, valid), rel_tol=1e-12)


def test_depth_weighs_five_times() -> None:
    zero, valid = torch.zeros(1, 21, 3), torch.ones(1, 21, dtype=torch.bool)
    assert pose_loss(zero, torch.tensor([0.0, 0, 1]).expand(1, 21, 3), valid).item() == 5
    assert pose_loss(zero, torch.tensor([1.0, 0, 0]).expand(1, 21, 3), valid).item() == 0.5


def test_gradients_reach_what_counts_and_nothing_else() -> None:
    output, target, valid = random_case()
    output.requires_grad_()
    pose_loss(output, target, valid).backward()
    assert output.grad is not None
    assert torch.equal(output.grad != 0, valid[..., None] & ~target.isnan())


def test_nothing_that_counts_gives_zero_with_zero_gradient() -> None:
    output, target, valid = random_case()
    output.requires_grad_()
    for loss in (pose_loss(output, target, torch.zeros_like(valid)), pose_loss(output, torch.full_like(target, math.nan), valid)):
        output.grad = None
        loss.backward()
        assert loss.item() == 0
        assert output.grad is not None
        assert (output.grad == 0).all()
