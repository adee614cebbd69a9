"""A bank of heads: each copy ends as it would have alone, run in a row or stacked, with batch norm and dropout."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

from handbench.optimisation import adam, set_rate
from handbench.pose.bank import Bank, Setting
from handbench.pose.heads.mlp import MLP
from handbench.pose25d import pose_loss

SETTINGS = (Setting(1e-3, 1e-2), Setting(1e-2, 0.0), Setting(3e-2, 1e-3))
WIDTH, STEPS = 6, 8


class Fussy(nn.Module):
    """A third party's head that vmap refuses: it asks for a value, and has neither batch norm nor dropout."""

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config, *, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 63)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.map(features)
        if output.sum() > 1e9:
            raise ValueError("too large")
        return output.view(-1, 21, 3)


HEADS = {
    "batch norm": (MLP, MLP.Config(hidden=7)),
    "dropout": (MLP, MLP.Config(hidden=7, dropout=0.4)),
    "not for vmap": (Fussy, Fussy.Config()),
}


def batches() -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    valid = torch.rand(STEPS, 16, 21, generator=generator) < 0.9
    return list(
        zip(
            torch.randn(STEPS, 16, WIDTH, generator=generator),
            torch.randn(STEPS, 16, 21, 3, generator=generator),
            valid,
            strict=True,
        )
    )


def head_of(name: str) -> nn.Module:
    torch.manual_seed(5)
    head_class, config = HEADS[name]
    return head_class(config, width=WIDTH)


def trained(name: str, settings: tuple[Setting, ...], stacked: bool) -> Bank:
    bank = Bank(head_of(name), settings, stacked=stacked)
    for step, (features, target, valid) in enumerate(batches()):
        bank.step(features, partial(losses, target=target, valid=valid), factor=1 - step / STEPS, seed=step)
    return bank


def losses(outputs: torch.Tensor, target: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return torch.stack([pose_loss(output, target, valid) for output in outputs])


def alone(name: str, setting: Setting) -> nn.Module:
    """The slow reference: an ordinary loop with one optimiser."""
    head = head_of(name).train()
    optimiser = adam(head, setting.decay)
    for step, (features, target, valid) in enumerate(batches()):
        set_rate(optimiser, setting.rate * (1 - step / STEPS))
        optimiser.zero_grad()
        torch.manual_seed(step)
        pose_loss(head(features), target, valid).backward()
        optimiser.step()
    return head


@pytest.mark.parametrize("stacked", [False, True], ids=["in a row", "stacked"])
@pytest.mark.parametrize("name", list(HEADS))
def test_every_setting_ends_as_it_would_alone(name: str, stacked: bool) -> None:
    bank = trained(name, SETTINGS, stacked)
    for setting, head in zip(SETTINGS, bank.heads, strict=True):
        wanted = alone(name, setting).state_dict()
        for part, value in head.state_dict().items():  # running statistics too
            torch.testing.assert_close(value, wanted[part], rtol=1e-4, atol=1e-5, msg=lambda text, part=part: f"{part}: {text}")


def test_settings_end_apart_and_the_first_weights_stay() -> None:
    first = head_of("batch norm")
    before = {name: value.clone() for name, value in first.state_dict().items()}
    bank = trained("batch norm", SETTINGS, stacked=False)
    assert all(torch.equal(value, before[name]) for name, value in first.state_dict().items())
    weights = [head.layers[0].weight for head in bank.heads]  # type: ignore[union-attr, index]
    assert not torch.allclose(weights[0], weights[1]) and not torch.allclose(weights[1], weights[2])


def test_losses_are_those_of_evaluation() -> None:
    bank = trained("dropout", SETTINGS, stacked=False)
    features, target, valid = batches()[0]
    found = bank.losses(features, partial(losses, target=target, valid=valid))
    wanted = [pose_loss(head.eval()(features), target, valid).item() for head in bank.heads]
    assert found == pytest.approx(wanted)


def test_a_heads_own_mistake_is_not_hidden() -> None:
    class Broken(Fussy):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("my mistake")

    bank = Bank(Broken(Fussy.Config(), width=WIDTH), SETTINGS, stacked=True)
    with pytest.raises(RuntimeError, match="my mistake"):
        bank.step(torch.zeros(4, WIDTH), lambda output: output.sum((1, 2, 3)), factor=1.0, seed=0)
