"""Views: a batch of packed crops and a list of augmentations in; warped, recoloured images and their warps out.

Warps compose to one matrix per view and the pixels are sampled once. Parameters are drawn on the CPU whatever the
device, so that a run sees the same views everywhere.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from handbench.geometry import pixel_from_window, scaling, window_from_pixel
from handbench.protocols import Augmentation
from handbench.streams import seed_of
from handbench.types import Batch, Views

CHUNK = 256  # images made at a time when nothing is trained
Rows = Int[np.ndarray, "rows"]


def make_views(batch: Batch, augmentations: Sequence[Augmentation], count: int, size: int, generator: torch.Generator) -> Views:
    """Draw `count` views of every image.

    Args:
        batch: packed crops on any device.
        augmentations: warps first act in the order listed; colours and filters then act in theirs.
        count: views of each image.
        size: side of a view in pixels.
        generator: on the CPU; the draw is a function of its state.
    """
    drawn = count * len(batch.images)
    window = torch.eye(3).expand(drawn, 3, 3)
    for augmentation in augmentations:
        if augmentation.kind == "warp":
            window = augmentation.draw(drawn, generator) @ window  # type: ignore[attr-defined]
    frame = window_frame(batch)
    warps = pixel_from_window(size, like=window) @ window @ frame
    warps = warps.unflatten(0, (count, -1)).to(batch.images.device)
    images = torch.stack([sample(batch.images, warp, size) for warp in warps])
    images = recolour(images.flatten(0, 1), augmentations, generator).unflatten(0, (count, -1))
    return Views(images, warps, frame.expand(len(batch.images), 3, 3).to(batch.images.device), batch.targets)


def plain_views(batch: Batch, size: int, turn: Float[Tensor, "batch 3 3"] | None = None) -> Views:
    """One view of every image, of the nominal window; `turn` is a further warp in window coordinates."""
    frame = window_frame(batch)
    window = frame.expand(len(batch.images), 3, 3) if turn is None else turn @ frame
    warps = (pixel_from_window(size, like=frame) @ window).to(batch.images.device)
    images = sample(batch.images, warps, size)
    return Views(images[None], warps[None], frame.expand(len(batch.images), 3, 3).to(warps.device), batch.targets)


def window_frame(batch: Batch) -> Float[Tensor, "3 3"]:
    """Pixel of the packed crop -> window coordinates: the nominal window, centred in the crop, becomes [-1, 1] x [-1, 1]."""
    side = batch.images.shape[1]
    return scaling(torch.tensor(side / batch.window)) @ window_from_pixel(side, like=torch.ones(()))


def sample(
    images: UInt8[Tensor, "batch side side 3"], warps: Float[Tensor, "batch 3 3"], size: int
) -> Float[Tensor, "batch 3 size size"]:
    """Resample crops under affine warps once, bilinear.

    What lies outside a crop is its reflection: black corners would betray the angle.

    Returns:
        RGB in [0, 1].
    """
    source = window_from_pixel(images.shape[1], like=warps)
    back = source @ torch.linalg.inv(warps) @ pixel_from_window(size, like=warps)
    grid = functional.affine_grid(back[:, :2], [len(images), 3, size, size], align_corners=False)
    pixels = images.permute(0, 3, 1, 2).float().mul_(1 / 255)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def recolour(
    images: Float[Tensor, "batch 3 height width"], augmentations: Sequence[Augmentation], generator: torch.Generator
) -> Float[Tensor, "batch 3 height width"]:
    """Apply colours and filters in the order listed; neighbouring colours become one matrix."""
    appearance = [augmentation for augmentation in augmentations if augmentation.kind != "warp"]
    for kind, group in groupby(appearance, key=lambda augmentation: augmentation.kind):
        if kind == "colour":
            matrices = [augmentation.draw(len(images), generator) for augmentation in group]  # type: ignore[attr-defined]
            images = apply_colour(images, compose_colours(matrices).to(images.device))
        else:
            for augmentation in group:
                images = augmentation.apply(images, generator)  # type: ignore[attr-defined]
    return images


def compose_colours(matrices: Sequence[Float[Tensor, "batch 3 4"]]) -> Float[Tensor, "batch 3 4"]:
    """The one map that equals the matrices applied from first to last."""
    first, *rest = matrices
    for matrix in rest:
        offset = matrix[..., :3] @ first[..., 3:] + matrix[..., 3:]
        first = torch.cat([matrix[..., :3] @ first[..., :3], offset], -1)
    return first


def apply_colour(
    images: Float[Tensor, "batch 3 height width"], matrix: Float[Tensor, "batch 3 4"]
) -> Float[Tensor, "batch 3 height width"]:
    """Map RGB by each image's matrix and clip to [0, 1]."""
    mapped = torch.baddbmm(matrix[..., 3:], matrix[..., :3], images.flatten(2))
    return mapped.clamp_(0, 1).view_as(images)


def concatenate(parts: Sequence[Views]) -> Views:
    """Views of several sources as one batch."""
    if len(parts) == 1:
        return parts[0]
    targets = type(parts[0].targets)(
        **{name: torch.cat([getattr(part.targets, name) for part in parts]) for name in vars(parts[0].targets)}
    )
    images, warps = (torch.cat([getattr(part, name) for part in parts], 1) for name in ("images", "warps"))
    return Views(images, warps, torch.cat([part.frame for part in parts]), targets)


def plain_batches(
    batch_of: Callable[[Rows], Batch], rows: Rows, size: int, turns: Float[Tensor, "rows 3 3"] | None = None
) -> Iterator[Views]:
    """The nominal window of each row, in batches; `turns` are further warps in window coordinates, one a row."""
    for start in range(0, len(rows), CHUNK):
        here = slice(start, start + CHUNK)
        yield plain_views(batch_of(rows[here]), size, None if turns is None else turns[here])


def augmented_batches(
    batch_of: Callable[[Rows], Batch], rows: Rows, size: int, augmentations: Sequence[Augmentation], *key: int | str
) -> Iterator[Views]:
    """One augmented view of each row, in batches; the draws belong to the key."""
    for start in range(0, len(rows), CHUNK):
        generator = torch.Generator().manual_seed(seed_of(*key, start))
        yield make_views(batch_of(rows[start : start + CHUNK]), augmentations, 1, size, generator)
