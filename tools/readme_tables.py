"""Published records in; the README's result tables out, between their marks. `--check` only compares; a test does the same."""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handbench.results.records import Record, read_runs

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
Columns = Sequence[tuple[str, str, int]]  # metric, heading, decimals


@dataclass(frozen=True)
class Block:
    """One table of the README: where its records lie, and its columns."""

    name: str
    columns: Columns
    protocols: bool


FEATURES: Columns = (
    ("knn_accuracy", "k-NN, %", 1),
    ("linear_accuracy", "linear probe, %", 1),
    ("retrieval_top1", "retrieval top-1, %", 1),
    ("rotation_error", "rotation error, °", 1),
    ("latent_turn", "latent turn, °", 1),
)
POSES: Columns = (("epe_2d", "2D EPE, px@64", 2), ("mpjpe", "MPJPE, mm", 1), ("pa_mpjpe", "PA-MPJPE, mm", 1))
BLOCKS = (
    Block("photos", FEATURES, False),
    Block("synthetic-lab", POSES, True),
    Block("synthetic-lab-90", POSES, True),
    Block("synthetic-wild", POSES, True),
)
PROTOCOLS = {"probe": "frozen, ridge", "mlp": "frozen, MLP", "finetune": "fine-tuned"}
OBJECTIVES = ("none", "supervised", "simclr", "peclr")


def table(block: Block) -> str:
    """The Markdown of one block: mean ± standard deviation over seeds, then differences paired by seed."""
    records = read_runs(ROOT / "results" / block.name)
    heads = ["protocol", "labels"] if block.protocols else []
    head = [*heads, "objective", "seeds", *(heading for _, heading, _ in block.columns)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for group in _groups(records):
        lines += [_row(block, objective, runs) for objective, runs in _by_objective(group)]
        lines += _random(block, group) if not any(run.objective == "none" for run in group) else []
        lines += _difference(block, group)
    return "\n".join(lines)


def _groups(records: Sequence[Record]) -> Iterator[list[Record]]:
    keys = sorted({(list(PROTOCOLS).index(run.protocol) if run.protocol in PROTOCOLS else -1, run.labels) for run in records})
    for place, labels in keys:
        yield [run for run in records if run.labels == labels and (place < 0 or run.protocol == list(PROTOCOLS)[place])]


def _by_objective(group: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    for objective in OBJECTIVES:
        runs = [run for run in group if run.objective == objective]
        if runs:
            yield objective, runs


def _row(block: Block, name: str, runs: Sequence[Record], suffix: str = "") -> str:
    cells = [_cell([_value(run, metric + suffix) for run in runs], decimals) for metric, _, decimals in block.columns]
    return _line(block, runs, name, cells)


def _random(block: Block, group: Sequence[Record]) -> list[str]:
    one_a_seed = list({run.seed: run for run in group}.values())
    known = any(score.metric.endswith("/random") for run in one_a_seed for score in run.scores)
    return [_row(block, "random encoder", one_a_seed, "/random")] if known else []


def _difference(block: Block, group: Sequence[Record]) -> list[str]:
    """PeCLR minus SimCLR by seed: mean, smallest and largest."""
    by_name = {name: {run.seed: run for run in group if run.objective == name} for name in ("peclr", "simclr")}
    seeds = sorted(by_name["peclr"].keys() & by_name["simclr"].keys())
    if len(seeds) < 2:
        return []
    cells = []
    for metric, _, decimals in block.columns:
        gaps = [_value(by_name["peclr"][seed], metric) - _value(by_name["simclr"][seed], metric) for seed in seeds]
        cells.append(f"{statistics.mean(gaps):+.{decimals}f} ({min(gaps):+.{decimals}f} to {max(gaps):+.{decimals}f})")
    return [_line(block, [by_name["peclr"][seed] for seed in seeds], "*peclr − simclr*", cells)]


def _line(block: Block, runs: Sequence[Record], name: str, cells: Sequence[str]) -> str:
    first = [PROTOCOLS[runs[0].protocol], f"{runs[0].labels:.0%}"] if block.protocols else []
    return "| " + " | ".join([*first, name, str(len(runs)), *cells]) + " |"


def _cell(values: Sequence[float], decimals: int) -> str:
    known = [value for value in values if value == value]
    if not known:
        return "–"
    spread = f" ± {statistics.stdev(known):.{decimals}f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.{decimals}f}{spread}"


def _value(run: Record, metric: str) -> float:
    return next((score.value for score in run.scores if score.metric == metric), float("nan"))


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
    return text


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
