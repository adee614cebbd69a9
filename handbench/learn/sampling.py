"""Which images a step sees: rows of one or several datasets in; the rows of (epoch, step) out, as a function of the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from handbench.errors import DataError
from handbench.streams import Draws


@dataclass(frozen=True)
class Sampler:
    """Draws batches: a fresh order of all rows in every epoch for one dataset, draws with replacement by weight for several.

    Args:
        counts: rows each dataset offers.
        weights: of each dataset in the mixture.
        batch: rows a step sees.
        seed: of the run.

    Source:
        PeCLR draws FreiHAND and YouTube-3D-Hands 50:50 with replacement.
    """

    counts: tuple[int, ...]
    weights: tuple[float, ...]
    batch: int
    seed: int

    def __post_init__(self) -> None:
        total = sum(self.counts)
        if total < self.batch:
            raise DataError(
                f"{total} training images are fewer than one batch of {self.batch}; lower it (--set pretrain.batch=…), "
                "choose --budget smoke, or add images"
            )

    @property
    def steps(self) -> int:
        """Steps in an epoch; the last, incomplete batch is left out (the next epoch has another order)."""
        return sum(self.counts) // self.batch

    def rows(self, epoch: int, step: int) -> list[Int[np.ndarray, "_"]]:
        """Positions within each dataset's rows that a step sees; empty arrays for those it does not."""
        if len(self.counts) == 1:
            order = _order(self.seed, epoch, self.counts[0])
            return [order[step * self.batch : (step + 1) * self.batch]]
        draws = Draws(self.seed, "mixture", epoch, step)
        shares = np.cumsum(self.weights) / sum(self.weights)
        chosen = np.minimum(np.searchsorted(shares, draws.uniform(shape=self.batch), side="right"), len(self.counts) - 1)
        within = draws.uniform(shape=self.batch)
        return [(within[chosen == place] * count).astype(np.int64) for place, count in enumerate(self.counts)]


def micro_batch(rows: Sequence[Int[np.ndarray, "_"]], part: int, parts: int) -> list[Int[np.ndarray, "_"]]:
    """The part-th of `parts` equal shares of a step's rows, over all datasets together."""
    owners = np.repeat(np.arange(len(rows)), [len(chosen) for chosen in rows])
    joined = np.concatenate(rows)
    mine = np.arange(part, len(joined), parts)
    return [joined[mine][owners[mine] == place] for place in range(len(rows))]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Int[np.ndarray, "count"]:
    return Draws(seed, "order", epoch).permutation(count)
