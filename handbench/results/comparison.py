"""The records of runs and a table's specification go in; a frozen Comparison, which every writer shares, comes out.

A cell is the mean over seeds of one metric under one setting; the runs behind it are named in it. All tests are paired by seed.
Where data, devices or budgets differ, there is one Comparison for each, because their numbers do not belong in one table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handbench.results.directions import Better


@dataclass(frozen=True)
class Interval:
    """The two ends of a 95 % interval; NaN where there are too few values for one."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """This cell minus the reference's, seed by seed.

    Args:
        to: labels of the reference row.
        n: seeds that both have.
        dropped: seeds that only one of them has, or where one is not a number.
        mean: of the differences, in the column's unit.
        interval: of that mean, by Student's t.
        clustered: the same by the hierarchical bootstrap over seeds and clusters of test hands; None where it cannot be had.
        effect: d_z, corrected for small samples; NaN below 3 seeds.
        p: two-sided exact sign-flip p, Holm-corrected; NaN where `small`.
        small: n is too small for this number of comparisons, so there is no p.
        improvement: share of the seeds on which this cell is better than the reference (ties count half); NaN where neither
            side of the metric is better.
        values: the differences themselves, by seed in ascending order.
    """

    to: tuple[str, ...]
    n: int
    dropped: int
    mean: float
    interval: Interval
    clustered: Interval | None
    effect: float
    p: float
    small: bool
    improvement: float
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One number of the table, and what stands behind it.

    Args:
        runs: ids, in the order of the seeds.
        seeds: those whose value is a number.
        values: one a seed, in the column's unit.
        mean, sd: over the seeds; sd is NaN for a single one.
        interval: of the mean over seeds, by Student's t.
        clustered: the same by the hierarchical bootstrap over seeds and clusters of test hands; None where it cannot be had.
        count: fewest and most samples that a run was scored on.
        excluded: samples that could not be scored, over all runs.
        lost: runs whose value is not a finite number; they are in `runs` and not in the mean.
        difference: to the row that the table is held against; None for that row itself, and where there is none.
        bold: belongs to the group that cannot be told from the best.
    """

    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    mean: float
    sd: float
    interval: Interval
    clustered: Interval | None
    count: tuple[int, int]
    excluded: int
    lost: tuple[str, ...] = ()
    difference: Difference | None = None
    bold: bool = False

    @property
    def n(self) -> int:
        """Number of seeds behind the mean."""
        return len(self.seeds)


@dataclass(frozen=True)
class Column:
    """One column of numbers.

    Args:
        group: labels of the table's column axes, e.g. ("10 %",); empty where it has none.
        values: the same as the recipe has them.
        metric: name of the score.
        label: the metric as people write it.
        definition: whose definition, e.g. "freihand".
        unit: e.g. "mm", "px@64".
        better: "lower", "higher" or "".
        decimals: of its numbers.
        comparisons: paired tests made in this table for this metric, which Holm's correction counts; 0 without a reference.
        small: some of these have too few seeds for a p.
    """

    group: tuple[str, ...]
    values: tuple[Any, ...]
    metric: str
    label: str
    definition: str
    unit: str
    better: Better
    decimals: int
    comparisons: int = 0
    small: bool = False

    @property
    def heading(self) -> str:
        """Label and unit, behind the group where there is one.

        Example:
            >>> Column(("10 %",), (0.1,), "mpjpe", "MPJPE", "rotation", "mm", "lower", 2).heading
            '10 %: MPJPE (mm)'
        """
        name = f"{self.label} ({self.unit})" if self.unit else self.label
        return f"{', '.join(self.group)}: {name}" if self.group else name


@dataclass(frozen=True)
class Row:
    """One row: its labels, the same as the recipe has them, and a cell for each column, None where no run has it."""

    labels: tuple[str, ...]
    values: tuple[Any, ...]
    cells: tuple[Cell | None, ...]
    reference: bool = False


@dataclass(frozen=True)
class Published:
    """A row of somebody else's numbers: shown below a rule, part of no test. One value a column, None where not published."""

    label: str
    values: tuple[float | None, ...]
    source: str


@dataclass(frozen=True)
class Facts:
    """What a table says below itself: each as the records have it, in order and once.

    Args:
        datasets: names, each with its fingerprint's first 8 digits.
        protocols: how poses were read: probe, mlp, finetune, features.
        definitions: whose definition of the metrics.
        units: of the metrics.
        seeds: all seeds that occur.
        devices, hardware, versions, commits, budgets: of the runs.
        settings: recipe keys that all runs share, the table's own axes left out -> one word.
    """

    datasets: tuple[str, ...]
    protocols: tuple[str, ...]
    definitions: tuple[str, ...]
    units: tuple[str, ...]
    seeds: tuple[int, ...]
    devices: tuple[str, ...]
    hardware: tuple[str, ...]
    versions: tuple[str, ...]
    commits: tuple[str, ...]
    budgets: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """One table, complete: what stands in it, what was tested, what a reader must know.

    Args:
        name: of the files it becomes.
        title: above it.
        axes: what the row labels are values of, e.g. ("objective", "pose.labels").
        heads: the same as people write it.
        columns: of numbers.
        rows: in the order of the suite's axes, else by value.
        published: other people's rows.
        against: what differences are taken to, e.g. "objective simclr"; "" without.
        facts: what is said below.
        notes: exclusions, splits, lost runs, rules that applied: whole sentences.
    """

    name: str
    title: str
    axes: tuple[str, ...]
    heads: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    published: tuple[Published, ...]
    against: str
    facts: Facts
    notes: tuple[str, ...] = ()
