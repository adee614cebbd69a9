"""Evidence goes in; the tables that its suite ends in, or those that fit what varies among the runs, come out as Comparisons."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from handbench.configs import configure
from handbench.results.comparison import Cell, Column, Comparison, Facts, Published, Row
from handbench.results.contrasts import Address, best_of, cells_of, differences_of
from handbench.results.directions import METRICS, metric_of
from handbench.results.grid import Grid, grid_of, kind_of
from handbench.results.hand_errors import HandErrors
from handbench.results.placing import Layer, head_of, place, plain, read_axis, word_of
from handbench.results.tidy import data_of
from handbench.suite import TableSpec
from handbench.types import Evidence

AXES = ("pose.protocol", "pose.labels", "backbone", "objective")  # of a table that nobody specified, as far as they vary
POSES = ("epe_2d", "mpjpe", "pa_mpjpe", "pa_epe", "pa_auc")
FEATURES = (
    "knn_accuracy",
    "linear_accuracy",
    "retrieval_top1",
    "rotation_error",
    "translation_error",
    "scale_error",
    "latent_turn",
)
NO_CLAIM = "This suite is not made to carry a claim: nothing is ranked, nothing is bold."


@functools.lru_cache(maxsize=1)  # the reports of one command show the same tables
def compare(evidence: Evidence) -> tuple[Comparison, ...]:
    """Make all tables of the evidence.

    Returns:
        Each table of the suite in its order, once for each layer of data, device and budget; empty when no run is finished.
    """
    asked = (evidence.suite or {}).get("tables", ())
    specs = [configure(TableSpec, table, "table") for table in asked] or default_specs(evidence)
    files = HandErrors()
    made = [comparison(evidence, spec, layer, files) for spec in specs for layer in place(evidence, spec)]
    return tuple(_named_apart(table for table in made if asked or table.columns))


def default_specs(evidence: Evidence) -> list[TableSpec]:
    """Tables of poses, features and other scores, whose rows are what varies; held against no pre-training where it was run."""
    runs = [run for run in evidence.records if run["status"] == "finished"]
    met = {str(score["metric"]) for run in runs for score in run["scores"]}
    rows = tuple(axis for axis in AXES if len({read_axis(run, axis) for run in runs}) > 1) or ("objective",)
    frozen = tuple(axis for axis in rows if not axis.startswith("pose.")) or ("objective",)
    others = tuple(sorted(name for name in met if not {"/", "@"} & set(name) and name.removesuffix("_median") not in METRICS))
    bare = any(run["objective"] == "none" for run in runs) and len({run["objective"] for run in runs}) > 1
    against = {"objective": "none"} if bare else {}
    kinds = (
        ("poses", "Hand pose", rows, POSES),
        ("features", "Frozen features", frozen, FEATURES),
        ("others", "Other scores", rows, others),
    )
    specs = [
        TableSpec(name, title, axes, tuple(one for one in metrics if one in met), against=against)
        for name, title, axes, metrics in kinds
    ]
    return [spec for spec in specs if spec.metrics]


def comparison(evidence: Evidence, spec: TableSpec, layer: Layer, files: HandErrors) -> Comparison:
    """One table of one layer.

    Args:
        evidence: with the suite, whose order, claims and published rows count.
        spec: what is asked for.
        layer: the runs, from `place`.
        files: where errors by hand come from.
    """
    suite = evidence.suite or {}
    grid, empty = grid_of(spec, layer, suite.get("axes", {}), keep_empty=bool(suite.get("tables")))
    ranks = bool(suite.get("claims", True))
    cells, columns = _tested(grid, files, ranks)
    published, unquoted = _published(suite, spec, columns)
    return Comparison(
        name=spec.name,
        title=f"{spec.title} ({layer.apart})" if layer.apart else spec.title,
        axes=layer.rows,
        heads=tuple(head_of(axis) for axis in layer.rows),
        columns=columns,
        rows=tuple(
            Row(grid.labels(at), values, tuple(cells.get((at, column)) for column in range(len(columns))), grid.is_reference(at))
            for at, values in enumerate(grid.places)
        ),
        published=published,
        against=", ".join(f"{head_of(axis)} {word_of(axis, plain(value))}" for axis, value in spec.against.items()),
        facts=_facts(layer),
        notes=(
            *layer.notes,
            *empty,
            *_lonely(grid, cells),
            *unquoted,
            *_apart(layer),
            *([] if ranks else [NO_CLAIM]),
            *_lost(cells),
            *evidence.excluded,
        ),
    )


def _tested(grid: Grid, files: HandErrors, ranks: bool) -> tuple[dict[Address, Cell], tuple[Column, ...]]:
    """Cells with their differences and the flag of the best group; columns with the size of their family of tests."""
    cells = cells_of(grid.samples, [column.metric for column in grid.columns], files)
    columns = list(grid.columns)
    for kind in grid.kinds:
        better = metric_of(kind[0]).better
        found = differences_of(grid.samples, list(grid.contrasts(kind)), kind[0], better, files)
        cells |= {at: replace(cells[at], difference=difference) for at, difference in found.items()}
        small = any(difference.small for difference in found.values())
        columns = [replace(own, comparisons=len(found), small=small) if kind_of(own) == kind else own for own in columns]
        if ranks and not small:
            cells |= {at: replace(cells[at], bold=True) for at in best_of(grid.samples, grid.blocks(kind), better)}
    return cells, tuple(columns)


def _published(suite: Mapping[str, Any], spec: TableSpec, columns: Sequence[Column]) -> tuple[tuple[Published, ...], list[str]]:
    """The suite's published rows that have a value for one of the columns, and a sentence about those that have none."""
    found, empty = [], []
    for row in suite.get("published", ()) if spec.published else ():
        source = "; ".join(text for text in (row["source"], row.get("note", "")) if text)
        values = tuple(None if column.group else _quoted(row, column) for column in columns)
        if any(value is not None for value in values):
            found.append(Published(row["label"], values, source))
        else:
            empty.append(row["label"])
    return tuple(found), [f"Published without a value for these columns: {', '.join(empty)}."] if empty else []


def _quoted(row: Mapping[str, Any], column: Column) -> float | None:
    """A published value, if it is of this metric and, where it names its unit, in this unit."""
    unit = row.get("unit", column.unit)
    unit = unit.get(column.metric, column.unit) if isinstance(unit, Mapping) else unit
    values = row.get("values", row)
    value = values.get(f"{column.definition}:{column.metric}", values.get(column.metric))
    return float(value) if value is not None and unit in ("", column.unit) else None


def _facts(layer: Layer) -> Facts:
    """What all runs of the layer have in common or bring with them."""
    records = [run.record for run in layer.runs]
    scores = [score for record in records for score in record["scores"]]
    known = [record["provenance"] for record in records]
    return Facts(
        datasets=_once(f"{record['dataset']} {data_of(record)[:8]}".strip() for record in records),
        protocols=_once(record["protocol"] for record in records),
        definitions=_once(score["protocol"] for score in scores),
        units=_once(score["unit"] for score in scores),
        seeds=tuple(sorted({int(record["seed"]) for record in records})),
        devices=_once(record["device"] for record in records),
        hardware=_once(one.get("hardware", {}).get("device", "") for one in known),
        versions=_once(one.get("handbench", "") for one in known),
        commits=_once(str(one.get("commit") or "")[:12] for one in known),
        budgets=_once(record["budget"] for record in records),
        settings=_shared(layer),
    )


def _shared(layer: Layer) -> dict[str, str]:
    """Settings that all runs have in common, the table's own axes left out."""
    axes = {*layer.rows, *layer.columns}
    first = layer.runs[0].settings if layer.runs else {}
    return {
        key: word
        for key, word in first.items()
        if key.removesuffix(".name") not in axes and all(run.settings.get(key) == word for run in layer.runs)
    }


def _once(words: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted({str(word) for word in words if word not in ("", None)}))


def _apart(layer: Layer) -> list[str]:
    return ["Runs on other data, devices or budgets stand in tables of their own."] if layer.apart else []


def _lonely(grid: Grid, cells: Mapping[Address, Cell]) -> list[str]:
    """Say so where a table should be held against something that is not there, or shares no seed."""
    against = grid.spec.against
    if not against or any(cell.difference for cell in cells.values()):
        return []
    asked = ", ".join(f"{axis} {plain(value)}" for axis, value in against.items())
    return [f"There are no differences to {asked}: no such run is here, or none that shares a seed with another."]


def _lost(cells: Mapping[Address, Cell]) -> list[str]:
    runs = sorted({run for cell in cells.values() for run in cell.lost})
    return [f"Not a finite number, so in no mean, and nothing beside it is bold: {', '.join(runs)}."] if runs else []


def _named_apart(tables: Iterable[Comparison]) -> Iterator[Comparison]:
    """Tables of one specification are numbered from the second on, so that each has files of its own."""
    seen: dict[str, int] = {}
    for table in tables:
        seen[table.name] = seen.get(table.name, 0) + 1
        yield table if seen[table.name] == 1 else replace(table, name=f"{table.name}-{seen[table.name]}")
