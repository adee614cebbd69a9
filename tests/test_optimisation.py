"""Schedules and LARS against numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn

from handbench.optimisation import adam, lars_scale, parameter_groups, scaled_rate, set_rate, warmup_cosine


def test_norms_and_biases_are_not_decayed() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    decayed, free = parameter_groups(module, 0.1)
    assert [tuple(parameter.shape) for parameter in decayed["params"]] == [(4, 3)]
    assert decayed["weight_decay"] == 0.1 and free["weight_decay"] == 0.0 and len(free["params"]) == 3


def test_the_papers_rate() -> None:
    assert scaled_rate(1e-4, 2048) == pytest.approx(4.5254834e-3, rel=1e-7)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.0), (9, 0.9), (10, 1.0), (55, 0.5), (100, 0.0)])
def test_warmup_then_cosine(step: int, factor: float) -> None:
    assert warmup_cosine(step, 100, 0.1) == pytest.approx(factor)


def test_without_warmup_the_first_step_is_full() -> None:
    assert warmup_cosine(0, 10, 0.0) == 1.0


def test_set_rate_reaches_every_group() -> None:
    optimiser = adam(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0.1)
    set_rate(optimiser, 0.25)
    assert [group["lr"] for group in optimiser.param_groups] == [0.25, 0.25]


def test_lars_scales_by_the_clipped_trust_ratio() -> None:
    weight = nn.Parameter(torch.full((2, 2), 2.0))  # norm 4
    weight.grad = torch.full((2, 2), 8.0)  # norm 16
    bias = nn.Parameter(torch.ones(2))
    bias.grad = torch.ones(2)
    lars_scale([weight, bias], rate=0.1, trust=0.02)
    assert torch.allclose(weight.grad, torch.full((2, 2), 8.0 * 0.02 * 4 / 16 / 0.1))
    assert torch.equal(bias.grad, torch.ones(2))
    lars_scale([weight], rate=1e-6, trust=0.02)  # the ratio over the rate is above 1, so the gradient stays
    assert weight.grad[0, 0].item() == pytest.approx(8.0 * 0.05, rel=1e-5)


def test_lars_leaves_zero_gradients_finite() -> None:
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.zeros(2, 2)
    lars_scale([weight], rate=0.1)
    assert math.isfinite(weight.grad.sum().item())
