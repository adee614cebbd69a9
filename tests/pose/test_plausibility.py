"""Plausibility: units, sides, orders and mirrors are found on hands where they are known, and nothing else."""

import numpy as np
import pytest
from skeletons import left_hands, right_hands

from handbench.joint_orders import ORDERS, from_common
from handbench.pose.plausibility import bend, doubts, guess_order, guess_side, guess_unit, hand_size, oddities, order_misfits
from handbench.streams import Draws

RIGHT = right_hands(20)
NOISE = Draws("plausibility").normal(0, 0.006, RIGHT.shape)


def test_the_side_follows_from_how_fingers_bend() -> None:
    assert (bend(RIGHT) < 0).all() and (bend(left_hands(20)) > 0).all()
    np.testing.assert_allclose(bend(3 * RIGHT), bend(RIGHT))
    assert (guess_side(RIGHT), guess_side(left_hands(20))) == ("right", "left")
    assert guess_side(np.concatenate([RIGHT, left_hands(20)])) is None


def test_straight_fingers_say_nothing_of_the_side() -> None:
    straight = RIGHT.copy()
    for base in (5, 9, 13, 17):
        direction = straight[:, base + 1] - straight[:, base]
        for step in (2, 3):
            straight[:, base + step] = straight[:, base] + step * direction
    assert guess_side(straight) is None


@pytest.mark.parametrize(("factor", "unit"), [(1, "m"), (100, "cm"), (1000, "mm"), (0.001, None), (1e5, None)])
def test_the_unit_is_the_one_in_which_it_is_a_hand(factor: float, unit: str | None) -> None:
    assert guess_unit(factor * RIGHT) == unit


def test_the_size_is_the_palm_s() -> None:
    np.testing.assert_allclose(hand_size(RIGHT), np.hypot(3, 92) / 1000)


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_the_order_is_the_one_that_makes_hands(name: str) -> None:
    shuffled = from_common(RIGHT + NOISE / 3, ORDERS[name])
    assert guess_order(shuffled) == name
    assert guess_order(1000 * shuffled) == name, "only proportions count"
    misfits = order_misfits(shuffled)
    assert min(misfits, key=lambda other: misfits[other]) == name


def test_a_cloud_of_points_is_in_no_order() -> None:
    assert guess_order(Draws("cloud").normal(0, 0.05, (30, 21, 3))) is None


def test_rows_that_are_not_finite_are_passed_over() -> None:
    holes = RIGHT.copy()
    holes[:5, 3] = np.nan
    assert (guess_side(holes), guess_unit(holes), guess_order(holes)) == ("right", "m", "common")
    nothing = np.full((2, 21, 3), np.nan)
    assert (guess_side(nothing), guess_unit(nothing), guess_order(nothing)) == (None, None, None)
    assert oddities(nothing) == [] and doubts(nothing, nothing) == []


def test_good_hands_are_not_odd() -> None:
    assert oddities(RIGHT, side="right") == []
    assert oddities(np.concatenate([RIGHT, left_hands(20)]), side="right") == []


@pytest.mark.parametrize(
    ("hands", "words"),
    [
        (1000 * RIGHT, "millimetre; divide by 1000"),
        (100 * RIGHT, "centimetre; divide by 100"),
        (RIGHT / 1000, "no usual unit"),
        (left_hands(20), "those of left hands, not right"),
        (from_common(RIGHT, ORDERS["mano"]), "order of 'mano'"[-6:]),
        (from_common(RIGHT, ORDERS["stb"]), "'stb'"),
    ],
)
def test_what_is_odd_is_said_once(hands: np.ndarray, words: str) -> None:
    (line,) = oddities(hands, side="right")
    assert words in line


def test_good_predictions_raise_no_doubt() -> None:
    assert doubts(RIGHT, RIGHT) == []
    assert doubts(RIGHT + 2 * NOISE, RIGHT) == []
    assert doubts(1.3 * RIGHT + 0.1, RIGHT) == []


def test_bad_predictions_raise_none_either() -> None:
    """The same mean hand for every image is poor, but neither mirrored nor shuffled."""
    assert doubts(np.repeat(RIGHT.mean(0, keepdims=True), 20, 0), RIGHT) == []


@pytest.mark.parametrize(
    ("predicted", "true", "words"),
    [
        (1000 * RIGHT, RIGHT, ["1e+03 times as large", "in mm, not m: divide by 1000"]),
        (RIGHT / 1000, RIGHT, ["0.001 times as large", "multiply by 1000"]),
        (5 * RIGHT, RIGHT, ["5 times as large", "check their scale"]),
        (RIGHT * [-1, 1, 1] + NOISE, RIGHT, ["much better mirrored", "allows reflection"]),
        (RIGHT * [1, 1, -1] + NOISE, RIGHT, ["much better mirrored"]),
    ],
)
def test_units_and_mirrors_are_doubted(predicted: np.ndarray, true: np.ndarray, words: list[str]) -> None:
    (line,) = doubts(predicted, true)
    assert all(word in line for word in words)


@pytest.mark.parametrize("name", sorted(set(ORDERS) - {"common"}))
def test_other_orders_are_doubted_by_name(name: str) -> None:
    (line,) = doubts(from_common(RIGHT + NOISE, ORDERS[name]), RIGHT)
    assert f"the order of '{name}'" in line


def test_a_truth_in_millimetres_is_doubted_itself() -> None:
    first, second = doubts(RIGHT, 1000 * RIGHT)
    assert first.startswith("truth: ") and "divide by 1000" in first
    assert "0.001 times" in second
    (alone,) = doubts(1000 * RIGHT, 1000 * RIGHT)
    assert alone.startswith("truth: ")
