"""Views: a batch of packed crops and a list of augmentations in; warped, recoloured images and their warps out.

Warps compose to one matrix per view and the pixels are sampled once; colours listed before any filter are applied while
sampling, and so, on a CPU, are filters that work in bytes. Parameters are drawn on the generator's device, which should be the
batch's: nothing then waits for the host. The same key gives the same views on one kind of device.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, takewhile

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handbench.geometry import in_full_precision, pixel_from_window, window_from_pixel
from handbench.learn.resampling import apply_colour, resample
from handbench.protocols import Augmentation, Bytewise
from handbench.settings import Fill
from handbench.streams import seed_of
from handbench.types import Batch, Views

CHUNK = 256  # images made at a time when nothing is trained
Rows = Int[np.ndarray, "rows"]


def make_views(
    batch: Batch,
    augmentations: Sequence[Augmentation],
    count: int,
    size: int,
    generator: torch.Generator,
    fill: Fill = "reflect",
) -> Views:
    """Draw `count` views of every image.

    Args:
        batch: packed crops on any device.
        augmentations: warps first act in the order listed; colours and filters then act in theirs.
        count: views of each image.
        size: side of a view in pixels.
        generator: on the batch's device; the draw is a function of its state.
        fill: what lies outside a crop.
    """
    with in_full_precision(batch.images.device):
        drawn, frame = count * len(batch.images), window_frame(batch)
        window = _warp(augmentations, drawn, generator).to(frame.device).unflatten(0, (count, -1))
        warps = pixel_from_window(size, like=frame) @ window @ frame
        appearance = [augmentation for augmentation in augmentations if augmentation.kind != "warp"]
        first = list(takewhile(lambda augmentation: augmentation.kind == "colour", appearance))
        colour = _colour(first, drawn, generator)
        colour = None if colour is None else colour.to(frame.device).unflatten(0, (count, -1))
        others = appearance[len(first) :]
        bytewise = list(takewhile(lambda one: isinstance(one, Bytewise), others)) if frame.device.type == "cpu" else []
        changes = [one.in_bytes(drawn, generator) for one in bytewise]  # type: ignore[attr-defined]
        images = resample(batch.images, warps, size, fill, colour, changes)
        images = recolour(images.flatten(0, 1), others[len(bytewise) :], generator).unflatten(0, (count, -1))
    return Views(images, warps, frame, batch.targets)


def plain_views(batch: Batch, size: int, turn: Float[Tensor, "batch 3 3"] | None = None, fill: Fill = "reflect") -> Views:
    """One view of every image, of the nominal window; `turn` is a further warp in window coordinates."""
    with in_full_precision(batch.images.device):
        frame = window_frame(batch)
        window = frame if turn is None else turn.to(frame.device) @ frame
        warps = (pixel_from_window(size, like=frame) @ window)[None]
        return Views(resample(batch.images, warps, size, fill), warps, frame, batch.targets)


def window_frame(batch: Batch) -> Float[Tensor, "batch 3 3"]:
    """Pixel of the packed crop -> window coordinates: the nominal window, centred in the crop, becomes [-1, 1] x [-1, 1].

    Left hands are mirrored here, so that every view shows a right hand, its joints and camera move by the same matrix, and no
    objective meets a mirror between two views.
    """
    sign = 1.0 - 2.0 * batch.targets.left.float()
    one, side = torch.ones_like(sign), batch.images.shape[1]
    enlarge = torch.stack([sign * (side / batch.window), one * (side / batch.window), one], -1).diag_embed()
    return enlarge @ window_from_pixel(side, like=sign)


def recolour(
    images: Float[Tensor, "batch 3 height width"], augmentations: Sequence[Augmentation], generator: torch.Generator
) -> Float[Tensor, "batch 3 height width"]:
    """Apply colours and filters in the order listed; neighbouring colours become one matrix. Images may change in place."""
    for kind, group in groupby(augmentations, key=lambda augmentation: augmentation.kind):
        if kind == "colour":
            colour = _colour(list(group), len(images), generator)
            images = images if colour is None else apply_colour(images, colour.to(images.device))
        else:
            for augmentation in group:
                images = augmentation.apply(images, generator)  # type: ignore[attr-defined]
    return images


def _warp(augmentations: Sequence[Augmentation], count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
    """Draw warps and compose them, the first listed acting first."""
    window = torch.eye(3, device=generator.device).expand(count, 3, 3)
    for augmentation in augmentations:
        if augmentation.kind == "warp":
            window = augmentation.draw(count, generator) @ window  # type: ignore[attr-defined]
    return window


def _colour(colours: Sequence[Augmentation], count: int, generator: torch.Generator) -> Float[Tensor, "count 3 4"] | None:
    """Draw colours and compose them; None where there are none."""
    matrices = [augmentation.draw(count, generator) for augmentation in colours]  # type: ignore[attr-defined]
    return compose_colours(matrices) if matrices else None


def compose_colours(matrices: Sequence[Float[Tensor, "batch 3 4"]]) -> Float[Tensor, "batch 3 4"]:
    """The one map that equals the matrices applied from first to last, but for the clipping in between."""
    first, *rest = matrices
    for matrix in rest:
        offset = matrix[..., :3] @ first[..., 3:] + matrix[..., 3:]
        first = torch.cat([matrix[..., :3] @ first[..., :3], offset], -1)
    return first


def concatenate(parts: Sequence[Views]) -> Views:
    """Views of several sources as one batch."""
    if len(parts) == 1:
        return parts[0]
    targets = type(parts[0].targets)(
        **{name: torch.cat([getattr(part.targets, name) for part in parts]) for name in vars(parts[0].targets)}
    )
    images = torch.cat([part.images.movedim(2, -1) for part in parts], 1).movedim(-1, 2)  # channels last, as they were made
    warps = torch.cat([part.warps for part in parts], 1)
    return Views(images, warps, torch.cat([part.frame for part in parts]), targets)


def plain_batches(
    batch_of: Callable[[Rows], Batch],
    rows: Rows,
    size: int,
    turns: Float[Tensor, "rows 3 3"] | None = None,
    fill: Fill = "reflect",
) -> Iterator[Views]:
    """The nominal window of each row, in batches; `turns` are further warps in window coordinates, one a row."""
    for start in range(0, len(rows), CHUNK):
        here = slice(start, start + CHUNK)
        yield plain_views(batch_of(rows[here]), size, None if turns is None else turns[here], fill)


def augmented_batches(
    batch_of: Callable[[Rows], Batch],
    rows: Rows,
    size: int,
    augmentations: Sequence[Augmentation],
    *key: int | str,
    fill: Fill = "reflect",
) -> Iterator[Views]:
    """One augmented view of each row, in batches; the draws belong to the key."""
    for start in range(0, len(rows), CHUNK):
        batch = batch_of(rows[start : start + CHUNK])
        yield make_views(batch, augmentations, 1, size, generator_of(batch, *key, start), fill)


def generator_of(batch: Batch, *key: int | str) -> torch.Generator:
    """The generator that belongs to a key, on the batch's device."""
    return torch.Generator(batch.images.device).manual_seed(seed_of(*key))
