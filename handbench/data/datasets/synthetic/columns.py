"""Keys of images go in; random numbers with one row an image come out, drawn in batch.

Every image has its own counter-based stream, so its numbers depend neither on the batch it is made in nor on the number of
images. Each stream is drawn once, as one row of uniform numbers; all transforms then work on whole columns.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from handbench.streams import Draws, Key


class Columns:
    """Rows of uniform numbers in [0, 1), taken column by column from left to right.

    Args:
        numbers: (images, width); the row of an image holds all that its stream will be asked for.
    """

    def __init__(self, numbers: Float[np.ndarray, "images width"]) -> None:
        self._numbers = numbers
        self._taken = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> Float[np.ndarray, "images *shape"]:
        """Numbers from [low, high), (images, *shape)."""
        count = int(np.prod(shape, dtype=np.int64))
        start, self._taken = self._taken, self._taken + count
        if self._taken > self._numbers.shape[1]:
            raise ValueError(f"a stream of {self._numbers.shape[1]} numbers was asked for {self._taken}")
        unit = self._numbers[:, start : self._taken]
        return (low + (high - low) * unit).reshape(len(unit), *shape)

    def normal(
        self, mean: float = 0.0, deviation: float = 1.0, shape: tuple[int, ...] = ()
    ) -> Float[np.ndarray, "images *shape"]:
        """Normal numbers by the Box-Muller transform; two columns a number."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(shape=shape)))
        return np.asarray(mean + deviation * radius * np.cos(2.0 * np.pi * self.uniform(shape=shape)))

    def chance(self, probability: float, shape: tuple[int, ...] = ()) -> Bool[np.ndarray, "images *shape"]:
        """True with the given probability."""
        return self.uniform(shape=shape) < probability

    def choice(self, below: int, shape: tuple[int, ...] = ()) -> Int[np.ndarray, "images *shape"]:
        """Whole numbers from [0, below)."""
        return np.minimum((self.uniform(shape=shape) * below).astype(np.int64), below - 1)


def columns(keys: Sequence[tuple[Key, ...]], width: int) -> Columns:
    """Open the streams of the given keys, `width` numbers each."""
    return Columns(np.stack([Draws(*key).uniform(shape=width) for key in keys]))
