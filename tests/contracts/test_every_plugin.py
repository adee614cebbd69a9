"""Contracts that hold for every registered plugin of a kind, built-in or not."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from handbench.configs import as_settings, configure
from handbench.learn import views
from handbench.plugins import KINDS, Component, discover
from handbench.types import Batch, Evidence, Facts, Prediction, Targets, Truth

FOUND = discover()
SIDE, WINDOW, VIEW = 48, 40.0, 32


def of(kind: str) -> Any:
    return pytest.mark.parametrize("component", FOUND.of_kind(kind), ids=lambda component: component.name)


def batch_of(count: int) -> Batch:
    generator = torch.Generator().manual_seed(count)
    joints = torch.rand(count, 21, 3, generator=generator) * 0.1 + torch.tensor([0.0, 0.0, 0.6])
    pixels = joints[..., :2] * 200 + 10
    known = Targets(
        torch.arange(count) % 3, pixels, joints, torch.ones(count, 21, dtype=torch.bool), torch.eye(3).repeat(count, 1, 1)
    )
    return Batch(torch.randint(0, 256, (count, SIDE, SIDE, 3), generator=generator, dtype=torch.uint8), WINDOW, known)


class Pooled(nn.Module):
    """A small backbone."""

    width = 12

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 12, 8, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(images).mean((2, 3))


@pytest.mark.parametrize(
    "component", [offer for kind in KINDS for offer in FOUND.of_kind(kind)], ids=lambda c: f"{c.kind}-{c.name}"
)
def test_configs_are_frozen_have_defaults_and_round_trip(component: Component) -> None:
    owner = component.load()
    assert dataclasses.is_dataclass(owner.Config) and owner.Config.__dataclass_params__.frozen
    config = owner.Config()
    assert configure(owner.Config, as_settings(config), component.name) == config
    assert owner.__doc__ and component.summary


@of("augmentation")
def test_augmentations_draw_what_their_kind_says_and_the_same_for_a_key(component: Component) -> None:
    augmentation = component.load()(component.load().Config())
    shape = {"warp": (9, 3, 3), "colour": (9, 3, 4)}[augmentation.kind]
    one, two = (augmentation.draw(9, torch.Generator().manual_seed(1)) for _ in range(2))
    assert one.shape == shape and torch.equal(one, two) and torch.isfinite(one).all()
    assert not torch.equal(one, augmentation.draw(9, torch.Generator().manual_seed(2)))
    if augmentation.kind == "warp":
        assert torch.equal(one[:, 2], torch.tensor([0.0, 0.0, 1.0]).expand(9, 3)) and (torch.linalg.det(one) > 0).all()


@of("augmentation")
def test_augmented_views_stay_in_range(component: Component) -> None:
    augmentation = component.load()(component.load().Config())
    seen = views.make_views(batch_of(6), [augmentation], 2, VIEW, torch.Generator().manual_seed(3))
    assert seen.images.min() >= 0 and seen.images.max() <= 1 and torch.isfinite(seen.images).all()


def seen_by(count: int) -> Any:
    drawn = [offer.load()(offer.load().Config()) for offer in FOUND.of_kind("augmentation")]
    return views.make_views(batch_of(10), drawn, max(count, 1), VIEW, torch.Generator().manual_seed(4))


@of("objective")
@pytest.mark.parametrize("posed", [False, True])
def test_objectives_learn_from_their_views(component: Component, posed: bool) -> None:
    owner = component.load()
    if owner.views == 0:
        pytest.skip("asks for no views")
    torch.manual_seed(0)
    backbone = Pooled()
    objective = owner(owner.Config(), backbone=backbone, facts=Facts(3, posed, 10, 5))
    parameters = [*backbone.parameters(), *objective.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    losses = []
    for _ in range(30):
        loss, monitors = objective(backbone, seen_by(owner.views))
        optimiser.zero_grad()
        loss.backward()
        assert torch.isfinite(loss) and all(value.dim() == 0 and not value.requires_grad for value in monitors.values())
        assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in parameters)
        optimiser.step()
        losses.append(loss.item())
    assert backbone.convolution.weight.grad.abs().sum() > 0 and losses[-1] < losses[0]
    projected = objective.eval().project(torch.rand(4, 12))
    assert projected is None or (projected.shape[0] == 4 and projected.shape[2] == 2)


@of("objective")
def test_objectives_repeat_with_their_seed_and_survive_their_state(component: Component) -> None:
    owner = component.load()

    def built(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return owner(owner.Config(), backbone=Pooled(), facts=Facts(3, False, 10, 5))

    first, same, other = built(0), built(0), built(1)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), same.state_dict().values(), strict=True))
    other.load_state_dict(first.state_dict())
    if owner.views:
        torch.manual_seed(2)
        backbone = Pooled()
        seen = seen_by(owner.views)
        assert torch.equal(first.eval()(backbone, seen)[0], other.eval()(backbone, seen)[0])


@of("backbone")
def test_backbones_give_their_width_and_do_not_mind_batch_mates(component: Component) -> None:
    torch.manual_seed(0)
    model = component.load()(component.load().Config()).eval().to(memory_format=torch.channels_last)
    images = torch.rand(3, 3, 64, 64, requires_grad=True)
    features = model(images)
    assert features.shape == (3, model.width)
    assert torch.allclose(model(images[:1]), features[:1], atol=1e-4)
    features.sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


@of("head")
def test_heads_give_poses(component: Component) -> None:
    head = component.load()(component.load().Config(), width=12)
    output = head(torch.rand(5, 12))
    assert output.shape == (5, 21, 3) and output.requires_grad


def hands(count: int) -> tuple[Prediction, Truth]:
    generator = np.random.default_rng(0)
    joints = generator.normal(0, 0.05, (count, 21, 3)) + np.array([0, 0, 0.6])
    pixels, key, all_true = (
        generator.uniform(0, 64, (count, 21, 2)),
        np.array([str(row) for row in range(count)]),
        np.ones((count, 21), bool),
    )
    return Prediction(key, pixels, joints, np.ones(count, bool), 64), Truth(key, pixels, joints, all_true, all_true)


@of("metric")
def test_metrics_find_no_error_in_a_perfect_prediction_and_count_what_they_leave_out(component: Component) -> None:
    metric = component.load()(component.load().Config())
    prediction, truth = hands(6)
    for score in metric.score(prediction, truth):
        assert score.unit in ("mm", "", "px@64") and score.protocol and score.count == 6 and score.excluded == 0
        assert score.value == pytest.approx(0.0 if score.unit else 1.0, abs=0.01)
    joints = prediction.joints_3d.copy()
    joints[2] = np.nan
    partly = dataclasses.replace(prediction, joints_3d=joints, solvable=np.arange(6) != 2)
    for score in metric.score(partly, truth):
        assert score.count + score.excluded == 6 and np.isfinite(score.value)
        assert score.excluded == (0 if score.unit.startswith("px") else 1)


@of("report")
def test_reports_of_nothing_and_of_something_are_files(component: Component) -> None:
    report = component.load()(component.load().Config())
    assert all(isinstance(content, bytes) for content in report.render(Evidence(Path(), ())).values())
