"""Probes: frozen features and their 2.5D targets go in; a fitted head, chosen on the validation part, comes out.

A head that is one affine map says so by offering `take_solution`, and is solved in closed form for all ridge strengths at
once. Any other head is trained by gradients, all pairs of learning rate and weight decay in one pass over the batches. Either
way the returned module takes raw features: the standardisation and the mean pose of training are part of it.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handbench.errors import DataError, RecipeError
from handbench.optimisation import warmup_cosine
from handbench.pose.bank import Bank, Setting
from handbench.pose25d import pose_loss
from handbench.ridge import ridge_path
from handbench.standardiser import Standardiser
from handbench.streams import Draws, seed_of

RIDGES = tuple(10.0 ** (power / 2) for power in range(-12, 5))  # 1e-6 … 100, a share of each standardised feature's variance
SETTINGS = (Setting(1e-3, 1e-2), Setting(1e-2, 1e-2), Setting(3e-2, 1e-3))  # each won somewhere on random features
BATCH = 128
LEAST_STEPS = 50  # of an epoch: with few labels once through the rows is a handful of steps, too few to learn from


@dataclass(frozen=True)
class Features:
    """Frozen features of labelled views.

    Args:
        features: as the encoder gives them.
        target: `target_of` the views; NaN where unknown.
        valid: joints that count.
    """

    features: Float[Tensor, "rows width"]
    target: Float[Tensor, "rows 21 3"]
    valid: Bool[Tensor, "rows 21"]

    def __len__(self) -> int:
        return len(self.features)

    @property
    def counts(self) -> Bool[Tensor, "rows 21 3"]:
        """Numbers of the target that are valid and known."""
        return self.valid[..., None] & ~self.target.isnan()

    def to(self, device: torch.device) -> "Features":
        """The labelled rows on a device, in float32; rows without any known number are left behind."""
        known = self.counts.any(-1).any(-1)
        return Features(
            self.features[known].float().to(device), self.target[known].float().to(device), self.valid[known].to(device)
        )


@dataclass(frozen=True)
class Trial:
    """One setting tried, and its pose loss on the validation part."""

    settings: dict[str, float]
    loss: float


@dataclass(frozen=True)
class Fitted:
    """A fitted probe.

    Args:
        head: raw features -> 2.5D, in evaluation mode.
        chosen: the trial with the lowest validation loss, the first of equals.
        trials: all of them.
    """

    head: nn.Module
    chosen: Trial
    trials: tuple[Trial, ...]

    @property
    def note(self) -> str:
        """Which setting won, in a few words, e.g. "rate 0.01, weight_decay 0.01: best of 3 on the validation part"."""
        settings = ", ".join(f"{name} {value:.3g}" for name, value in self.chosen.settings.items())
        return f"{settings}: best of {len(self.trials)} on the validation part"


@runtime_checkable
class TakesSolution(Protocol):
    """A head that is one affine map of its input."""

    def take_solution(self, weight: Float[Tensor, "outputs width"], bias: Float[Tensor, "outputs"]) -> None:
        """Become this map; outputs run joint by joint, (u, v, depth) each."""
        ...


class Standardised(nn.Module):
    """A head on raw features: standardise, apply the head, add the mean pose of training.

    Args:
        head: standardised features -> deviation from the mean pose.
        mean, deviation: of the features.
        pose: the mean pose.
    """

    mean: Tensor
    deviation: Tensor
    pose: Tensor

    def __init__(
        self, head: nn.Module, mean: Float[Tensor, "width"], deviation: Float[Tensor, "width"], pose: Float[Tensor, "21 3"]
    ) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.register_buffer("pose", pose)

    def forward(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch 21 3"]:
        """Return the head's pose."""
        output: Tensor = self.head((features - self.mean) / self.deviation)
        return output + self.pose


def probe(
    head_class: type[Any], config: Any, *, train: Features, validation: Features, seed: int, device: torch.device, epochs: int
) -> Fitted:
    """Fit a head on frozen features; what is chosen is chosen on the validation part alone.

    Args:
        head_class: a Head plugin.
        config: its Config.
        train, validation: rows without any known number are ignored.
        seed: of the head's first weights, its dropout and the order of the rows; the closed form needs none.
        device: where to fit; the head stays there.
        epochs: of gradient training; with few rows, one epoch goes through them several times. The closed form needs none.

    Returns:
        The probe; the same for the same seed, device and thread count.

    Raises:
        DataError: fewer than two labelled rows to train on, or none to choose on.
        RecipeError: features that are not finite.
    """
    train, validation = _usable(train, "training", 2).to(device), _usable(validation, "validation", 1).to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed_of(seed, "probe"))
        head = standardised(head_class(config, width=train.features.shape[1]), train)
        if isinstance(head.head, TakesSolution):
            return fit_linear(head, train, validation)
        return fit_head(head, train, validation, seed=seed, epochs=epochs)


def standardised(head: nn.Module, train: Features) -> Standardised:
    """Wrap a head for the mean and deviation of the training features; near-dead channels are not blown up."""
    scale = Standardiser.of(train.features)
    pose = train.target.double().masked_fill(~train.counts, torch.nan).nanmean(0).nan_to_num(0.0)
    return Standardised(head, scale.mean.float(), scale.deviation.float(), pose.float()).to(train.features.device)


def fit_linear(head: Standardised, train: Features, validation: Features) -> Fitted:
    """Solve an affine head by ridge regression on what counts, and keep the strength that validates best.

    Squared error is what has a closed form; the strength is chosen by the pose loss itself.
    """
    seen = _standard(head, train)
    solutions = ridge_path(seen.features, seen.target.flatten(1), train.counts.flatten(1), RIDGES)
    assert isinstance(head.head, TakesSolution)
    trials = []
    for strength, weight, bias in zip(RIDGES, solutions.weights, solutions.biases, strict=True):
        head.head.take_solution(weight.float(), bias.float())
        trials.append(Trial({"ridge": strength}, validation_loss(head, validation)))
    best = min(range(len(trials)), key=lambda index: trials[index].loss)
    head.head.take_solution(solutions.weights[best].float(), solutions.biases[best].float())
    return Fitted(head.eval(), trials[best], tuple(trials))


def fit_head(head: Standardised, train: Features, validation: Features, *, seed: int, epochs: int) -> Fitted:
    """Train a head with all settings at once, from the same first weights; keep the setting and epoch that validate best.

    Features are standardised once, not at every step. Each setting ends as a fit of it alone would end.
    """
    train, validation = _standard(head, train), _standard(head, validation)
    bank = Bank(head.head, SETTINGS)
    batches = -(-len(train) // BATCH)
    epochs *= max(1, LEAST_STEPS // batches)
    lowest = _losses(bank, validation)
    best = [copy.deepcopy(own.state_dict()) for own in bank.heads]
    for epoch in range(epochs):
        _epoch(bank, train, epoch, epochs, seed)
        for place, loss in enumerate(_losses(bank, validation)):
            if loss < lowest[place]:
                lowest[place], best[place] = loss, copy.deepcopy(bank.heads[place].state_dict())
    winner = min(range(len(SETTINGS)), key=lowest.__getitem__)
    head.head.load_state_dict(best[winner])
    trials = tuple(
        Trial({"rate": setting.rate, "weight_decay": setting.decay}, loss) for setting, loss in zip(SETTINGS, lowest, strict=True)
    )
    return Fitted(head.eval(), trials[winner], trials)


@torch.no_grad()
def validation_loss(head: nn.Module, rows: Features) -> float:
    """The pose loss of a head in evaluation mode."""
    return float(pose_loss(head.eval()(rows.features), rows.target, rows.valid))


def _standard(head: Standardised, rows: Features) -> Features:
    """What the head inside sees: standardised features, and targets as deviations from the mean pose."""
    return replace(rows, features=(rows.features - head.mean) / head.deviation, target=rows.target - head.pose)


def _losses(bank: Bank, rows: Features) -> list[float]:
    return bank.losses(rows.features, _loss_on(rows))


def _loss_on(rows: Features) -> Callable[[Tensor], Tensor]:
    """The pose loss of each copy's output, (copies, rows, 21, 3) -> (copies,)."""
    return lambda outputs: torch.vmap(pose_loss, in_dims=(0, None, None))(outputs, rows.target, rows.valid)


def _epoch(bank: Bank, train: Features, epoch: int, epochs: int, seed: int) -> None:
    """Once through the rows, the rates along a cosine over the whole training."""
    batches = -(-len(train) // BATCH)
    for step, rows in enumerate(_batches(train, seed, epoch)):
        factor = warmup_cosine(epoch * batches + step, epochs * batches, warmup=0.0)
        bank.step(rows.features, _loss_on(rows), factor, seed_of(seed, "probe", epoch, step))


def _batches(train: Features, seed: int, epoch: int) -> Iterator[Features]:
    """The rows in the epoch's order, in batches of nearly equal size, so that batch norm never meets a lone row."""
    order = torch.from_numpy(Draws(seed, "probe", epoch).permutation(len(train))).to(train.features.device)
    parts = -(-len(train) // BATCH)
    columns = (column[order].tensor_split(parts) for column in (train.features, train.target, train.valid))
    yield from (Features(*part) for part in zip(*columns, strict=True))


def _usable(rows: Features, part: str, least: int) -> Features:
    labelled = int(rows.counts.any(-1).any(-1).sum())
    if labelled < least:
        raise DataError(
            f"the {part} part has {labelled} labelled hands, the probe needs at least {least}; give more data or labels"
        )
    broken = int((~rows.features.isfinite()).any(-1).sum())
    if broken:
        raise RecipeError(
            f"features of {broken} of {len(rows)} {part} images are not finite: pre-training diverged; lower its learning rate"
        )
    return rows
