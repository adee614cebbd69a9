"""Randomness as a function: a key (seed, stream, epoch, step, …) goes in, the same numbers come out, on every machine.

Nothing is stored, so nothing has to be restored on resume and nothing depends on the order of the work. NumPy freezes the
64-bit words of Philox but not its distributions, so the transforms from words to numbers are ours.
"""

import hashlib
import math

import numpy as np
import numpy.typing as npt

Key = int | str
Floats = npt.NDArray[np.float64]
Shape = int | tuple[int, ...]


def seed_of(*key: Key) -> int:
    """Hash a key to a 63-bit seed, e.g. for `torch.Generator.manual_seed`.

    Example:
        >>> seed_of(0, "views", 3, 17) == seed_of(0, "views", 3, 17), seed_of(1, "x") == seed_of("1", "x")
        (True, False)
    """
    return int.from_bytes(_digest(key)[:8], "little") >> 1


class Draws:
    """A stream of numbers that belongs to one key; drawing moves along the stream, a new object starts it again.

    Source:
        Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox).
    """

    def __init__(self, *key: Key) -> None:
        words = np.frombuffer(_digest(key), np.uint64)
        self._philox = np.random.Philox(key=words[:2])

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: Shape = ()) -> Floats:
        """Draw from [low, high) with 53 random bits a number."""
        words = np.asarray(self._philox.random_raw(_count(shape)), np.uint64)
        unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return (low + (high - low) * unit).reshape(shape)

    def normal(self, mean: float = 0.0, deviation: float = 1.0, shape: Shape = ()) -> Floats:
        """Draw from a normal distribution by the Box-Muller transform; two words a number."""
        count = _count(shape)
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(shape=count)))
        standard = radius * np.cos(2.0 * math.pi * self.uniform(shape=count))
        return (mean + deviation * standard).reshape(shape)

    def integers(self, below: int, shape: Shape = ()) -> npt.NDArray[np.int64]:
        """Draw whole numbers from [0, below); the bias of scaling 53 bits is under below / 2^53."""
        return np.minimum(self.uniform(0.0, below, shape).astype(np.int64), below - 1)

    def permutation(self, count: int) -> npt.NDArray[np.int64]:
        """Order 0 … count-1 at random: the order of as many random words."""
        words = np.asarray(self._philox.random_raw(count), np.uint64)
        return np.argsort(words, kind="stable").astype(np.int64)


def _digest(key: tuple[Key, ...]) -> bytes:
    return hashlib.blake2b(repr(key).encode(), digest_size=16).digest()


def _count(shape: Shape) -> int:
    return math.prod(shape) if isinstance(shape, tuple) else shape
