"""Bench pipeline: JPEGs in; views a second to normalised batches out, by our pool, our streaming workers, and others' ways."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handbench.benchmarks import Arm, Claim, Timing, ratio, rivals
from handbench.benchmarks.photographs import write_jpegs
from handbench.benchmarks.stepwise import DEVIATION, MEAN, Stepwise, draw, read, view, warp_of
from handbench.data.cache import Cache
from handbench.data.datasets.photos import Photos
from handbench.data.material import crop_side
from handbench.data.packing import pack
from handbench.data.pool import Pool
from handbench.data.streaming import Stream
from handbench.devices import synchronise
from handbench.geometry import pixel_from_window, window_from_pixel
from handbench.learn.augmentations.color_drop import ColorDrop
from handbench.learn.augmentations.color_jitter import ColorJitter
from handbench.learn.augmentations.flip import Flip
from handbench.learn.augmentations.gaussian_blur import GaussianBlur
from handbench.learn.augmentations.hsv_jitter import HsvJitter
from handbench.learn.augmentations.random_resized_crop import RandomResizedCrop
from handbench.learn.augmentations.rotate import Rotate
from handbench.learn.augmentations.scale import Scale
from handbench.learn.augmentations.translate import Translate
from handbench.learn.resampling import on_bytes, resample
from handbench.learn.views import make_views
from handbench.normalising import normalised
from handbench.protocols import Augmentation

VIEWS = 2
PARITY = "grey levels off"  # column: mean difference to the step-by-step form with the same parameters
POOL, JPEG, OPENCV, LIGHTLY = "ours, pool", "ours, JPEG", "OpenCV per sample, JPEG", "lightly SimCLR, JPEG"
HSV = ", HSV"  # behind the name of an arm: PeCLR's own jitter in place of the matrix
SAME, SAME_JPEG = "ours, pool, lightly's operations", "ours, JPEG, lightly's operations"


@dataclass(frozen=True)
class Setting:
    """What all arms share.

    Args:
        folder: scratch space.
        images: JPEGs.
        view: side of a view in pixels.
        batch: images in a batch.
        workers: processes that read, in every arm that reads JPEGs.
        device: where batches end.
    """

    folder: Path
    images: int
    view: int
    batch: int
    workers: int
    device: torch.device


def arms(setting: Setting, source: Path | None) -> list[Arm]:
    """Write the JPEGs, pack them, and make an arm of each way; rivals that are not installed are left out."""
    paths = write_jpegs(setting.folder / "jpegs", setting.images, source)
    photos = Photos(Photos.Config(), setting.folder / "jpegs")
    cache, side = Cache(setting.folder / "cache", 10**12), crop_side(setting.view, photos.context)
    pool = Pool(pack(photos, "photos", side, cache), setting.device)
    stream = Stream(photos, "photos", side, setting.device, cache, setting.workers)
    off = {PARITY: parity(pool, paths, setting.view)}
    peclr, exact, simclr = best_set(), best_set(exact=True), lightly_set()
    size = f"crops of {side} px"
    made = [
        Arm(POOL, f"{size} from memory; matrix jitter; one sampling a view", _ours(setting, pool, peclr, 8), notes=off),
        Arm(POOL + HSV, f"{size} from memory; PeCLR's own HSV jitter", _ours(setting, pool, exact, 4), notes=off),
        Arm(JPEG, f"{setting.workers} processes decode to {size}; matrix jitter", _ours(setting, stream, peclr, 2), notes=off),
        Arm(JPEG + HSV, "the same with PeCLR's own HSV jitter", _ours(setting, stream, exact, 2), notes=off),
        *_stepwise(setting, paths),
        Arm(SAME, "crop, flip, jitter, grey, blur from memory", _ours(setting, pool, simclr, 4)),
        Arm(SAME_JPEG, f"the same, {setting.workers} processes decode", _ours(setting, stream, simclr, 2)),
    ]
    return [*made, *_others(setting, paths, pool)]


def claims(timings: Sequence[Timing], view: int) -> list[Claim]:
    """What was promised at 128 pixels on two cores; other sizes get the ratios without a bar."""
    names = {timing.name for timing in timings}
    pairs = [
        (POOL, OPENCV, 6.0),
        (POOL + HSV, OPENCV + HSV, 6.0),
        (JPEG, OPENCV, 1.8),
        (JPEG + HSV, OPENCV + HSV, 1.8),
        (SAME, LIGHTLY, 3.0),
        (SAME_JPEG, LIGHTLY, None),
    ]
    return [
        Claim(f"{one} over {other}, times", ratio(timings, one, other), bar if view == 128 else None)
        for one, other, bar in pairs
        if {one, other} <= names
    ]


def best_set(exact: bool = False) -> list[Augmentation]:
    """PeCLR's best set: rotate, scale, translate and a colour jitter, by matrix or exactly as published."""
    made: list[Any] = [
        Rotate(Rotate.Config.published()),
        Scale(Scale.Config.published()),
        Translate(Translate.Config.published()),
        HsvJitter(HsvJitter.Config.published()) if exact else ColorJitter(ColorJitter.Config()),
    ]
    return made


def lightly_set() -> list[Augmentation]:
    """The operations and ranges of lightly's SimCLR transform, its blur's pixels counted on a view of 128."""
    jitter = ColorJitter.Config(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, probability=0.8)
    made: list[Any] = [
        RandomResizedCrop(RandomResizedCrop.Config.published()),
        Flip(Flip.Config()),
        ColorJitter(jitter),
        ColorDrop(ColorDrop.Config(probability=0.2)),
        GaussianBlur(GaussianBlur.Config(smallest=0.1 / 128, largest=2 / 128, probability=0.5)),
    ]
    return made


def parity(pool: Pool, paths: list[Path], size: int, count: int = 64) -> float:
    """Mean difference in grey levels between our sampling and the step-by-step one, same parameters, no jitter, black outside.

    It holds all that tells the two apart: the pool's smaller crops, one sampling for two, and whole pixels in the cut.
    """
    random = np.random.default_rng(0)
    plain = [draw(random).geometry for _ in paths[:count]]
    steps = np.stack([view(read(path), one, size) for path, one in zip(paths, plain, strict=False)])
    batch = pool.batch(np.arange(len(plain)))
    windows = torch.stack([warp_of(one) for one in plain]).to(batch.images.device)
    frame = window_from_pixel(batch.images.shape[1], like=windows)
    ours = resample(batch.images, (pixel_from_window(size, like=windows) @ windows @ frame)[None], size, "black")[0]
    return float((255 * ours.permute(0, 2, 3, 1).cpu() - torch.from_numpy(steps).float()).abs().mean())


def _ours(setting: Setting, source: Pool | Stream, augmentations: list[Augmentation], times: int) -> Callable[[], int]:
    """Work that makes two views of every image `times` times over, in a fresh order each time."""

    def work() -> int:
        made, statistics = 0, [torch.tensor(numbers, device=setting.device) for numbers in (MEAN, DEVIATION)]
        batches = list(_batches(len(source), setting.batch, times))
        for number, rows in enumerate(batches):
            batch = source.batch(rows)
            for following in batches[number + 1 : number + 4]:
                source.ahead(following)
            generator = torch.Generator(batch.images.device).manual_seed(number)
            views = make_views(batch, augmentations, VIEWS, setting.view, generator)
            made += normalised(views.images, *statistics).shape[:2].numel()
        synchronise(setting.device)
        return made

    return work


def _batches(count: int, batch: int, times: int) -> Iterator[Any]:
    """Rows of all images in a random order, batch by batch, several times over."""
    random = np.random.default_rng(0)
    for _ in range(times):
        order = random.permutation(count)
        yield from (order[start : start + batch] for start in range(0, count, batch))


def _stepwise(setting: Setting, paths: list[Path]) -> Iterator[Arm]:
    """PeCLR's recipe sample by sample, with either jitter."""
    drawn = ColorJitter(ColorJitter.Config()).draw(VIEWS * len(paths), torch.Generator().manual_seed(0))
    matrices = on_bytes(drawn.unflatten(0, (-1, VIEWS)))
    does = f"{setting.workers} DataLoader workers; rotate, cut, resize, {{}} one after the other in uint8"
    for name, colours, jitter in ((OPENCV, matrices, "matrix jitter drawn beforehand"), (OPENCV + HSV, None, "HSV jitter")):
        work = rivals.loader(Stepwise(paths, setting.view, colours), setting.batch, setting.workers, setting.device)
        yield Arm(name, does.format(jitter), work, notes={PARITY: 0.0})


def _others(setting: Setting, paths: list[Path], pool: Pool) -> Iterator[Arm]:
    """Other libraries' arms, of those that are installed."""
    installed = {name for name in ("torchvision", "lightly", "kornia") if importlib.util.find_spec(name)}
    share = paths[: max(16, len(paths) // 2)]
    if "torchvision" in installed:
        work = rivals.loader(rivals.TorchvisionViews(share, setting.view), setting.batch, setting.workers, setting.device)
        yield Arm("torchvision v2 per sample, JPEG", "RandomAffine of all three warps in one, resize, ColorJitter", work)
    if "lightly" in installed:
        work = rivals.loader(rivals.LightlyViews(share, setting.view), setting.batch, setting.workers, setting.device)
        yield Arm(LIGHTLY, "SimCLRTransform as it comes: crop, flip, jitter, grey, blur on PIL images", work)
    if "kornia" in installed:
        few = min(len(pool), 2 * setting.batch)
        does = "RandomAffine, resize, ColorJiggle, eager, on our pool's crops"
        yield Arm("kornia batched, pool", does, rivals.kornia(setting, pool, few))
