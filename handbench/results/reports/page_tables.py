"""A Comparison goes in; the cells, words and lists that the page's template sets come out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from handbench.results import wording
from handbench.results.comparison import Cell, Column, Comparison
from handbench.results.placing import ABSENT


@dataclass(frozen=True)
class Slot:
    """One cell: its text, smaller text behind it, the number it is sorted by, and the runs it leads to."""

    text: str
    small: str = ""
    sort: float | None = None
    number: bool = False
    bold: bool = False
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One row of cells; the reference is what differences are taken to."""

    cells: tuple[Slot, ...]
    reference: bool = False


@dataclass(frozen=True)
class Head:
    """A column's heading."""

    text: str
    number: bool = False


@dataclass(frozen=True)
class Grid:
    """A table as it stands in the page."""

    head: tuple[Head, ...]
    rows: tuple[Line, ...]
    published: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Section:
    """A table with its differences, what a reader must know, and the runs behind it."""

    name: str
    title: str
    how: str
    means: Grid
    differences: Grid
    against: str
    lines: tuple[str, ...]
    sources: tuple[str, ...] = ()
    runs: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())


def section(comparison: Comparison) -> Section:
    """Lay out one table."""
    rules = wording.rules(comparison)
    arrows = any(column.better for column in comparison.columns)
    how = [*(["Arrows point to the better side; small numbers lead to the runs."] if arrows else []), *rules[:1], *_bold(rules)]
    return Section(
        comparison.name,
        comparison.title,
        " ".join(how),
        _means(comparison),
        _differences(comparison),
        comparison.against,
        (*wording.facts(comparison), *rules),
        tuple(row.source for row in comparison.published),
        tuple(wording.runs_of(comparison)),
    )


def _bold(rules: Sequence[str]) -> list[str]:
    return [rule for rule in rules if rule == wording.BOLD]


def _means(comparison: Comparison) -> Grid:
    labels = comparison.heads or ("",)
    columns = [Head(wording.heading(column), number=True) for column in comparison.columns]
    rows = [
        Line(
            (
                *(Slot(text) for text in row.labels or ("all",)),
                Slot(
                    wording.seeds_of(row.cells), number=True, sort=float(max((cell.n for cell in row.cells if cell), default=0))
                ),
                *map(_cell, row.cells, comparison.columns),
            ),
            row.reference,
        )
        for row in comparison.rows
    ]
    return Grid(
        (*map(Head, labels), Head("seeds", number=True), *columns), tuple(rows), tuple(_published(comparison, len(labels)))
    )


def _published(comparison: Comparison, labels: int) -> list[Line]:
    """Other people's rows, each with the number of its source."""
    lines = []
    for place, row in enumerate(comparison.published, 1):
        values = [
            Slot(ABSENT if value is None else wording.number(value, column.decimals), number=True)
            for value, column in zip(row.values, comparison.columns, strict=True)
        ]
        lines.append(Line((Slot(f"{row.label} [{place}]"), *[Slot("")] * labels, *values)))
    return lines


def _cell(cell: Cell | None, column: Column) -> Slot:
    if cell is None:
        return Slot("missing", number=True)
    if not cell.n:
        return Slot("not a number", number=True, runs=cell.runs)
    return Slot(
        wording.spread(cell, column), wording.both_ends(cell, column), _sortable(cell.mean), True, cell.bold, cell.runs
    )  # fmt: skip


def _differences(comparison: Comparison) -> Grid:
    head = ("metric", *comparison.heads, "difference", "95 % interval", "effect size", "p", "improvement", "pairs")
    labels = 1 + len(comparison.heads)
    rows = []
    for one in wording.differences(comparison):
        found = one.difference
        rows.append(
            Line(
                (
                    Slot(wording.heading(one.column)),
                    *map(Slot, one.labels),
                    Slot(wording.number(found.mean, one.column.decimals, sign=True), "", _sortable(found.mean), True),
                    Slot(wording.both_ends(found, one.column, sign=True), "", _sortable(found.interval.low), True),
                    Slot(wording.effect(found), "", _sortable(found.effect), True),
                    Slot(wording.p_value(found, one.column), "", _sortable(found.p), True),
                    Slot(wording.improvement(found), "", _sortable(found.improvement), True),
                    Slot(str(found.n), "", float(found.n), True),
                )
            )
        )
    return Grid(tuple(Head(text, place >= labels) for place, text in enumerate(head)), tuple(rows))


def _sortable(value: float) -> float | None:
    return value if math.isfinite(value) else None
