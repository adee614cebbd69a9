"""A dataset in, its packed images with their split, ready to be drawn from, out: what all later stages work on."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from handbench.data.cache import NoRoom
from handbench.data.packing import pack
from handbench.data.pool import Pool
from handbench.data.splits import Split, fraction, split
from handbench.data.streaming import Stream
from handbench.errors import DataError
from handbench.protocols import Dataset
from handbench.streams import Draws
from handbench.types import Labels

Rows = Int[np.ndarray, "rows"]
SPLIT_SEED = 0  # not the run's: all seeds of a comparison are scored on the same images

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """One dataset, packed or streamed, and split; `remarks` are the dataset's own, of what a reader of the scores must know."""

    pool: Pool | Stream
    split: Split
    remarks: tuple[str, ...] = ()

    @property
    def labels(self) -> Labels:
        """The label table."""
        return self.pool.pack.labels

    @property
    def posed(self) -> bool:
        """Whether any hand has joints."""
        return bool(self.labels.posed.any())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know of the data."""
        skipped = self.pool.pack.skipped
        left_out = (f"{len(skipped)} unreadable images were left out, e.g. {skipped[0]}",) if skipped else ()
        left = int((self.labels.side == "left").sum())
        mirrored = (f"{left} of {len(self.labels)} hands are left ones and shown mirrored, as right ones",) if left else ()
        return (*self.remarks, *self.split.notes, *left_out, *mirrored, *self.pool.notes)

    @property
    def facts(self) -> dict[str, Any]:
        """What a record keeps of the data."""
        counts = {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")}
        return {"fingerprint": self.pool.pack.fingerprint, "pack": self.pool.pack.key, "unit": self.split.unit, **counts}

    def at_most(self, rows: Rows, images: int | None) -> Int[np.ndarray, "chosen"]:
        """A seeded part of rows, whole frames at a time, of about so many images; None for all."""
        if images is None or images >= len(rows):
            return rows
        return fraction(rows, self.labels, images / len(rows), SPLIT_SEED)

    def labelled(self, rows: Rows, share: float, seed: int) -> Int[np.ndarray, "chosen"]:
        """The share of the rows whose labels may be used; where the data has poses, among the rows that have one."""
        usable = rows[self.labels.posed[rows]] if self.posed else rows
        return fraction(usable, self.labels, share, seed)


def prepare(dataset: Dataset, name: str, view: int, device: torch.device) -> Material:
    """Pack a dataset for views of a given side and split it; stream it from its own files where a pack has no room.

    Raises:
        DataError: unreadable, too small to split, or without held-out images that can be scored.
    """
    pool = _drawn_from(dataset, name, crop_side(view, dataset.context), device)
    posed = pool.pack.labels.posed
    parts = split(pool.pack.labels, SPLIT_SEED, scored=posed if posed.any() else None)
    if not len(parts.test):
        raise DataError(f"dataset '{name}' has no held-out images to score on; add images or labels")
    return Material(pool, parts, tuple(getattr(dataset, "notes", ())))


def _drawn_from(dataset: Dataset, name: str, side: int, device: torch.device) -> Pool | Stream:
    try:
        return Pool(pack(dataset, name, side), device)
    except NoRoom as error:
        log.warning("%s. Until then images are read from the dataset's own files in every epoch, which is slower", error)
        return Stream(dataset, name, side, device)


def crop_side(view: int, context: float) -> int:
    """Side of a packed crop for views of a given side, a multiple of 4.

    The nominal window gets half as many pixels again as the view, since a view may show a part of it; large views get a
    quarter more, so that FreiHAND at the paper's 128 pixels fits the default cache.

    Example:
        >>> crop_side(64, 1.0), crop_side(64, 1.2), crop_side(128, 1.2), crop_side(224, 1.0)
        (96, 116, 192, 280)
    """
    window = max(1.25 * view, min(1.5 * view, 144))
    return 4 * max(2, -(-round(window * context) // 4))


def some(rows: Rows, images: int) -> Int[np.ndarray, "chosen"]:
    """At most so many rows, ascending, the same ones at every call."""
    return rows if len(rows) <= images else np.sort(rows[Draws(SPLIT_SEED, "some").permutation(len(rows))[:images]])
