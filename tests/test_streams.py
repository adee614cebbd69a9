"""Streams: the same key gives the same numbers for ever, and the numbers have the right distribution."""

import numpy as np

from handbench.streams import Draws, seed_of


def test_a_key_gives_the_same_numbers_for_ever() -> None:
    # Frozen: if these change, every published record loses its seed's meaning.
    assert seed_of(5, "views", 1, 2) == 8_165_281_482_159_399_648
    assert np.allclose(Draws(5, "views").uniform(shape=3), [0.20878334, 0.579657, 0.3628176], atol=1e-7)


def test_keys_are_told_apart_by_type_and_place() -> None:
    keys = [(0, "a"), ("0", "a"), (0, "a", 0), ("a", 0), (1, "a")]
    assert len({seed_of(*key) for key in keys}) == len(keys)


def test_a_stream_moves_on_and_a_new_object_starts_again() -> None:
    draws = Draws(1, "x")
    first, second = draws.uniform(shape=4), draws.uniform(shape=4)
    assert not np.array_equal(first, second)
    assert np.array_equal(Draws(1, "x").uniform(shape=8), np.concatenate([first, second]))


def test_distributions() -> None:
    draws = Draws("distributions")
    uniform, normal, whole = draws.uniform(-1, 3, 20_000), draws.normal(2.0, 0.5, 20_000), draws.integers(7, 21_000)
    assert uniform.min() >= -1 and uniform.max() < 3 and abs(uniform.mean() - 1) < 0.03
    assert abs(normal.mean() - 2) < 0.02 and abs(normal.std() - 0.5) < 0.01
    assert np.abs(np.bincount(whole, minlength=7) - 3000).max() < 250


def test_a_permutation_holds_every_number_once() -> None:
    order = Draws("order").permutation(1000)
    assert np.array_equal(np.sort(order), np.arange(1000)) and not np.array_equal(order, np.arange(1000))


def test_scalars_and_shapes() -> None:
    assert Draws("s").uniform().shape == () and Draws("s").normal(shape=(2, 3)).shape == (2, 3)
