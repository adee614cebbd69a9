"""The two tables say the numbers of the records, with all that a number needs beside it."""

import csv
import io
import math
import random
from pathlib import Path

import pytest

from handbench.results.reports.table import Table
from handbench.types import Evidence


def score(metric: str, value: float, unit: str, **more: object) -> dict[str, object]:
    return {
        "metric": metric,
        "value": value,
        "unit": unit,
        "count": 400,
        "excluded": 0,
        "protocol": "",
        "spread": None,
        "note": "",
    } | more


def run(run_id: str, seed: int, *scores: dict[str, object], **more: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": run_id,
        "seed": seed,
        "status": "finished",
        "objective": "peclr",
        "backbone": "tiny",
        "dataset": "photos",
        "protocol": "probe",
        "labels": 1.0,
        "budget": "quick",
        "device": "cpu",
        "recipe": {"seed": seed},
        "data": {"fingerprint": "f0"},
        "scores": list(scores),
        "notes": [],
        "provenance": {"handbench": "0.1.0"},
    }
    return fields | more


def render(*records: dict[str, object]) -> tuple[str, list[dict[str, str]]]:
    files = Table(Table.Config()).render(Evidence(Path(), records))
    assert sorted(files) == ["table.csv", "table.md"]
    return files["table.md"].decode(), list(csv.DictReader(io.StringIO(files["table.csv"].decode())))


def cells(markdown: str, number: int = 0) -> list[list[str]]:
    """The cells of one of the Markdown tables, without the rule below its head."""
    tables = [part for part in markdown.split("\n\n") if part.startswith("|")]
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in tables[number].splitlines()]
    return [lines[0], *lines[2:]]


def test_one_run_in_full() -> None:
    markdown, _ = render(run("a", 0, score("latent_turn", 29.94, "degrees", spread=4.25, excluded=3, note="turned by 30")))
    assert markdown == (
        "# Runs\n\n## photos\n\n"
        "All runs: backbone tiny, protocol probe, labels 100 %, budget quick, device cpu, handbench 0.1.0.\n\n"
        "| objective | seed |   latent_turn (degrees) | run |\n"
        "| --------- | ---- | ----------------------: | --- |\n"
        "| peclr     | 0    | 29.9 ± 4.2 (3 excluded) | a   |\n\n"
        "- latent_turn (degrees): n = 400; ± is the spread over samples; turned by 30\n"
    )


def test_the_csv_keeps_every_digit() -> None:
    value = 12.300000000000001
    _, rows = render(run("a", 7, score("pa_epe", value, "mm", protocol="freihand", excluded=2), score("auc", math.nan, "")))
    assert float(rows[0]["value"]) == value
    expected = {
        "run": "a",
        "seed": "7",
        "metric": "pa_epe",
        "unit": "mm",
        "count": "400",
        "excluded": "2",
        "definition": "freihand",
    }
    assert expected.items() <= rows[0].items()
    assert rows[0]["protocol"] == "probe"
    assert rows[1]["value"] == ""


def test_what_differs_gets_a_column_and_what_is_shared_a_line() -> None:
    one, other = score("knn", 81.25, "%"), score("knn", 80.0, "%")
    markdown, _ = render(run("a", 0, one, labels=0.1), run("b", 0, other, labels=1.0, objective="simclr"))
    assert cells(markdown) == [
        ["objective", "labels", "seed", "knn (%)", "run"],
        ["peclr", "10 %", "0", "81.2", "a"],
        ["simclr", "100 %", "0", "80.0", "b"],
    ]
    assert "All runs: backbone tiny, protocol probe, budget quick" in markdown


def test_seeds_are_summarised() -> None:
    values = [(0, 8.0), (2, 10.0), (10, 12.0)]
    single = run("z", 5, score("epe", 3.0, "mm"), objective="simclr")
    markdown, _ = render(*(run(f"r{seed}", seed, score("epe", value, "mm")) for seed, value in values), single)
    assert "Mean ± standard deviation over seeds:" in markdown
    assert cells(markdown, 1) == [
        ["objective", "seeds", "epe (mm)"],
        ["peclr", "3 (0, 2, 10)", "10.00 ± 2.00"],
        ["simclr", "1 (5)", "3.00"],
    ]


def test_one_seed_has_no_summary() -> None:
    markdown, _ = render(run("a", 0, score("epe", 3.0, "mm")), run("b", 0, score("epe", 3.0, "mm"), objective="simclr"))
    assert "standard deviation" not in markdown


def test_runs_of_different_settings_are_no_repetitions() -> None:
    recipes = [{"seed": seed, "objective": {"name": "peclr", "temperature": heat}} for seed, heat in enumerate((0.2, 0.5))]
    markdown, _ = render(*(run(f"r{seed}", seed, score("epe", 3.0, "mm"), recipe=recipe) for seed, recipe in enumerate(recipes)))
    assert cells(markdown)[0] == ["objective", "objective.temperature", "seed", "epe (mm)", "run"]
    assert [row[1] for row in cells(markdown)[1:]] == ["0.2", "0.5"]
    assert "standard deviation" not in markdown


def test_a_mean_with_a_missing_number_is_missing() -> None:
    markdown, _ = render(run("a", 0, score("epe", 3.0, "mm")), run("b", 1, score("epe", math.nan, "mm")))
    assert [row[2] for row in cells(markdown, 1)] == ["epe (mm)", "not a number"]


def test_datasets_units_and_definitions_never_share_a_column() -> None:
    markdown, _ = render(
        run(
            "a",
            0,
            score("epe_2d", 7.0, "px@64"),
            score("auc", 0.8, "", protocol="freihand"),
            score("auc", 0.7, "", protocol="ours"),
        ),
        run("b", 0, score("epe_2d", 9.0, "px@128")),
        run("c", 0, score("epe_2d", 5.0, "px@64"), dataset="synthetic"),
    )
    assert cells(markdown, 0) == [
        ["objective", "seed", "epe_2d (px@64)", "auc, freihand", "auc, ours", "epe_2d (px@128)", "run"],
        ["peclr", "0", "7.00", "0.800", "0.700", "", "a"],
        ["peclr", "0", "", "", "", "9.00", "b"],
    ]
    assert cells(markdown, 1)[1] == ["peclr", "0", "5.00", "c"]
    assert markdown.index("## photos") < markdown.index("## synthetic")


def test_different_data_of_one_name_never_share_a_table() -> None:
    def on(fingerprint: str, **settings: str) -> dict[str, object]:
        recipe = {"seed": 0, "dataset": {"name": "photos", "root": f"/{fingerprint}", **settings}}
        return run(f"r-{fingerprint}", 0, score("knn", 80.0, "%"), recipe=recipe, data={"fingerprint": fingerprint})

    markdown, _ = render(on("aaaaaaaaaaaa"), on("bbbbbbbbbbbb"))
    assert [line for line in markdown.splitlines() if line.startswith("##")] == [
        "## photos, data aaaaaaaa",
        "## photos, data bbbbbbbb",
    ]
    markdown, _ = render(on("aaaaaaaaaaaa"), on("bbbbbbbbbbbb", domain="wild"))
    assert "## photos, domain default, data aaaaaaaa" in markdown
    assert "## photos, domain wild, data bbbbbbbb" in markdown


def test_scores_told_apart_by_their_notes_alone() -> None:
    markdown, _ = render(run("a", 0, score("knn", 81.0, "%"), score("knn", 12.0, "%", note="random encoder")))
    assert cells(markdown)[0][2:4] == ["knn (%)", "knn (%), random encoder"]


def test_varying_counts_are_said() -> None:
    markdown, _ = render(run("a", 0, score("epe", 3.0, "mm")), run("b", 1, score("epe", 3.0, "mm", count=390)))
    assert "n = 390 to 400" in markdown


def test_notes_and_failures_are_said() -> None:
    markdown, _ = render(
        run("a", 0, score("epe", 3.0, "mm"), notes=["people may leak"]),
        run("b", 1, score("epe", 3.0, "mm")),
        run("c", 2, status="failed", notes=["out of memory"]),
        run("d", 3),
    )
    assert "- people may leak (1 of 2 runs)" in markdown
    assert "## Not in the tables\n\n- c: failed (out of memory)\n- d: no scores" in markdown


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    markdown, _ = render(run("a|b", 0, score("epe", 3.0, "mm")))
    assert "a\\|b" in markdown


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_records_does_not_matter(seed: int) -> None:
    objectives = ("simclr", "peclr", "none")
    records = [run(f"{name}{part}", part, score("epe", part, "mm"), objective=name) for name in objectives for part in (0, 1)]
    mixed = records.copy()
    random.Random(seed).shuffle(mixed)
    assert render(*mixed) == render(*records)


def test_no_records_give_empty_tables() -> None:
    markdown, rows = render()
    assert markdown == "# Runs\n"
    assert rows == []


def test_baselines_are_rows_and_equal_ones_one_row() -> None:
    def scores(value: float, luck: float) -> list[dict[str, object]]:
        return [score("knn", value, "%"), score("knn/random", luck, "%"), score("knn/constant", 10.0, "%")]

    markdown, rows = render(
        run("a", 0, *scores(80.0, 20.0), recipe={"seed": 0, "objective": {"name": "peclr"}}),
        run("b", 1, *scores(82.0, 24.0), recipe={"seed": 1, "objective": {"name": "peclr"}}),
        run("c", 0, *scores(70.0, 20.0), objective="simclr", recipe={"seed": 0, "objective": {"name": "simclr"}}),
    )
    assert cells(markdown) == [
        ["objective", "seed", "knn (%)", "run"],
        ["peclr", "0", "80.0", "a"],
        ["peclr", "1", "82.0", "b"],
        ["simclr", "0", "70.0", "c"],
        ["constant answer", "0", "10.0", "a and 1 more"],
        ["constant answer", "1", "10.0", "b"],
        ["random encoder", "0", "20.0", "a and 1 more"],
        ["random encoder", "1", "24.0", "b"],
    ]
    assert cells(markdown, 1)[1:] == [
        ["peclr", "2 (0, 1)", "81.0 ± 1.4"],
        ["simclr", "1 (0)", "70.0"],
        ["constant answer", "2 (0, 1)", "10.0 ± 0.0"],
        ["random encoder", "2 (0, 1)", "22.0 ± 2.8"],
    ]
    assert "- knn (%): n = 400\n" in markdown
    assert [row["metric"] for row in rows[:3]] == ["knn", "knn/random", "knn/constant"]
