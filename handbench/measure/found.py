"""What probing finds: values by image in; scores with unit, count and spread, and columns of all held-out images, out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.measure.decoding import Off, Read, determination
from handbench.types import Score

Column = Float[Tensor, "_"]


@dataclass(frozen=True)
class Found:
    """What probing found.

    Args:
        scores: over the held-out images.
        samples: the same by held-out image: column name -> one number a row, NaN where an image cannot be scored.
        pairs: true and decoded warps between two views, likewise: rotation (degrees), translation_x, translation_y (share of
            the view's side), log_scale; each with `_true` or `_decoded` behind its name.
    """

    scores: list[Score] = field(default_factory=list)
    samples: Mapping[str, Column] = field(default_factory=dict)
    pairs: Mapping[str, Column] = field(default_factory=dict)


def joined(parts: list[Found]) -> Found:
    """All findings as one, in their order."""
    return Found(
        [score for part in parts for score in part.scores],
        {name: values for part in parts for name, values in part.samples.items()},
        {name: values for part in parts for name, values in part.pairs.items()},
    )


def share(metric: str, hits: Column, excluded: int = 0, protocol: str = "") -> Score:
    """The share of hits (1 or 0, or a chance between), in %."""
    return Score(metric, 100 * hits.double().mean().item(), "%", len(hits), excluded, protocol)


def mean(metric: str, values: Column, unit: str, excluded: int = 0, protocol: str = "", note: str = "") -> Score:
    """The mean and deviation of what is not NaN; NaN counts as excluded."""
    known = values[~values.isnan()].double()
    if not len(known):
        return Score(metric, math.nan, unit, 0, excluded + len(values), protocol, note=note)
    spread = known.std().item() if len(known) > 1 else None
    return Score(metric, known.mean().item(), unit, len(known), excluded + len(values) - len(known), protocol, spread, note)


def readings(
    name: str, decoded: Read, truth: Float[Tensor, "rows outputs"], off: Off, unit: str, excluded: int = 0
) -> list[Score]:
    """`name_error` and `name_r2` of decoded values, and both of the constant answer."""
    scores = []
    for values, suffix in ((decoded.values, ""), (decoded.constant, "/constant")):
        scores.append(mean(f"{name}_error{suffix}", off(values, truth), unit, excluded, "ridge"))
        explained = determination(values, truth)
        scores.append(Score(f"{name}_r2{suffix}", explained, "", len(truth), excluded, "ridge"))
    return scores


def widened(values: Column, where: Bool[Tensor, "rows"]) -> Float[Tensor, "rows"]:
    """A column of all rows from values of some, NaN elsewhere."""
    return torch.full(where.shape, math.nan).masked_scatter(where, values.float())
