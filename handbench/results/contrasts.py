"""The runs of a table's cells go in; means, paired differences, corrected p-values and the group of the best come out.

Two families of tests are made for each metric of a table, each corrected by Holm: every row against the reference, and, within
each block of rows that compete, every row against the one with the best mean. Where a family has too few seeds for its size
there is no p and nothing is bold.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handbench.results import statistics
from handbench.results.comparison import Cell, Difference, Interval
from handbench.results.directions import Better
from handbench.results.hand_errors import HandErrors, Hands, intervals, paired
from handbench.results.tidy import Run

Address = tuple[int, int]  # row and column of the table


@dataclass(frozen=True)
class Sample:
    """The runs of one cell: for each seed, in order, its record and the score that the column shows."""

    records: tuple[Run, ...]
    scores: tuple[Mapping[str, Any], ...]

    @property
    def values(self) -> dict[int, float]:
        """Finite values by seed."""
        pairs = zip(self.records, self.scores, strict=True)
        return {record["seed"]: float(score["value"]) for record, score in pairs if math.isfinite(score["value"])}

    @property
    def lost(self) -> tuple[str, ...]:
        """Runs whose value is not a finite number."""
        pairs = zip(self.records, self.scores, strict=True)
        return tuple(record["id"] for record, score in pairs if not math.isfinite(score["value"]))

    def hands(self, files: HandErrors, metric: str) -> dict[int, Hands | None]:
        """The errors of the test hands by seed, where the runs' directories hold them."""
        values = self.values
        return {run["seed"]: files.of(run, metric, values[run["seed"]]) for run in self.records if run["seed"] in values}


@dataclass(frozen=True)
class Contrast:
    """Two cells to compare: this one, the reference, and the reference's row labels."""

    at: Address
    to: Address
    labels: tuple[str, ...]


def pairs(first: Sample, second: Sample) -> tuple[np.ndarray, int]:
    """Differences on the seeds that both have, in their order, and the number of seeds that only one has or lost.

    Runs of one seed on different data are no pair.
    """
    ours, theirs = first.values, second.values
    data = [{run["seed"]: run["data"].get("fingerprint") for run in sample.records} for sample in (first, second)]
    both = [seed for seed in sorted(ours.keys() & theirs.keys()) if data[0][seed] == data[1][seed]]
    every = {run["seed"] for sample in (first, second) for run in sample.records}
    return np.array([ours[seed] - theirs[seed] for seed in both]), len(every) - len(both)


def cells_of(samples: Mapping[Address, Sample], metrics: Sequence[str], files: HandErrors) -> dict[Address, Cell]:
    """Mean, spread and intervals of each cell, without what comes of comparing it.

    Args:
        samples: by place in the table.
        metrics: of the columns.
        files: where errors by hand come from.
    """
    asked = {at: list(sample.hands(files, metrics[at[1]]).values()) for at, sample in samples.items()}
    clustered = intervals(files, asked)
    return {at: _cell(sample, clustered.get(at)) for at, sample in samples.items()}


def differences_of(
    samples: Mapping[Address, Sample], contrasts: Sequence[Contrast], metric: str, better: Better, files: HandErrors
) -> dict[Address, Difference]:
    """One family of paired differences, their p-values corrected together; a contrast without a common seed has none."""
    found = [(contrast, *pairs(samples[contrast.at], samples[contrast.to])) for contrast in contrasts]
    found = [(contrast, gaps, dropped) for contrast, gaps, dropped in found if len(gaps)]
    small = [statistics.too_small(len(gaps), len(found)) for _, gaps, _ in found]
    raw = [math.nan if few else statistics.sign_flip_p(gaps) for (_, gaps, _), few in zip(found, small, strict=True)]
    clustered = _clustered(samples, [contrast for contrast, _, _ in found], metric, files)
    return {
        contrast.at: Difference(
            to=contrast.labels,
            n=len(gaps),
            dropped=dropped,
            mean=float(gaps.mean()),
            interval=Interval(*statistics.mean_interval(gaps)),
            clustered=clustered.get(contrast.at),
            effect=statistics.effect_size(gaps),
            p=p,
            small=few,
            improvement=statistics.improvement(gaps, better == "lower") if better else math.nan,
            values=tuple(gaps.tolist()),
        )
        for (contrast, gaps, dropped), few, p in zip(found, small, statistics.holm(raw), strict=True)
    }


def best_of(samples: Mapping[Address, Sample], blocks: Iterable[Sequence[Address]], better: Better) -> set[Address]:
    """The cells that cannot be told from the best of their block; a block in which nothing can be told has none.

    Args:
        samples: by place in the table.
        blocks: cells of one metric that compete with each other; all tests in all blocks are corrected together.
        better: which way is better; where neither is, nothing is best.
    """
    if not better:
        return set()
    competing = [found for block in blocks if len(found := [at for at in block if at in samples]) > 1]
    leaders = [_leader(samples, block, better) for block in competing]
    tests = [(block, at, leader) for block, leader in enumerate(leaders) if leader for at in competing[block] if at != leader]
    gaps = [pairs(samples[at], samples[leader])[0] for _, at, leader in tests]
    dumb = {block for (block, _, _), gap in zip(tests, gaps, strict=True) if statistics.too_small(len(gap), len(tests))}
    raw = [math.nan if block in dumb else statistics.sign_flip_p(gap) for (block, _, _), gap in zip(tests, gaps, strict=True)]
    adjusted = statistics.holm(raw)
    ties = {at for (block, at, _), p in zip(tests, adjusted, strict=True) if block not in dumb and p > statistics.ALPHA}
    return ties | {leader for block, leader in enumerate(leaders) if leader and block not in dumb}


def _leader(samples: Mapping[Address, Sample], block: Sequence[Address], better: Better) -> Address | None:
    """The cell with the best mean; None where a cell lost a run, because the rest of its runs are a flattering choice."""
    if any(samples[at].lost or not samples[at].values for at in block):
        return None
    means = {at: float(np.mean(list(samples[at].values.values()))) for at in block}
    return min(means, key=lambda at: means[at] if better == "lower" else -means[at])


def _cell(sample: Sample, clustered: tuple[float, float] | None) -> Cell:
    values = sample.values
    numbers = np.array(list(values.values()), np.float64)
    counts = [int(score["count"]) for score in sample.scores]
    return Cell(
        runs=tuple(record["id"] for record in sample.records),
        seeds=tuple(values),
        values=tuple(values.values()),
        mean=float(numbers.mean()) if len(numbers) else math.nan,
        sd=float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan,
        interval=Interval(*statistics.mean_interval(numbers)),
        clustered=Interval(*clustered) if clustered else None,
        count=(min(counts), max(counts)),
        excluded=sum(int(score["excluded"]) for score in sample.scores),
        lost=sample.lost,
    )


def _clustered(
    samples: Mapping[Address, Sample], contrasts: Iterable[Contrast], metric: str, files: HandErrors
) -> dict[Address, Interval]:
    """Hierarchical-bootstrap intervals of the differences, where both sides' hands are known."""
    asked: dict[Address, list[Hands | None]] = {}
    for contrast in contrasts:
        ours, theirs = (samples[at].hands(files, metric) for at in (contrast.at, contrast.to))
        both = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
        asked[contrast.at] = [paired(first, second) if first and second else None for first, second in both]
    return {at: Interval(*ends) for at, ends in intervals(files, asked).items()}
