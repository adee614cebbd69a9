"""What is prepared of a dataset: its notes, and which hands are left ones."""

import numpy as np
import torch
from fixtures import Drawn

from handbench.data.material import prepare


def test_left_hands_are_marked_and_told() -> None:
    """Every other hand of this dataset is a left one."""
    material = prepare(Drawn(Drawn.Config(count=20)), "drawn", 16, torch.device("cpu"))
    assert "10 of 20 hands are left ones and shown mirrored, as right ones" in material.notes
    assert material.pool.batch(np.array([3, 4, 0, 5])).targets.left.tolist() == [True, False, False, True]


def test_without_left_hands_nothing_is_said_of_them() -> None:
    dataset = Drawn(Drawn.Config(count=20))
    right = type("Right", (Drawn,), {"__getitem__": lambda self, index: Drawn.__getitem__(self, index // 2 * 2)})
    told = prepare(right(dataset.config), "right", 16, torch.device("cpu"))
    assert not any("mirrored" in note for note in told.notes)
    assert not told.pool.batch(np.arange(20)).targets.left.any()
