"""Lifting: against the closed formula, through turned views, at its limits, and on to predictions."""

import math

import numpy as np
import pytest
import torch
from fixtures import hand_joints

from handbench.geometry import move, rotation, scaling, translation
from handbench.pose.lifting import decode, lift, predict, truth_of
from handbench.pose25d import BONES, Convention, Pose25D, bone_length, encode, project, target_of
from handbench.streams import Draws
from handbench.types import INDEX_MCP, WRIST, Labels

CAMERA = torch.tensor([[388.9018, 0, 112], [0, 370.0, 108], [0, 0, 1]], dtype=torch.float64)


def random_hands(count: int, spread: float = 0.05) -> torch.Tensor:
    """Joints anywhere around a point 0.6 m before the camera and up to 0.2 m beside its axis: far wilder than hands."""
    draws = Draws("lifting", count)
    centre = draws.uniform(-0.2, 0.2, (count, 1, 3)) + np.array([0, 0, 0.6])
    return torch.from_numpy(centre + draws.normal(0, spread, (count, 21, 3)))


def larger_root_is_true(joints: torch.Tensor, start: int = WRIST, end: int = INDEX_MCP) -> torch.Tensor:
    """The facts' criterion: (x_n - x_m, y_n - y_m) · (X_n - X_m, Y_n - Y_m) >= 0 on the plane at depth 1."""
    plane = joints[..., :2] / joints[..., 2:]
    return ((plane[:, start] - plane[:, end]) * (joints[:, start] - joints[:, end])[:, :2]).sum(-1) >= 0


def formula(pose: np.ndarray, camera: np.ndarray, scale: float) -> np.ndarray:
    """Iqbal et al.'s closed form, number by number, for K without skew and the bone wrist - index MCP."""
    x, y = (pose[:, 0] - camera[0, 2]) / camera[0, 0], (pose[:, 1] - camera[1, 2]) / camera[1, 1]
    (xn, xm), (yn, ym), (zn, zm) = x[[0, 5]], y[[0, 5]], pose[[0, 5], 2]
    a = (xn - xm) ** 2 + (yn - ym) ** 2
    b = 2 * (zn * (xn**2 + yn**2 - xn * xm - yn * ym) + zm * (xm**2 + ym**2 - xn * xm - yn * ym))
    c = (xn * zn - xm * zm) ** 2 + (yn * zn - ym * zm) ** 2 + (zn - zm) ** 2 - 1
    root = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    depth = scale * (root + pose[:, 2])
    return np.stack([depth * x, depth * y, depth], -1)


def test_it_is_the_closed_formula() -> None:
    joints = random_hands(40)
    pose = encode(joints, project(joints, CAMERA))
    lifted = lift(pose.joints, CAMERA.expand(40, 3, 3), pose.scale)
    for row in range(40):
        slow = formula(pose.joints[row].numpy(), CAMERA.numpy(), pose.scale[row].item())
        np.testing.assert_allclose(lifted.joints[row].numpy(), slow, rtol=0, atol=1e-9)


@pytest.mark.parametrize("convention", ["wrist", "palm"])
def test_random_hands_come_back_where_the_larger_root_is_the_true_one(convention: Convention) -> None:
    joints = random_hands(5000)
    lifted = decode(encode(joints, project(joints, CAMERA), convention), CAMERA.expand(5000, 3, 3), convention)
    true_root = larger_root_is_true(joints, *BONES[convention])
    error = (lifted.joints - joints).abs().amax((1, 2))
    assert lifted.solvable.all()
    assert error[true_root].max() < 1e-9
    assert int((error > 1e-9).sum()) == int((~true_root).sum())  # the criterion says exactly which and how many fail
    assert error[~true_root].min() > 1e-6
    assert 0.001 < (~true_root).double().mean() < 0.1
    # Where the larger root is false the true one is the smaller, and the true hand is in front.
    assert lifted.both_in_front[~true_root].all()
    assert not lifted.both_in_front.all()


@pytest.mark.parametrize("convention", ["wrist", "palm"])
def test_any_view_lifts_to_the_same_hand(convention: Convention) -> None:
    joints = torch.stack([torch.from_numpy(hand_joints(number)) for number in range(30)])
    draws = Draws("views")
    angle, factor, x, y = (
        torch.from_numpy(draws.uniform(low, high, 30)) for low, high in ((-3, 3), (0.5, 2), (-40, 40), (-40, 40))
    )
    warps = translation(x, y) @ rotation(angle) @ scaling(factor)
    pixels = move(warps, project(joints, CAMERA))
    lifted = decode(encode(joints, pixels, convention), warps @ CAMERA, convention)
    torch.testing.assert_close(lifted.joints, joints, rtol=0, atol=1e-9)


def test_a_view_turned_without_its_camera_lifts_to_a_turned_hand() -> None:
    square = torch.diag(torch.tensor([400.0, 400, 1], dtype=torch.float64))
    joints, turn = torch.from_numpy(hand_joints(3)), rotation(torch.tensor(0.5, dtype=torch.float64))
    pose = encode(joints, move(turn, project(joints, square)))
    torch.testing.assert_close(lift(pose.joints, square, pose.scale).joints, joints @ turn.T, rtol=0, atol=1e-9)


def test_what_no_depth_fits_is_marked_and_nan() -> None:
    joints = random_hands(4)
    pose = encode(joints, project(joints, CAMERA))
    broken = pose.joints.clone()
    broken[0, INDEX_MCP, 2] = 2.0  # two bone lengths behind its own other end
    broken[1, INDEX_MCP, :2] = broken[1, WRIST, :2]  # both ends on one ray, not one bone apart
    broken[2, 7, 0] = math.nan
    lifted = lift(broken, CAMERA.expand(4, 3, 3), pose.scale)
    assert lifted.solvable.tolist() == [False, False, False, True]
    assert lifted.joints[:3].isnan().all()
    assert not lifted.both_in_front[:3].any()
    assert lifted.joints[3].isfinite().all()


def test_cameras_that_cannot_be_inverted_spoil_their_own_hand_only() -> None:
    joints = random_hands(3)
    pose = encode(joints, project(joints, CAMERA))
    cameras = torch.stack([torch.zeros(3, 3).double(), torch.full((3, 3), math.nan).double(), CAMERA])
    assert lift(pose.joints, cameras, pose.scale).solvable.tolist() == [False, False, True]


def test_a_bone_needs_two_ends() -> None:
    with pytest.raises(ValueError, match="two different ends"):
        lift(torch.zeros(21, 3), torch.eye(3), torch.tensor(1.0), bone=(5, 5))


def test_single_precision_goes_in_and_double_comes_out() -> None:
    joints = random_hands(2)
    pose = encode(joints, project(joints, CAMERA))
    assert lift(pose.joints.float(), CAMERA.float().expand(2, 3, 3), pose.scale.float()).joints.dtype == torch.float64


@pytest.mark.parametrize("convention", ["wrist", "palm"])
def test_gradients_are_right(convention: Convention) -> None:
    joints = random_hands(2)
    pose = encode(joints, project(joints, CAMERA), convention)
    given = (
        pose.joints.clone().requires_grad_(),
        CAMERA.expand(2, 3, 3).clone().requires_grad_(),
        pose.scale.clone().requires_grad_(),
    )
    assert torch.autograd.gradcheck(
        lambda joints, camera, scale: decode(Pose25D(joints, scale), camera, convention).joints, given
    )


def test_gradients_are_finite_beside_unsolvable_hands() -> None:
    joints = random_hands(2)
    pose = encode(joints, project(joints, CAMERA))
    broken = pose.joints.clone()
    broken[0, INDEX_MCP, 2] = 2.0
    broken.requires_grad_()
    lift(broken, CAMERA.expand(2, 3, 3), pose.scale).joints[1].sum().backward()
    assert broken.grad is not None
    assert broken.grad.isfinite().all()


@pytest.mark.parametrize("convention", ["wrist", "palm"])
def test_a_perfect_output_is_a_perfect_prediction(convention: Convention) -> None:
    joints = torch.stack([torch.from_numpy(hand_joints(number)) for number in range(5)])
    pixels, key = project(joints, CAMERA), np.array(list("abcde"))
    output = target_of(pixels, joints, 224, convention)
    prediction, _ = predict(output, CAMERA.expand(5, 3, 3), bone_length(joints, convention), key, 224, convention)
    np.testing.assert_allclose(prediction.joints_3d, joints.numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(prediction.joints_2d, pixels.numpy(), rtol=0, atol=1e-6)
    assert prediction.solvable.all()
    assert prediction.view == 224
    assert prediction.key.tolist() == list("abcde")


def test_without_a_scale_there_are_pixels_but_no_hand() -> None:
    joints = torch.from_numpy(hand_joints(0))[None]
    output = target_of(project(joints, CAMERA), joints, 224)
    prediction, _ = predict(output, CAMERA[None], torch.tensor([math.nan]), np.array(["a"]), 224)
    assert prediction.solvable.tolist() == [False]
    assert np.isnan(prediction.joints_3d).all()
    assert np.isfinite(prediction.joints_2d).all()


def labels(rows: int) -> Labels:
    words, numbers = np.array(["x"] * rows), np.ones(rows)
    joints = np.stack([hand_joints(row) for row in range(rows)])
    pixels = project(torch.from_numpy(joints), CAMERA).numpy().astype(np.float32)
    flags, square = np.ones((rows, 21), bool), np.tile(np.eye(3), (rows, 1, 1))
    names = dict.fromkeys(("side", "label", "part", "subject", "sequence", "frame", "camera", "source"), words)
    return Labels(np.arange(rows).astype(str), pixels, joints.astype(np.float32), flags, flags, square, numbers, square, **names)


def test_the_truth_moves_with_the_view() -> None:
    table = labels(2)
    half = scaling(torch.tensor(0.5))
    for warps in (half, half.expand(2, 3, 3)):
        truth = truth_of(table, warps)
        np.testing.assert_allclose(truth.joints_2d, table.joints_2d / 2)
        assert truth.joints_2d.dtype == truth.joints_3d.dtype == np.float64
        assert truth.key.tolist() == ["0", "1"]
