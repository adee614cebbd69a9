"""What an objective sees: a recipe's components in; rows of source crops and the views drawn from them, as a picture, out.

Only the samples shown are read: nothing is packed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handbench.assembly import Assembly, make_augmentations
from handbench.data.cropping import crop
from handbench.data.material import crop_side
from handbench.data.pool import Known
from handbench.data.sheets import Picture, pick, png, rows_sheet
from handbench.data.table import tabulate
from handbench.errors import DataError
from handbench.learn.views import generator_of, make_views
from handbench.protocols import Dataset
from handbench.settings import Recipe
from handbench.types import Batch, Sample, Views


def views_sheet(recipe: Recipe, assembly: Assembly, rows: int, count: int | None, side: int) -> bytes:
    """Draw samples spread evenly over the dataset and the views that pre-training could make of them.

    Args:
        recipe: size and fill of a view, seed.
        assembly: the dataset, the objective and the augmentations.
        rows: samples.
        count: views of each; None for as many as the objective wants.
        side: pixels of a tile.

    Returns:
        A PNG file.

    Raises:
        DataError: no sample can be read.
    """
    dataset, size = assembly.labelled.dataset, recipe.pretrain.view
    samples = [sample for sample in pick(dataset, rows) if isinstance(sample, Sample)]
    if not samples:
        raise DataError(f"dataset '{recipe.dataset.name}': none of {rows} samples can be read")
    batch = _batch(dataset, samples, crop_side(size, dataset.context))
    count = count or max(assembly.objective.resolved.target.views, 1)
    generator = generator_of(batch, recipe.seed, "sheet")
    seen = make_views(batch, make_augmentations(assembly), count, size, generator, recipe.pretrain.fill)
    heads = ["packed crop, window", *(f"view {number}" for number in range(1, count + 1))]
    return png(rows_sheet([_row(sample, place, batch, seen) for place, sample in enumerate(samples)], heads, side))


def _batch(dataset: Dataset, samples: Sequence[Sample], side: int) -> Batch:
    """Crops and targets as the pool would give them."""
    cuts = [crop(sample, side, dataset.context) for sample in samples]
    labels = tabulate(samples, [cut.matrix for cut in cuts])
    targets = Known(labels, torch.device("cpu")).at(torch.arange(len(samples)))
    return Batch(torch.from_numpy(np.stack([cut.image for cut in cuts])), side / dataset.context, targets)


def _row(sample: Sample, place: int, batch: Batch, seen: Views) -> tuple[str, list[Picture]]:
    """A sample's name, its crop and its views; joints that are not valid are not drawn."""
    known = seen.targets
    shown = torch.stack([known.joints_2d[place], *seen.joints_2d[:, place]])
    joints = shown.masked_fill(~known.valid[place][:, None], torch.nan).double().numpy()
    source = Picture(batch.images[place].numpy(), joints[0], batch.window)
    views = [Picture(_bytes(image), points) for image, points in zip(seen.images[:, place], joints[1:], strict=True)]
    name = f"{sample.key}, left hand: views are mirrored" if known.left[place] else sample.key
    return name, [source, *views]


def _bytes(image: Float[Tensor, "3 side side"]) -> UInt8[np.ndarray, "side side 3"]:
    return np.asarray((255 * image).round().to(torch.uint8).movedim(0, -1).contiguous().numpy())
