"""`handbench report` prints, writes and checks the tables, and never touches a run."""

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


def test_it_prints_and_writes_both_files(runs: Path) -> None:
    outcome = call(runs)
    assert outcome.exit_code == 0, outcome.output
    assert (runs / "table.md").read_text() in outcome.output
    assert (runs / "table.csv").read_text().splitlines()[1].startswith("run-s0,peclr,tiny,photos,,probe,")
    assert str(runs / "table.csv") in outcome.stderr


def test_out_leaves_the_runs_folder_alone(runs: Path, tmp_path: Path) -> None:
    before = sorted(runs.rglob("*"))
    assert call(runs, "--out", tmp_path / "elsewhere").exit_code == 0
    assert sorted(runs.rglob("*")) == before
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["table.csv", "table.md"]


def test_check_tells_stale_and_missing_files(runs: Path) -> None:
    outcome = call(runs, "--check")
    assert outcome.exit_code == 1
    assert "table.md" in outcome.stderr
    assert "table.csv" in outcome.stderr
    call(runs)
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
    outcome = call(runs)
    assert outcome.exit_code == 0
    assert "run-s1" in outcome.stderr
    assert "run-s1" not in outcome.stdout


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
    assert call(runs / "run-s0", "--out", tmp_path).exit_code == 0


def test_an_unknown_report_is_an_error(runs: Path) -> None:
    with pytest.raises(PluginError, match="did you mean 'table'"):
        call(runs, "--report", "tabel")
