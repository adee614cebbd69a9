"""Records and a table's specification go in; which run stands in which row and column, and why others stand in none, comes out.

Runs are told apart until those of one cell differ in nothing but their seed: by dataset, device and budget into tables of their
own, by any other setting into rows of their own. No number is ever a mean over different things.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from handbench.results.directions import FEATURES
from handbench.results.tidy import Run, data_of, experiment
from handbench.suite import TableSpec, value_of
from handbench.types import Evidence

# What the record says at its top, which older recipes leave out because they name settings that differ from the defaults only.
IN_RECORD = {
    "objective": "objective",
    "backbone": "backbone",
    "dataset": "dataset",
    "pose.protocol": "protocol",
    "pose.labels": "labels",
    "seed": "seed",
    "budget": "budget",
    "device": "device",
}
HEADS = {"pose.protocol": "protocol", "pose.labels": "labels", "dataset.domain": "domain", "objective.temperature": "temperature"}
WORDS = {"probe": "frozen, linear", "mlp": "frozen, MLP", "finetune": "fine-tuned", "features": "features only"}
ORDER = ("none", "supervised", "simclr", "peclr", "features", "probe", "mlp", "finetune", "smoke", "quick", "paper")
ABSENT = "–"


@dataclass(frozen=True)
class Placed:
    """A run in its place: its record, the values of the table's axes, and its settings as dotted keys and words."""

    record: Run
    values: Mapping[str, Any]
    settings: Mapping[str, str]

    def at(self, axes: Sequence[str]) -> tuple[Any, ...]:
        """Its values on these axes."""
        return tuple(self.values[axis] for axis in axes)


@dataclass(frozen=True)
class Layer:
    """Runs whose numbers may share one table.

    Args:
        runs: each (row, column, seed) once.
        rows, columns: the axes; rows has those added that tell runs apart.
        apart: what sets this layer apart from the other layers of the same table, e.g. "synthetic 1cbacdf8, cuda"; "" if alone.
        notes: exclusions and additions, as sentences.
    """

    runs: tuple[Placed, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    apart: str
    notes: tuple[str, ...]


def place(evidence: Evidence, spec: TableSpec) -> tuple[Layer, ...]:
    """Sort the runs that a table asks for into layers, rows and columns."""
    runs, notes = _asked_for(evidence, spec)
    if {name.rpartition(":")[2].partition("/")[0].partition("@")[0] for name in spec.metrics} <= FEATURES:
        runs = _once_an_encoder(runs)
    layers = _layers(runs, spec)
    return tuple(_layer(part, spec, apart if len(layers) > 1 else "", notes) for apart, part in layers.items())


def head_of(axis: str) -> str:
    """An axis as people write it."""
    return HEADS.get(axis, axis)


def word_of(axis: str, value: Any) -> str:
    """A value of an axis as people write it.

    Example:
        >>> word_of("pose.labels", 0.1), word_of("pose.protocol", "mlp"), word_of("head", None)
        ('10 %', 'frozen, MLP', '–')
    """
    if value is None or value == "":
        return "none" if axis == "augmentation" and value == "" else ABSENT
    if axis == "pose.labels":
        return f"{100 * float(value):g} %"
    return (
        WORDS.get(value, value)
        if isinstance(value, str) and axis == "pose.protocol"
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def rank_of(value: Any, given: Sequence[Any] = ()) -> tuple[int, float, str]:
    """A key that sorts values: as the suite gives them, else numbers by size, names from baseline to method, others by name."""
    if value in given:
        return -1, list(given).index(value), ""
    if isinstance(value, bool) or value is None:
        return 0, float(bool(value)), ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (2, ORDER.index(value), "") if value in ORDER else (3, 0.0, str(value))


def plain(value: Any) -> Any:
    """A value as `value_of` gives it: a list of components is their names joined by +."""
    if isinstance(value, list | tuple):
        return "+".join(str(item.get("name") if isinstance(item, Mapping) else item) for item in value)
    return value


def read_axis(record: Run, axis: str) -> Any:
    """The value of a run on an axis."""
    return record[IN_RECORD[axis]] if axis in IN_RECORD else value_of(record["recipe"], axis)


def _asked_for(evidence: Evidence, spec: TableSpec) -> tuple[list[Placed], list[str]]:
    """The runs that the table is about, and a sentence about those that are left out."""
    axes = dict.fromkeys([*spec.rows, *spec.columns, *spec.where, *spec.against])
    finished = {record["id"]: record for record in evidence.records if record["status"] == "finished"}
    settings = {name: experiment(record["recipe"]) for name, record in finished.items()}
    runs = [
        Placed(finished[name], {axis: plain(own.get(axis, read_axis(finished[name], axis))) for axis in axes}, settings[name])
        for name, own in _members(evidence, finished)
    ]
    kept = [run for run in runs if all(_same(run.values[axis], plain(value)) for axis, value in spec.where.items())]
    return kept, [*_suite_notes(evidence, finished)]


def _once_an_encoder(runs: Iterable[Placed]) -> list[Placed]:
    """One run for each probing of a frozen encoder, known by the settings that all runs which share it agree on.

    Runs that only read poses in different ways have the same features: as several rows they would be counted as several tests.
    """
    sharing: dict[tuple[Any, ...], list[Placed]] = {}
    for run in runs:
        probed = next((stage["key"] for stage in run.record.get("stages", ()) if stage["name"] == "measure"), run.record["id"])
        sharing.setdefault((probed, run.record["seed"], *run.values.values()), []).append(run)
    return [
        replace(own[0], record={**own[0].record, "protocol": "features"}, settings=dict(_agreed(own))) for own in sharing.values()
    ]


def _agreed(runs: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    """Settings of the encoder that all runs have in common; an objective may have read the labels it was given."""
    for key, word in runs[0].settings.items():
        posing = key.partition(".")[0] in ("pose", "head", "metric") and key != "pose.labels"
        if not posing and all(run.settings.get(key) == word for run in runs):
            yield key, word


def _members(evidence: Evidence, finished: Mapping[str, Run]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Run ids with the axis values their suite knows them by; without a suite every run, known by its recipe."""
    if evidence.suite is None:
        yield from ((name, {}) for name in finished)
        return
    for cell in evidence.suite.get("cells", ()):
        if cell.get("run") in finished:
            yield cell["run"], cell.get("values", {})


def _suite_notes(evidence: Evidence, finished: Mapping[str, Run]) -> Iterator[str]:
    """What of the suite is missing, and what lies here without belonging to it."""
    if evidence.suite is None:
        return
    cells = evidence.suite.get("cells", ())
    planned = {cell.get("run") for cell in cells}
    missing = sum(cell.get("run") not in finished for cell in cells)
    failed = len(evidence.failures)
    if missing:
        reason = f", {failed} of them failed" if failed else ""
        yield f"{missing} of the suite's {len(cells)} planned runs are missing{reason}."
    strangers = sorted(finished.keys() - planned)
    if strangers:
        yield f"Left out, because they are not of suite {evidence.suite.get('name', '')}: {_listed(strangers)}."


def _layers(runs: Iterable[Placed], spec: TableSpec) -> dict[str, list[Placed]]:
    """Runs by what may not share a table: data, device and budget, unless the table has an axis for it."""
    axes = {axis.partition(".")[0] for axis in (*spec.rows, *spec.columns)}
    found: dict[str, list[Placed]] = {}
    for run in runs:
        record = run.record
        parts = [] if "dataset" in axes else [f"{record['dataset']} {data_of(record)[:8]}".strip()]
        parts += [str(record[name]) for name in ("device", "budget") if name not in axes]
        found.setdefault(", ".join(parts), []).append(run)
    return dict(sorted(found.items()))


def _layer(runs: list[Placed], spec: TableSpec, apart: str, notes: Sequence[str]) -> Layer:
    axes = (*spec.rows, *spec.columns)
    one_data, mixed = _one_data_a_cell(runs, axes)
    added = _telling(one_data, axes)
    told = [replace(run, values={**run.values, **{key: run.settings.get(key) for key in added}}) for run in one_data]
    kept, repeated = _newest(told, (*axes, *added))
    says = [*notes, *mixed]
    if added:
        says.append(f"Rows also tell apart {', '.join(added)}, in which runs of one cell differ.")
    return Layer(tuple(kept), (*spec.rows, *added), spec.columns, apart, (*says, *repeated))


def _one_data_a_cell(runs: list[Placed], axes: Sequence[str]) -> tuple[list[Placed], list[str]]:
    """Keep, in each cell, the runs on the data that most of them were scored on: a dataset may have changed under its name."""
    cells = _cells(runs, axes)
    kept, left_out = [], []
    for cell in cells.values():
        data = [data_of(run.record) for run in cell]
        most = max(sorted(set(data)), key=data.count)
        kept += [run for run in cell if data_of(run.record) == most]
        left_out += [run.record["id"] for run in cell if data_of(run.record) != most]
    return kept, [f"Left out, because they were scored on other data than the rest of their cell: {_listed(left_out)}."] * bool(
        left_out
    )


def _telling(runs: Iterable[Placed], axes: Sequence[str]) -> list[str]:
    """Settings in which runs of one cell differ."""
    telling: dict[str, None] = {}
    for cell in _cells(runs, axes).values():
        if len({json.dumps(run.settings, sort_keys=True) for run in cell}) > 1:
            keys = sorted({key for run in cell for key in run.settings})
            telling |= dict.fromkeys(key for key in keys if len({run.settings.get(key) for run in cell}) > 1)
    return [key for key in telling if key.removesuffix(".name") not in axes]


def _newest(runs: Iterable[Placed], axes: Sequence[str]) -> tuple[list[Placed], list[str]]:
    """One run a cell and seed: the one that ended last."""
    newest: dict[tuple[Any, ...], Placed] = {}
    left_out = []
    for run in sorted(runs, key=lambda run: (str(run.record.get("created", "")), run.record["id"])):
        place = (*run.at(axes), run.record["seed"])
        if place in newest:
            left_out.append(newest[place].record["id"])
        newest[place] = run
    return list(newest.values()), [
        f"Left out, because the same setting and seed was run again later: {_listed(left_out)}."
    ] * bool(left_out)


def _cells(runs: Iterable[Placed], axes: Sequence[str]) -> dict[tuple[Any, ...], list[Placed]]:
    cells: dict[tuple[Any, ...], list[Placed]] = {}
    for run in runs:
        cells.setdefault(run.at(axes), []).append(run)
    return cells


def _same(met: Any, asked: Any) -> bool:
    if isinstance(asked, str) and isinstance(met, str):
        return met.replace(",", "+") == asked.replace(",", "+")
    return bool(met == asked)


def _listed(names: Sequence[str], shown: int = 6) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(sorted(names)[:shown]) + more
