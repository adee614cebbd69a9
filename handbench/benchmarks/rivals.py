"""Other people's pipelines as arms: JPEGs or a pool in; the work of making two normalised views of each image out.

Libraries that handbench does not need are imported here when an arm is made, never before.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from handbench.benchmarks.stepwise import DEVIATION, MEAN
from handbench.data.pool import Pool
from handbench.devices import send, synchronise


def loader(dataset: "Dataset[Tensor]", batch: int, workers: int, device: torch.device) -> Callable[[], int]:
    """Work that goes through a data set once with a DataLoader, whose workers stay between the rounds."""
    cuda = device.type == "cuda"
    loading: DataLoader[Tensor] = DataLoader(
        dataset,
        batch,
        num_workers=workers,
        persistent_workers=True,
        pin_memory=cuda,
        worker_init_fn=one_thread,
        multiprocessing_context="spawn",
    )

    def work() -> int:
        made = 0
        for views in loading:
            made += views.to(device, non_blocking=cuda).shape[:2].numel()
        synchronise(device)
        return made

    return work


def one_thread(_number: int) -> None:
    """Workers compute on one thread each: two on a busy machine cost more than twenty times what they bring."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class TorchvisionViews(Dataset[Tensor]):
    """PeCLR's best set in torchvision's v2 transforms, on tensors, one sample at a time."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self.paths, self.size = paths, size
        self._transform: Any = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Float[Tensor, "2 3 size size"]:
        """Read the file, and draw twice."""
        files = import_module("torchvision.io")
        image = files.decode_image(str(self.paths[number]), files.ImageReadMode.RGB)
        self._transform = self._transform or _torchvision(self.size)
        return torch.stack([self._transform(image) for _ in range(2)])


def _torchvision(size: int) -> Any:
    v2, shift = import_module("torchvision.transforms.v2"), 15 / 128
    return v2.Compose(
        [
            v2.RandomAffine(45, (shift, shift), (1.25 / 1.5, 1.25 / 0.9), interpolation=v2.InterpolationMode.BILINEAR),
            v2.Resize((size, size), antialias=True),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, DEVIATION),
        ]
    )


class LightlyViews(Dataset[Tensor]):
    """Lightly's SimCLR transform as it comes, on PIL images."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self.paths, self.size = paths, size
        self._transform: Any = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Float[Tensor, "2 3 size size"]:
        """Read the file, and let the transform make its two views."""
        if self._transform is None:
            self._transform = import_module("lightly.transforms").SimCLRTransform(input_size=self.size)
        with Image.open(self.paths[number]) as image:
            return torch.stack(self._transform(image.convert("RGB")))


def kornia(setting: Any, pool: Pool, images: int) -> Callable[[], int]:
    """Kornia's batched transforms, eager (its compiled crop was found broken), on crops from our pool."""
    augment, shift = import_module("kornia.augmentation"), 15 / 128
    transform = augment.AugmentationSequential(
        augment.RandomAffine(45.0, (shift, shift), (1.25 / 1.5, 1.25 / 0.9), p=1.0),
        augment.Resize((setting.view, setting.view)),
        augment.ColorJiggle(0.4, 0.4, 0.4, 0.1, p=1.0),
        augment.Normalize(torch.tensor(MEAN), torch.tensor(DEVIATION)),
        data_keys=["input"],
    )

    def work() -> int:
        made = 0
        for start in range(0, images, setting.batch):
            batch = pool.batch(np.arange(start, min(start + setting.batch, images)))
            pixels = send(batch.images, setting.device).permute(0, 3, 1, 2).float() / 255
            made += sum(len(transform(pixels)) for _ in range(2))
        synchronise(setting.device)
        return made

    return work
