"""A suite: a base recipe, a grid, seeds, and the tables and figures they end in; one TOML file in, the recipes of all cells out.

An axis is a dotted key of the recipe. A component's bare name stands for its table's name (`objective` is `objective.name`), and
`augmentation` for the set of names in the order listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FigureKind = Literal["bars", "labels", "pck", "cost", "training", "equivariance", "joints", "examples"]


@dataclass(frozen=True)
class TableSpec:
    """[[table]]: which runs stand in a table, and what they are held against.

    Args:
        name: of the files it becomes.
        title: above the table.
        rows: axes whose values head the rows.
        columns: axes whose values head groups of columns.
        metrics: of the scores, in the order of the columns; `protocol:metric` where two protocols have one of that name.
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


def value_of(recipe: Mapping[str, Any], axis: str) -> Any:
    """The value that a recipe's tables have on an axis; None where they have none.

    Example:
        >>> tables = {"objective": {"name": "peclr"}, "pose": {"labels": 0.1}, "augmentation": [{"name": "rotate", "degrees": 90}]}
        >>> [value_of(tables, axis) for axis in ("objective", "pose.labels", "augmentation", "augmentation.rotate.degrees")]
        ['peclr', 0.1, 'rotate', 90]
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
