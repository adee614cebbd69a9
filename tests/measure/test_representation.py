"""How features spread, against closed forms."""

import math

import pytest
import torch

from handbench.measure.representation import alignment, channel_spread, dead_channels, effective_rank, uniformity


def test_alignment_of_known_directions() -> None:
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    second = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert alignment(first, second).tolist() == pytest.approx([0.0, 2.0, 4.0])


def test_uniformity_of_known_points() -> None:
    assert uniformity(torch.tensor([[1.0, 0.0], [-5.0, 0.0]])) == pytest.approx(-8.0)  # one pair, distance 2
    square = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert uniformity(square) == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3))
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0.0, abs=1e-12)


def test_uniformity_in_parts_is_that_of_all_pairs() -> None:
    features = torch.randn(1500, 4, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    wanted = torch.pdist(unit).square().mul(-2).exp().mean().log().item()
    assert uniformity(features) == pytest.approx(wanted, rel=1e-9)


def test_effective_rank_of_identity_covariance_is_the_width() -> None:
    features = torch.randn(4000, 16, generator=torch.Generator().manual_seed(1))
    assert effective_rank(features) == pytest.approx(16, abs=0.05)
    assert effective_rank(features[:, :4] @ torch.ones(4, 1) @ torch.ones(1, 16)) == pytest.approx(1, abs=1e-4)


def test_effective_rank_of_known_singular_values() -> None:
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0]))) == pytest.approx(math.exp(entropy))
    assert effective_rank(torch.zeros(3, 3)) == 1.0


def test_channels_that_spread_and_channels_that_are_dead() -> None:
    sphere = torch.randn(5000, 32, generator=torch.Generator().manual_seed(2))
    assert channel_spread(sphere) == pytest.approx(1, abs=0.02)
    assert channel_spread(torch.ones(10, 3)) == pytest.approx(0, abs=1e-7)
    scales = torch.tensor([1.0, 0.5, 1e-3, 0.0])
    assert dead_channels(sphere[:, :4] * scales) == 50.0
    assert dead_channels(torch.ones(10, 3)) == 100.0
