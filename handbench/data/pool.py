"""A pack in, batches on the training device out, by row numbers: from the mapped file, from memory, or from the GPU itself."""

import logging
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from handbench import devices
from handbench.data.packs import Pack
from handbench.data.transfer import CudaLane, Feeder
from handbench.files import readable
from handbench.types import Batch, Labels, Targets

MEMORY_SHARE = 0.5  # of what is free; the rest belongs to the network

Rows = Int[np.ndarray, "batch"]

log = logging.getLogger(__name__)


class Known:
    """The targets of a dataset's rows, ready to be drawn from: a few hundred bytes an image, so they lie on the device.

    Args:
        labels: the label table.
        device: where batches go; nothing is put there before the first batch.

    Attributes:
        classes: names of the class labels, sorted; a target's class is its index here, -1 for none.
    """

    def __init__(self, labels: Labels, device: torch.device) -> None:
        self.labels, self.device = labels, device
        self.classes, self._numbers = _numbered(labels.label)
        self._targets: Targets | None = None

    def at(self, places: Int[Tensor, "batch"]) -> Targets:
        """The targets of rows, by their numbers on the device."""
        if self._targets is None:
            self._targets = _targets(self.labels, self._numbers, self.device)
        found = {field.name: getattr(self._targets, field.name).index_select(0, places) for field in fields(Targets)}
        return Targets(**found)


class Pool:
    """The images and targets of a pack, ready to be drawn from; no pixel is read before the first batch.

    Args:
        pack: the images.
        device: where batches go.
        window: side of the nominal window in pixels of the crop; None for the pack's own.

    Attributes:
        classes: names of the class labels, sorted; a target's class is its index here, -1 for none.
        notes: what a reader of the scores must know of how images come; nothing here.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, pack: Pack, device: torch.device, window: float | None = None) -> None:
        self.pack, self.device = pack, device
        self.window = pack.window if window is None else window
        self._known = Known(pack.labels, device)
        self.classes = self._known.classes
        self._pixels: UInt8[np.ndarray, "rows side side 3"] = pack.pixels
        self._resident: UInt8[Tensor, "rows side side 3"] | None = None
        self._feeder: Feeder | None = None
        self._residence: str | None = None

    def __len__(self) -> int:
        return len(self.pack)

    @property
    def residence(self) -> str:
        """Where the pixels lie: "gpu", "memory" or "file"; they are brought there when this is first asked for."""
        if self._residence is None:
            self._residence = self._settle()
            size, where = readable(self.pack.pixels.nbytes), {"gpu": "the GPU", "file": "the mapped file"}
            log.info(
                "%s: %d images, %s, are drawn from %s",
                self.pack.key,
                len(self.pack),
                size,
                where.get(self._residence, self._residence),
            )
        return self._residence

    def batch(self, rows: Rows) -> Batch:
        """The images and targets of the given rows, in their order.

        Args:
            rows: row numbers of the pack, int64.
        """
        places = devices.send(torch.from_numpy(np.ascontiguousarray(rows, np.int64)), self.device)
        return Batch(self._images(rows, places), self.window, self._known.at(places))

    def ahead(self, rows: Rows) -> None:
        """Say which rows will be asked for soon, so that they are on their way to a GPU that does not hold the pixels itself."""
        if self.residence != "gpu" and self._feeder is not None:
            self._feeder.ahead(rows)

    def _images(self, rows: Rows, places: Int[Tensor, "batch"]) -> UInt8[Tensor, "batch side side 3"]:
        """Gather pixels; ten times as fast as torch's indexing of uint8 with a list."""
        if self.residence == "gpu" and self._resident is not None:
            return self._resident.index_select(0, places)
        if self._feeder is not None:
            return self._feeder.take(rows)
        return torch.from_numpy(np.take(self._pixels, rows, axis=0)).to(self.device)

    def _settle(self) -> str:
        """Bring the pixels as near to the device as its free memory allows."""
        size, cuda = self.pack.pixels.nbytes, self.device.type == "cuda"
        if cuda and size < MEMORY_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            self._resident = _to_gpu(self.pack.pixels, self.device)
            return "gpu"
        fits = size < MEMORY_SHARE * free_memory()
        if fits:
            self._pixels = np.array(self.pack.pixels)
        if cuda:
            self._feeder = Feeder(self._gather, self._pixels.shape[1:], CudaLane(self.device))
        return "memory" if fits else "file"

    def _gather(self, rows: Rows, out: UInt8[np.ndarray, "batch side side 3"]) -> None:
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self._pixels):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self._pixels)}")
        np.take(self._pixels, rows, axis=0, out=out, mode="clip")  # without a mode NumPy would gather into a copy first


def free_memory() -> int:
    """Bytes that can be had without swapping; 0 where the system doesn't say, so that nothing is read into memory."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _container_memory())
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def _container_memory() -> int:
    """What is left of a container's own limit (cgroup v2), of which /proc/meminfo knows nothing."""
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    try:
        return max(int(limit.read_text()) - int(used.read_text()), 0)
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return 2**62


def _to_gpu(pixels: UInt8[np.ndarray, "rows side side 3"], device: torch.device) -> UInt8[Tensor, "rows side side 3"]:
    """Copy in pieces, so that the host never holds a second whole copy."""
    resident = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pixels), 4096):
        resident[start : start + 4096] = torch.from_numpy(np.array(pixels[start : start + 4096])).to(device)
    return resident


def _numbered(labels: np.ndarray) -> tuple[tuple[str, ...], Int[np.ndarray, "rows"]]:
    """Number the class names in alphabetical order; -1 for rows without one."""
    names = sorted({str(label) for label in np.unique(labels)} - {""})
    numbers = {name: number for number, name in enumerate(names)}
    return tuple(names), np.array([numbers.get(str(label), -1) for label in labels], np.int64)


def _targets(labels: Labels, classes: Int[np.ndarray, "rows"], device: torch.device) -> Targets:
    """All labels that training reads, in single precision, on the device."""
    return Targets(
        classes=torch.from_numpy(classes).to(device),
        joints_2d=torch.from_numpy(labels.joints_2d.astype(np.float32)).to(device),
        joints_3d=torch.from_numpy(labels.joints_3d.astype(np.float32)).to(device),
        valid=torch.from_numpy(labels.valid).to(device),
        intrinsics=torch.from_numpy(labels.intrinsics.astype(np.float32)).to(device),
        left=torch.from_numpy(labels.side == "left").to(device),
    )
