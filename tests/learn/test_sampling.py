"""Sampling: every image once an epoch, mixtures by weight, and nothing that depends on what was drawn before."""

import numpy as np
import pytest

from handbench.errors import DataError
from handbench.learn.sampling import Sampler, micro_batch


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    sampler = Sampler((10,), (1.0,), 5, seed=0)
    epochs = [np.concatenate([sampler.rows(epoch, step)[0] for step in range(sampler.steps)]) for epoch in (0, 1)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs) and not np.array_equal(*epochs)


def test_the_last_incomplete_batch_is_left_out() -> None:
    assert Sampler((11,), (1.0,), 5, seed=0).steps == 2


def test_rows_are_a_function_of_the_place() -> None:
    first, again = Sampler((50, 30), (1.0, 1.0), 8, seed=3), Sampler((50, 30), (1.0, 1.0), 8, seed=3)
    first.rows(0, 0)
    assert all(np.array_equal(a, b) for a, b in zip(first.rows(2, 1), again.rows(2, 1), strict=True))
    assert not np.array_equal(first.rows(2, 1)[0], Sampler((50, 30), (1.0, 1.0), 8, seed=4).rows(2, 1)[0])


def test_mixtures_are_drawn_by_weight_whatever_the_sizes() -> None:
    sampler = Sampler((1000, 50), (3.0, 1.0), 100, seed=0)
    counts = np.array([[len(rows) for rows in sampler.rows(0, step)] for step in range(200)])
    assert (counts.sum(1) == 100).all() and counts.mean(0) == pytest.approx([75, 25], abs=1.5)
    rows = np.concatenate([sampler.rows(0, step)[1] for step in range(200)])
    assert set(rows) == set(range(50))


def test_micro_batches_share_a_step_out() -> None:
    rows = [np.arange(5), np.arange(100, 103)]
    parts = [micro_batch(rows, part, 4) for part in range(4)]
    assert [sum(map(len, part)) for part in parts] == [2, 2, 2, 2]
    assert sorted(np.concatenate([chosen for part in parts for chosen in part])) == [0, 1, 2, 3, 4, 100, 101, 102]
    assert all(set(part[1]) <= {100, 101, 102} for part in parts)


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(DataError, match="7 training images are fewer than one batch of 8; lower it"):
        Sampler((4, 3), (1.0, 1.0), 8, seed=0)
