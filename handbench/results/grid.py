"""Placed runs go in; the grid of a table comes out: rows, columns, the runs behind each cell, and which cells to compare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from handbench.results.comparison import Column
from handbench.results.contrasts import Address, Contrast, Sample
from handbench.results.directions import decimals_of, metric_of
from handbench.results.placing import Layer, Placed, head_of, plain, rank_of, word_of
from handbench.suite import TableSpec

Kind = tuple[str, str, str]  # metric, definition, unit: what is the same number everywhere


@dataclass(frozen=True)
class Grid:
    """A table before its statistics.

    Args:
        spec: what was asked for.
        layer: the runs.
        places: the values that head each row, in order.
        columns: of numbers.
        samples: the runs behind each cell that has any.
    """

    spec: TableSpec
    layer: Layer
    places: tuple[tuple[Any, ...], ...]
    columns: tuple[Column, ...]
    samples: Mapping[Address, Sample]

    @property
    def kinds(self) -> list[Kind]:
        """The different numbers of the table, whatever their group."""
        return list(dict.fromkeys(kind_of(column) for column in self.columns))

    def of_kind(self, kind: Kind) -> list[Address]:
        """The cells that show one kind of number."""
        return [at for at in self.samples if kind_of(self.columns[at[1]]) == kind]

    def labels(self, row: int) -> tuple[str, ...]:
        """The labels of a row."""
        return tuple(word_of(axis, value) for axis, value in zip(self.layer.rows, self.places[row], strict=True))

    def is_reference(self, row: int) -> bool:
        """Whether a row has the values that the table is held against, on those of its axes that head rows."""
        own = dict(zip(self.layer.rows, self.places[row], strict=True))
        asked = {axis: plain(value) for axis, value in self.spec.against.items() if axis in own}
        return bool(asked) and all(own[axis] == value for axis, value in asked.items())

    def contrasts(self, kind: Kind) -> Iterator[Contrast]:
        """Each cell with the one that has the reference's values on the axes of `against` and its own on all others.

        On settings that head rows only because runs differed in them, the reference may have any value, if it has one.
        """
        asked = {axis: plain(value) for axis, value in self.spec.against.items()}
        cells = {at: self._values(at) for at in self.of_kind(kind)}
        for at, own in cells.items():
            wanted = {axis: asked.get(axis, value) for axis, value in own.items()}
            if wanted == own or not asked:
                continue
            close = [to for to, theirs in cells.items() if all(theirs[axis] == wanted[axis] for axis in self._named)]
            exact = [to for to in close if cells[to] == wanted] or (close if len(close) == 1 else [])
            if exact and exact[0] != at:
                yield Contrast(at, exact[0], self.labels(exact[0][0]))

    def blocks(self, kind: Kind) -> list[list[Address]]:
        """Cells that compete: those of one column whose rows differ in the axes of `against` only; without it, all rows."""
        free = {*self.spec.against, *(set(self.layer.rows) - self._named)} if self.spec.against else set(self.layer.rows)
        blocks: dict[tuple[Any, ...], list[Address]] = {}
        for at in self.of_kind(kind):
            fixed = tuple(value for axis, value in zip(self.layer.rows, self.places[at[0]], strict=True) if axis not in free)
            blocks.setdefault((at[1], *fixed), []).append(at)
        return list(blocks.values())

    @property
    def _named(self) -> set[str]:
        return {*self.spec.rows, *self.spec.columns}

    def _values(self, at: Address) -> dict[str, Any]:
        axes = (*self.layer.rows, *self.layer.columns)
        return dict(zip(axes, (*self.places[at[0]], *self.columns[at[1]].values), strict=True))


def kind_of(column: Column) -> Kind:
    """What is the same number in columns of other groups."""
    return column.metric, column.definition, column.unit


def grid_of(spec: TableSpec, layer: Layer, orders: Mapping[str, Any], keep_empty: bool) -> tuple[Grid, list[str]]:
    """Lay out a table.

    Args:
        spec: what was asked for.
        layer: the runs.
        orders: values of axes in the order in which the suite gives them.
        keep_empty: show a metric that no run has as an empty column.

    Returns:
        The grid, and a sentence about metrics that no run has.
    """
    places = tuple(_ordered({run.at(layer.rows) for run in layer.runs}, layer.rows, orders))
    kinds = _kinds(layer, spec)
    missing = [asked for asked in spec.metrics if not kinds[asked]]
    for asked in missing if keep_empty else ():
        kinds[asked] = [(asked.rpartition(":")[2], asked.rpartition(":")[0], "")]
    groups = _ordered({run.at(layer.columns) for run in layer.runs}, layer.columns, orders)
    columns = _told_apart(
        _column(layer.columns, group, kind) for group in groups for asked in spec.metrics for kind in kinds[asked]
    )
    notes = [f"No run here has the score {', '.join(missing)}."] if missing and keep_empty else []
    return Grid(spec, layer, places, columns, _samples(layer, places, columns)), notes


def _kinds(layer: Layer, spec: TableSpec) -> dict[str, list[Kind]]:
    """What the runs have of each metric that was asked for: several where definitions or units differ."""
    kinds: dict[str, dict[Kind, None]] = {asked: {} for asked in spec.metrics}
    for run in layer.runs:
        for score in run.record["scores"]:
            for asked in (score["metric"], f"{score['protocol']}:{score['metric']}"):
                if asked in kinds:
                    kinds[asked][score["metric"], score["protocol"], score["unit"]] = None
    return {asked: list(found) for asked, found in kinds.items()}


def _column(axes: Sequence[str], group: tuple[Any, ...], kind: Kind) -> Column:
    metric, definition, unit = kind
    words = tuple(f"{head_of(axis)} {word_of(axis, value)}" for axis, value in zip(axes, group, strict=True))
    known = metric_of(metric)
    return Column(words, group, metric, known.label, definition, unit, known.better, decimals_of(unit))


def _told_apart(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Columns of one heading get their definition into the label."""
    every = list(columns)
    headings = [column.heading for column in every]
    clear = [headings.count(heading) == 1 for heading in headings]
    return tuple(
        column if alone or not column.definition else replace(column, label=f"{column.label}, {column.definition}")
        for column, alone in zip(every, clear, strict=True)
    )


def _samples(layer: Layer, places: Sequence[tuple[Any, ...]], columns: Sequence[Column]) -> dict[Address, Sample]:
    """The runs and scores behind every cell, ordered by seed."""
    found: dict[Address, list[tuple[Placed, Mapping[str, Any]]]] = {}
    row_of = {values: at for at, values in enumerate(places)}
    column_of = {(column.values, *kind_of(column)): at for at, column in enumerate(columns)}
    for run in sorted(layer.runs, key=lambda run: int(run.record["seed"])):
        row, group = row_of[run.at(layer.rows)], run.at(layer.columns)
        for score in run.record["scores"]:
            at = column_of.get((group, score["metric"], score["protocol"], score["unit"]))
            if at is not None:
                found.setdefault((row, at), []).append((run, score))
    return {
        at: Sample(tuple(run.record for run, _ in own), tuple(score for _, score in own)) for at, own in sorted(found.items())
    }


def _ordered(places: Iterable[tuple[Any, ...]], axes: Sequence[str], orders: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    given = [[plain(value) for value in orders.get(axis, ())] for axis in axes]
    return sorted(places, key=lambda values: tuple(rank_of(value, known) for value, known in zip(values, given, strict=True)))
