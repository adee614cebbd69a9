"""A run's record goes in; what its other files hold comes out, empty where an older or damaged run has no such file."""

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Run = Mapping[str, Any]


class Undrawable(Exception):
    """The records do not hold what a figure needs; the message says what is missing, for the reader of the page."""


def curves_of(run: Run) -> Mapping[str, Any]:
    """The run's curves.json; empty where there is none."""
    try:
        found = json.loads((_folder(run) / "curves.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def history_of(run: Run) -> Mapping[str, list[float]]:
    """The columns of the run's metrics.csv, one number an epoch; empty where there is none."""
    try:
        with (_folder(run) / "metrics.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = [row for row in csv.reader(file) if row]
        return {name: [float(row[place] or "nan") for row in rows] for place, name in enumerate(head)}
    except (OSError, ValueError, IndexError):
        return {}


def arrays_of(run: Run, name: str, wanted: Sequence[str]) -> Mapping[str, npt.NDArray[Any]]:
    """The wanted arrays of one of the run's .npz files; empty where one is missing. Nothing is unpickled."""
    try:
        with (_folder(run) / name).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in wanted}
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError):
        return {}


def _folder(run: Run) -> Path:
    """Where the run lies; a record that did not come from a folder has no files."""
    return Path(run["folder"]) if run.get("folder") else Path("/nonexistent")
