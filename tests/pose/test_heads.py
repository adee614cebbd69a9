"""The built-in heads: names, shapes, and an affine map that is taken over as it is."""

import dataclasses
import importlib

import pytest
import torch

from handbench.hookspecs import Lazy
from handbench.pose.heads import handbench_heads
from handbench.pose.heads.linear import Linear
from handbench.pose.heads.mlp import MLP
from handbench.pose.probe import TakesSolution


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_the_hook_names_heads_that_give_21_joints(name: str) -> None:
    offer = handbench_heads()[name]
    assert isinstance(offer, Lazy)
    module, _, attribute = offer.target.partition(":")
    head_class = getattr(importlib.import_module(module), attribute)
    assert dataclasses.is_dataclass(head_class.Config)
    head = head_class(head_class.Config(), width=7)
    output = head(torch.randn(4, 7))
    assert output.shape == (4, 21, 3)
    output.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())


def test_a_linear_head_becomes_the_map_it_is_given() -> None:
    head, weight, bias = Linear(Linear.Config(), width=2), torch.randn(63, 2), torch.randn(63)
    assert isinstance(head, TakesSolution)
    head.take_solution(weight, bias)
    features = torch.randn(3, 2)
    torch.testing.assert_close(head(features).flatten(1), features @ weight.T + bias)
    assert torch.equal(head(torch.zeros(1, 2))[0, 1], bias[3:6])  # joint by joint


def test_the_mlp_has_the_units_it_is_told_and_is_no_affine_map() -> None:
    head = MLP(MLP.Config(hidden=11), width=3)
    assert sum(parameter.numel() for parameter in head.parameters()) == 3 * 11 + 2 * 11 + 12 * 63
    assert not isinstance(head, TakesSolution)


def test_dropout_acts_in_training_only() -> None:
    head, features = MLP(MLP.Config(dropout=0.9), width=3), torch.randn(8, 3)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))
