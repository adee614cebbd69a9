"""A dataset in, batches on the training device out, read anew from its own files each time: for packs that no disk has room for.

Worker processes read, crop and ship uint8 pixels; the rows that come next are read ahead. Labels come from one pass over the
dataset that keeps no pixels. The crops are those that packing would have written, so results do not depend on the way they came.
"""

import logging
import multiprocessing
import weakref
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8

from handbench import devices
from handbench.data.cache import Cache
from handbench.data.cropping import crop
from handbench.data.packing import pack_key, survey
from handbench.data.pool import Known
from handbench.data.workers import cores, settle_worker
from handbench.errors import DataError
from handbench.protocols import Dataset
from handbench.types import Batch, Labels

AHEAD = 4  # batches that may be on their way at once: enough that no worker rests, few enough to hold in memory
PIECE = 16  # images a worker reads at a time: batches are shared out evenly, and a message is a few MB at most

Rows = Int[np.ndarray, "batch"]
Crops = UInt8[np.ndarray, "batch side side 3"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """What a pack would say of itself, without its pixels; fields as a Pack's."""

    key: str
    name: str
    fingerprint: str
    labels: Labels
    side: int
    context: float
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def window(self) -> float:
        """Side of the nominal window in pixels of the crop."""
        return self.side / self.context


class Stream:
    """The images and targets of a dataset, drawn as from a Pool; `close` ends its workers.

    Args:
        dataset: where the samples come from; it travels to the workers by pickle.
        name: what it is called.
        side: pixels of a crop.
        device: where batches go.
        cache: where the labels are kept; None for the one that the environment names.
        workers: processes; None for one a core.

    Attributes:
        pack: all but pixels.
        classes: names of the class labels, sorted; a target's class is its index here, -1 for none.
        residence: "stream".
        notes: what a reader of the scores must know of how images come.

    Raises:
        DataError: the dataset is empty, or too many of its samples cannot be read.
    """

    residence = "stream"

    def __init__(
        self, dataset: Dataset, name: str, side: int, device: torch.device, cache: Cache | None = None, workers: int | None = None
    ) -> None:
        self._dataset, self.device, self._workers = dataset, device, workers or cores()
        found = survey(dataset, name, side, cache, self._workers)
        key = pack_key(dataset, name, side, found.fingerprint)
        self.pack = Listing(key, name, found.fingerprint, found.labels, side, dataset.context, found.skipped)
        self._samples = np.setdiff1d(np.arange(len(dataset)), np.array(found.missing, np.int64))
        self._known = Known(found.labels, device)
        self.classes = self._known.classes
        self.notes = (f"images of {name} were read from its own files in every epoch: no room for a pack",)
        self._executor: Executor | None = None
        self._coming: dict[bytes, list[Future[Crops]]] = {}

    def __len__(self) -> int:
        return len(self.pack)

    def batch(self, rows: Rows) -> Batch:
        """The images and targets of the given rows, in their order.

        Raises:
            UnreadableSample: a sample that could be read at the beginning cannot any more.
            DataError: a worker process died.
        """
        try:
            pieces = self._coming.pop(rows.tobytes(), None) or self._begin(rows)
            crops = [piece.result() for piece in pieces]
        except BrokenProcessPool as error:
            self.close()
            raise DataError(
                f"a process that reads '{self.pack.name}' died (out of memory, or killed); run the same command again to go on, "
                "or make room for a pack (HANDBENCH_CACHE, HANDBENCH_CACHE_GB)"
            ) from error
        places = devices.send(torch.from_numpy(np.ascontiguousarray(rows, np.int64)), self.device)
        images = np.concatenate([np.zeros((0, self.pack.side, self.pack.side, 3), np.uint8), *crops])
        return Batch(devices.send(torch.from_numpy(images), self.device), self.pack.window, self._known.at(places))

    def ahead(self, rows: Rows) -> None:
        """Have rows read that will be asked for soon; more than the workers can use is left for later."""
        if rows.tobytes() not in self._coming and len(self._coming) < AHEAD:
            with suppress(BrokenProcessPool):  # the batch will say it
                self._coming[rows.tobytes()] = self._begin(rows)

    def close(self) -> None:
        """End the workers; the next batch starts new ones."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None
        self._coming.clear()

    def _begin(self, rows: Rows) -> list["Future[Crops]"]:
        """Share rows out among the workers. Batches that were begun and never taken make room."""
        if len(self._coming) >= AHEAD:
            for stale in self._coming.values():
                for piece in stale:
                    piece.cancel()
            self._coming.clear()
        executor = self._started()
        samples = self._samples[rows].tolist()
        shares = [samples[start : start + PIECE] for start in range(0, len(samples), PIECE)]
        if self._dataset.parallel == "none":
            return [executor.submit(read, self._dataset, samples, self.pack.side)] if samples else []
        return [executor.submit(_read_in_worker, share) for share in shares]

    def _started(self) -> Executor:
        """The workers, started when they are first needed; a dataset that cannot be shared gets one thread of this process."""
        if self._executor is None:
            if self._dataset.parallel == "none":
                self._executor = ThreadPoolExecutor(1, "handbench-reader")
            else:
                spawn = multiprocessing.get_context("spawn")
                state = (self._dataset, self.pack.side)
                self._executor = ProcessPoolExecutor(self._workers, spawn, _start_worker, state)
            log.info("%s: %d images are read from their own files, %d at once", self.pack.key, len(self.pack), self._workers)
            weakref.finalize(self, self._executor.shutdown, wait=False, cancel_futures=True)
        return self._executor


def read(dataset: Dataset, samples: Sequence[int], side: int) -> Crops:
    """Read samples and cut out their crops.

    Raises:
        UnreadableSample: one of them cannot be read.
    """
    crops = np.empty((len(samples), side, side, 3), np.uint8)
    for place, sample in enumerate(dataset.samples(samples)):
        if isinstance(sample, Exception):
            raise sample
        crops[place] = crop(sample, side, dataset.context).image
    return crops


# A worker process holds the dataset for as long as it lives; this is where.
_worker: dict[str, Any] = {}


def _start_worker(dataset: Dataset, side: int) -> None:
    settle_worker()
    _worker.update(dataset=dataset, side=side)


def _read_in_worker(samples: list[int]) -> Crops:
    return read(_worker["dataset"], samples, _worker["side"])
