"""Ridge regression with gaps: against the normal equations of each output by itself."""

import pytest
import torch

from handbench.ridge import ridge_path

STRENGTHS = (1e-3, 0.1, 10.0)


def slow_ridge(inputs: torch.Tensor, targets: torch.Tensor, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise mean (w x + b - y)² + strength |w|² over w and b together, for one output."""
    wide = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], 1)
    penalty = strength * len(inputs) * torch.eye(wide.shape[1], dtype=torch.float64)
    penalty[-1, -1] = 0  # the bias is free
    solution = torch.linalg.solve(wide.T @ wide + penalty, wide.T @ targets)
    return solution[:-1], solution[-1]


@pytest.mark.parametrize(("rows", "width"), [(40, 6), (12, 30)])
def test_it_solves_the_normal_equations_of_each_output(rows: int, width: int) -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    targets = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    counts = torch.rand(rows, 5, generator=generator) < 0.7
    counts[:, 1] = counts[:, 0]  # two outputs share their rows
    counts[:, 3] = True
    solutions = ridge_path(inputs, targets.where(counts, torch.nan), counts, STRENGTHS)
    for index, strength in enumerate(STRENGTHS):
        for output in range(5):
            weight, bias = slow_ridge(inputs[counts[:, output]], targets[counts[:, output], output], strength)
            torch.testing.assert_close(solutions.weights[index, output], weight, rtol=1e-7, atol=1e-9)
            torch.testing.assert_close(solutions.biases[index, output], bias, rtol=1e-7, atol=1e-9)


def test_an_output_without_rows_gets_the_zero_map() -> None:
    counts = torch.tensor([[True, False]]).expand(4, 2)
    solutions = ridge_path(torch.randn(4, 3), torch.ones(4, 2), counts, (1.0,))
    assert (solutions.weights[0, 1] == 0).all()
    assert solutions.biases[0].tolist() == pytest.approx([1, 0])
