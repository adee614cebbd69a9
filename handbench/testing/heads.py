"""What every head promises: features in, 2.5D poses (21 joints of u, v, depth) out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from handbench.testing.contract import Subject, require

WIDTH = 12


def gives_poses(subject: Subject) -> None:
    """Features of five images become (5, 21, 3) finite numbers."""
    output = _built(subject)(_features())
    met = tuple(output.shape)
    require(met == (5, 21, 3), f"{subject.name}: five images' features became {met}, expected (5, 21, 3)")
    require(torch.isfinite(output).all(), f"{subject.name}: poses are not all finite")


def can_learn_every_number(subject: Subject) -> None:
    """Every one of the 63 numbers depends on the features and on the weights."""
    head, features = _built(subject).eval(), _features().requires_grad_()
    output = head(features).flatten(1)
    for place in range(output.shape[1]):
        (gradient,) = torch.autograd.grad(output[:, place].sum(), features, retain_graph=True, allow_unused=True)
        reached = gradient is not None and bool(gradient.abs().sum() > 0)
        require(reached, f"{subject.name}: number {place} of the pose (joint {place // 3}) does not depend on the features")


def state_carries_over(subject: Subject) -> None:
    """A state dict carries everything to another head of the same settings; one seed repeats."""
    first, same, other = (_built(subject, seed).eval() for seed in (0, 0, 1))
    expected = first(_features())
    require(torch.equal(expected, same(_features())), f"{subject.name}: the same seed gives another head")
    other.load_state_dict(first.state_dict())
    require(torch.equal(expected, other(_features())), f"{subject.name}: its state dict does not carry everything")


def _built(subject: Subject, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head: nn.Module = subject.target(subject.config(), width=WIDTH)
    return head


def _features() -> Tensor:
    return torch.rand(5, WIDTH, generator=torch.Generator().manual_seed(0))


def promises(_: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them."""
    return (gives_poses, can_learn_every_number, state_carries_over)
