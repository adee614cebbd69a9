"""A pack in, batches on the training device out, by row numbers: from the mapped file, from memory, or from the GPU itself."""

import logging
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from handbench.data.packs import Pack
from handbench.files import readable
from handbench.types import Batch, Targets

MEMORY_SHARE = 0.5  # of what is free; the rest belongs to the network

log = logging.getLogger(__name__)


class Pool:
    """The images and targets of a pack, ready to be drawn from.

    Args:
        pack: the images.
        device: where batches go.
        window: side of the nominal window in pixels of the crop; None for the pack's own.

    Attributes:
        classes: names of the class labels, sorted; a target's class is its index here, -1 for none.
        residence: "gpu", "memory" or "file": where the pixels lie.
    """

    def __init__(self, pack: Pack, device: torch.device, window: float | None = None) -> None:
        self.pack, self.device = pack, device
        self.window = pack.window if window is None else window
        self.classes, numbers = _numbered(pack.labels.label)
        self._targets = _targets(pack, numbers, device)
        self._pixels: UInt8[np.ndarray, "rows side side 3"] = pack.pixels
        self._resident: UInt8[Tensor, "rows side side 3"] | None = None
        self.residence = self._settle()
        log.info("%s: %d images, %s, are drawn from %s", pack.key, len(pack), readable(pack.pixels.nbytes), self.residence)

    def __len__(self) -> int:
        return len(self.pack)

    def batch(self, rows: Int[np.ndarray, "batch"]) -> Batch:
        """The images and targets of the given rows, in their order.

        Args:
            rows: row numbers of the pack, int64.
        """
        places = torch.from_numpy(np.ascontiguousarray(rows, np.int64)).to(self.device)
        targets = Targets(
            classes=self._targets.classes.index_select(0, places),
            joints_2d=self._targets.joints_2d.index_select(0, places),
            joints_3d=self._targets.joints_3d.index_select(0, places),
            valid=self._targets.valid.index_select(0, places),
            intrinsics=self._targets.intrinsics.index_select(0, places),
        )
        return Batch(self._images(rows, places), self.window, targets)

    def _images(self, rows: Int[np.ndarray, "batch"], places: Int[Tensor, "batch"]) -> UInt8[Tensor, "batch side side 3"]:
        """Gather pixels; ten times as fast as torch's indexing of uint8 with a list."""
        if self._resident is not None:
            return self._resident.index_select(0, places)
        gathered = torch.from_numpy(np.take(self._pixels, rows, axis=0))
        if self.device.type == "cuda":
            return gathered.pin_memory().to(self.device, non_blocking=True)
        return gathered.to(self.device)

    def _settle(self) -> str:
        """Bring the pixels as near to the device as its free memory allows."""
        size = self.pack.pixels.nbytes
        if self.device.type == "cuda" and size < MEMORY_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            self._resident = _to_gpu(self.pack.pixels, self.device)
            return "gpu"
        if size < MEMORY_SHARE * free_memory():
            self._pixels = np.array(self.pack.pixels)
            return "memory"
        return "file"


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


def _targets(pack: Pack, classes: Int[np.ndarray, "rows"], device: torch.device) -> Targets:
    """All labels that training reads, in single precision, on the device: a few hundred bytes an image."""
    labels = pack.labels
    return Targets(
        classes=torch.from_numpy(classes).to(device),
        joints_2d=torch.from_numpy(labels.joints_2d.astype(np.float32)).to(device),
        joints_3d=torch.from_numpy(labels.joints_3d.astype(np.float32)).to(device),
        valid=torch.from_numpy(labels.valid).to(device),
        intrinsics=torch.from_numpy(labels.intrinsics.astype(np.float32)).to(device),
    )
