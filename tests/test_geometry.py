"""Geometry: turns go the way OpenCV's do, compositions undo, and points follow."""

import math

import torch

from handbench.geometry import move, pixel_from_window, rotation, scaling, translation, window_from_pixel


def test_a_positive_turn_is_counter_clockwise_on_the_screen() -> None:
    right = torch.tensor([[1.0, 0.0]])
    assert torch.allclose(move(rotation(torch.tensor(math.pi / 2)), right), torch.tensor([[0.0, -1.0]]), atol=1e-6)


def test_matrix_of_a_turn_is_the_published_one() -> None:
    angle = torch.tensor(0.3)
    expected = [[math.cos(0.3), math.sin(0.3)], [-math.sin(0.3), math.cos(0.3)]]
    assert torch.allclose(rotation(angle)[:2, :2], torch.tensor(expected))


def test_window_and_pixels_are_inverse() -> None:
    both = window_from_pixel(96, like=torch.ones(())) @ pixel_from_window(96, like=torch.ones(()))
    assert torch.allclose(both, torch.eye(3), atol=1e-6)


def test_compositions_act_from_right_to_left_on_batches() -> None:
    warp = translation(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])) @ scaling(torch.tensor([2.0, 3.0]))
    points = torch.tensor([[[1.0, 1.0]], [[1.0, 1.0]]])
    assert torch.equal(move(warp, points), torch.tensor([[[3.0, 2.0]], [[3.0, 5.0]]]))


def test_one_warp_moves_many_points_and_its_inverse_brings_them_back() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(5, 21, 2, generator=generator, dtype=torch.float64)
    warp = rotation(torch.tensor(0.7)).double() @ translation(torch.tensor(0.2), torch.tensor(-0.4)).double()
    assert torch.allclose(move(torch.linalg.inv(warp), move(warp, points)), points, atol=1e-12)
