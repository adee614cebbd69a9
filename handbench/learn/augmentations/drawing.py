"""What the augmentations draw with: a generator in; numbers on its device, and filters applied to the drawn samples only, out.

Also the checks that their settings share. Nothing here makes a GPU wait for the host.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CHUNK = 8  # images changed at a time on the CPU: they stay in its caches, and memory is used again instead of asked for

Selection = Int[Tensor, "drawn"] | slice
Change = Callable[[Tensor, Selection], Tensor]


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Float[Tensor, "count"]:
    """Draw one number a sample from [low, high)."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def chance(count: int, probability: float, generator: torch.Generator) -> Bool[Tensor, "count"]:
    """Draw which samples are changed."""
    return torch.rand(count, generator=generator, device=generator.device) < probability


def change_drawn(images: Float[Tensor, "batch 3 height width"], drawn: Bool[Tensor, "batch"], change: Change) -> Tensor:
    """Apply a change to the drawn images only, in place where that is possible.

    On the CPU only they are computed. On a GPU counting them would make the host wait for it, so all are computed and the
    drawn ones taken.

    Args:
        images: all images.
        drawn: which of them change.
        change: (images, selection) -> changed images; the selection picks the same samples' parameters.
    """
    if drawn.device.type == "cpu":
        for rows in drawn.nonzero()[:, 0].split(CHUNK):
            chosen = images.movedim(1, -1).index_select(0, rows).movedim(-1, 1)  # channels last, as views are made
            images.movedim(1, -1).index_copy_(0, rows, change(chosen, rows).movedim(1, -1))
        return images
    return torch.where(drawn[:, None, None, None], change(images, slice(None)), images)


def constant(values: tuple[float, ...], device: torch.device) -> Float[Tensor, "values"]:
    """Fixed numbers on a device, filled in there: to copy them from the host would make it wait."""
    return torch.stack([torch.full((), value, device=device) for value in values])


def check_probability(probability: float) -> None:
    """Raise ValueError unless it is in [0, 1]."""
    if not 0 <= probability <= 1:
        raise ValueError(f"probability = {probability} must be in [0, 1]")


def check_range(low: float, high: float, least: float, most: float, name: str = "smallest, largest") -> None:
    """Raise ValueError unless least <= low <= high <= most."""
    if low > high:
        raise ValueError(f"{name} = {low}, {high} is upside down: the smaller number comes first")
    if not (least <= low and high <= most):
        raise ValueError(f"{name} = {low}, {high} must lie in [{least:g}, {most:g}]")
