"""VICReg keeps handbench's contract, and its terms are those of the paper."""

import pytest
import torch
from handbench_vicreg.objective import VICReg, covariance, variance

from handbench.testing import checks


@pytest.mark.parametrize("check", checks("objective", "vicreg"), ids=str)
def test_contract(check):
    check()


def test_variance_is_the_shortfall_of_each_deviation_from_one():
    embedding = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 0.5, 1.0, 3.0])
    slow = [max(0.0, 1 - (column.var().item() + 1e-4) ** 0.5) for column in embedding.T]
    assert variance(embedding).item() == pytest.approx(sum(slow) / 4, abs=1e-6)


def test_covariance_is_the_sum_of_squares_off_the_diagonal():
    embedding = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    matrix = torch.cov(embedding.T)
    slow = sum(matrix[row, column].item() ** 2 for row in range(3) for column in range(3) if row != column) / 3
    assert covariance(embedding).item() == pytest.approx(slow, abs=1e-6)


def test_weights_must_not_be_negative():
    with pytest.raises(ValueError, match="not be negative"):
        VICReg.Config(variance=-1.0)
