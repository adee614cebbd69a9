"""The tidy table: one row a run and score, in an order that does not depend on how the records came."""

import importlib.util
import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import handbench
from handbench.errors import ResultsError
from handbench.results.records import Record, open_run, write_run
from handbench.results.tidy import COLUMNS, ORIGIN, experiment, parquet, tidy
from handbench.types import Score


def document(run: str = "r", seed: int = 0, status: str = "finished", **changes: object) -> dict[str, object]:
    score = {
        "metric": "epe",
        "value": 1.5,
        "unit": "mm",
        "count": 10,
        "excluded": 1,
        "protocol": "freihand",
        "spread": None,
        "note": "",
    }
    plain: dict[str, object] = {
        "id": run,
        "seed": seed,
        "status": status,
        "objective": "peclr",
        "backbone": "tiny",
        "dataset": "synthetic",
        "protocol": "probe",
        "labels": 1.0,
        "budget": "quick",
        "device": "cpu",
        "recipe": {"seed": seed, "objective": {"name": "peclr"}},
        "scores": [score, {**score, "metric": "auc", "unit": "", "value": math.nan}],
        "notes": [],
        "data": {"fingerprint": "f0"},
        "provenance": {"handbench": "0.1.0"},
    }
    return {**plain, **changes}


def test_one_row_a_run_and_score() -> None:
    table = tidy([document("b", 1), document("a", 0), document("f", 2, status="failed")])
    assert list(table.columns) == list(COLUMNS)
    assert list(zip(table.run, table.metric, strict=True)) == [("a", "epe"), ("a", "auc"), ("b", "epe"), ("b", "auc")]
    first = table.iloc[0]
    assert (first.protocol, first.definition, first.value, first["count"], first.excluded) == ("probe", "freihand", 1.5, 10, 1)


def test_order_is_the_records_own() -> None:
    documents = [document("d", 10), document("c", 9), document("b", 9, labels=0.1), document("a", 0, objective="simclr")]
    documents += [document("A", data={}), document("z", data={"fingerprint": "f1"})]
    table = tidy(documents)
    assert table.equals(tidy(documents[::-1]))
    assert list(table.run.unique()) == ["A", "b", "c", "d", "a", "z"]  # data, objective, labels, then seeds as numbers


def test_repetitions_differ_in_seed_machine_and_place_only() -> None:
    recipe = {
        "seed": 0,
        "device": "cpu",
        "dataset": {"name": "photos", "root": "/a"},
        "pretrain": {"data": [{"name": "photos", "root": "/a"}]},
    }
    moved = {
        "seed": 1,
        "device": "cuda",
        "dataset": {"name": "photos", "root": "/b"},
        "pretrain": {"data": [{"name": "photos", "root": "/b"}]},
    }
    assert experiment(recipe) == experiment(moved)
    assert experiment({**recipe, "pretrain": {"epochs": 3}}) != experiment(recipe)


def test_no_records_give_an_empty_table() -> None:
    assert list(tidy([]).columns) == list(COLUMNS)
    assert len(tidy([])) == 0


RECORD = Record(
    id="run-s0",
    status="finished",
    key="0123",
    objective="peclr",
    backbone="tiny",
    dataset="photos",
    protocol="features",
    labels=1.0,
    budget="quick",
    seed=0,
    device="cpu",
    recipe={"seed": 0},
    scores=(
        Score("knn", 81.3 + 1 / 3, "%", 400),
        Score("turn", 29.9, "degrees", 400, spread=4.2),
        Score("epe", math.nan, "mm", 0),
    ),
    cost={"seconds": 12.5},
)


def write(folder: Path, *seeds: int) -> None:
    for seed in seeds:
        write_run(open_run(folder, f"run-s{seed}"), replace(RECORD, id=f"run-s{seed}", seed=seed))


def test_load_results_is_the_documented_table(tmp_path: Path) -> None:
    write(tmp_path, 0, 1)
    scores = handbench.load_results(tmp_path)
    assert list(scores.columns) == [*COLUMNS, *ORIGIN]
    assert len(scores) == 6
    first = scores.iloc[0]
    assert (first.run, first.metric, first.value, first.seconds, first.folder) == (
        "run-s0",
        "knn",
        81.3 + 1 / 3,
        12.5,
        str(tmp_path / "run-s0"),
    )
    assert scores.equals(handbench.load_results(str(tmp_path)))


def test_the_readme_documents_every_column() -> None:
    readme = Path(__file__).resolve().parents[2] / "README.md"
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", readme.read_text(encoding="utf-8").split("load_results(")[1].split("\n## ")[0], re.MULTILINE
    )
    assert dict(rows) == {**COLUMNS, **ORIGIN}, "README.md's table of columns differs from results/tidy.py"


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="holds no finished run"):
        handbench.load_results(tmp_path)


def test_parquet_keeps_every_value(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    write(tmp_path, 0)
    scores = handbench.load_results(tmp_path)
    (tmp_path / "scores.parquet").write_bytes(parquet(scores))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), scores, check_dtype=False)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResultsError, match=r"pip install 'handbench\[parquet\]'"):
        parquet(tidy([]))
