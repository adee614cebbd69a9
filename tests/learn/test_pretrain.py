"""Views by place: supplies are told what comes next, in the order in which it is asked for."""

import numpy as np
import torch

from handbench.learn.pretrain import AHEAD, Supply, sampler_of, view_maker
from handbench.settings import Pretrain
from handbench.types import Batch, Targets


class Recorded:
    """A source of black crops that notes which rows it is asked for and told of."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.told: list[list[int]] = []

    def batch(self, rows: np.ndarray) -> Batch:
        self.asked.append(rows.tolist())
        count = len(rows)
        targets = Targets(
            torch.zeros(count, dtype=torch.int64),
            torch.zeros(count, 21, 2),
            torch.zeros(count, 21, 3),
            torch.ones(count, 21, dtype=torch.bool),
            torch.eye(3).repeat(count, 1, 1),
            torch.zeros(count, dtype=torch.bool),
        )
        return Batch(torch.zeros(count, 12, 12, 3, dtype=torch.uint8), 12.0, targets)

    def ahead(self, rows: np.ndarray) -> None:
        self.told.append(rows.tolist())


def run_through(sources: list[Recorded], settings: Pretrain) -> int:
    supplies = [Supply(np.arange(10, 30), 1.0, "key", source.batch, source.ahead) for source in sources]
    sampler = sampler_of(settings, supplies, 0)
    views = view_maker(supplies, [], settings, sampler, 2)
    parts = settings.batch // (settings.micro_batch or settings.batch)
    places = [(epoch, step, part) for epoch in range(settings.epochs) for step in range(sampler.steps) for part in range(parts)]
    for place in places:
        assert views(*place).images.shape[:2] == (2, settings.micro_batch or settings.batch)
    return len(places)


def test_what_comes_next_is_told_through_epochs_and_micro_batches() -> None:
    source = Recorded()
    count = run_through([source], Pretrain(epochs=2, batch=8, micro_batch=4, view=8))
    assert len(source.asked) == count == 8
    expected = [rows for number in range(count) for rows in source.asked[number + 1 : number + 1 + AHEAD]]
    assert source.told == expected
    assert all(10 <= row < 30 for rows in source.asked for row in rows)


def test_every_dataset_of_a_mixture_is_told() -> None:
    sources = [Recorded(), Recorded()]
    run_through(sources, Pretrain(epochs=1, batch=8, view=8))
    for source in sources:
        assert {tuple(rows) for rows in source.told} == {tuple(rows) for rows in source.asked[1:]}
