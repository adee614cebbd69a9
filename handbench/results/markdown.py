"""Comparisons go in; Markdown that is also legible as plain text comes out."""

from collections.abc import Iterable, Sequence

from handbench.results import wording
from handbench.results.comparison import Cell, Column, Comparison
from handbench.results.placing import ABSENT

PUBLISHED = "*published by others:*"


def markdown(comparison: Comparison) -> str:
    """One table with its differences, how to read it, what it rests on, and the runs behind each row."""
    contrasted = _differences(comparison)
    parts = [
        f"## {comparison.title}",
        _means(comparison),
        *([f"Differences to {comparison.against}, paired by seed:", contrasted] if contrasted else []),
        _list([*wording.facts(comparison), *wording.rules(comparison)]),
        *_sources(comparison),
        "Runs:\n\n" + _list(f"{label}: {', '.join(runs) or ABSENT}" for label, runs in wording.runs_of(comparison)),
    ]
    return "\n\n".join(parts) + "\n"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    r"""A Markdown table in columns of equal width.

    Args:
        head: of the columns.
        rows: cells; a bar in one is escaped.
        numbers: which columns are aligned right.

    Example:
        >>> print(grid(["name", "mm"], [["a", "12.5"], ["b|c", "7.0"]], [False, True]))
        | name |   mm |
        | ---- | ---: |
        | a    | 12.5 |
        | b\|c |  7.0 |
    """
    lines = [list(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(head))]
    rule = ["-" * (width - 1) + ":" if right else "-" * width for right, width in zip(numbers, widths, strict=True)]
    padded = [
        [cell.rjust(width) if right else cell.ljust(width) for cell, right, width in zip(line, numbers, widths, strict=True)]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])


def _means(comparison: Comparison) -> str:
    """The table of means; other people's rows below a rule."""
    labels = max(1, len(comparison.heads))
    head = [*(comparison.heads or ("",)), "n", *(wording.heading(column) for column in comparison.columns)]
    rows = [
        [*(row.labels or ("all",)), wording.seeds_of(row.cells), *map(_cell, row.cells, comparison.columns)]
        for row in comparison.rows
    ]
    if comparison.published:
        rows.append([PUBLISHED, *[""] * (len(head) - 1)])
    for place, published in enumerate(comparison.published, 1):
        values = [
            ABSENT if value is None else wording.number(value, column.decimals)
            for value, column in zip(published.values, comparison.columns, strict=True)
        ]
        rows.append([f"{published.label} [{place}]", *[""] * labels, *values])
    return grid(head, rows, [False] * labels + [True] * (len(head) - labels))


def _cell(cell: Cell | None, column: Column) -> str:
    if cell is None:
        return "missing"
    if not cell.n:
        return "not a number"
    text = f"**{wording.spread(cell, column)}**" if cell.bold else wording.spread(cell, column)
    return f"{text} {wording.both_ends(cell, column)}".strip()


def _differences(comparison: Comparison) -> str:
    """The list of paired differences; empty where there is none."""
    rows = [
        [
            wording.heading(one.column),
            *one.labels,
            wording.number(one.difference.mean, one.column.decimals, sign=True),
            wording.both_ends(one.difference, one.column, sign=True),
            wording.effect(one.difference),
            wording.p_value(one.difference, one.column),
            wording.improvement(one.difference),
            str(one.difference.n),
        ]
        for one in wording.differences(comparison)
    ]
    labels = len(comparison.heads)
    head = ["metric", *comparison.heads, "difference", "95 % interval", "effect size", "p", "improvement", "pairs"]
    return grid(head, rows, [False] * (1 + labels) + [True] * 6) if rows else ""


def _sources(comparison: Comparison) -> list[str]:
    if not comparison.published:
        return []
    return [
        "Published by others, part of no test:\n\n"
        + _list(f"[{place}] {row.source}" for place, row in enumerate(comparison.published, 1))
    ]


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
