"""Where and how precisely a run computes: the user's word for a device in; a torch device, its precision and its name out."""

import ctypes
import platform
import resource
import sys
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from handbench.errors import RecipeError

# Of glibc's mallopt, and the largest number it takes.
TRIM_THRESHOLD, MMAP_THRESHOLD, MOST = -1, -3, 2**31 - 1


def choose(word: str) -> torch.device:
    """Turn 'auto', 'cpu', 'cuda' or 'cuda:1' into a device; 'auto' takes CUDA when there is one. On a CPU freed memory is kept.

    Raises:
        RecipeError: unknown word, or CUDA asked for where there is none.
    """
    device = _named(word)
    if device.type == "cpu":
        keep_memory()
    return device


def keep_memory() -> bool:
    """Have the C library keep what large tensors leave for those that follow, as torch does by itself on a GPU.

    By default glibc hands it back to the system, and every page of the next tensor is mapped and zeroed anew when it is first
    touched: views took twice as long to make, and training steps 6 to 15 % longer.

    Returns:
        Whether it did: on Linux with glibc.
    """
    mallopt = _of_libc("mallopt")
    return mallopt is not None and all([mallopt(MMAP_THRESHOLD, MOST), mallopt(TRIM_THRESHOLD, MOST)])


def _of_libc(name: str) -> Any:
    """A function that glibc has and other C libraries may lack; None there."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _named(word: str) -> torch.device:
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError:
        raise RecipeError(f"device '{word}' is unknown; use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(f"device '{word}' is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise RecipeError(
            f"device '{word}' is not there ({torch.cuda.device_count()} CUDA devices found); use --device cpu or auto"
        )
    return device


def half_precision(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 there: on CUDA, and on CPUs that multiply bf16 in hardware (elsewhere it is emulated)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """A context in which matrix products run in bf16 where that pays."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=half_precision(device))


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor from the host without waiting for the device: on CUDA, from pinned memory on the current stream."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def synchronise(device: torch.device) -> None:
    """Wait for queued work, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Timer:
    """Adds up how long pieces of work take, each in a `with`; on CUDA by events in the stream, so that the host need not wait."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._seconds = 0.0
        self._events: list[torch.cuda.Event] = []

    def __enter__(self) -> "Timer":
        self._mark(-1.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._mark(1.0)

    def drain(self) -> float:
        """Seconds since the last call; waits for the device, so call it once in a while only."""
        if self._events:
            self._events[-1].synchronize()
            pairs = zip(self._events[::2], self._events[1::2], strict=True)
            self._seconds = sum(first.elapsed_time(last) for first, last in pairs) / 1000
            self._events.clear()
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _mark(self, sign: float) -> None:
        if self._cuda:
            self._events.append(torch.cuda.Event(enable_timing=True))
            self._events[-1].record()
        else:
            self._seconds += sign * time.perf_counter()


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory_mib` count from now on, where the system can: a process that does several runs tells them apart."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if trim := _of_libc("malloc_trim"):
        trim(0)  # what was kept and is not in use
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: sets the high-water mark to what is held now


def peak_memory_mib(device: torch.device) -> float:
    """The most memory held so far: the process's on a CPU, the allocator's on CUDA."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def describe(device: torch.device) -> str:
    """The device's product name, precision and number of threads or memory, for records."""
    precision = "bf16" if half_precision(device) else "fp32"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {precision}"
    return f"{_processor()}, {torch.get_num_threads()} threads, {precision}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
