"""Pairs of views: what moved one to the other, and that no view leaves the window."""

import math

import pytest
import torch

from handbench.geometry import move, rotation, scaling, translation
from handbench.measure.pairs import Pairs, moved, turned

CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@pytest.mark.parametrize("pairs", [turned(200, 45.0, 0, "a"), turned(200, 170.0, 0, "a"), moved(200, 0.125, 1.4, 0, "b")])
def test_views_stay_within_the_window(pairs: Pairs) -> None:
    for warps in pairs:
        seen = move(torch.linalg.inv(warps), CORNERS.expand(200, 4, 2))  # where a view's corners lie in the window
        assert seen.abs().max() <= 1 + 1e-5


def test_what_moved_the_first_view_to_the_second_is_found_again() -> None:
    first = translation(torch.tensor([0.1]), torch.tensor([-0.2])) @ scaling(torch.tensor([1.5]))
    second = translation(torch.tensor([0.3]), torch.tensor([0.2])) @ scaling(torch.tensor([2.0]))
    pairs = Pairs(first, second)
    assert pairs.shift[0].tolist() == pytest.approx([0.1, 0.2])  # 0.2 and 0.4 of a window that is 2 wide
    assert pairs.log_scale.item() == pytest.approx(math.log(2 / 1.5), abs=1e-6)
    assert pairs.turn.item() == pytest.approx(0, abs=1e-6)
    centre = torch.zeros(1, 1, 2)
    torch.testing.assert_close((move(second, centre) - move(first, centre))[:, 0] / 2, pairs.shift)


def test_turns_add_up_and_wrap() -> None:
    pairs = Pairs(rotation(torch.tensor([-2.0])), rotation(torch.tensor([2.0])))
    assert pairs.turn.item() == pytest.approx(4 - 2 * math.pi, abs=1e-5)
    drawn = turned(500, 45.0, 0, "rotation", "train")
    assert drawn.turn.abs().max() <= math.radians(90) and drawn.turn.abs().max() > math.radians(75)
    assert drawn.log_scale.abs().max() < 1e-5


def test_draws_fill_their_ranges_and_belong_to_the_key() -> None:
    pairs, again, other = (moved(500, 0.125, 1.4, 0, key) for key in ("a", "a", "b"))
    assert torch.equal(pairs.second, again.second) and not torch.equal(pairs.second, other.second)
    assert 0.2 < pairs.shift.abs().max() <= 0.25
    assert 0.9 * math.log(1.4) < pairs.log_scale.abs().max() <= math.log(1.4)
    sizes = torch.cat([warps[:, 0, 0] for warps in pairs])
    assert sizes.min() >= 1.25 and sizes.max() <= 1.75 + 1e-5
