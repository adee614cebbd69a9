"""Records of runs go in; one Markdown table for each dataset, to read, and one long CSV, to compute with, come out.

Numbers of different datasets never share a table. A number's unit stands in the head of its column; its seed, protocol and
settings in its row or, where all runs share them, in the line above; its definition and sample count in the list below. The same
records give the same bytes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from handbench.results.tidy import SETTINGS, Frame, Run, data_of, tidy, with_baselines_as_rows
from handbench.types import Evidence

DECIMALS = {"%": 1, "degrees": 1, "mm": 2, "px": 2}
GROUP = [*SETTINGS, "recipe"]


class Table:
    """The report `table`.

    Args:
        config: empty.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set: one form of the table for everybody."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def render(self, evidence: Evidence) -> Mapping[str, bytes]:
        """Make "table.md" and "table.csv", UTF-8."""
        records = evidence.records
        scores = tidy(records)
        parts = ["# Runs"]
        for _, dataset in scores.groupby("dataset"):
            for data, part in dataset.groupby("data"):
                names = set(part.run)
                about = [run for run in records if run["id"] in names and data_of(run) == data]
                section = _section(_with_columns(with_baselines_as_rows(part)))
                parts += [f"## {_heading(part, dataset)}", *section, *_notes(about)]
        parts += _unscored(records)
        return {
            "table.md": ("\n\n".join(parts) + "\n").encode(),
            "table.csv": scores.drop(columns="recipe").to_csv(index=False, lineterminator="\n").encode(),
        }


def _heading(scores: Frame, dataset: Frame) -> str:
    """The dataset's name and, where several data go by it, what tells these apart: their settings or else their fingerprint."""
    name, data = scores.dataset.iloc[0], scores.data.iloc[0]
    if dataset.data.nunique() == 1:
        return str(name)
    every = [json.loads(recipe) for recipe in dataset.recipe.unique()]
    keys = sorted({key for recipe in every for key in recipe if key.startswith("dataset.")})
    own = json.loads(scores.recipe.iloc[0])
    telling = [
        f"{key.partition('.')[2]} {own.get(key, 'default')}" for key in keys if len({recipe.get(key) for recipe in every}) > 1
    ]
    return f"{name}, {', '.join([*telling, f'data {data[:8]}'])}"


def _with_columns(scores: Frame) -> Frame:
    """Name each score's column in the wide table: metric, unit, and what else is needed to tell scores of one run apart."""
    named = scores.assign(
        column=[f"{metric} ({unit})" if unit else metric for metric, unit in zip(scores.metric, scores.unit, strict=True)]
    )
    for telling in ("definition", "note"):
        mixed = named.groupby("column")[telling].transform("nunique") > 1
        twice = named.duplicated(["run", "objective", "column"], keep=False).groupby(named.column).transform("any")
        apart = mixed & (twice | (telling == "definition")) & (named[telling] != "")
        named.loc[apart, "column"] = named.column[apart] + ", " + named[telling][apart]
    return named


def _section(scores: Frame) -> list[str]:
    """The tables of one dataset: what all runs share, the runs, their means over seeds, and what each column means."""
    runs = scores.drop_duplicates(["run", "objective"])
    shared = [name for name in SETTINGS if name != "objective" and runs[name].nunique() == 1]
    shown = [name for name in SETTINGS if name not in shared]
    telling = _telling_keys(runs)
    first = runs.iloc[0]
    parts = ["All runs: " + ", ".join(f"{_label(name)} {_setting(name, first[name])}" for name in shared) + "."] if shared else []
    rows = list(scores.astype(object).itertuples())  # Arrow's strings take far longer to go through than Python's
    parts.append(_markdown([_run_row(run, shown, telling) for run in _groups(rows, "run", "objective")], _columns(scores)))
    groups = _groups(rows, *GROUP)
    if any(len({score.seed for score in group}) > 1 for group in groups):
        parts.append("Mean ± standard deviation over seeds:")
        parts.append(_markdown([_mean_row(group, shown, telling) for group in groups], _columns(scores)))
    return [*parts, "\n".join(_legend(column, part) for column, part in scores.groupby("column", sort=False))]


def _telling_keys(runs: Frame) -> list[str]:
    """The recipe's keys that tell runs apart which all other columns would show as repetitions."""
    telling: dict[str, None] = {}
    for _, alike in runs.groupby(list(SETTINGS), sort=False):
        recipes = [json.loads(recipe) for recipe in alike.recipe.unique()]
        keys = sorted({key for recipe in recipes for key in recipe})
        telling |= dict.fromkeys(key for key in keys if len({recipe.get(key) for recipe in recipes}) > 1)
    return list(telling)


def _groups(rows: Sequence[Any], *names: str) -> list[list[Any]]:
    """Rows that are alike in the named columns, in their order; pandas takes far longer for thousands of groups of a few rows."""
    found: dict[Any, list[Any]] = {}
    key = attrgetter(*names)
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return list(found.values())


def _run_row(scores: Sequence[Any], shown: Sequence[str], telling: Sequence[str]) -> dict[str, str]:
    """One line of the table of runs."""
    cells = _setting_cells(scores[0], shown, telling) | {"seed": str(scores[0].seed)}
    found: dict[str, list[str]] = {}
    for score in scores:
        found.setdefault(score.column, []).append(_cell(score.value, score.spread, score.unit, score.excluded))
    return cells | {column: " / ".join(texts) for column, texts in found.items()} | {"run": scores[0].run}


def _mean_row(scores: Sequence[Any], shown: Sequence[str], telling: Sequence[str]) -> dict[str, str]:
    """One line of the table of means; a single seed has no deviation."""
    seeds = sorted({score.seed for score in scores})
    cells = _setting_cells(scores[0], shown, telling) | {"seeds": f"{len(seeds)} ({', '.join(map(str, seeds))})"}
    found: dict[tuple[str, str], list[float]] = {}
    for score in scores:
        found.setdefault((score.column, score.unit), []).append(score.value)
    for (column, unit), values in found.items():
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        cells[column] = _plus_minus(float(np.mean(values)), deviation, unit)
    return cells


def _setting_cells(score: Any, shown: Sequence[str], telling: Sequence[str]) -> dict[str, str]:
    recipe = json.loads(score.recipe) if telling else {}
    return {_label(name): _setting(name, getattr(score, name)) for name in shown} | {key: recipe.get(key, "") for key in telling}


def _cell(value: float, spread: float | None, unit: str, excluded: int) -> str:
    """A number with what is its own; `n` only where it is left out of the list below the table."""
    left_out = f" ({excluded} excluded)" if excluded else ""
    return _plus_minus(value, spread, unit) + left_out


def _plus_minus(value: float, deviation: float | None, unit: str) -> str:
    places = DECIMALS.get(unit.partition("@")[0], 3)
    if math.isnan(value):
        return "not a number"
    return f"{value:.{places}f}" + ("" if deviation is None or math.isnan(deviation) else f" ± {deviation:.{places}f}")


def _legend(column: str, scores: Frame) -> str:
    """What stands in a column: whose definition, on how many samples."""
    definitions = [f"definition: {name}" for name in sorted(scores.definition.unique()) if name]
    low, high = scores["count"].min(), scores["count"].max()
    counts = [f"n = {low}" if low == high else f"n = {low} to {high}, see table.csv"]
    spread = ["± is the spread over samples"] if scores.spread.notna().any() else []
    return f"- {column}: {'; '.join([*definitions, *counts, *spread, *(note for note in scores.note.unique() if note)])}"


def _notes(records: Sequence[Run]) -> list[str]:
    """What the records say a reader must know, each once, with the number of runs it is about."""
    finished = [record for record in records if record["status"] == "finished"]
    notes = sorted({note for record in finished for note in record["notes"]})
    about = [sum(note in record["notes"] for record in finished) for note in notes]
    lines = [f"- {note} ({count} of {len(finished)} runs)" for note, count in zip(notes, about, strict=True)]
    return ["Notes:\n\n" + "\n".join(lines)] if lines else []


def _unscored(records: Sequence[Run]) -> list[str]:
    """Runs that are in no table, so that nobody takes them for missing."""
    failed = sorted((record["id"], "; ".join(record["notes"])) for record in records if record["status"] != "finished")
    bare = sorted(record["id"] for record in records if record["status"] == "finished" and not record["scores"])
    lines = [f"- {name}: failed{f' ({why})' if why else ''}" for name, why in failed] + [f"- {name}: no scores" for name in bare]
    return ["## Not in the tables", "\n".join(lines)] if lines else []


def _columns(scores: Frame) -> list[str]:
    return list(scores.column.unique())


def _label(name: str) -> str:
    return "handbench" if name == "version" else name


def _setting(name: str, value: Any) -> str:
    return f"{100 * value:g} %" if name == "labels" else str(value)


def _markdown(rows: Sequence[Mapping[str, str]], numbers: Sequence[str]) -> str:
    """Rows as a Markdown table that is also legible as plain text; columns of numbers stand in the middle, aligned right."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in numbers and name != "run"))
    names += [*numbers, *(["run"] if "run" in rows[0] else [])]
    lines = [names, *([row.get(name, "").replace("|", "\\|") for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    rule = ["-" * (width - 1) + ":" if name in numbers else "-" * width for name, width in zip(names, widths, strict=True)]
    padded = [
        [
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])
