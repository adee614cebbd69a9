"""The `hands.npz` of runs goes in; hierarchical-bootstrap intervals of means and of paired differences come out.

A run's file names for each test hand its cluster (what must not be split when resampling: a person, else a video) and its errors.
Runs scored on the same hands hold the same bytes there, which the archive's checksums tell without reading them.
"""

import math
import zipfile
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from handbench.results.statistics import cluster_bootstrap, cluster_sums
from handbench.results.tidy import Run

HANDS_FILE = "hands.npz"
CLOSE = 1e-3  # a column belongs to a score when its mean is the score, relatively, but for rounding

Name = TypeVar("Name", bound=Hashable)
Errors = Float[np.ndarray, "hands"]
Clusters = Int[np.ndarray, "hands"]


@dataclass(frozen=True)
class Hands:
    """The test hands of one run.

    Args:
        same: equal for runs that were scored on the same hands in the same order.
        errors: of each hand, in the unit of the score; NaN where excluded.
    """

    same: tuple[int, ...]
    errors: Errors


@dataclass
class HandErrors:
    """Reads each file once and keeps what it held: opening it for each metric would take most of a report's time."""

    _clusters: dict[tuple[int, ...], Sequence[str]] = field(default_factory=dict)
    _files: dict[str, dict[str, tuple[Hands, float]]] = field(default_factory=dict)

    def of(self, record: Run, metric: str, value: float) -> Hands | None:
        """The errors behind a run's score; None where its directory holds none, or none whose mean is the score."""
        folder = str(record.get("folder", ""))
        if folder not in self._files:
            self._files[folder] = self._read(Path(folder) / HANDS_FILE) if folder else {}
        hands, mean = self._files[folder].get(metric, (None, math.nan))
        return hands if math.isclose(mean, value, rel_tol=CLOSE) else None

    def sums(self, hands: Sequence[Hands]) -> tuple[Float[np.ndarray, "seeds clusters"], Float[np.ndarray, "seeds clusters"]]:
        """Sums and counts of the errors by seed and cluster, over the clusters of all seeds."""
        codes, number = self._codes([one.same for one in hands])
        parts = [cluster_sums(one.errors, own, number) for one, own in zip(hands, codes, strict=True)]
        return np.stack([sums for sums, _ in parts]), np.stack([counts for _, counts in parts])

    def _codes(self, same: Sequence[tuple[int, ...]]) -> tuple[list[Clusters], int]:
        distinct = list(dict.fromkeys(same))
        codes, names = pd.factorize(np.concatenate([np.asarray(self._clusters[key]) for key in distinct]))
        ends = np.cumsum([len(self._clusters[key]) for key in distinct])[:-1]
        own = dict(zip(distinct, np.split(codes, ends), strict=True))
        return [own[key] for key in same], len(names)

    def _read(self, path: Path) -> dict[str, tuple[Hands, float]]:
        """The columns of a file and their means; nothing where it is missing or damaged, and the table shows no such interval."""
        try:
            with zipfile.ZipFile(path) as archive:
                infos = [archive.getinfo(f"{name}.npy") for name in ("key", "cluster")]
                same = tuple(number for info in infos for number in (info.CRC, info.file_size))
                if same not in self._clusters:
                    self._clusters[same] = _array(archive, "cluster").tolist()
                names = {name.removesuffix(".npy") for name in archive.namelist()} - {"key", "cluster"}
                columns = {name: _array(archive, name).astype(np.float64) for name in sorted(names)}
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return {}
        known = {name: errors for name, errors in columns.items() if np.isfinite(errors).any()}
        return {name: (Hands(same, errors), float(np.nanmean(errors))) for name, errors in known.items()}


def paired(first: Hands, second: Hands) -> Hands | None:
    """Errors of one run minus those of another, hand by hand; None where they were scored on different hands."""
    return Hands(first.same, first.errors - second.errors) if first.same == second.same else None


def intervals(files: HandErrors, asked: Mapping[Name, Sequence[Hands | None]]) -> dict[Name, tuple[float, float]]:
    """Intervals of means over seeds and clusters.

    Args:
        files: which the hands came from.
        asked: by any name, one Hands a seed; where one is None there is no interval.

    Returns:
        Low and high for the names that have one.
    """
    ready = {name: files.sums([one for one in hands if one]) for name, hands in asked.items() if hands and all(hands)}
    shapes: dict[tuple[int, ...], list[Name]] = {}
    for name, (sums, _) in ready.items():
        shapes.setdefault(sums.shape, []).append(name)
    found: dict[Name, tuple[float, float]] = {}
    for names in shapes.values():
        for chunk in _chunks(names, 16):
            ends = cluster_bootstrap(np.stack([ready[name][0] for name in chunk]), np.stack([ready[name][1] for name in chunk]))
            found |= {
                name: (float(low), float(high)) for name, (low, high) in zip(chunk, ends, strict=True) if math.isfinite(low)
            }
    return found


def _chunks(names: Sequence[Name], size: int) -> Iterable[Sequence[Name]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array
