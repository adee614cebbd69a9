"""Double buffers: what is taken is what was asked for, and no buffer is filled while a copy still reads it."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from handbench.data.transfer import CudaLane, Feeder

PIXELS = np.arange(50, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)


class SlowLane:
    """Copies only when somebody waits for them, as late as they may be: the worst case of an asynchronous copy."""

    def __init__(self) -> None:
        self.buffers = 0
        self.waiting: list[tuple[Tensor, Tensor]] = []

    def buffer(self, shape: tuple[int, ...]) -> Tensor:
        self.buffers += 1
        return torch.empty(shape, dtype=torch.uint8)

    def send(self, filled: Tensor) -> tuple[Tensor, Any]:
        copy = torch.zeros_like(filled)
        self.waiting.append((copy, filled))
        return copy, (copy, filled)

    def arrive(self, copy: Tensor, sent: Any) -> None:
        self.finish(sent)

    def finish(self, sent: Any) -> None:
        copy, filled = sent
        if any(copy is other for other, _ in self.waiting):
            copy.copy_(filled)
            self.waiting = [pair for pair in self.waiting if pair[0] is not copy]


def gather(rows: np.ndarray, out: np.ndarray) -> None:
    np.take(PIXELS, rows, axis=0, out=out, mode="clip")


def rows_of(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_rows_come_in_their_order_with_and_without_a_hint() -> None:
    feeder = Feeder(gather, (4, 4, 3), SlowLane())
    for start in range(0, 40, 4):
        here, following = (np.arange(first, first + 4)[::-1].copy() for first in (start, start + 4))
        if start != 20:
            feeder.ahead(here)
        feeder.ahead(following)
        assert (feeder.take(here).numpy() == PIXELS[here]).all()


def test_a_buffer_is_not_filled_again_before_its_copy_has_ended() -> None:
    lane = SlowLane()
    feeder = Feeder(gather, (4, 4, 3), lane)
    feeder.ahead(rows_of(1, 2))
    feeder.ahead(rows_of(3, 4))
    feeder.ahead(rows_of(5, 6))  # a third is left for later
    first = feeder.take(rows_of(1, 2))
    third = feeder.take(rows_of(5, 6))  # goes into the first one's buffer
    assert first[:, 0, 0, 0].tolist() == [1, 2] and third[:, 0, 0, 0].tolist() == [5, 6]
    assert feeder.take(rows_of(7)).shape == (1, 4, 4, 3) and lane.buffers == 2
    assert feeder.take(rows_of(*range(10)))[:, 0, 0, 0].tolist() == list(range(10)) and lane.buffers == 3  # a larger one


def test_a_copy_that_was_never_taken_does_not_spoil_the_next() -> None:
    feeder = Feeder(gather, (4, 4, 3), SlowLane())
    feeder.ahead(rows_of(1))
    feeder.ahead(rows_of(2))
    assert [feeder.take(rows_of(number))[0, 0, 0, 0].item() for number in (9, 2, 1, 8)] == [9, 2, 1, 8]


def test_an_error_in_the_thread_reaches_who_takes() -> None:
    def broken(rows: np.ndarray, out: np.ndarray) -> None:
        raise OSError("the disk is gone")

    feeder = Feeder(broken, (4, 4, 3), SlowLane())
    feeder.ahead(rows_of(1))
    with pytest.raises(OSError, match="the disk is gone"):
        feeder.take(rows_of(1))


def test_the_thread_ends_with_its_feeder() -> None:
    before = set(threading.enumerate())
    feeder = Feeder(gather, (4, 4, 3), SlowLane())
    feeder.take(rows_of(1))
    (thread,) = [thread for thread in threading.enumerate() if thread not in before]
    del feeder
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.gpu
def test_cuda_lane_gives_the_same_while_the_device_is_busy() -> None:
    device = torch.device("cuda")
    feeder = Feeder(gather, (4, 4, 3), CudaLane(device))
    load = torch.rand(2048, 2048, device=device)
    got = []
    for start in range(0, 48, 4):
        feeder.ahead(np.arange(start, start + 4))
        feeder.ahead(np.arange(start + 4, start + 8) % 50)
        for _ in range(10):
            load = load @ load / 1000
        got.append(feeder.take(np.arange(start, start + 4)).float().mean((1, 2, 3)))
    assert torch.cat(got).tolist() == list(range(48))
