"""What every objective promises: a loss that trains the encoder, repeats, survives saving, and does with warps what it declares.

Optional class attributes declare more, and what is declared is measured:
    symmetry        "invariant": the loss does not depend on the views' warps. "equivariant": it does, and `undo(points, views)`
                    takes points that moved with their views back to one place.
    order_counts    True for a loss that depends on the order of the batch (a queue); else that it does not is checked.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from handbench.geometry import move
from handbench.testing.contract import Subject, require
from handbench.testing.toys import FACTS, ToyEncoder, batch, centred_rank, random_warps, views, with_warps
from handbench.types import Views

STEPS = 60
RATE = 3e-3
LEAST_RANK = 0.35  # of the untrained encoder's; the built-in objectives keep 0.8 or more, a collapsing one 0.15 or less
SAME = 1e-4


def loss_is_a_finite_number(subject: Subject) -> None:
    """The loss is one finite number and its monitors are detached single numbers."""
    loss, monitors = _loss(subject, *_built(subject))
    require(loss.shape == () and torch.isfinite(loss), f"{subject.name}: the loss is {loss}, expected one finite number")
    for name, value in monitors.items():
        bare = isinstance(value, Tensor) and value.dim() == 0 and not value.requires_grad
        require(bare, f"{subject.name}: monitor {name} must be a detached tensor of one number")


def gradient_reaches_the_encoder(subject: Subject) -> None:
    """The gradient reaches all of the encoder's weights and is finite."""
    objective, encoder = _built(subject)
    _backward(subject, objective, encoder)


def half_precision_is_no_problem(subject: Subject) -> None:
    """Under bf16 autocast, loss and gradients are finite and the loss is near the one in full precision."""
    objective, encoder = _built(subject)
    full = _loss(subject, objective, encoder)[0].detach()
    half = _backward(subject, objective, encoder, half=True)
    near = abs(float(half) - float(full)) <= 0.1 * abs(float(full)) + 0.1
    require(near, f"{subject.name}: the loss is {float(half):.4g} under bf16 and {float(full):.4g} in fp32; compute it in fp32")


def loss_falls_on_a_toy_set(subject: Subject) -> None:
    """Sixty steps on 32 pictures lower the loss."""
    objective, encoder = _built(subject)
    losses = _train(subject, objective, encoder)
    first, last = sum(losses[:8]) / 8, sum(losses[-8:]) / 8
    require(last < first, f"{subject.name}: the loss went from {first:.4g} to {last:.4g} in {STEPS} steps")


def features_do_not_collapse(subject: Subject) -> None:
    """After those steps, features still tell the pictures apart: their effective rank and spread stay."""
    objective, encoder = _built(subject)
    before = _features(encoder)
    _train(subject, objective, encoder)
    after = _features(encoder)
    rank = centred_rank(after) / centred_rank(before)
    require(
        rank >= LEAST_RANK, f"{subject.name}: the features' effective rank fell to {100 * rank:.0f} % of the untrained encoder's"
    )
    spread = [float(features.std(0).norm() / features.norm(dim=1).mean()) for features in (before, after)]
    require(spread[1] > 0.1 * spread[0], f"{subject.name}: features of different pictures became nearly the same vector")


def order_of_the_batch_does_not_count(subject: Subject) -> None:
    """The loss of a shuffled batch is the same (unless the class says `order_counts = True`)."""
    seen, order = views(subject.target.views, 1), torch.randperm(32, generator=torch.Generator().manual_seed(0))
    targets = type(seen.targets)(**{name: value[order] for name, value in vars(seen.targets).items()})
    shuffled = Views(seen.images[:, order], seen.warps[:, order], seen.frame[order], targets)
    one, two = (float(_loss(subject, *_built(subject), value)[0].detach()) for value in (seen, shuffled))
    require(
        abs(one - two) < SAME * (1 + abs(one)), f"{subject.name}: the loss is {one:.6g}, and {two:.6g} for the shuffled batch"
    )


def seed_decides(subject: Subject) -> None:
    """One seed repeats the loss exactly, another gives another."""
    one, same, other = (float(_loss(subject, *_built(subject, seed))[0].detach()) for seed in (0, 0, 1))
    require(one == same, f"{subject.name}: the same seed gives the losses {one} and {same}; draw with torch's generator")
    drawn = any(True for _ in _built(subject)[0].parameters())
    require(not drawn or one != other, f"{subject.name}: two seeds give the same loss; its own weights are not drawn")


def state_carries_over(subject: Subject) -> None:
    """After training, a state dict carries everything to a new objective: the next loss is the same."""
    objective, encoder = _built(subject)
    _train(subject, objective, encoder, steps=5)
    other, _ = _built(subject, seed=7)
    other.load_state_dict(copy.deepcopy(objective.state_dict()))
    one, two = (float(_loss(subject, which, encoder)[0].detach()) for which in (objective, other))
    require(
        one == two,
        f"{subject.name}: the next loss is {one}, and {two} after loading its state; register what it keeps as buffers",
    )


def declared_symmetry_is_measured(subject: Subject) -> None:
    """An invariant objective ignores the warps; an equivariant one reads them, and undoes them exactly for points that moved."""
    declared = subject.target.symmetry
    seen = views(subject.target.views, 1)
    other = with_warps(seen, random_warps(seen.warps[..., 0, 0].numel(), 5).view(*seen.warps.shape))
    one, two = (float(_loss(subject, *_built(subject), value)[0].detach()) for value in (seen, other))
    moved = abs(one - two) > SAME
    if declared == "invariant":
        require(
            not moved, f"{subject.name} is declared invariant, but the loss changes from {one:.6g} to {two:.6g} with the warps"
        )
        return
    require(moved, f"{subject.name} is declared equivariant, but its loss is {one:.6g} whatever the warps")
    points = torch.randn(seen.images.shape[0] * seen.images.shape[1], 8, 2, generator=torch.Generator().manual_seed(2))
    objective: Any = _built(subject)[0]
    back = objective.undo(move(other.window_warps.flatten(0, 1), points), other)
    off = float((back - points).abs().max())
    require(off < 1e-3, f"{subject.name}: points that moved with their views are {off:.2g} off after undo, in window coordinates")


def _built(subject: Subject, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """The objective with weights of a seed, and a toy encoder that is always the same."""
    encoder = ToyEncoder()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        objective: nn.Module = subject.target(subject.config(), backbone=encoder, facts=FACTS)
    return objective.train(), encoder.train()


def _loss(
    subject: Subject, objective: nn.Module, encoder: nn.Module, seen: Views | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        loss, monitors = objective(encoder, seen or views(subject.target.views, 1))
    return loss, dict(monitors)


def _backward(subject: Subject, objective: nn.Module, encoder: nn.Module, half: bool = False) -> Tensor:
    """The loss, after checking its gradient."""
    seen = views(subject.target.views, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        loss, _ = _loss(subject, objective, encoder, seen)
    require(loss.requires_grad, f"{subject.name}: the loss has no gradient; something detaches it")
    loss.backward()
    for name, weight in encoder.named_parameters():
        gradient = torch.zeros(1) if weight.grad is None else weight.grad
        require(gradient.abs().sum() > 0, f"{subject.name}: no gradient reaches the encoder's {name}")
        require(torch.isfinite(gradient).all(), f"{subject.name}: the gradient of the encoder's {name} is not finite")
    return loss.detach()


def _train(subject: Subject, objective: nn.Module, encoder: nn.Module, steps: int = STEPS) -> list[float]:
    optimiser = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], lr=RATE)
    losses = []
    for step in range(steps):
        loss, _ = _loss(subject, objective, encoder, views(subject.target.views, step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@torch.no_grad()
def _features(encoder: nn.Module) -> Tensor:
    pictures = batch(32).images.permute(0, 3, 1, 2).float() / 255
    features: Tensor = encoder(pictures)
    return features


def promises(subject: Subject) -> tuple[Callable[[Subject], None], ...]:
    """Those that apply to what it declares; an objective that asks for no views has nothing to keep."""
    if subject.target.views == 0:
        return ()
    order = () if getattr(subject.target, "order_counts", False) else (order_of_the_batch_does_not_count,)
    declared = (declared_symmetry_is_measured,) if getattr(subject.target, "symmetry", None) else ()
    return (
        loss_is_a_finite_number,
        gradient_reaches_the_encoder,
        half_precision_is_no_problem,
        loss_falls_on_a_toy_set,
        features_do_not_collapse,
        *order,
        seed_decides,
        state_carries_over,
        *declared,
    )
