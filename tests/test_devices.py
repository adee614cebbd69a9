"""Devices: words to devices, and refusals that say what to do."""

import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from handbench import devices
from handbench.errors import RecipeError


def test_words() -> None:
    assert devices.choose("cpu") == torch.device("cpu")
    assert devices.choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("word", ["gpu", "mps", "cuda:99", ""])
def test_what_is_not_there_is_refused(word: str) -> None:
    with pytest.raises(RecipeError, match="cpu"):
        devices.choose(word)


def test_description_names_precision_and_threads() -> None:
    text = devices.describe(torch.device("cpu"))
    assert f"{torch.get_num_threads()} threads" in text and ("bf16" in text) == devices.half_precision(torch.device("cpu"))
    assert devices.peak_memory_mib(torch.device("cpu")) > 10


def test_autocast_is_on_only_where_it_pays() -> None:
    cpu = torch.device("cpu")
    with devices.autocast(cpu):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype is (torch.bfloat16 if devices.half_precision(cpu) else torch.float32)


def test_a_timer_adds_up_and_is_drained() -> None:
    timer = devices.Timer(torch.device("cpu"))
    for _ in range(3):
        with timer:
            time.sleep(0.01)
        time.sleep(0.05)
    assert 0.03 <= timer.drain() < 0.12 and timer.drain() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_memory_that_large_tensors_leave_is_used_again() -> None:
    """In a process of its own, since it stays so; the first few tensors still leave gaps that others do not fit."""
    script = """
import resource, torch
from handbench import devices

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print([new_pages() for _ in range(3)][-1], devices.keep_memory(), [new_pages() for _ in range(12)][-1])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, kept, after = ended.stdout.split()
    assert kept == "True" and int(after) < int(before) / 10, "256 MiB are 65,536 pages, or 128 huge ones"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system keeps no high-water mark that can be set")
def test_peak_memory_can_be_forgotten() -> None:
    cpu = devices.choose("cpu")
    held = torch.ones(64 * 2**20)
    with_it = devices.peak_memory_mib(cpu)
    del held
    devices.forget_peak_memory(cpu)
    assert devices.peak_memory_mib(cpu) < with_it - 200


@pytest.mark.gpu
def test_a_timer_counts_what_the_gpu_did() -> None:
    device = torch.device("cuda")
    timer, load = devices.Timer(device), torch.rand(4096, 4096, device=device)
    with timer:
        for _ in range(20):
            load = load @ load / 1000
    assert timer.drain() > 1e-4


@pytest.mark.gpu
def test_sending_does_not_wait_for_the_gpu() -> None:
    device = torch.device("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        sent = devices.send(torch.arange(10), device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sent.tolist() == list(range(10))


@pytest.mark.gpu
def test_cuda() -> None:
    device = devices.choose("cuda")
    devices.synchronise(device)
    assert device.type == "cuda" and devices.half_precision(device) == torch.cuda.is_bf16_supported()
