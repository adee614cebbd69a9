"""A suite's TOML document in; the checked Suite, with the variants of the data that the user has, out.

A [variant.NAME] is laid over the suite where the user has the data of that name, in the file's order: tables are merged, arrays
replaced, and a table that names another component replaces the old one's settings.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from handbench.configs import configure
from handbench.errors import RecipeError, unknown
from handbench.settings import Measure, Pose, Pretrain, Table
from handbench.suite import NAMED, FigureSpec, Published, Suite, TableSpec, copied, sources_of

KEYS = ("title", "about", "claims", "seeds", "recipe", "grid", "table", "figure", "published", "variant")


def parse(document: Mapping[str, Any], name: str, data: Collection[str] = ()) -> Suite:
    """Check a suite's document and turn it into a Suite.

    Args:
        document: as TOML gives it.
        name: of the suite, for messages.
        data: names of the datasets that the user has a folder of; their variants are laid over it, in the file's order.

    Raises:
        RecipeError: an unknown key or axis, or data that the suite has no use for; the message names the suite.
    """
    tables = _with_variants(document, name, data)
    _check_keys(name, tables)
    grid = tuple(_axes(name, block) for block in tables.get("grid", [{}]))
    try:
        suite = Suite(
            name=name,
            grid=grid,
            tables=tuple(configure(TableSpec, table, "table") for table in tables.get("table", ())),
            figures=tuple(configure(FigureSpec, figure, "figure") for figure in tables.get("figure", ())),
            published=tuple(configure(Published, row, "published") for row in tables.get("published", ())),
            **{key: vars(configure(_Plain, {key: tables[key]}, "suite"))[key] for key in _PLAIN if key in tables},
        )
    except RecipeError as error:
        raise RecipeError(f"suite '{name}': {error}") from error
    for table in suite.tables:
        _check_axes(name, (*table.rows, *table.columns, *table.against, *table.where))
    for figure in suite.figures:
        _check_axes(name, (*figure.rows, *figure.where))
    return suite


@dataclass(frozen=True)
class _Plain:
    """The keys of a suite that are single values, for their types' sake."""

    title: str = ""
    about: str = ""
    claims: bool = False
    seeds: tuple[int, ...] = (0,)
    recipe: Mapping[str, Any] = field(default_factory=dict)


_PLAIN = tuple(item.name for item in fields(_Plain))


def _with_variants(document: Mapping[str, Any], name: str, data: Collection[str]) -> Table:
    tables: Table = copied({key: value for key, value in document.items() if key != "variant"})
    variants = document.get("variant", {})
    for variant, changes in variants.items():
        if variant in data:
            _check_keys(name, changes)
            _lay(tables, changes)
    used = {*variants, *sources_of(tables.get("recipe", {}), {})} - {""}
    for block in tables.get("grid", []):
        used |= {word for axis in ("dataset", "evaluate") if isinstance(block.get(axis), list) for word in block[axis]}
    for given in data:
        if given not in used:
            raise RecipeError(f"suite '{name}' has no use for --data: {unknown('dataset', given, used)}")
    return tables


def _check_keys(name: str, tables: Mapping[str, Any]) -> None:
    for key in tables:
        if key not in KEYS:
            raise RecipeError(f"suite '{name}': {unknown('key', key, KEYS)}")


def _lay(tables: Table, changes: Mapping[str, Any]) -> None:
    """Lay tables over others; a table that names another component replaces the old one's settings."""
    for key, value in changes.items():
        old = tables.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping) and value.get("name", old.get("name")) == old.get("name"):
            _lay(old, value)
        else:
            tables[key] = copied(value)


def _axes(name: str, block: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, ...]]:
    """The axes of one [[grid]] block; TOML reads `pose.labels = […]` as a table in a table."""
    axes: dict[str, tuple[Any, ...]] = {}
    for key, values in block.items():
        axis = f"{prefix}{key}"
        if isinstance(values, Mapping):
            axes |= _axes(name, values, f"{axis}.")
            continue
        _check_axis(name, axis)
        if not isinstance(values, list) or not values:
            raise RecipeError(f"suite '{name}': axis '{axis}' = {values!r} must be an array of values")
        if axis == "augmentation" and not all(isinstance(value, list) for value in values):
            raise RecipeError(f"suite '{name}': each value of axis 'augmentation' is an array of names, e.g. [[\"rotate\"]]")
        axes[axis] = tuple(values)
    return axes


def _check_axes(name: str, axes: Collection[str]) -> None:
    for axis in axes:
        _check_axis(name, axis)


def _check_axis(name: str, axis: str) -> None:
    """An axis is a component, one of its settings (which its plugin checks), or a field of a recipe's table."""
    first, dot, _ = axis.partition(".")
    if dot and first in (*NAMED, "augmentation", "metric"):
        return
    known = _known_axes()
    if axis not in known:
        raise RecipeError(f"suite '{name}': {unknown('axis', axis, known)}")


def _known_axes() -> tuple[str, ...]:
    tables = {"pretrain": Pretrain, "measure": Measure, "pose": Pose}
    dotted = (f"{table}.{item.name}" for table, config in tables.items() for item in fields(config))
    return (*NAMED, "augmentation", "budget", *dotted)
