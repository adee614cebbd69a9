"""A suite: a base recipe, a grid, seeds, and the tables and figures they end in; what the user lays over it in, its cells out.

An axis is a dotted key of the recipe. A component's bare name stands for its table's name (`objective` is `objective.name`), and
`augmentation` for the set of names in the order listed. Several [[grid]] blocks are a union.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from handbench import recipe
from handbench.configs import plain
from handbench.errors import HandbenchError, RecipeError
from handbench.settings import Recipe, Table

FigureKind = Literal["bars", "labels", "pck", "cost", "training", "equivariance", "joints", "examples"]

NAMED = ("dataset", "backbone", "objective", "head", "evaluate")  # components that an axis means by their bare name
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class TableSpec:
    """[[table]]: which runs stand in a table, and what they are held against.

    Args:
        name: of the files it becomes.
        title: above the table.
        rows: axes whose values head the rows.
        columns: axes whose values head groups of columns.
        metrics: of the scores, in the order of the columns; `protocol:metric` where two protocols have one of that name,
            `metric@dataset` where it was scored on another dataset's test part.
        against: the row that paired differences are taken to, as axis -> value; without one no differences are shown.
        where: only runs with these values, as axis -> value.
        published: set the paper's own rows below, with their source.
    """

    name: str
    title: str
    rows: tuple[str, ...]
    metrics: tuple[str, ...]
    columns: tuple[str, ...] = ()
    against: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    published: bool = False


@dataclass(frozen=True)
class FigureSpec:
    """[[figure]]: one figure.

    Args:
        name: of the files it becomes.
        title: for the page; a figure itself has a caption below.
        kind: bars (a metric by row, with intervals), labels (a metric over the label share), pck, cost (a metric over seconds of
            training), training (curves over epochs), equivariance (true against decoded), joints (error by joint on a hand),
            examples (best and worst predictions).
        metric: what is drawn, where the kind leaves a choice.
        rows: axes that tell the bars, curves or panels apart.
        where: only runs with these values.
    """

    name: str
    title: str
    kind: FigureKind
    metric: str = ""
    rows: tuple[str, ...] = ("objective",)
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """[[published]]: one row of somebody's paper.

    Args:
        label: of the row, e.g. "PeCLR, resnet50".
        source: where it was read.
        values: metric -> value, in the units that the metrics have here.
        note: what differs from the runs beside it.
    """

    label: str
    source: str
    values: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """One run of a suite.

    Args:
        values: axis -> value, as `value_of` gives it.
        seed: of everything random.
        recipe: complete.
    """

    values: Mapping[str, Any]
    seed: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """The cell as a file may be called, e.g. "objective=peclr,pose.labels=0.1,seed=0"."""
        words = [*(f"{axis}={value}" for axis, value in self.values.items()), f"seed={self.seed}"]
        return re.sub(r"[^\w.=,+-]", "_", ",".join(words))


@dataclass(frozen=True)
class Given:
    """What the user lays over a suite.

    Args:
        budget: in place of the suite's.
        roots: dataset -> folder.
        seeds: in place of the suite's; empty for those.
        assignments: `key=value` as --set takes them; one on an axis leaves that axis this one value.
        device: auto, cpu or cuda.
    """

    budget: str | None = None
    roots: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    assignments: tuple[str, ...] = ()
    device: str | None = None


@dataclass(frozen=True)
class Suite:
    """A suite as it was written, with the variants of the data that the user has.

    Args:
        name: built-in, a plugin's, or the file's stem.
        title, about: for people.
        claims: whether it is made to carry a claim; one that is not ranks nothing.
        seeds: each cell is run with each; the same ones everywhere, so that differences are paired.
        recipe: the base recipe's tables.
        grid: blocks of axis -> values.
        tables, figures: what it ends in.
        published: rows to set beside them.
    """

    name: str
    title: str
    grid: tuple[Mapping[str, tuple[Any, ...]], ...]
    about: str = ""
    claims: bool = False
    seeds: tuple[int, ...] = (0,)
    recipe: Table = field(default_factory=dict)
    tables: tuple[TableSpec, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    published: tuple[Published, ...] = ()

    def cells(self, given: Given | None = None) -> tuple[Cell, ...]:
        """The recipes of all runs: the whole grid with the first seed, then with the next.

        Raises:
            RecipeError: an axis or a value that makes no recipe; the message names suite and cell.
        """
        given = given or Given()
        fixed = {text.partition("=")[0].strip() for text in given.assignments}
        fixed |= {axis for axis in NAMED if f"{axis}.name" in fixed}
        found: dict[str, Cell] = {}
        for seed, block in itertools.product(given.seeds or self.seeds, self.grid):
            axes = {axis: values for axis, values in block.items() if axis not in fixed}
            for values in itertools.product(*axes.values()):
                cell = self._cell(dict(zip(axes, values, strict=True)), tuple(block), seed, given)
                found.setdefault(cell.name, cell)
        return tuple(found.values())

    def _cell(self, chosen: Mapping[str, Any], axes: tuple[str, ...], seed: int, given: Given) -> Cell:
        options = {f"{axis}.name" if axis in NAMED else axis: value for axis, value in chosen.items() if axis != "augmentation"}
        extra = {"budget": given.budget, "device": given.device, "seed": seed}
        names = ",".join(chosen["augmentation"]) if "augmentation" in chosen else None
        base = copied(self.recipe)
        try:
            built = recipe.build(
                tables=base,
                options={**{key: value for key, value in extra.items() if value is not None}, **options},
                assignments=given.assignments,
                augmentation=names,
                roots=tuple(f"{name}={root}" for name, root in given.roots.items() if name in sources_of(base, options)),
            )
        except HandbenchError as error:
            where = ", ".join(f"{axis} = {value}" for axis, value in chosen.items())
            raise RecipeError(f"suite '{self.name}', cell {where or 'without axes'}: {error}") from error
        tables = recipe.to_tables(built)
        return Cell({axis: value_of(tables, axis) for axis in axes}, seed, built)


def document_of(suite: Suite, cells: Sequence[Cell], runs: Mapping[str, str], options: Mapping[str, Any]) -> Table:
    """The suite as it is stored beside its runs and as reports receive it.

    Args:
        suite: as parsed.
        cells: all of them.
        runs: cell's name -> id of its finished run.
        options: what the user laid over it.
    """
    axes: dict[str, list[Any]] = {}
    for cell in cells:
        for axis, value in cell.values.items():
            axes.setdefault(axis, [])
            axes[axis] += [value] if value not in axes[axis] else []
    return {
        "name": suite.name,
        "title": suite.title,
        "about": suite.about,
        "claims": suite.claims,
        "options": dict(options),
        "seeds": sorted({cell.seed for cell in cells}),
        "axes": axes,
        "cells": [{"values": dict(cell.values), "seed": cell.seed, "run": runs.get(cell.name)} for cell in cells],
        "tables": [plain(table) for table in suite.tables],
        "figures": [plain(figure) for figure in suite.figures],
        "published": [plain(row) for row in suite.published],
    }


def seeds_needed(comparisons: int) -> int:
    """Paired seeds below which no exact sign-flip test of so many comparisons can be significant.

    The smallest two-sided p of n pairs is 2^(1-n); by Holm or Bonferroni the best of m must reach m · 2^(1-n) ≤ .05.

    Example:
        >>> [seeds_needed(comparisons) for comparisons in (1, 2, 10)]
        [6, 7, 9]
    """
    return 1 + math.ceil(math.log2(comparisons / SIGNIFICANT))


def value_of(recipe: Mapping[str, Any], axis: str) -> Any:
    """The value that a recipe's tables have on an axis; None where they have none.

    Example:
        >>> tables = {"objective": {"name": "peclr"}, "pose": {"labels": 0.1}, "augmentation": [{"name": "rotate", "degrees": 9}]}
        >>> [value_of(tables, axis) for axis in ("objective", "pose.labels", "augmentation", "augmentation.rotate.degrees")]
        ['peclr', 0.1, 'rotate', 9]
    """
    value: Any = recipe
    for name in axis.split("."):
        if isinstance(value, list):
            value = next((entry for entry in value if entry.get("name") == name), None)
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        return "+".join(str(entry["name"]) for entry in value)
    return value.get("name") if isinstance(value, Mapping) else value


def sources_of(tables: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    """Names of the datasets that a recipe reads."""
    for key in ("dataset", "evaluate"):
        table = tables.get(key, {"name": "synthetic"} if key == "dataset" else {})
        yield str(options.get(f"{key}.name", table.get("name", "")))
    for entry in tables.get("pretrain", {}).get("data", ()):
        yield str(entry.get("name", ""))


def copied(value: Any) -> Any:
    """Nested tables and lists as new ones."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list | tuple) else value
