"""Rotation read from features: features of two turned views of each image and their angles in; angular errors out."""

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.measure.features import Standardiser
from handbench.ridge import ridge_path

STRENGTHS = tuple(10.0**power for power in range(-4, 3))
VALIDATION = 0.2


def decode_errors(
    train: tuple[Float[Tensor, "train width"], Float[Tensor, "train width"]],
    train_radians: Float[Tensor, "train"],
    test: tuple[Float[Tensor, "test width"], Float[Tensor, "test width"]],
    test_radians: Float[Tensor, "test"],
) -> Float[Tensor, "test"]:
    """Decode the turn from the first view to the second by ridge regression of its sine and cosine on both views' features.

    Args:
        train, test: features of the first and the second view, row by row.
        train_radians, test_radians: turn of the second view relative to the first.

    Returns:
        Absolute angular error of each test pair in degrees. The strength is chosen on the last fifth of the training pairs.
    """
    scale = Standardiser.of(torch.cat(train))
    inputs, held_out = (torch.cat([scale(first), scale(second)], 1) for first, second in (train, test))
    circle = torch.stack([train_radians.sin(), train_radians.cos()], 1)
    kept = len(inputs) - max(1, int(VALIDATION * len(inputs)))
    errors = [
        _degrees_off(_decode(inputs[:kept], circle[:kept], inputs[kept:], strength), train_radians[kept:]).mean().item()
        for strength in STRENGTHS
    ]
    best = STRENGTHS[min(range(len(STRENGTHS)), key=errors.__getitem__)]
    return _degrees_off(_decode(inputs, circle, held_out, best), test_radians)


def constant_errors(train_radians: Float[Tensor, "train"], test_radians: Float[Tensor, "test"]) -> Float[Tensor, "test"]:
    """Errors in degrees of always answering the training pairs' mean turn: what features must beat."""
    mean = torch.atan2(train_radians.sin().mean(), train_radians.cos().mean())
    return _degrees_off(mean.expand(len(test_radians)), test_radians)


def _decode(inputs: Tensor, circle: Tensor, wanted: Tensor, strength: float) -> Tensor:
    solved = ridge_path(inputs, circle, torch.ones_like(circle, dtype=torch.bool), [strength])
    sine, cosine = (wanted.double() @ solved.weights[0].T + solved.biases[0]).unbind(1)
    return torch.atan2(sine, cosine).float()


def _degrees_off(guess: Tensor, truth: Tensor) -> Tensor:
    off = guess - truth
    return torch.rad2deg(torch.atan2(off.sin(), off.cos()).abs())
