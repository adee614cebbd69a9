"""Refinement of the root depth: what goes in, what is left alone, what trains it, and that it learns."""

import math

import pytest
import torch
from fixtures import hand_joints

from handbench.pose.lifting import Rooted, decode, root
from handbench.pose.refinement import FAR, RootRefinement, refinable, root_loss
from handbench.pose25d import BONES, Convention, encode, project, root_depth

CAMERA = torch.tensor([[388.9018, 0, 112], [0, 388.7123, 112], [0, 0, 1]], dtype=torch.float64)


def hands(count: int) -> torch.Tensor:
    return torch.stack([torch.from_numpy(hand_joints(number)) for number in range(count)])


def rooted_of(joints: torch.Tensor, convention: Convention = "wrist", noise: float = 0.0) -> Rooted:
    pose = encode(joints, project(joints, CAMERA), convention).joints
    pose = pose + noise * torch.randn(pose.shape, generator=torch.Generator().manual_seed(1), dtype=pose.dtype)
    return root(pose, CAMERA.expand(len(joints), 3, 3), BONES[convention])


@pytest.mark.parametrize("convention", ["wrist", "palm"])
def test_the_solved_depth_of_exact_poses_is_the_true_one(convention: Convention) -> None:
    joints = hands(20)
    torch.testing.assert_close(rooted_of(joints, convention).depth, root_depth(joints, convention), rtol=0, atol=1e-9)


def test_it_adds_what_the_layers_say_of_depths_rays_and_the_root() -> None:
    network, rooted = RootRefinement().eval(), rooted_of(hands(3))
    refined = network(rooted)
    for row in range(3):
        seen = torch.cat([rooted.behind[row], rooted.rays[row, :, :2].flatten(), rooted.depth[row : row + 1]]).float()
        added = network.layers(seen[None])[0, 0].double()
        torch.testing.assert_close(refined[row], rooted.depth[row] + added, rtol=0, atol=1e-5)
    assert network.layers.state_dict()["0.weight"].shape == (128, 64)
    assert list(network.layers._modules) == ["0", "1", "2", "3", "4", "5", "6"]  # the released files' names


def test_no_gradient_flows_through_the_solution() -> None:
    joints = hands(4)
    pose = encode(joints, project(joints, CAMERA)).joints.requires_grad_()
    rooted = root(pose, CAMERA.expand(4, 3, 3))
    network = RootRefinement()
    for parameter in network.parameters():
        parameter.data.zero_()
    network(rooted).sum().backward()  # with all weights 0 only Z itself could pass a gradient on
    assert pose.grad is not None
    assert not pose.grad.any()


def test_hands_without_a_depth_are_left_alone() -> None:
    rooted = rooted_of(hands(4))
    depth = torch.tensor([10.0, -3.0, 2 * FAR, 12.0], dtype=torch.float64)
    spoiled = Rooted(
        rooted.rays, rooted.behind, depth, torch.tensor([True, True, True, False]), rooted.both_in_front, rooted.mirrored
    )
    assert refinable(spoiled).tolist() == [True, False, False, False]
    refined = RootRefinement().eval()(spoiled)
    assert refined[0] != depth[0] and torch.equal(refined[1:], depth[1:])
    assert torch.equal(RootRefinement().train()(spoiled), depth)  # one hand alone cannot train batch norm


def test_a_left_hand_s_view_is_refined_as_the_right_hand_it_shows() -> None:
    joints, mirror = hands(3), torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64))
    flip = torch.tensor([[-1.0, 0, 224], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    pixels = project(joints, CAMERA)
    network = RootRefinement().eval()
    right = root(encode(joints, pixels).joints, CAMERA.expand(3, 3, 3))
    left_joints = joints @ mirror  # seen by a camera that mirrors, the left hand is at the same pixels
    left = root(encode(left_joints, pixels).joints, (CAMERA @ mirror).expand(3, 3, 3))
    assert left.mirrored.all() and not right.mirrored.any()
    torch.testing.assert_close(network(left), network(right))
    torch.testing.assert_close((flip @ CAMERA).det() < 0, torch.tensor(True))


def test_its_loss_counts_hands_whose_depths_are_known() -> None:
    rooted = rooted_of(hands(3))
    true = torch.tensor([1.0, math.nan, 5.0], dtype=torch.float64)
    refined = torch.tensor([2.0, 100.0, 2.0], dtype=torch.float64, requires_grad=True)
    loss = root_loss(refined, true, rooted)
    assert loss.item() == pytest.approx((1 + 3) / 2)
    loss.backward()
    assert refined.grad is not None and refined.grad.tolist() == [0.5, 0.0, -0.5]
    assert root_loss(refined, torch.full_like(true, math.nan), rooted).item() == 0


def test_it_learns_what_two_joints_do_not_tell() -> None:
    """Noisy poses: the solution leans on the bone alone, the network sees all joints."""
    torch.manual_seed(0)
    joints = hands(256)
    rooted, true = rooted_of(joints, noise=0.3), root_depth(joints)
    network = RootRefinement()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    before = root_loss(rooted.depth, true, rooted).item()
    for _ in range(60):
        optimiser.zero_grad()
        root_loss(network(rooted), true, rooted).backward()
        optimiser.step()
    assert root_loss(network.eval()(rooted), true, rooted).item() < 0.6 * before


def test_lifting_takes_the_refined_depth() -> None:
    joints = hands(2)
    pose = encode(joints, project(joints, CAMERA))
    farther = decode(pose, CAMERA.expand(2, 3, 3), refinement=lambda rooted: rooted.depth + 1.0)
    moved = farther.joints[..., 2] - joints[..., 2]
    torch.testing.assert_close(moved, pose.scale[:, None].expand(2, 21), rtol=0, atol=1e-9)  # one bone length
