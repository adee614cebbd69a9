"""The tidy table: one row a run and score, in an order that does not depend on how the records came."""

import math

from handbench.results.tidy import COLUMNS, experiment, tidy


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
