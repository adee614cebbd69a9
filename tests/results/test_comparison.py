"""The report `comparison` writes the same numbers as Markdown, CSV and LaTeX, each with what a number needs; LaTeX compiles."""

import csv
import io
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import run_record

from handbench.results import latex, markdown, wording
from handbench.results.comparison import Column, Difference, Interval
from handbench.results.reports.comparison import Comparisons
from handbench.types import Evidence

NOISE = np.random.default_rng(1).normal(0, 0.2, (3, 8))
PUBLISHED = [{"label": "Theirs & co, 50 %", "source": "A_paper, table 2", "values": {"pa_mpjpe": 7.5}}]


def evidence(seeds: int = 8, **changes: Any) -> Evidence:
    levels = {"none": 30.0, "simclr_a|b": 25.0, "peclr": 20.0}
    records = [
        run_record(f"{name}-s{seed}", seed, {"mpjpe": level + NOISE[place, seed], "pa_mpjpe": level / 2}, objective=name)
        for place, (name, level) in enumerate(levels.items())
        for seed in range(seeds)
    ]
    table = {
        "name": "main",
        "title": "50 % of #1",
        "rows": ["objective"],
        "metrics": ["mpjpe", "pa_mpjpe", "auc"],
        "published": True,
    }
    suite = {
        "name": "s",
        "claims": True,
        "axes": {"objective": list(levels)},
        "cells": [{"values": {}, "seed": run["seed"], "run": run["id"]} for run in records],
        "tables": [{**table, "against": {"objective": "none"}}],
        "published": PUBLISHED,
    }
    return Evidence(Path(), tuple(records), {**suite, **changes})


def render(given: Evidence) -> dict[str, str]:
    return {name: content.decode() for name, content in Comparisons(Comparisons.Config()).render(given).items()}


def test_the_files_are_the_tables() -> None:
    assert sorted(render(evidence())) == ["tables/all-tables.tex", "tables/main.csv", "tables/main.md", "tables/main.tex"]
    assert render(Evidence(Path(), ())) == {}
    assert render(evidence()) == render(evidence())


def test_markdown_says_all_that_a_number_needs() -> None:
    text = render(evidence())["tables/main.md"]
    assert text.startswith("## 50 % of #1\n")
    mean, sd = 20 + NOISE[2].mean(), NOISE[2].std(ddof=1)
    assert f"**{mean:.2f} ± {sd:.2f}** [" in text
    assert "simclr_a\\|b" in text
    assert "missing" in text  # auc, which nobody has
    for said in (
        "synthetic 01234567",
        "frozen, linear",
        "MPJPE (mm) ↓",
        "seeds: 0, 1, 2, 3",
        "device: cpu (a CPU)",
        "handbench 0.1.0",
    ):
        assert said in text
    assert "- peclr: " + ", ".join(f"peclr-s{seed}" for seed in range(8)) in text
    assert "Differences to objective none" in text and "0.016" in text
    assert "*published by others:*" in text and "7.50" in text and "[1] A_paper, table 2" in text
    widths = {len(line) for line in text.split("\n\n")[1].splitlines()}
    assert len(widths) == 1, "the table is legible as plain text"


def test_too_few_seeds_are_said_in_place_of_p() -> None:
    for seeds in (1, 3):
        files = render(evidence(seeds))
        assert "n too small for 2 comparisons" in files["tables/main.md"]
        assert "**" not in files["tables/main.md"]
        assert "n too small for 2 comparisons" in files["tables/main.tex"]
        rows = list(csv.DictReader(io.StringIO(files["tables/main.csv"])))
        contrasted = [row for row in rows if row["difference"]]
        assert {row["p"] for row in contrasted} == {""}
        assert {row["p_note"] for row in contrasted} == {"n too small for 2 comparisons"}
    assert "One seed: no spread" in render(evidence(1))["tables/main.md"]


def test_the_csv_keeps_every_digit_and_leads_to_the_runs() -> None:
    rows = list(csv.DictReader(io.StringIO(render(evidence())["tables/main.csv"])))
    row = next(row for row in rows if row["objective"] == "peclr" and row["metric"] == "mpjpe")
    assert float(row["mean"]) == (20 + NOISE[2]).mean()
    assert [float(value) for value in row["values"].split()] == (20 + NOISE[2]).tolist()
    assert row["runs"].split() == [f"peclr-s{seed}" for seed in range(8)]
    assert (row["unit"], row["definition"], row["bold"], row["n"], row["pairs"], row["against"]) == (
        "mm",
        "rotation",
        "yes",
        "8",
        "8",
        "none",
    )
    assert (row["data"], row["protocol"], row["device"], row["version"], row["budget"]) == (
        "synthetic 01234567",
        "probe",
        "cpu",
        "0.1.0",
        "quick",
    )
    missing = next(row for row in rows if row["objective"] == "peclr" and row["metric"] == "auc")
    assert missing["mean"] == missing["runs"] == ""
    published = rows[-1]
    assert (published["objective"], published["mean"], published["published"]) == ("Theirs & co, 50 %", "7.5", "A_paper, table 2")


def test_latex_is_booktabs_and_escaped() -> None:
    text = render(evidence())["tables/main.tex"]
    assert {rf"\{rule}" for rule in ("toprule", "midrule", "bottomrule")} <= set(re.findall(r"\\[a-z]+rule", text))
    assert r"simclr\_a$|$b" in text and r"Theirs \& co, 50 \%" in text and r"50 \% of \#1" in text
    assert r"\textbf{\boldmath 20." in text and "$-$" in text and r"\emph{missing}" in text
    assert "% runs of peclr: peclr-s0, peclr-s1" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("rows", ["few", "many"])
def test_the_latex_compiles_and_nothing_runs_off_the_page(tmp_path: Path, rows: str) -> None:
    given = evidence()
    if rows == "many":  # more than a page: a longtable
        records = [
            run_record(f"r{place}", 0, {"mpjpe": 20.0, "wobble_Ωß手": 1.0}, backbone=f"net_{place}") for place in range(90)
        ]
        given = Evidence(Path(), tuple(records))
    for name, text in render(given).items():
        (tmp_path / Path(name).name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all-tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-3000:]
    assert (tmp_path / "all-tables.pdf").stat().st_size > 10_000
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", said)]
    assert max(wide, default=0.0) < 5.0, said


def test_escaping() -> None:
    assert latex.escape("a_b & 5 % {x} \\ ~ ^") == r"a\_b \& 5 \% \{x\} \textbackslash{} \textasciitilde{} \textasciicircum{}"
    assert latex.escape("± ↓ é ﬁ 手") == r"$\pm$ $\downarrow$ é fi U+624B"


def column(unit: str = "mm", better: Any = "lower", decimals: int = 2) -> Column:
    return Column((), (), "m", "M", "", unit, better, decimals, comparisons=1)


def test_words_for_numbers() -> None:
    assert wording.number(-0.0001, 2, sign=True) == "0.00"
    assert wording.number(math.inf, 2) == "inf"
    assert wording.ends(Interval(math.nan, math.nan), column()) == ""
    assert (wording.heading(column("%", "higher")), wording.heading(column("", ""))) == ("M (%) ↑", "M")
    blank = Difference(("none",), 7, 0, 1.0, Interval(0, 1), None, math.nan, 0.0004, False, math.nan)
    assert (wording.p_value(blank, column()), wording.effect(blank), wording.improvement(blank)) == ("<0.001", "–", "–")


def test_a_bar_in_a_cell_does_not_break_the_grid() -> None:
    lines = markdown.grid(["a", "b"], [["x|y", "1"]], [False, True]).splitlines()
    assert lines == ["| a    |   b |", "| ---- | --: |", "| x\\|y |   1 |"]
