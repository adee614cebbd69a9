"""Tables pair by seed, test what can be tested, never mix what differs, and say what they left out."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import run_record

from handbench.results.comparison import Comparison
from handbench.results.statistics import effect_size, mean_interval
from handbench.results.tables import compare
from handbench.types import Evidence

SEEDS = range(8)
NOISE = np.random.default_rng(0).normal(0, 0.2, (4, 10))
LEVEL = {"none": 30.0, "simclr": 25.0, "peclr": 20.0, "supervised": 20.05}


def runs(objective: str, seeds: Any = SEEDS, shift: float = 0.0, **changes: Any) -> list[dict[str, Any]]:
    place = list(LEVEL).index(objective)
    return [
        run_record(
            f"{objective}-{'-'.join(map(str, changes.values()))}-s{seed}",
            seed,
            {"mpjpe": LEVEL[objective] + shift + NOISE[place, seed]},
            objective=objective,
            **changes,
        )
        for seed in seeds
    ]


def evidence(*groups: list[dict[str, Any]], **suite: Any) -> Evidence:
    records = tuple(run for group in groups for run in group)
    if not suite:
        return Evidence(Path(), records)
    cells = [{"values": {"objective": run["objective"]}, "seed": run["seed"], "run": run["id"]} for run in records]
    table = {"name": "main", "title": "Main", "rows": ["objective"], "metrics": ["mpjpe"], "against": {"objective": "simclr"}}
    whole = {"name": "s", "claims": True, "axes": {}, "cells": cells, "tables": [table], "published": []}
    return Evidence(Path(), records, whole | suite)


def one(given: Evidence) -> Comparison:
    tables = compare(given)
    assert len(tables) == 1, [table.title for table in tables]
    return tables[0]


def cell(table: Comparison, label: str, column: int = 0) -> Any:
    return next(row.cells[column] for row in table.rows if label in row.labels)


def test_means_spreads_and_runs_by_hand() -> None:
    table = one(evidence([run_record(f"r{seed}", seed, {"mpjpe": value}) for seed, value in enumerate([1.0, 2.0, 6.0])]))
    found = table.rows[0].cells[0]
    assert (found.mean, found.n, found.seeds, found.runs) == (3.0, 3, (0, 1, 2), ("r0", "r1", "r2"))
    assert found.sd == pytest.approx(math.sqrt(7))
    assert (found.interval.low, found.interval.high) == pytest.approx(mean_interval(np.array([1.0, 2.0, 6.0])))
    assert (table.columns[0].heading, table.columns[0].better, table.facts.seeds) == ("MPJPE (mm)", "lower", (0, 1, 2))
    assert found.difference is None and not found.bold


def test_differences_are_paired_by_seed() -> None:
    table = one(evidence(runs("simclr"), runs("peclr"), runs("none"), with_suite=True))
    gaps = np.array([-5.0 + NOISE[2, seed] - NOISE[1, seed] for seed in SEEDS])
    found = cell(table, "peclr").difference
    assert found.to == ("simclr",)
    assert found.values == pytest.approx(gaps)
    assert (found.n, found.dropped, found.improvement, found.small) == (8, 0, 1.0, False)
    assert (found.mean, found.effect) == pytest.approx((gaps.mean(), effect_size(gaps)))
    assert found.p == pytest.approx(2 * 2**-7)  # both comparisons reach the smallest p of 8 pairs, 2^-7; Holm doubles it
    assert cell(table, "none").difference.improvement == 0.0
    assert cell(table, "simclr").difference is None
    assert table.columns[0].comparisons == 2
    assert [row.reference for row in table.rows] == [False, True, False]


def test_only_seeds_on_both_sides_are_paired_and_the_dropped_are_counted() -> None:
    table = one(evidence(runs("simclr", [0, 1, 2, 3]), runs("peclr", [2, 3, 4]), with_suite=True))
    assert cell(table, "peclr").n == 3
    assert (cell(table, "peclr").difference.n, cell(table, "peclr").difference.dropped) == (2, 3)


def test_bold_is_the_whole_group_that_cannot_be_told_from_the_best() -> None:
    table = one(evidence(*map(runs, LEVEL), with_suite=True))
    assert {row.labels[0] for row in table.rows if row.cells[0].bold} == {"peclr", "supervised"}


def test_higher_is_better_where_it_is() -> None:
    def scored(objective: str) -> list[dict[str, Any]]:
        return [{**run, "scores": [{**run["scores"][0], "metric": "pa_auc", "unit": ""}]} for run in runs(objective)]

    table = one(
        evidence(
            scored("none"), scored("peclr"), with_suite=True, tables=[spec(metrics=["pa_auc"], against={"objective": "none"})]
        )
    )
    assert cell(table, "none").bold and not cell(table, "peclr").bold
    assert cell(table, "peclr").difference.improvement == 0.0


def spec(**changes: Any) -> dict[str, Any]:
    return {"name": "main", "title": "Main", "rows": ["objective"], "metrics": ["mpjpe"], **changes}


@pytest.mark.parametrize(("seeds", "small"), [(5, True), (6, True), (7, False)])
def test_too_few_seeds_for_two_comparisons_give_no_p_and_no_bold(seeds: int, small: bool) -> None:
    table = one(evidence(*(runs(name, range(seeds)) for name in ("simclr", "peclr", "none")), with_suite=True))
    found = cell(table, "peclr")
    assert (found.difference.small, table.columns[0].small, math.isnan(found.difference.p)) == (small, small, small)
    assert any(row.cells[0].bold for row in table.rows) is not small


def test_a_suite_without_a_claim_ranks_nothing() -> None:
    table = one(evidence(runs("simclr"), runs("peclr"), claims=False))
    assert not any(row.cells[0].bold for row in table.rows)
    assert any("nothing is ranked" in note for note in table.notes)


def test_other_data_devices_and_budgets_have_tables_of_their_own() -> None:
    other = [{**run, "data": {"fingerprint": "abcdef0123"}} for run in runs("peclr", device="cpu")]
    tables = compare(evidence(runs("peclr"), other, runs("peclr", device="cuda"), runs("simclr", budget="paper")))
    assert sorted(table.title for table in tables) == [
        "Hand pose (synthetic 01234567, cpu, paper)",
        "Hand pose (synthetic 01234567, cpu, quick)",
        "Hand pose (synthetic 01234567, cuda, quick)",
        "Hand pose (synthetic abcdef01, cpu, quick)",
    ]
    assert len({table.name for table in tables}) == 4
    assert all("tables of their own" in " ".join(table.notes) for table in tables)


def test_a_table_over_datasets_pairs_nothing_across_them() -> None:
    wild = [{**run, "data": {"fingerprint": "abcdef0123"}} for run in runs("peclr", dataset="wild")]
    table = one(
        evidence(
            runs("peclr"),
            wild,
            cells=cells_of(runs("peclr"), wild),
            tables=[spec(rows=["dataset"], against={"dataset": "synthetic"})],
        )
    )
    assert [row.labels for row in table.rows] == [("synthetic",), ("wild",)]
    assert all(row.cells[0].difference is None and not row.cells[0].bold for row in table.rows)


def cells_of(*groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"values": {}, "seed": run["seed"], "run": run["id"]} for group in groups for run in group]


def test_settings_that_differ_within_a_cell_become_rows() -> None:
    long = runs("peclr", shift=-2.0, recipe={"pretrain": {"epochs": 100}})
    short = [{**run, "id": f"{run['id']}-short"} for run in runs("peclr", recipe={"pretrain": {"epochs": 8}})]
    table = one(evidence(long, short))
    assert table.axes == ("objective", "pretrain.epochs")
    assert [row.labels for row in table.rows] == [("peclr", "100"), ("peclr", "8")]
    assert "pretrain.epochs" in table.notes[0]


def test_a_run_made_twice_counts_once() -> None:
    old = {**runs("peclr", [0])[0], "id": "old", "created": "2025-01-01T00:00:00+00:00"}
    table = one(evidence([old], runs("peclr", [0, 1])))
    assert cell(table, "peclr").n == 2
    assert "old" not in cell(table, "peclr").runs
    assert any("run again later: old" in note for note in table.notes)


def test_what_is_not_a_number_is_named_and_nothing_beside_it_is_bold() -> None:
    broken = runs("peclr")
    broken[3]["scores"][0]["value"] = math.nan
    broken[4]["scores"][0]["value"] = math.inf
    table = one(evidence(broken, runs("simclr"), with_suite=True))
    found = cell(table, "peclr")
    assert (found.n, found.lost, found.difference.n, found.difference.dropped) == (6, (broken[3]["id"], broken[4]["id"]), 6, 2)
    assert math.isfinite(found.mean)
    assert not any(row.cells[0].bold for row in table.rows)
    assert broken[3]["id"] in " ".join(table.notes)


def test_definitions_and_units_never_share_a_column() -> None:
    def scores(value: float) -> list[dict[str, Any]]:
        blank = {"metric": "pa_epe", "count": 9, "excluded": 0, "spread": None, "note": ""}
        return [
            {**blank, "value": value, "unit": "mm", "protocol": "freihand"},
            {**blank, "value": value / 2, "unit": "mm", "protocol": "x"},
        ]

    small = {
        "metric": "epe_2d",
        "unit": "px@64",
        "value": 3.0,
        "count": 9,
        "excluded": 0,
        "spread": None,
        "note": "",
        "protocol": "",
    }
    given = [run_record("a", 0, [*scores(10.0), small]), run_record("b", 1, [*scores(12.0), {**small, "unit": "px@128"}])]
    table = one(evidence(given))
    headings = [column.heading for column in table.columns]
    assert headings == ["2D EPE (px@64)", "2D EPE (px@128)", "PA-EPE, freihand (mm)", "PA-EPE, x (mm)"]
    assert [found.mean for found in table.rows[0].cells] == [3.0, 3.0, 11.0, 5.5]
    chosen = one(evidence(given, cells=cells_of(given), tables=[spec(metrics=["x:pa_epe"])]))
    assert [found.mean for found in chosen.rows[0].cells] == [5.5]


def test_column_axes_make_groups_and_count_as_one_family() -> None:
    given = [run for share in (0.1, 1.0) for name in ("simclr", "peclr") for run in runs(name, labels=share)]
    table = one(evidence(given, cells=cells_of(given), tables=[spec(columns=["pose.labels"], against={"objective": "simclr"})]))
    assert [column.heading for column in table.columns] == ["labels 10 %: MPJPE (mm)", "labels 100 %: MPJPE (mm)"]
    assert [column.comparisons for column in table.columns] == [2, 2]
    assert cell(table, "peclr", 0).runs != cell(table, "peclr", 1).runs


def test_missing_cells_and_runs_are_shown_as_such() -> None:
    given = [*runs("simclr", labels=0.1), *runs("peclr", labels=1.0)]
    table = one(
        evidence(given, cells=[*cells_of(given), {"values": {}, "seed": 9, "run": None}], tables=[spec(columns=["pose.labels"])])
    )
    assert cell(table, "simclr", 1) is None and cell(table, "peclr", 0) is None
    assert "1 of the suite's 17 planned runs are missing." in table.notes
    failed = one(
        replace(evidence(given, cells=[*cells_of(given), {"values": {}, "seed": 9, "run": None}]), failures=({"error": "x"},))
    )
    assert any("1 of them failed" in note for note in failed.notes)


def test_a_metric_that_no_run_has_is_an_empty_column_with_a_note() -> None:
    table = one(evidence(runs("peclr"), tables=[spec(metrics=["mpjpe", "mpjqe"])]))
    assert table.rows[0].cells[1] is None
    assert "No run here has the score mpjqe." in table.notes


def test_strangers_in_a_suites_folder_stay_out() -> None:
    given = evidence(runs("peclr"), runs("simclr"), with_suite=True)
    table = one(replace(given, records=(*given.records, run_record("stranger", 0, {"mpjpe": 1.0}))))
    assert cell(table, "peclr").n == len(SEEDS)
    assert any("not of suite s: stranger" in note for note in table.notes)


def test_rows_stand_in_the_suites_order_and_where_selects() -> None:
    given = evidence(runs("peclr"), runs("simclr"), runs("none"), axes={"objective": ["peclr", "none", "simclr"]})
    assert [row.labels[0] for row in one(given).rows] == ["peclr", "none", "simclr"]
    chosen = evidence(runs("peclr"), runs("simclr"), tables=[spec(where={"objective": "peclr"})])
    assert [row.labels[0] for row in one(chosen).rows] == ["peclr"]


def test_published_rows_are_in_no_test() -> None:
    rows = [
        {"label": "theirs", "source": "Paper, table 1", "values": {"mpjpe": 1.0}, "note": "other data"},
        {"label": "in pixels", "source": "Paper", "values": {"mpjpe": 2.0}, "unit": "px@64"},
    ]
    with_rows = one(
        evidence(runs("simclr"), runs("peclr"), published=rows, tables=[spec(published=True, against={"objective": "simclr"})])
    )
    without = one(evidence(runs("simclr"), runs("peclr"), published=rows))
    assert [(row.label, row.values, row.source) for row in with_rows.published] == [
        ("theirs", (1.0,), "Paper, table 1; other data")
    ]
    assert any("in pixels" in note for note in with_rows.notes)
    assert without.published == ()
    assert with_rows.rows == without.rows


def test_features_of_one_encoder_count_once() -> None:
    def probed(objective: str, protocol: str) -> list[dict[str, Any]]:
        changed = runs(objective, protocol=protocol)
        for run in changed:
            run["stages"] = [{"name": "measure", "key": f"{objective}{run['seed']}", "seconds": 1.0, "reused": False}]
            run["scores"][0] |= {"metric": "rotation_error", "unit": "degrees"}
        return changed

    (table,) = compare(evidence(*(probed(name, way) for name in ("none", "peclr") for way in ("probe", "mlp"))))
    assert (table.name, table.axes, len(table.rows), table.columns[0].comparisons) == ("features", ("objective",), 2, 1)
    assert table.facts.protocols == ("features",)
    assert cell(table, "peclr").bold


def test_damaged_records_are_noted_and_failed_ones_left_out() -> None:
    failed = {**runs("simclr", [0])[0], "status": "failed"}
    table = one(replace(evidence(runs("peclr"), [failed]), excluded=("run.json: damaged",)))
    assert [row.labels[0] for row in table.rows] == ["peclr"]
    assert "run.json: damaged" in table.notes
    assert compare(evidence([failed])) == ()
