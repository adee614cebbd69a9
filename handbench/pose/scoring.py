"""Scoring: metrics, predictions and truth go in; scores that say their unit, count, exclusions and protocol come out.

A protocol is a table of rows: what is compared, how it is summarised, and what the number is called. All rows of all protocols
that are scored together are measured in one pass, each distance once.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from handbench.pose.distances import THREADS, Comparison, Distances, measure
from handbench.pose.summaries import Area, FScore, Mean, Median, Share, spread
from handbench.protocols import Metric
from handbench.types import Prediction, Score, Truth

MM = 1000.0  # millimetres in a metre
Summary = Mean | Median | Share | Area | FScore


@dataclass(frozen=True)
class Row:
    """One number of a protocol.

    Args:
        metric: its name.
        comparison: what is compared, and how it is aligned.
        summary: how the distances become one number; in metres or pixels.
        note: what the reader must know of it.
    """

    metric: str
    comparison: Comparison
    summary: Summary
    note: str = ""

    @property
    def averages(self) -> bool:
        """Whether the number is a distance, not a share of something."""
        return isinstance(self.summary, Mean | Median)


class RowMetric:
    """A metric that is nothing but rows: a plugin names its protocol and gives them.

    Args:
        config: of the plugin.
    """

    protocol: ClassVar[str]

    def __init__(self, config: Any) -> None:
        self.config = config

    def rows(self) -> Sequence[Row]:
        """The protocol's rows, in the order of its tables."""
        raise NotImplementedError

    def score(self, prediction: Prediction, truth: Truth) -> Sequence[Score]:
        """Score all rows that prediction and truth have the points for."""
        return score_all([self], prediction, truth)


def score_all(metrics: Sequence[Metric], prediction: Prediction, truth: Truth) -> list[Score]:
    """Score several metrics in their order; those made of rows share what they measure.

    Raises:
        ValueError: the rows of prediction and truth are not the same hands.
    """
    tables = {place: tuple(_possible(metric, prediction, truth)) for place, metric in enumerate(metrics) if _has_rows(metric)}
    measured = measure(prediction, truth, [row.comparison for table in tables.values() for row in table])
    with ThreadPoolExecutor(THREADS) as pool:  # numpy lets go of the lock while it sorts and counts
        found = {
            place: [pool.submit(_score, metrics[place], row, measured[row.comparison], prediction.view) for row in table]
            for place, table in tables.items()
        }
        return [
            score
            for place, metric in enumerate(metrics)
            for score in ([one.result() for one in found[place]] if place in found else metric.score(prediction, truth))
        ]


def unit_of(row: Row, view: int) -> str:
    """mm, px@SIDE (errors in views of different sides do not compare), or nothing for a ratio."""
    if not row.averages or row.comparison.over_box:
        return ""
    return f"px@{view}" if row.comparison.points == "joints_2d" else "mm"


def _has_rows(metric: Metric) -> bool:
    return isinstance(metric, RowMetric)


def _possible(metric: Any, prediction: Prediction, truth: Truth) -> Iterator[Row]:
    """Rows whose points are there; only vertices may be missing."""
    meshed = prediction.vertices is not None and truth.vertices is not None
    return (row for row in metric.rows() if meshed or row.comparison.points != "vertices")


def _score(metric: Any, row: Row, measured: Distances, view: int) -> Score:
    """One row's score, in the unit it is read in."""
    unit = unit_of(row, view)
    factor = MM if unit == "mm" else 1.0
    deviation = spread(measured) if row.averages else None
    count = int(measured.scored.sum())
    return Score(
        metric=row.metric,
        value=factor * row.summary(measured),
        unit=unit,
        count=count,
        excluded=len(measured.points) - count,
        protocol=metric.protocol,
        spread=None if deviation is None or isinstance(row.summary, Median) else factor * deviation,
        note=row.note,
    )
