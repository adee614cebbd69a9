"""Published records in; the README's result tables out, between their marks. `--check` only compares; a test does the same."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handbench.results import wording
from handbench.results.comparison import Cell, Comparison, Row
from handbench.results.hand_errors import HandErrors
from handbench.results.placing import place
from handbench.results.records import read_evidence
from handbench.results.tables import comparison
from handbench.suite import TableSpec
from handbench.types import Evidence

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


@dataclass(frozen=True)
class Block:
    """One table of the README: where its records lie, its metrics with heading and decimals, and whether poses were read."""

    name: str
    metrics: Sequence[tuple[str, str, int]]
    poses: bool

    @property
    def axes(self) -> tuple[str, ...]:
        """What heads the rows."""
        return ("pose.protocol", "pose.labels", "objective") if self.poses else ("objective",)


FEATURES = (
    ("knn_accuracy", "k-NN, %", 1),
    ("linear_accuracy", "linear probe, %", 1),
    ("retrieval_top1", "retrieval top-1, %", 1),
    ("rotation_error", "rotation error, °", 1),
    ("latent_turn", "latent turn, °", 1),
)
POSES = (("epe_2d", "2D EPE, px@64", 2), ("mpjpe", "MPJPE, mm", 1), ("pa_mpjpe", "PA-MPJPE, mm", 1))
BLOCKS = (
    Block("photos", FEATURES, False),
    Block("synthetic-lab", POSES, True),
    Block("synthetic-lab-90", POSES, True),
    Block("synthetic-wild", POSES, True),
)
# <!-- rows of results/PATH --> … <!-- end of rows -->
REPORTED = re.compile(r"(<!-- rows of results/(\S+) -->\n).*?(<!-- end of rows -->)", re.DOTALL)
PROTOCOLS = {"probe": "frozen, ridge", "mlp": "frozen, MLP", "finetune": "fine-tuned"}


def table(block: Block) -> str:
    """The Markdown of one block: mean ± standard deviation over seeds, differences paired by seed, and what p says of them."""
    evidence = read_evidence(ROOT / "results" / block.name)
    made, random = _compared(block, evidence, ""), _compared(block, evidence, "/random")
    heads = ["protocol", "labels"] if block.poses else []
    head = [*heads, "objective", "seeds", *(heading for _, heading, _ in block.metrics)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for group in _groups(made):
        lines += [
            _line(block, row, str(row.values[-1]), [_mean(cell, *one) for cell, one in _cells(block, row)]) for row in group
        ]
        if all(row.values[-1] != "none" for row in group):
            lines += _random(block, random, group[0])
        lines += [_difference(block, row) for row in group if row.values[-1] == "peclr" and _paired(row)]
    return "\n".join([*lines, *_p_values(made)])


def _compared(block: Block, evidence: Evidence, suffix: str) -> Comparison:
    """The block's comparison of PeCLR to SimCLR; its records are of one dataset, device and budget."""
    metrics = tuple(f"{metric}{suffix}" for metric, _, _ in block.metrics)
    spec = TableSpec(block.name, block.name, block.axes, metrics, against={"objective": "simclr"})
    (layer,) = place(evidence, spec)
    if layer.rows != block.axes:
        raise SystemExit(f"results/{block.name}: runs of one row differ in {set(layer.rows) - set(block.axes)}")
    return comparison(replace(evidence, suite={"tables": (spec.name,)}), spec, layer, HandErrors())


def _groups(made: Comparison) -> Iterator[list[Row]]:
    """Rows that differ in the objective only."""
    for place_of_group in dict.fromkeys(row.values[:-1] for row in made.rows):
        yield [row for row in made.rows if row.values[:-1] == place_of_group]


def _random(block: Block, random: Comparison, like: Row) -> list[str]:
    """The row of the random encoder, which is the same for every objective: that of the objective with the most seeds."""
    rows = [row for row in random.rows if row.values[:-1] == like.values[:-1] and any(row.cells)]
    if not rows:
        return []
    most = max(rows, key=_seeds)
    return [_line(block, most, "random encoder", [_mean(cell, *one) for cell, one in _cells(block, most)])]


def _difference(block: Block, row: Row) -> str:
    """PeCLR minus SimCLR by seed: mean, smallest and largest."""
    texts = []
    for cell, (_, _, decimals) in _cells(block, row):
        gap = cell.difference if cell else None
        if gap is None:
            texts.append("–")
            continue
        mean, low, high = (f"{value:+.{decimals}f}" for value in (gap.mean, min(gap.values), max(gap.values)))
        texts.append(f"{mean} ({low} to {high})")
    return _line(block, row, "*peclr − simclr*", texts)


def _p_values(made: Comparison) -> list[str]:
    """A sentence about the exact test of the differences, for each metric; none where nothing is paired."""
    rows = [row for row in made.rows if row.values[-1] == "peclr" and _paired(row)]
    told = {
        column.label: ", ".join(
            dict.fromkeys(
                wording.p_value(cell.difference, column) for row in rows if (cell := row.cells[place]) and cell.difference
            )
        )
        for place, column in enumerate(made.columns)
    }
    same = set(told.values())
    text = same.pop() if len(same) == 1 else "; ".join(f"{label}: {p}" for label, p in told.items())
    return (
        ["", f"Exact sign-flip p of *peclr − simclr*, paired by seed, Holm over all rows against simclr: {text}."] if rows else []
    )


def _paired(row: Row) -> bool:
    return any(cell is not None and cell.difference is not None and cell.difference.n > 1 for cell in row.cells)


def _cells(block: Block, row: Row) -> Iterator[tuple[Cell | None, tuple[str, str, int]]]:
    return zip(row.cells, block.metrics, strict=True)


def _mean(cell: Cell | None, _metric: str, _heading: str, decimals: int) -> str:
    if cell is None:
        return "–"
    spread = "" if cell.n < 2 else f" ± {wording.number(cell.sd, decimals)}"
    return f"{wording.number(cell.mean, decimals)}{spread}"


def _seeds(row: Row) -> int:
    return max(cell.n for cell in row.cells if cell)


def _line(block: Block, row: Row, name: str, cells: Sequence[str]) -> str:
    first = [PROTOCOLS[row.values[0]], f"{row.values[1]:.0%}"] if block.poses else []
    return "| " + " | ".join([*first, name, str(_seeds(row)), *cells]) + " |"


def rewritten(text: str) -> str:
    """The README with every block's table made anew."""
    for block in BLOCKS:
        start, end = (
            f"<!-- table {block.name}: made from results/{block.name} by tools/readme_tables.py -->",
            f"<!-- end of table {block.name} -->",
        )
        if start in text:
            before, rest = text.split(start, 1)
            text = f"{before}{start}\n\n{table(block)}\n\n{end}{rest.split(end, 1)[1]}"
    return REPORTED.sub(lambda found: f"{found[1]}\n{reported(ROOT / 'results' / found[2])}\n\n{found[3]}", text)


def reported(path: Path) -> str:
    """The rows of the first table in a file that a report made."""
    parts = path.read_text(encoding="utf-8").split("\n\n")
    return next(part.strip() for part in parts if part.startswith("|"))


def main() -> None:
    """Rewrite the README, or with --check exit 1 when it would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    old = README.read_text(encoding="utf-8")
    new = rewritten(old)
    if check:
        sys.exit(old != new and "README.md's tables differ from the records; run python tools/readme_tables.py")
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
