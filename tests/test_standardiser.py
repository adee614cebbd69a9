"""Standardising against its definition, with channels that hardly move or do not move at all."""

import pytest
import torch

from handbench.standardiser import Standardiser


def test_channels_get_zero_mean_and_unit_deviation() -> None:
    features = torch.randn(100, 2, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 10.0]) + 5.0
    scaled = Standardiser.of(features)(features)
    assert scaled.dtype == torch.float32
    assert scaled.std(0, correction=0).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert scaled.mean(0).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_near_dead_channels_are_not_blown_up() -> None:
    features = torch.randn(100, 2, generator=torch.Generator().manual_seed(2)) * torch.tensor([10.0, 1e-6])
    scale = Standardiser.of(features)
    assert scale.deviation[1].item() == pytest.approx(0.01 * scale.deviation[0].item())
    assert scale(features)[:, 1].abs().max() < 1e-3


def test_features_that_do_not_move_become_zero() -> None:
    features = torch.full((5, 3), 7.0)
    assert torch.equal(Standardiser.of(features)(features), torch.zeros(5, 3))
