"""Probes: frozen features and their 2.5D targets go in; a fitted head, chosen on the validation part, comes out.

A head that is one affine map says so by offering `take_solution`, and is solved in closed form for all ridge strengths at
once. Any other head is trained by gradients, once for each pair of learning rate and weight decay. Either way the returned
module takes raw features: the standardisation and the mean pose of training are part of it.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handbench.errors import DataError, RecipeError
from handbench.optimisation import adam, set_rate, warmup_cosine
from handbench.pose25d import pose_loss
from handbench.ridge import ridge_path
from handbench.streams import Draws, seed_of

RIDGES = tuple(10.0 ** (power / 2) for power in range(-12, 5))  # 1e-6 … 100, a share of each standardised feature's variance
SETTINGS = ((1e-3, 1e-2), (1e-2, 1e-2), (3e-2, 1e-3))  # Adam's rate and weight decay; each won somewhere on random features
BATCH = 128
LEAST_STEPS = 50  # of an epoch: with few labels once through the rows is a handful of steps, too few to learn from
NEAR_DEAD = 1e-2  # random encoders hold channels that hardly move; dividing by their deviation would blow up noise


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
    wide = train.features.double()
    deviation = wide.std(0, correction=0)
    largest = float(deviation.max())
    floor = NEAR_DEAD * largest if largest > 0 else 1.0
    pose = train.target.double().masked_fill(~train.counts, torch.nan).nanmean(0).nan_to_num(0.0)
    return Standardised(head, wide.mean(0).float(), deviation.clamp(min=floor).float(), pose.float()).to(train.features.device)


def fit_linear(head: Standardised, train: Features, validation: Features) -> Fitted:
    """Solve an affine head by ridge regression on what counts, and keep the strength that validates best.

    Squared error is what has a closed form; the strength is chosen by the pose loss itself.
    """
    inputs = (train.features - head.mean) / head.deviation
    targets = (train.target - head.pose).flatten(1)
    solutions = ridge_path(inputs, targets, train.counts.flatten(1), RIDGES)
    assert isinstance(head.head, TakesSolution)
    trials = []
    for strength, weight, bias in zip(RIDGES, solutions.weights, solutions.biases, strict=True):
        head.head.take_solution(weight.float(), bias.float())
        trials.append(Trial({"ridge": strength}, validation_loss(head, validation)))
    best = min(range(len(trials)), key=lambda index: trials[index].loss)
    head.head.take_solution(solutions.weights[best].float(), solutions.biases[best].float())
    return Fitted(head.eval(), trials[best], tuple(trials))


def fit_head(head: Standardised, train: Features, validation: Features, *, seed: int, epochs: int) -> Fitted:
    """Train a head once for each setting, from the same first weights, and keep the setting and epoch that validate best."""
    best: Standardised = head
    trials: list[Trial] = []
    for rate, decay in SETTINGS:
        trained, loss = _train(copy.deepcopy(head), train, validation, rate, decay, seed, epochs)
        if not trials or loss < min(trial.loss for trial in trials):
            best = trained
        trials.append(Trial({"rate": rate, "weight_decay": decay}, loss))
    chosen = min(trials, key=lambda trial: trial.loss)
    return Fitted(best.eval(), chosen, tuple(trials))


@torch.no_grad()
def validation_loss(head: nn.Module, rows: Features) -> float:
    """The pose loss of a head in evaluation mode."""
    return float(pose_loss(head.eval()(rows.features), rows.target, rows.valid))


def _train(
    head: Standardised, train: Features, validation: Features, rate: float, decay: float, seed: int, epochs: int
) -> tuple[Standardised, float]:
    optimiser = adam(head, decay)
    batches = -(-len(train) // BATCH)
    epochs *= max(1, LEAST_STEPS // batches)
    best, lowest = copy.deepcopy(head.state_dict()), validation_loss(head, validation)
    for epoch in range(epochs):
        head.train()
        for step, rows in enumerate(_batches(train, seed, epoch)):
            set_rate(optimiser, rate * warmup_cosine(epoch * batches + step, epochs * batches, warmup=0.0))
            optimiser.zero_grad()
            pose_loss(head(rows.features), rows.target, rows.valid).backward()
            optimiser.step()
        loss = validation_loss(head, validation)
        if loss < lowest:
            best, lowest = copy.deepcopy(head.state_dict()), loss
    head.load_state_dict(best)
    return head, lowest


def _batches(train: Features, seed: int, epoch: int) -> Iterator[Features]:
    """The rows in the epoch's order, in batches of nearly equal size, so that batch norm never meets a lone row."""
    order = torch.from_numpy(Draws(seed, "probe", epoch).permutation(len(train))).to(train.features.device)
    for rows in order.tensor_split(-(-len(train) // BATCH)):
        yield Features(train.features[rows], train.target[rows], train.valid[rows])


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
