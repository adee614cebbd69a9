"""A dataset in, a pack of uniform crops out: decoded once, in parallel, straight into one file; made again only when needed."""

import dataclasses
import hashlib
import json
import logging
import multiprocessing
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handbench.checkpoints import code_of
from handbench.data import table
from handbench.data.cache import PARTIAL, Cache, NoRoom, default_cache
from handbench.data.cropping import crop, matrix, square
from handbench.data.packs import FORMAT, LABELS, PIXELS, DamagedPack, Pack, open_pack, seal
from handbench.data.workers import cores, settle_worker
from handbench.errors import DataError, UnreadableSample
from handbench.files import sync_folder
from handbench.progress import Progress
from handbench.protocols import Dataset
from handbench.types import Labels, Sample

TOLERANCE = 0.1
LABEL_BYTES = 2048
LABELS_ONLY = "-labels"
CHUNK = {"threads": 16, "processes": 32, "none": 256}
WORTH_PROCESSES = 256  # images; below, starting the workers (torch's import, 2-4 s each) takes longer than the work

NO_IMAGE = np.zeros((0, 0, 3), np.uint8)  # labels are tabled without their images, which would fill the memory

Pixels = UInt8[np.ndarray, "rows side side 3"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Filled:
    """What became of one chunk of samples.

    Args:
        rows: indices of those that could be read.
        labels: their labels; None where there are none.
        failed: name and reason of each of the others.
    """

    rows: tuple[int, ...]
    labels: Labels | None
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What one pass over a dataset found without keeping pixels.

    Args:
        labels: of the samples that can be read, in their order, in pixels of the crop.
        fingerprint: of the dataset's files.
        skipped: name and reason of each of the others.
        missing: their indices.
    """

    labels: Labels
    fingerprint: str
    skipped: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()


def pack(
    dataset: Dataset, name: str, side: int, cache: Cache | None = None, workers: int | None = None, tolerance: float = TOLERANCE
) -> Pack:
    """Pack a dataset, or open the pack that was made of the same data before.

    Args:
        dataset: where the samples come from.
        name: what it is called, e.g. "photos".
        side: pixels of a crop.
        cache: where packs lie; None for the one that the environment names.
        workers: threads or processes; None for one a core.
        tolerance: share of samples that may be unreadable; they are named, counted and left out.

    Raises:
        DataError: the data set is empty, too many samples are unreadable, or neither cache nor disk has room.
    """
    if len(dataset) == 0:
        raise DataError(f"dataset '{name}' holds no samples")
    if side < 8:
        raise DataError(f"a crop of {side} pixels is too small; 8 or more")
    cache = cache or default_cache()
    fingerprint = dataset.fingerprint()
    folder = cache.folder / pack_key(dataset, name, side, fingerprint)
    found = _found(folder, say=False)
    if found is not None:
        return found
    with cache.lock(folder.name):
        found = _found(folder, say=True)  # another process may have made it while this one waited
        if found is None:
            cache.remove_stale()
            shutil.rmtree(folder, ignore_errors=True)
            cache.require(len(dataset) * (3 * side * side + LABEL_BYTES))
            _make(dataset, name, side, fingerprint, folder, workers or cores(), tolerance)
            found = open_pack(folder)
    return found


def pack_key(dataset: Dataset, name: str, side: int, fingerprint: str) -> str:
    """Name a pack by all that its pixels and labels depend on, the code that reads them included."""
    facts = [FORMAT, name, side, fingerprint, dataset.context, len(dataset), config_of(dataset), code_of(type(dataset))]
    content = json.dumps(facts, sort_keys=True, default=str)
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)}-{side}px-{hashlib.blake2b(content.encode(), digest_size=6).hexdigest()}"


def config_of(dataset: Dataset) -> dict[str, Any]:
    """The dataset's configuration as plain values, where it keeps one."""
    config = getattr(dataset, "config", None)
    return dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else {}


def _found(folder: Path, say: bool) -> Pack | None:
    """The pack if it is there and whole; whether to say that it is damaged."""
    if not folder.is_dir():
        return None
    try:
        return open_pack(folder)
    except DamagedPack as error:
        if say:
            log.warning("%s; packing again", error)
        return None


def _make(dataset: Dataset, name: str, side: int, fingerprint: str, folder: Path, workers: int, tolerance: float) -> None:
    """Write a pack beside its place and move it there when it is whole."""
    partial = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        _reserve(partial / PIXELS, len(dataset) * side * side * 3)
        pixels = np.memmap(partial / PIXELS, np.uint8, "r+", shape=(len(dataset), side, side, 3))
        filled = _fill_all(dataset, f"packing {name}", name, side, pixels, partial / PIXELS, workers, tolerance)
        rows, labels, failed = _gathered(filled)
        _compact(pixels, rows)
        pixels.flush()
        del pixels
        _finish(partial / PIXELS, len(rows) * side * side * 3)
        table.save(labels, partial / LABELS)
        _finish(partial / LABELS)
        facts = {"dataset": name, "fingerprint": fingerprint, "config": config_of(dataset), "context": dataset.context}
        seal(partial, len(rows), side, {**facts, "skipped": failed})
        partial.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def survey(
    dataset: Dataset, name: str, side: int, cache: Cache | None = None, workers: int | None = None, tolerance: float = TOLERANCE
) -> Survey:
    """Read every sample once for its labels and keep no pixels; unreadable samples are handled as packing does.

    What was found lies in the cache as a pack without pixels, and is opened there the next time.

    Raises:
        DataError: the dataset is empty, or too many samples are unreadable.
    """
    cache = cache or default_cache()
    fingerprint = dataset.fingerprint()
    folder = cache.folder / (pack_key(dataset, name, side, fingerprint) + LABELS_ONLY)
    with cache.lock(folder.name):
        found = _found(folder, say=True)
        if found is not None:
            return Survey(found.labels, fingerprint, found.skipped, found.missing)
        doing = f"reading the labels of {name}"
        rows, labels, failed = _gathered(_fill_all(dataset, doing, name, side, None, None, workers or cores(), tolerance))
        made = Survey(labels, fingerprint, failed, tuple(sorted(set(range(len(dataset))) - set(rows))))
        try:
            cache.require(len(rows) * LABEL_BYTES)
            shutil.rmtree(folder, ignore_errors=True)
            _keep(made, dataset, name, folder)
        except NoRoom as error:
            log.warning("%s; the labels are read again in every run", error)
    return made


def _keep(made: Survey, dataset: Dataset, name: str, folder: Path) -> None:
    """Write a survey as a pack of crops of no pixels."""
    partial = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / PIXELS).touch()
    table.save(made.labels, partial / LABELS)
    _finish(partial / LABELS)
    facts = {"dataset": name, "fingerprint": made.fingerprint, "config": config_of(dataset), "context": dataset.context}
    seal(partial, len(made.labels), 0, {**facts, "skipped": made.skipped, "missing": made.missing})
    partial.rename(folder)
    sync_folder(folder.parent)


def _gathered(filled: list[Filled]) -> tuple[list[int], Labels, tuple[str, ...]]:
    """The rows that could be read, their labels, and what could not."""
    labels = table.join([part.labels for part in filled if part.labels is not None])
    return [row for part in filled for row in part.rows], labels, tuple(text for part in filled for text in part.failed)


def _fill_all(
    dataset: Dataset, doing: str, name: str, side: int, pixels: Pixels | None, path: Path | None, workers: int, tolerance: float
) -> list[Filled]:
    """Run over the dataset in chunks and collect their labels; stop as soon as too many samples have failed."""
    filled: list[Filled] = []
    failed: list[str] = []
    with Progress(len(dataset), doing, "images") as progress:
        for part in _chunks_filled(dataset, side, pixels, path, workers):
            filled.append(part)
            failed += part.failed
            progress.advance(len(part.rows) + len(part.failed))
            if len(failed) > tolerance * len(dataset) or len(failed) == len(dataset):
                raise DataError(
                    f"dataset '{name}': {_named(failed)}; "
                    f"at most {tolerance:.0%} of {len(dataset)} are skipped: mend or remove them"
                )
        if failed:
            progress.note(f"skipped {_named(failed)}")
    return filled


def _named(failed: list[str], shown: int = 5) -> str:
    """Count failures and name the first few."""
    more = f"; and {len(failed) - shown} more" if len(failed) > shown else ""
    return f"{len(failed)} unreadable {'sample' if len(failed) == 1 else 'samples'} ({'; '.join(failed[:shown])}{more})"


def _chunks_filled(dataset: Dataset, side: int, pixels: Pixels | None, path: Path | None, workers: int) -> Iterator[Filled]:
    """Fill every chunk the way the dataset allows, and give the results in order; without pixels only labels are kept."""
    size = getattr(dataset, "chunk", CHUNK[dataset.parallel])
    chunks = [range(start, min(start + size, len(dataset))) for start in range(0, len(dataset), size)]
    many = workers > 1 and len(chunks) > 1
    if dataset.parallel == "threads" and many:
        yield from _mapped(ThreadPoolExecutor(workers), lambda chunk: fill(dataset, chunk, side, pixels), chunks)
    elif dataset.parallel == "processes" and many and len(dataset) >= WORTH_PROCESSES:
        spawn = multiprocessing.get_context("spawn")
        state = (dataset, side, path, None if pixels is None else pixels.shape)
        yield from _mapped(ProcessPoolExecutor(workers, spawn, _start_worker, state), _fill_in_worker, chunks)
    else:
        yield from (fill(dataset, chunk, side, pixels) for chunk in chunks)


def _mapped(executor: Executor, function: Any, chunks: list[range]) -> Iterator[Filled]:
    """Map in order; on the way out by an error, what has not started is dropped."""
    try:
        yield from executor.map(function, chunks)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def fill(dataset: Dataset, chunk: range, side: int, pixels: Pixels | None) -> Filled:
    """Read the samples of a chunk, cut out their crops, write them to the rows of the same number, if they are wanted."""
    kept: list[tuple[int, Sample]] = []
    matrices, failed = [], []
    for row, sample in zip(chunk, dataset.samples(chunk), strict=True):
        try:
            if isinstance(sample, Exception):
                raise sample
            placed = matrix(square(sample, dataset.context), side)
            if pixels is not None:
                pixels[row] = crop(sample, side, dataset.context).image
        except UnreadableSample as error:
            failed.append(str(error))
            continue
        kept.append((row, replace(sample, image=NO_IMAGE, mask=None)))
        matrices.append(placed)
    labels = table.tabulate([sample for _, sample in kept], matrices) if kept else None
    return Filled(tuple(row for row, _ in kept), labels, tuple(failed))


# A worker process holds the dataset and the mapped file for as long as it lives; this is where.
_worker: dict[str, Any] = {}


def _start_worker(dataset: Dataset, side: int, path: Path | None, shape: tuple[int, ...] | None) -> None:
    settle_worker()
    pixels = None if path is None else np.memmap(path, np.uint8, "r+", shape=shape)
    _worker.update(dataset=dataset, side=side, pixels=pixels)


def _fill_in_worker(chunk: range) -> Filled:
    return fill(_worker["dataset"], chunk, _worker["side"], _worker["pixels"])


def _reserve(path: Path, size: int) -> None:
    """Make a file of that size with its blocks on disk: running out of them later would kill the process by a signal."""
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
    except OSError as error:
        raise DataError(
            f"{path}: cannot reserve {size} bytes ({error.strerror}); free some space or name a larger disk by HANDBENCH_CACHE"
        ) from error


def _compact(pixels: Pixels, rows: list[int]) -> None:
    """Close the gaps that skipped samples left; rows only ever move forward, so none is overwritten before it is moved."""
    for place, row in enumerate(rows):
        if place != row:
            pixels[place] = pixels[row]


def _finish(path: Path, size: int | None = None) -> None:
    """Cut a file to its size where one is given, and have it on the disk."""
    with path.open("rb+") as file:
        if size is not None:
            file.truncate(size)
        os.fsync(file.fileno())
