"""Where and how precisely a run computes: the user's word for a device in; a torch device, its precision and its name out."""

import platform
import resource
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from handbench.errors import RecipeError


def choose(word: str) -> torch.device:
    """Turn 'auto', 'cpu', 'cuda' or 'cuda:1' into a device; 'auto' takes CUDA when there is one.

    Raises:
        RecipeError: unknown word, or CUDA asked for where there is none.
    """
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


def synchronise(device: torch.device) -> None:
    """Wait for queued work, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mib(device: torch.device) -> float:
    """The most memory held so far: the process's on a CPU, the allocator's on CUDA."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
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
