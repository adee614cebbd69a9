"""Joint orders: permutations, their inverses, and the fingers of a hand in each."""

import numpy as np
import pytest

from handbench.joint_orders import MANO, ORDERS, from_common, inverse, to_common
from handbench.types import FINGERS

NAMES = sorted(ORDERS)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_permutation_that_goes_there_and_back(name: str) -> None:
    order, joints = ORDERS[name], np.arange(4 * 21 * 3).reshape(4, 21, 3)
    assert sorted(order) == list(range(21))
    np.testing.assert_array_equal(to_common(from_common(joints, order), order), joints)
    np.testing.assert_array_equal(from_common(to_common(joints, order), order), joints)
    np.testing.assert_array_equal(inverse(inverse(order)), order)


def test_only_three_are_their_own_inverse() -> None:
    """Where a gather taken for a scatter goes unnoticed; PeCLR's finger-major against joint-major order is not one of them."""
    assert [name for name in NAMES if (inverse(ORDERS[name]) == ORDERS[name]).all()] == ["common", "rhd", "stb"]


def test_the_inverse_of_mano_is_that_of_ho3d_s_submissions() -> None:
    assert inverse(MANO).tolist() == [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3, 4, 8, 12, 16, 20]


@pytest.mark.parametrize(
    ("name", "finger", "rows"),
    [
        ("mano", "thumb", (13, 14, 15, 16)),  # three joints, and the first of the tips
        ("mano", "index", (1, 2, 3, 17)),
        ("mano", "little", (7, 8, 9, 20)),
        ("interhand", "thumb", (3, 2, 1, 0)),  # from tip to base
        ("interhand", "little", (19, 18, 17, 16)),
        ("rhd", "index", (8, 7, 6, 5)),
        ("stb", "thumb", (17, 18, 19, 20)),
        ("stb", "little", (1, 2, 3, 4)),
        ("peclr", "thumb", (1, 6, 11, 16)),
    ],
)
def test_where_fingers_stand(name: str, finger: str, rows: tuple[int, ...]) -> None:
    numbers = np.arange(21)[:, None].repeat(3, 1)
    assert tuple(to_common(numbers, ORDERS[name])[list(FINGERS[finger]), 0]) == rows


def test_an_order_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        MANO[0] = 1
