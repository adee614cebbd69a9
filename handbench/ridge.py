"""Ridge regression: inputs, targets with gaps and several strengths go in; one affine map for each strength comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Solutions:
    """One affine map for each strength.

    Args:
        weights, biases: float64; prediction = inputs @ weight.T + bias.
    """

    weights: Float[Tensor, "strengths outputs width"]
    biases: Float[Tensor, "strengths outputs"]


def ridge_path(
    inputs: Float[Tensor, "rows width"],
    targets: Float[Tensor, "rows outputs"],
    counts: Bool[Tensor, "rows outputs"],
    strengths: Sequence[float],
) -> Solutions:
    """Minimise, for each output, the mean over its rows of (w x + b - y)² plus strength · |w|²; b is free.

    One eigendecomposition serves all strengths and all outputs that count in the same rows. It is taken of the smaller of the
    two Gram matrices, so few rows with many features are quick too.

    Args:
        inputs: standardised, so that one strength suits all features.
        targets: any number where they do not count.
        counts: rows that each output is fitted on; an output without any gets the zero map.
        strengths: positive.
    """
    inputs, targets = inputs.double(), targets.double()
    strength = torch.tensor(strengths, dtype=torch.float64, device=inputs.device)
    weights = inputs.new_zeros(len(strengths), targets.shape[1], inputs.shape[1])
    biases = inputs.new_zeros(len(strengths), targets.shape[1])
    patterns, pattern_of = torch.unique(counts, dim=1, return_inverse=True)
    for index, rows in enumerate(patterns.T):
        if not rows.any():
            continue
        outputs = (pattern_of == index).nonzero()[:, 0]
        x_mean, y_mean = inputs[rows].mean(0), targets[rows][:, outputs].mean(0)
        solved = _solve(inputs[rows] - x_mean, targets[rows][:, outputs] - y_mean, strength)
        weights[:, outputs] = solved.transpose(1, 2)
        biases[:, outputs] = y_mean - x_mean @ solved
    return Solutions(weights, biases)


def _solve(
    x: Float[Tensor, "rows width"], y: Float[Tensor, "rows outputs"], strength: Float[Tensor, "strengths"]
) -> Float[Tensor, "strengths width outputs"]:
    """(X'X + n·strength)^-1 X'y for each strength, by X'X = V E V', or X X' = U E U' where there are fewer rows than features."""
    shift = len(x) * strength[:, None, None]
    if len(x) >= x.shape[1]:
        values, vectors = torch.linalg.eigh(x.T @ x)
        projected = vectors.T @ (x.T @ y)
    else:
        values, vectors = torch.linalg.eigh(x @ x.T)
        projected, vectors = vectors.T @ y, x.T @ vectors
    solved: Tensor = vectors @ (projected / (values.clamp(min=0)[:, None] + shift))
    return solved
