"""Devices: words to devices, and refusals that say what to do."""

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


@pytest.mark.gpu
def test_cuda() -> None:
    device = devices.choose("cuda")
    devices.synchronise(device)
    assert device.type == "cuda" and devices.half_precision(device) == torch.cuda.is_bf16_supported()
