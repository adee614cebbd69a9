"""Row numbers in, their pixels on the device out, copied while the device works: pinned double buffers and a stream of their own.

One thread gathers the rows that come next into one of two pinned buffers and starts their copy on a side stream; who takes them
makes the device's work wait for the copy, never the host. A buffer is filled again only when the copy out of it has ended.
"""

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

BUFFERS = 2

Rows = Int[np.ndarray, "batch"]
Pixels = UInt8[Tensor, "batch side side 3"]
Gather = Callable[[Any, Any], None]  # rows, and the array they are put into


@runtime_checkable
class Lane(Protocol):
    """The way to a device. `sent` below is whatever tells that a copy has ended."""

    def buffer(self, shape: tuple[int, ...]) -> Tensor:
        """A buffer of bytes on the host from which copies need not wait."""
        ...

    def send(self, filled: Tensor) -> tuple[Tensor, Any]:
        """Start a copy; give its destination, which must not be read yet, and `sent`."""
        ...

    def arrive(self, copy: Tensor, sent: Any) -> None:
        """Have the device's work that is queued from now on wait for the copy; the host goes on."""
        ...

    def finish(self, sent: Any) -> None:
        """Wait on the host until the copy has ended."""
        ...


class CudaLane:
    """Copies from pinned memory on a stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)

    def buffer(self, shape: tuple[int, ...]) -> Tensor:
        """Pinned memory."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)

    def send(self, filled: Tensor) -> tuple[Tensor, torch.cuda.Event]:
        """Queue the copy on the side stream, and an event behind it."""
        with torch.cuda.stream(self._stream):
            copy = filled.to(self.device, non_blocking=True)
            sent = torch.cuda.Event()
            sent.record(self._stream)
        return copy, sent

    def arrive(self, copy: Tensor, sent: torch.cuda.Event) -> None:
        """Let the current stream wait for the event, and keep the memory from being given away while that stream reads it."""
        current = torch.cuda.current_stream(self.device)
        current.wait_event(sent)
        copy.record_stream(current)

    def finish(self, sent: torch.cuda.Event) -> None:
        """Block until the event has passed."""
        sent.synchronize()


class Feeder:
    """Two buffers that take turns.

    Args:
        gather: puts the pixels of rows into an array.
        shape: of one image.
        lane: to the device.
    """

    def __init__(self, gather: Gather, shape: tuple[int, ...], lane: Lane) -> None:
        self._gather, self._shape, self._lane = gather, shape, lane
        self._buffers: list[Tensor | None] = [None] * BUFFERS
        self._sent: list[Any] = [None] * BUFFERS
        self._turn = 0
        self._pending: dict[bytes, Future[tuple[Tensor, Any]]] = {}
        self._thread = ThreadPoolExecutor(1, "handbench-feeder")
        weakref.finalize(self, self._thread.shutdown, wait=False, cancel_futures=True)

    def ahead(self, rows: Rows) -> None:
        """Begin with rows that will be taken soon; what would need a third buffer is left for later."""
        key = rows.tobytes()
        if key not in self._pending and len(self._pending) < BUFFERS:
            self._pending[key] = self._thread.submit(self._fill, rows)

    def take(self, rows: Rows) -> Pixels:
        """The pixels of rows on the device, in their order; other rows that were begun and not taken are forgotten."""
        future = self._pending.pop(rows.tobytes(), None)
        if future is None:
            for stale in self._pending.values():
                stale.cancel()
            self._pending.clear()
            future = self._thread.submit(self._fill, rows)
        copy, sent = future.result()
        self._lane.arrive(copy, sent)
        return copy

    def _fill(self, rows: Rows) -> tuple[Tensor, Any]:
        """Gather into the buffer whose turn it is, once its last copy has left, and send it; runs in the thread."""
        turn, self._turn = self._turn, (self._turn + 1) % BUFFERS
        if self._sent[turn] is not None:
            self._lane.finish(self._sent[turn])
        buffer = self._buffers[turn]
        if buffer is None or len(buffer) < len(rows):
            buffer = self._buffers[turn] = self._lane.buffer((len(rows), *self._shape))
        part = buffer[: len(rows)]
        self._gather(rows, part.numpy())
        copy, self._sent[turn] = self._lane.send(part)
        return copy, self._sent[turn]
