"""A Comparison goes in; one row for each of its numbers, with all that is known of it and every digit, comes out as CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from handbench.results import wording
from handbench.results.comparison import Cell, Column, Comparison, Interval

NUMBER = (
    *("group", "metric", "definition", "unit", "better", "mean", "sd", "low", "high", "clustered_low", "clustered_high"),
    *("n", "seeds", "values", "samples_fewest", "samples_most", "excluded", "not_a_number", "bold"),
)
CONTRAST = (
    *("against", "difference", "difference_low", "difference_high", "difference_clustered_low", "difference_clustered_high"),
    *("effect_size", "p", "p_note", "comparisons", "improvement", "pairs", "dropped"),
)
ORIGIN = ("data", "protocol", "budget", "device", "version", "runs", "published")


def long_csv(comparison: Comparison) -> str:
    """The table in long form: columns named after the axes, then NUMBER, CONTRAST and ORIGIN; lists are joined by spaces."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*comparison.axes, *NUMBER, *CONTRAST, *ORIGIN], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(_rows(comparison))
    return buffer.getvalue()


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    own = comparison.facts
    origin = {
        "data": " ".join(own.datasets),
        "protocol": " ".join(own.protocols),
        "budget": " ".join(own.budgets),
        "device": " ".join(own.devices),
        "version": " ".join(own.versions),
    }
    for row in comparison.rows:
        labels = dict(zip(comparison.axes, row.labels, strict=True))
        for cell, column in zip(row.cells, comparison.columns, strict=True):
            yield {**labels, **_column(column), **({**_cell(cell), **_contrast(cell, column), **origin} if cell else {})}
    for published in comparison.published:
        for value, column in zip(published.values, comparison.columns, strict=True):
            if value is not None:
                named = dict.fromkeys(comparison.axes[:1], published.label)
                yield {**named, **_column(column), "mean": value, "published": published.source}


def _column(column: Column) -> dict[str, Any]:
    group = ", ".join(column.group)
    return {
        "group": group,
        "metric": column.metric,
        "definition": column.definition,
        "unit": column.unit,
        "better": column.better,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "mean": _digits(cell.mean),
        "sd": _digits(cell.sd),
        **_ends(cell.interval, ""),
        **_ends(cell.clustered, "clustered_"),
        "n": cell.n,
        "seeds": " ".join(map(str, cell.seeds)),
        "values": " ".join(map(repr, cell.values)),
        "samples_fewest": cell.count[0],
        "samples_most": cell.count[1],
        "excluded": cell.excluded,
        "not_a_number": " ".join(cell.lost),
        "bold": "yes" if cell.bold else "no",
        "runs": " ".join(cell.runs),
    }


def _contrast(cell: Cell, column: Column) -> dict[str, Any]:
    difference = cell.difference
    if difference is None:
        return {}
    return {
        "against": ", ".join(difference.to),
        "difference": _digits(difference.mean),
        **_ends(difference.interval, "difference_"),
        **_ends(difference.clustered, "difference_clustered_"),
        "effect_size": _digits(difference.effect),
        "p": _digits(difference.p),
        "p_note": wording.p_value(difference, column) if difference.small else "",
        "comparisons": column.comparisons,
        "improvement": _digits(difference.improvement),
        "pairs": difference.n,
        "dropped": difference.dropped,
    }


def _ends(interval: Interval | None, name: str) -> dict[str, str]:
    return {f"{name}low": _digits(interval.low), f"{name}high": _digits(interval.high)} if interval else {}


def _digits(value: float) -> str:
    """Every digit; nothing for NaN."""
    return repr(value) if value == value else ""
