"""Decoding against values that can be worked out by hand."""

import math
from functools import partial

import pytest
import torch

from handbench.measure import decoding
from handbench.measure.decoding import degrees_between, determination, distance, read


def linear(rows: int, seed: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(rows, 2, generator=generator)
    mix = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    return truth @ mix + noise * torch.randn(rows, 6, generator=generator), truth


def test_values_that_features_hold_are_read() -> None:
    (train, known), (test, truth) = linear(200, 1, 0.0), linear(100, 2, 0.0)
    found = read(train, known, test, distance)
    assert determination(found.values, truth) > 0.9999
    assert -0.1 < determination(found.constant, truth) <= 0
    torch.testing.assert_close(found.constant[0], known.mean(0))


def test_nothing_is_read_from_noise() -> None:
    generator = torch.Generator().manual_seed(7)
    train, known = torch.randn(400, 8, generator=generator), torch.randn(400, 1, generator=generator)
    test, truth = torch.randn(200, 8, generator=generator), torch.randn(200, 1, generator=generator)
    assert determination(read(train, known, test, distance).values, truth) < 0.05


def test_the_answer_does_not_depend_on_the_held_out_rows() -> None:
    (train, known), (test, _) = linear(60, 1, 0.5), linear(30, 2, 0.5)
    whole, part = read(train, known, test, distance), read(train, known, test[:7], distance)
    torch.testing.assert_close(whole.values[:7], part.values)


def test_the_strength_that_errs_least_on_the_last_fifth_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    (train, known), (test, _) = linear(60, 3, 2.0), linear(10, 4, 2.0)
    asked: list[float] = []

    def off(guess: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        torch.testing.assert_close(truth, known[48:])
        asked.append(float(guess.std()))
        return (guess - guess.mean(0)).norm(dim=1)  # likes answers that vary least, so the strongest ridge

    found = read(train, known, test, off)
    assert len(asked) == 7 and asked == sorted(asked, reverse=True)
    monkeypatch.setattr(decoding, "STRENGTHS", (100.0,))
    torch.testing.assert_close(found.values, read(train, known, test, distance).values)


@pytest.mark.parametrize("degrees", [0.0, 1e-3, 30.0, 90.0, 179.99, 180.0])
def test_angles_between_directions_of_any_length(degrees: float) -> None:
    turn = math.radians(degrees)
    guess = torch.tensor([[5 * math.cos(turn), 5 * math.sin(turn)]], dtype=torch.float64)
    assert degrees_between(guess, torch.tensor([[0.1, 0.0]]), axes=2).item() == pytest.approx(degrees, abs=1e-4)


def test_angles_are_averaged_over_a_rows_directions() -> None:
    guess = torch.tensor([[0.0, 0.0, 2.0, 1.0, 0.0, 0.0]])
    truth = torch.tensor([[0.0, 0.0, 1.0, 0.0, 1.0, 0.0]])
    assert partial(degrees_between, axes=3)(guess, truth).item() == pytest.approx(45.0)
