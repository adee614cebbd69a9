"""The numbers and facts of a Comparison go in; the words that every writer sets, whatever its markup, come out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handbench.results.comparison import Cell, Column, Comparison, Difference, Interval
from handbench.results.placing import ABSENT, WORDS

ARROWS = {"lower": "↓", "higher": "↑", "": ""}
SHOWN_SETTINGS = 12
RULES = (
    "± is the standard deviation over seeds, [ ] the 95 % interval of the mean over seeds by Student's t.",
    "Differences are paired by seed. The effect size is d_z = mean / sd of the differences, with Hedges' correction.",
    "p is that of the exact two-sided sign-flip test, corrected by Holm for all comparisons of one metric in this table.",
    "Improvement is the share of paired seeds on which the row is better; a tie counts half.",
)
CLUSTERED = (
    "{ } is the 95 % interval by the hierarchical bootstrap over seeds and clusters of test hands (a person's, else a video's)."
)
BOLD = "Bold: the best of the rows that compete and all that cannot be told from it (sign-flip test against it, Holm, p > .05)."


@dataclass(frozen=True)
class Contrasted:
    """One line of the list of differences: where it stands, and its words."""

    labels: tuple[str, ...]
    column: Column
    difference: Difference


def number(value: float, decimals: int, sign: bool = False) -> str:
    """A number with its decimals; a dash where there is none, and no minus before zero.

    Example:
        >>> number(12.345, 1), number(-0.001, 2), number(0.5, 1, sign=True), number(float("nan"), 1)
        ('12.3', '0.00', '+0.5', '–')
    """
    if math.isnan(value):
        return ABSENT
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    return text.lstrip("+-") if math.isfinite(value) and not float(text) else text


def spread(cell: Cell, column: Column) -> str:
    """Mean ± sd of a cell."""
    mean = number(cell.mean, column.decimals)
    return mean if math.isnan(cell.sd) else f"{mean} ± {number(cell.sd, column.decimals)}"


def ends(interval: Interval | None, column: Column, sign: bool = False, brackets: str = "[]") -> str:
    """An interval between brackets; nothing where it is not known.

    Example:
        >>> ends(Interval(-1.25, 3.0), Column((), (), "mpjpe", "MPJPE", "", "mm", "lower", 2), sign=True)
        '[-1.25, +3.00]'
    """
    if interval is None or math.isnan(interval.low):
        return ""
    return (
        f"{brackets[0]}{number(interval.low, column.decimals, sign)}, {number(interval.high, column.decimals, sign)}{brackets[1]}"
    )


def both_ends(number_of: Cell | Difference, column: Column, sign: bool = False) -> str:
    """Both intervals of a mean or of a difference, as far as they are known."""
    known = ends(number_of.interval, column, sign), ends(number_of.clustered, column, sign, brackets="{}")
    return " ".join(text for text in known if text)


def heading(column: Column) -> str:
    """A column's heading with an arrow to its better side."""
    return f"{column.heading} {ARROWS[column.better]}".strip()


def p_value(difference: Difference, column: Column) -> str:
    """The corrected p, or that there are too few seeds for one."""
    if difference.small:
        plural = "" if column.comparisons == 1 else "s"
        return f"n too small for {column.comparisons} comparison{plural}"
    return "<0.001" if difference.p < 0.001 else f"{difference.p:.3f}"


def effect(difference: Difference) -> str:
    """The effect size with its sign."""
    return number(difference.effect, 2, sign=True)


def improvement(difference: Difference) -> str:
    """The share of the seeds with an improvement, in percent."""
    return ABSENT if math.isnan(difference.improvement) else f"{100 * difference.improvement:.0f} %"


def seeds_of(cells: Sequence[Cell | None]) -> str:
    """Number of seeds of a row, as a range where its cells differ."""
    counts = sorted({cell.n for cell in cells if cell})
    return ABSENT if not counts else str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"


def differences(comparison: Comparison) -> list[Contrasted]:
    """All paired differences of a table, metric by metric."""
    return [
        Contrasted(row.labels, column, cell.difference)
        for place, column in enumerate(comparison.columns)
        for row in comparison.rows
        if (cell := row.cells[place]) and cell.difference
    ]


def dropped(comparison: Comparison) -> str:
    """A sentence about seeds that have no partner; empty when all have one."""
    lost = {(one.labels, one.difference.dropped) for one in differences(comparison) if one.difference.dropped}
    if not lost:
        return ""
    listed = ", ".join(f"{', '.join(labels)} {count}" for labels, count in sorted(lost))
    return f"Seeds that only one side of a difference has are in the means and not in the difference: {listed}."


def runs_of(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """For each row its labels and the ids of the runs behind it."""
    found = []
    for row in comparison.rows:
        names = dict.fromkeys(run for cell in row.cells if cell for run in cell.runs)
        found.append((", ".join(row.labels), tuple(names)))
    return found


def facts(comparison: Comparison) -> list[str]:
    """What stands below every table: data, protocol, units, seeds, devices, versions, and the settings that all runs share."""
    own = comparison.facts
    counts = [cell.count for row in comparison.rows for cell in row.cells if cell]
    samples = [f"scored on {_range(min(low for low, _ in counts), max(high for _, high in counts))} samples"] if counts else []
    by_column = ([row.cells[place] for row in comparison.rows] for place in range(len(comparison.columns)))
    excluded = max((sum(cell.excluded for cell in cells if cell) for cells in by_column), default=0)
    parts = [
        f"Data: {', '.join(own.datasets)}",
        *samples,
        f"excluded (of one metric, over all runs): {excluded}",
        f"protocol: {' / '.join(WORDS.get(name, name) for name in own.protocols)}",
        f"definitions: {_definitions(comparison)}",
        f"seeds: {', '.join(map(str, own.seeds))}",
        f"budget: {', '.join(own.budgets)}",
        f"device: {', '.join(own.devices)} ({', '.join(own.hardware) or 'hardware unknown'})",
        f"handbench {', '.join(own.versions) or 'of unknown version'}" + (f" ({', '.join(own.commits)})" if own.commits else ""),
    ]
    shared = [
        f"{key} {word}"
        for key, word in own.settings.items()
        if word and key.partition(".")[0] in ("backbone", "augmentation", "pretrain", "pose")
    ]
    more = f" and {len(shared) - SHOWN_SETTINGS} more" if len(shared) > SHOWN_SETTINGS else ""
    settings = [f"Shared settings: {'; '.join(shared[:SHOWN_SETTINGS])}{more}."] if shared else []
    return ["; ".join(parts) + ".", *settings]


def rules(comparison: Comparison) -> list[str]:
    """How to read this table: only what occurs in it."""
    cells = [cell for row in comparison.rows for cell in row.cells if cell]
    contrasted = [cell.difference for cell in cells if cell.difference]
    clustered = any(cell.clustered for cell in cells) or any(one.clustered for one in contrasted)
    return [
        *(RULES[:1] if any(cell.n > 1 for cell in cells) else ["One seed: no spread, no interval, no ranking."]),
        *(RULES[1:] if contrasted else ()),
        *([CLUSTERED] if clustered else ()),
        *([BOLD] if any(cell.bold for cell in cells) else ()),
        *([sentence] if (sentence := dropped(comparison)) else ()),
        *comparison.notes,
    ]


def _definitions(comparison: Comparison) -> str:
    named = dict.fromkeys(f"{column.label} {column.definition}" for column in comparison.columns if column.definition)
    return ", ".join(named) or "handbench's"


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
