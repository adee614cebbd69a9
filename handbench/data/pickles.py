"""A pickle of arrays in, the arrays out, without running any of the code that a pickle may name.

Hand datasets and body models are handed out as pickles of Python 2, some full of objects of other libraries. Arrays are rebuilt;
every other object becomes a Husk that keeps the state it was given.
"""

import io
import pickle
from pathlib import Path
from typing import Any

from handbench.errors import DataError

BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, pickle.UnpicklingError)
_PLAIN = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
}


class Husk:
    """Stands for an object whose class is not loaded; `vars` of it are the state it was given."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            vars(self).update(state)


def read_pickle(path: Path) -> Any:
    """Read a pickle of plain values and arrays, of Python 2 or 3.

    Raises:
        DataError: missing, or no pickle.
    """
    try:
        return _Reader(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except BROKEN as error:
        raise DataError(f"{path}: is no pickle that can be read ({type(error).__name__}: {error})") from error


class _Reader(pickle.Unpickler):
    """Rebuilds arrays and nothing else: no name in the file can make it call other code."""

    def find_class(self, module: str, name: str) -> Any:
        """The few functions that arrays need; a husk for everything else."""
        return super().find_class(module, name) if (module, name) in _PLAIN else Husk
