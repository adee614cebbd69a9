"""`handbench report` prints, writes and checks the tables, never touches a run, and makes nothing twice."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from handbench.cli.report import report
from handbench.errors import HandbenchError, PluginError, ResultsError
from handbench.results.records import Record, open_run, write_run
from handbench.types import Score

RECORD = Record(
    id="run-s0",
    status="finished",
    key="k",
    objective="peclr",
    backbone="tiny",
    dataset="photos",
    protocol="probe",
    labels=1.0,
    budget="smoke",
    seed=0,
    device="cpu",
    recipe={"seed": 0},
    scores=(Score("knn", 81.0, "%", 400),),
    created="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for seed in (0, 1):
        record = replace(RECORD, id=f"run-s{seed}", seed=seed)
        write_run(open_run(folder, record.id), record)
    return folder


def call(*arguments: object) -> Result:
    outcome = CliRunner().invoke(report, [str(argument) for argument in arguments])
    if isinstance(outcome.exception, HandbenchError):
        raise outcome.exception
    return outcome


TABLES = ("--report", "comparison", "--report", "table")


def test_it_prints_the_tables_and_writes_all_files(runs: Path) -> None:
    outcome = call(runs, *TABLES)
    assert outcome.exit_code == 0, outcome.output
    assert (runs / "tables" / "others.md").read_text() in outcome.output
    assert (runs / "table.csv").read_text().splitlines()[1].startswith("run-s0,peclr,tiny,photos,,probe,")
    assert "# Runs" in (runs / "table.md").read_text()
    assert str(runs / "table.csv") in outcome.stderr


def test_out_leaves_the_runs_folder_alone(runs: Path, tmp_path: Path) -> None:
    before = sorted(runs.rglob("*"))
    assert call(runs, "--out", tmp_path / "elsewhere", *TABLES).exit_code == 0
    assert sorted(runs.rglob("*")) == before
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == [".report.json", "table.csv", "table.md", "tables"]


def test_an_unchanged_report_is_not_made_again(runs: Path) -> None:
    call(runs, *TABLES)
    times = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    again = call(runs, *TABLES)
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()} == times
    assert again.stdout == ""
    assert "nothing has changed" in again.stderr
    (runs / "table.md").write_text("edited by hand")
    mended = call(runs, *TABLES)
    assert (runs / "table.md").read_text().startswith("# Runs")
    assert "comparison: nothing has changed" in mended.stderr
    write_run(open_run(runs, "run-s2"), replace(RECORD, id="run-s2", seed=2))
    assert "run-s2" in call(runs, *TABLES).stdout


def test_tables_that_are_no_more_are_taken_away(runs: Path) -> None:
    call(runs, *TABLES)
    record = replace(RECORD, id="run-s9", seed=9, scores=(Score("mpjpe", 9.0, "mm", 4),))
    for seed in (0, 1):
        (runs / f"run-s{seed}" / "run.json").unlink()
    write_run(open_run(runs, "run-s9"), record)
    call(runs, *TABLES)
    assert sorted(path.name for path in (runs / "tables").iterdir()) == ["all-tables.tex", "poses.csv", "poses.md", "poses.tex"]


def test_looking_whether_anything_changed_loads_nothing_heavy(runs: Path) -> None:
    call(runs, *TABLES)
    program = f"""
import sys
from handbench.cli import main
try:
    main(["report", {str(runs)!r}, "--report", "comparison", "--report", "table"])
except SystemExit as end:
    loaded = [name for name in ("torch", "timm", "pandas", "scipy", "matplotlib") if name in sys.modules]
    sys.exit(f"exit code {{end.code}}, loaded {{loaded}}" if end.code or loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "nothing has changed" in done.stderr


def test_parquet_holds_every_score(runs: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    call(runs, "--parquet", *TABLES)
    back = pandas.read_parquet(runs / "results.parquet")
    assert back[["run", "metric", "value"]].values.tolist() == [["run-s0", "knn", 81.0], ["run-s1", "knn", 81.0]]


def test_several_suites_in_one_folder_are_an_error(runs: Path) -> None:
    for name in ("one", "two"):
        (runs / name).mkdir()
        (runs / name / "suite.json").write_text(json.dumps({"name": name}))
    with pytest.raises(ResultsError, match=r"several suites.* one: .*/one, .*/two"):
        call(runs, *TABLES)


def test_check_tells_stale_and_missing_files(runs: Path) -> None:
    outcome = call(runs, "--check")
    assert outcome.exit_code == 1
    assert "table.md" in outcome.stderr
    assert "table.csv" in outcome.stderr
    call(runs, *TABLES)
    assert call(runs, "--check").exit_code == 0
    stale = runs / "table.csv"
    stale.write_text(stale.read_text().replace("81.0", "91.0"))
    outcome = call(runs, "--check")
    assert outcome.exit_code == 1
    assert str(stale) in outcome.stderr
    assert "table.md" not in outcome.stderr
    assert "91.0" in stale.read_text()


def test_a_damaged_record_is_told_and_left_out(runs: Path) -> None:
    (runs / "run-s1" / "run.json").write_text("{")
    outcome = call(runs, *TABLES)
    assert outcome.exit_code == 0
    assert "run-s1" in outcome.stderr
    assert f"{runs / 'run-s1' / 'run.json'}: damaged" in outcome.stdout, "the table says which record it does not hold"
    assert "peclr: run-s0\n" in outcome.stdout


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_without_runs_is_an_error(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "runs"
    if made:
        folder.mkdir()
    with pytest.raises(ResultsError, match=r"runs (holds no finished run; make one with|is not a folder; give)"):
        call(folder)


def test_a_run_s_own_folder_is_never_written_to(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="never changed"):
        call(runs / "run-s0")
    assert call(runs / "run-s0", "--out", tmp_path, *TABLES).exit_code == 0


def test_an_unknown_report_is_an_error(runs: Path) -> None:
    with pytest.raises(PluginError, match="did you mean 'table'"):
        call(runs, "--report", "tabel")
