"""Decoding: features and true values of training and held-out rows in; what ridge regression reads, its R² and its errors out."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.ridge import Solutions, ridge_path
from handbench.standardiser import Standardiser

STRENGTHS = tuple(10.0**power for power in range(-4, 3))
VALIDATION = 0.2

Off = Callable[[Float[Tensor, "rows outputs"], Float[Tensor, "rows outputs"]], Float[Tensor, "rows"]]


@dataclass(frozen=True)
class Read:
    """What was read from held-out features.

    Args:
        values: by ridge regression.
        constant: the mean of the training rows' true values: what features must beat.
    """

    values: Float[Tensor, "rows outputs"]
    constant: Float[Tensor, "rows outputs"]


def read(
    train: Float[Tensor, "train width"],
    train_truth: Float[Tensor, "train outputs"],
    test: Float[Tensor, "test width"],
    off: Off,
) -> Read:
    """Decode values from features by ridge regression; the strength with the least error on the last fifth of training rows.

    Args:
        train, test: features, raw.
        train_truth: finite.
        off: guesses and true values -> the error of each row, which the choice goes by.
    """
    scale = Standardiser.of(train)
    inputs, held_out = scale(train), scale(test)
    kept = len(inputs) - max(1, int(VALIDATION * len(inputs)))
    trials = _answers(_fit(inputs[:kept], train_truth[:kept], STRENGTHS), inputs[kept:])
    errors = [float(off(trial, train_truth[kept:]).mean()) for trial in trials]
    best = STRENGTHS[min(range(len(STRENGTHS)), key=errors.__getitem__)]
    values = _answers(_fit(inputs, train_truth, (best,)), held_out)[0]
    return Read(values, train_truth.double().mean(0).to(values).expand_as(values))


def determination(guess: Float[Tensor, "rows outputs"], truth: Float[Tensor, "rows outputs"]) -> float:
    """R²: 1 - squared error over squared deviation from the held-out mean, both summed over rows and outputs.

    1 for perfect answers; a constant answer reaches 0 at best; NaN where the truth does not vary.

    Example:
        >>> truth = torch.tensor([[1.0], [2.0], [3.0]])
        >>> determination(truth, truth), determination(torch.full((3, 1), 2.0), truth), determination(truth - 1, truth)
        (1.0, 0.0, -0.5)
    """
    guess, truth = guess.double(), truth.double()
    around = (truth - truth.mean(0)).square().sum()
    return float(1 - (guess - truth).square().sum() / around) if around > 0 else float("nan")


def degrees_between(
    guess: Float[Tensor, "rows outputs"], truth: Float[Tensor, "rows outputs"], axes: int
) -> Float[Tensor, "rows"]:
    """The angle between directions, of `axes` numbers each, any length; averaged over the directions of a row.

    Example:
        >>> degrees_between(torch.tensor([[0.0, 2.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0, 0.0]]), axes=2).item()
        45.0
    """
    first, second = (functional.normalize(part.double().unflatten(1, (-1, axes)), dim=2) for part in (guess, truth))
    angle = 2 * torch.atan2((first - second).norm(dim=2), (first + second).norm(dim=2))  # exact at 0° and 180° too
    return torch.rad2deg(angle).mean(1).float()


def distance(guess: Float[Tensor, "rows outputs"], truth: Float[Tensor, "rows outputs"]) -> Float[Tensor, "rows"]:
    """Euclidean distance, in the unit of the values."""
    off: Tensor = guess.double() - truth.double()
    return off.square().sum(1).sqrt().float()


def _fit(inputs: Tensor, truth: Tensor, strengths: tuple[float, ...]) -> Solutions:
    counts: Bool[Tensor, "rows outputs"] = torch.ones_like(truth, dtype=torch.bool)
    return ridge_path(inputs, truth, counts, strengths)


def _answers(solutions: Solutions, inputs: Tensor) -> Float[Tensor, "strengths rows outputs"]:
    answers: Tensor = inputs.double() @ solutions.weights.transpose(1, 2) + solutions.biases[:, None]
    return answers.float()
