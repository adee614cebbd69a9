"""Pairs of views: how far apart they may be in; warps of two views of each image, and what took the first to the second, out.

Every view stays within the nominal window: what fills a view's corners beyond it would betray the warp without a look at the
hand. So content is enlarged before it is turned or shifted, by as much as the largest turn or shift needs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.geometry import rotation, scaling, translation
from handbench.streams import Draws


@dataclass(frozen=True)
class Pairs:
    """Warps of two views of each image, in window coordinates."""

    first: Float[Tensor, "rows 3 3"]
    second: Float[Tensor, "rows 3 3"]

    def __iter__(self) -> Iterator[Float[Tensor, "rows 3 3"]]:
        yield from (self.first, self.second)

    @property
    def relative(self) -> Float[Tensor, "rows 3 3"]:
        """The warp from the first view to the second."""
        warps: Tensor = self.second @ torch.linalg.inv(self.first)
        return warps

    @property
    def turn(self) -> Float[Tensor, "rows"]:
        """Radians from the first view to the second, counter-clockwise, in (-π, π]."""
        relative = self.relative
        return torch.atan2(relative[:, 0, 1], relative[:, 0, 0])

    @property
    def shift(self) -> Float[Tensor, "rows 2"]:
        """By how much the content of the window's centre lies elsewhere in the second view: share of the view's side."""
        displaced: Tensor = (self.second[:, :2, 2] - self.first[:, :2, 2]) / 2
        return displaced

    @property
    def log_scale(self) -> Float[Tensor, "rows"]:
        """The natural logarithm of the content's size in the second view over that in the first."""
        area: Tensor = torch.linalg.det(self.relative[:, :2, :2])
        return area.log() / 2


def turned(count: int, degrees: float, *key: int | str) -> Pairs:
    """Pairs whose views are each turned by up to ± so many degrees; the draws belong to the key."""
    limit = math.radians(degrees)
    angles = torch.from_numpy(Draws(*key).uniform(-limit, limit, (2, count))).float()
    inside = scaling(torch.tensor(inscribed(limit)))
    first, second = (inside @ rotation(turn) for turn in angles)
    return Pairs(first, second)


def moved(count: int, share: float, ratio: float, *key: int | str) -> Pairs:
    """Pairs whose views are each shifted by up to ± a share of the side along x and y, and enlarged, at most `ratio` apart.

    A shift of t in window coordinates needs content enlarged by 1 + t; from there sizes are drawn log-uniformly.
    """
    draws = Draws(*key)
    shift = torch.from_numpy(draws.uniform(-2 * share, 2 * share, (2, 2, count))).float()
    size = (1 + 2 * share) * torch.from_numpy(draws.uniform(0.0, math.log(ratio), (2, count))).exp().float()
    first, second = (translation(*along) @ scaling(factor) for along, factor in zip(shift, size, strict=True))
    return Pairs(first, second)


def inscribed(limit: float) -> float:
    """How much to enlarge the content so that a view turned by up to `limit` radians stays within the window.

    Example:
        >>> round(inscribed(math.pi), 4), inscribed(0.0)
        (1.4142, 1.0)
    """
    widest = min(limit, math.pi / 4)
    return math.cos(widest) + math.sin(widest)
