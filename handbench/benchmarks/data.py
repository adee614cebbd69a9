"""Bench data: sizes and domains in; rendered hands packed a second out."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from handbench.benchmarks import Arm
from handbench.data.cache import Cache
from handbench.data.datasets.synthetic.dataset import SyntheticHands
from handbench.data.packing import pack

BARS = {64: 150.0, 128: 60.0}  # rendered and packed images a second on 2 cores without anti-aliasing


def arms(images: int, device: torch.device) -> list[Arm]:
    """One arm a domain and size; `images` at 64 pixels, half as many at 128."""
    made = []
    for domain, size, share in (("lab", 64, 1), ("lab", 128, 2), ("wild", 64, 1)):
        count = images // share
        bar = BARS[size] if domain == "lab" and device.type == "cpu" else None
        does = f"{count} images rendered and packed with their labels, start of the workers included; no anti-aliasing"
        made.append(Arm(f"{domain} {size} px", does, _packer(domain, size, count, device.type), bar))
    return made


def _packer(domain: str, size: int, count: int, device: str) -> Callable[[], int]:
    """Work that renders and packs a dataset of `count` images into a cache of its own."""
    settings = {"domain": domain, "images": count - 2, "validation": 1, "test": 1, "size": size, "device": device}
    hands = SyntheticHands.Config(**settings)  # type: ignore[arg-type]

    def work() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return len(pack(SyntheticHands(hands), "synthetic", size, Cache(Path(folder), 10**10)))

    return work
