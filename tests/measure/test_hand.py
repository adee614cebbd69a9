"""What is decoded of a labelled hand, on hands whose numbers are known."""

import math

import pytest
import torch

from handbench.measure.features import Seen
from handbench.measure.hand import finger_directions, position, quantities, roll, size
from handbench.types import FINGERS, MIDDLE_MCP, WRIST


def flat_hand() -> torch.Tensor:
    joints = torch.zeros(1, 21, 2)
    joints[0, WRIST], joints[0, MIDDLE_MCP], joints[0, 12] = (
        torch.tensor([10.0, 20.0]),
        torch.tensor([10.0, 14.0]),
        torch.tensor([13.0, 16.0]),
    )
    joints[0, [place for place in range(21) if place not in (WRIST, MIDDLE_MCP, 12)]] = torch.tensor([10.0, 18.0])
    return joints


def test_position_and_size_are_in_pixels() -> None:
    assert position(flat_hand()).tolist() == [[10.0, 17.0]]
    assert size(flat_hand()).item() == 6.0


@pytest.mark.parametrize("degrees", [0.0, 45.0, 90.0, 180.0, -120.0])
def test_roll_is_counter_clockwise_on_the_screen(degrees: float) -> None:
    joints = torch.zeros(1, 21, 2)
    joints[0, MIDDLE_MCP] = 7 * torch.tensor([math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))])
    wanted = [math.sin(math.radians(degrees)), math.cos(math.radians(degrees))]
    assert roll(joints)[0].tolist() == pytest.approx(wanted, abs=1e-6)


def test_finger_directions_run_from_the_first_joint_to_the_tip() -> None:
    joints = torch.zeros(1, 21, 3)
    for number, finger in enumerate(FINGERS.values()):
        joints[0, finger[0]] = torch.tensor([0.01 * number, 0.0, 0.5])
        joints[0, finger[-1]] = joints[0, finger[0]] + 0.07 * torch.nn.functional.one_hot(torch.tensor(number % 3), 3)
    assert finger_directions(joints).view(5, 3).argmax(1).tolist() == [0, 1, 2, 0, 1]
    assert finger_directions(joints).view(5, 3).norm(dim=1).tolist() == pytest.approx([1.0] * 5)


def test_an_unknown_joint_leaves_out_what_needs_it_and_nothing_else() -> None:
    flat, space = flat_hand().repeat(2, 1, 1), torch.rand(2, 21, 3)
    flat[0, 20], space[1, 8] = math.nan, math.nan
    found = quantities(Seen(torch.zeros(2, 4), flat, space, 64))
    known = {name: quantity.values.isfinite().all(1).tolist() for name, quantity in found.items()}
    assert known == {
        "roll": [True, True],
        "position": [True, True],
        "size": [False, True],
        "finger_direction": [True, False],
    }
    assert [quantity.unit for quantity in found.values()] == ["degrees", "px@64", "px@64", "degrees"]
