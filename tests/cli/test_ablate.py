"""`handbench ablate` as typed: plans, what is shared and done, failures, interruptions, and one folder for one suite."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import filelock
import pytest
from fixtures import write_freihand

import handbench.flow
from handbench.cli import main
from handbench.learn import pretrain

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
title = "Few labels"
seeds = [0, 1]

[recipe]
budget = "smoke"

[recipe.dataset]
name = "freihand"

[recipe.pretrain]
epochs = 1
batch = 8

[recipe.measure]
images = 20
neighbours = 3

[recipe.pose]
epochs = 1

[[grid]]
objective = ["none"]

[[grid]]
objective = ["simclr", "peclr"]
pose.labels = [0.5, 1.0]

[[table]]
name = "labels"
title = "3D error"
rows = ["objective"]
columns = ["pose.labels"]
metrics = ["mpjpe"]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_freihand(tmp_path / "freihand", unique=8, evaluation=4, versions=2)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path) -> Any:
    """Type a command on the suite above; returns its exit code, and what it printed to both streams."""
    suite = tmp_path / "few.toml"
    suite.write_text(SUITE)

    def run(*words: str | Path, name: str | Path = suite, results: Path = tmp_path / "runs") -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["ablate", str(name), "--results", str(results), "--data", f"freihand={data}", *map(str, words)])
        printed = capsys.readouterr()
        return int(leaving.value.code or 0), printed.out, printed.err

    return run


def stored(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "suite.json").read_text())
    return document


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".ablate.lock"}


def test_a_dry_run_shows_the_plan_and_does_nothing(typed: Any, tmp_path: Path) -> None:
    code, _, err = typed("--dry-run")
    assert code == 0 and not (tmp_path / "runs").exists() and not (tmp_path / "cache").exists()
    assert "runs: 10; 0 done, 10 to do" in err and "pre-trainings: 4 for 8 runs; 0 done, 4 to do" in err and "time: about" in err
    assert "objective=peclr,pose.labels=0.5,seed=1  to do" in err
    assert "2 seeds: the smallest exact p is 0.5, so no difference can be significant" in err


def test_label_shares_pre_train_once_and_a_finished_suite_does_nothing(
    typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    real = pretrain.pretrain
    monkeypatch.setattr(pretrain, "pretrain", lambda *given, **named: trained.append(1) or real(*given, **named))
    code, _, err = typed("--seeds", "1")
    assert code == 0, err
    assert len(trained) == 2, "objectives × seeds, whatever the number of label shares"
    cells = stored(tmp_path / "runs")["cells"]
    assert len(cells) == 5 and all((tmp_path / "runs" / cell["run"] / "run.json").is_file() for cell in cells)
    assert "[5/5] objective=peclr,pose.labels=1.0,seed=0" in err and any((tmp_path / "runs").glob("**/*.md"))
    before = times(tmp_path / "runs")
    monkeypatch.setattr(handbench.flow, "run", None)
    code, _, err = typed("--seeds", "1")
    assert code == 0 and "all 5 runs are done" in err and "nothing has changed" in err
    assert times(tmp_path / "runs") == before
    code, _, err = typed("--dry-run")
    assert "runs: 10; 5 done, 5 to do" in err and "pre-trainings: 4 for 8 runs; 2 done, 2 to do" in err


def test_a_repeated_suite_imports_no_timm_and_no_network(typed: Any, tmp_path: Path, data: Path) -> None:
    words = ["--only", "objective=none", "--seeds", "1"]
    assert typed(*words)[0] == 0
    command = ["ablate", str(tmp_path / "few.toml"), "--results", str(tmp_path / "runs"), "--data", f"freihand={data}", *words]
    program = f"""
import sys
from handbench.cli import main
try:
    main({command!r})
except SystemExit as end:
    heavy = [name for name in ("timm", "pandas", "matplotlib", "handbench.flow") if name in sys.modules]
    sys.exit(f"code {{end.code}}, loaded {{heavy}}" if end.code or heavy else 0)
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 0 and "nothing has changed" in outcome.stderr, outcome.stderr


def test_a_failed_run_is_recorded_shown_and_tried_again(typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = handbench.flow.run

    def broken(job: Any) -> Path:
        if job.recipe.objective.name == "simclr":
            raise RuntimeError("the views fell over")
        return real(job)

    monkeypatch.setattr(handbench.flow, "run", broken)
    words = ("--seeds", "1", "--only", "pose.labels=1.0", "--no-report")
    code, _, err = typed(*words)
    assert code == 1 and "Traceback" in err and "the views fell over" in err and "1 run failed" in err
    (path,) = (tmp_path / "runs" / "failures").glob("*.json")
    failure = json.loads(path.read_text())
    assert path.stem == "objective=simclr,pose.labels=1.0,seed=0" and "broken" in failure["traceback"]
    assert failure["cell"] == {"values": {"objective": "simclr", "pose.labels": 1.0}, "seed": 0}
    runs = {cell["values"]["objective"]: cell["run"] for cell in stored(tmp_path / "runs")["cells"] if cell["run"]}
    assert set(runs) == {"peclr"}, "what failed is not done, and the others are"
    monkeypatch.setattr(handbench.flow, "run", real)
    code, _, err = typed(*words)
    assert code == 0 and "[1/1] objective=simclr,pose.labels=1.0,seed=0" in err and not path.exists()


def test_only_leaves_the_other_cells_for_later(typed: Any, tmp_path: Path) -> None:
    code, _, err = typed("--only", "objective=none", "--only", "seed=1", "--no-report")
    assert code == 0 and "runs: 10; 0 done, 1 to do, 9 left out by --only" in err
    assert [cell["run"] is not None for cell in stored(tmp_path / "runs")["cells"]].count(True) == 1


def test_an_interrupted_suite_stops_whole_and_says_how_to_go_on(
    typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = handbench.flow.run, []

    def interrupted(job: Any) -> Path:
        if done:
            raise KeyboardInterrupt
        done.append(job)
        return real(job)

    monkeypatch.setattr(handbench.flow, "run", interrupted)
    code, _, err = typed("--seeds", "1", "--only", "pose.labels=1.0", "--no-report")
    assert code == 130 and "the same command goes on from here" in err and "Traceback" not in err
    monkeypatch.setattr(handbench.flow, "run", real)
    code, _, err = typed("--seeds", "1", "--only", "pose.labels=1.0", "--no-report")
    assert code == 0 and "[1/1] objective=peclr" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "objectve=none"], "axes are objective, pose.labels, seed"),
        (["--only", "objective=peclrr"], "axis objective has no value peclrr (none, peclr, simclr)"),
        (["--only", "objective"], "--only objective is not of the form NAME=VALUE"),
        (["--seeds", "0"], "--seeds 0 must be a number of seeds from 1 on"),
        (["--set", "pose.labelz=1"], "'labelz' is not a key of [pose]; did you mean 'labels'"),
        (["--set", "objective.temprature=1"], "suite 'few', objective=simclr,pose.labels=0.5,seed=0: 'temprature' is not a key"),
        (["--data", "photos=x"], "suite 'few' has no use for --data: dataset 'photos'"),
        (["--device", "tpu"], "device 'tpu'"),
    ],
)
def test_mistakes_are_one_line_and_cost_no_work(typed: Any, tmp_path: Path, words: list[str], message: str) -> None:
    code, out, err = typed("--only", "objective=simclr", *words) if "temprature" in str(words) else typed(*words)
    assert code == 2 and message in err and "Traceback" not in err and not out
    assert not list((tmp_path / "runs").glob("*/run.json")) and not (tmp_path / "cache").exists()


def test_a_folder_is_for_one_suite_with_one_set_of_options(typed: Any, tmp_path: Path) -> None:
    words = ("--only", "objective=none", "--seeds", "1", "--no-report")
    assert typed(*words)[0] == 0
    (tmp_path / "other.toml").write_text(SUITE)
    code, _, err = typed(*words, name=tmp_path / "other.toml")
    assert code == 2 and "holds the suite 'few'; 'other' needs a folder of its own: give --results" in err
    code, _, err = typed(*words, "--budget", "smoke")
    assert code == 2 and "with budget = None, not smoke" in err
    (tmp_path / "runs" / "suite.json").write_text("{")
    code, _, err = typed(*words)
    assert code == 2 and "suite.json is damaged" in err and "remove it" in err


def test_two_commands_do_not_write_one_folder(typed: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with filelock.FileLock(tmp_path / "runs" / ".ablate.lock"):
        code, _, err = typed("--seeds", "1")
    assert code == 2 and "another handbench ablate is at work here" in err


def test_ctrl_c_in_a_real_process(tmp_path: Path, data: Path) -> None:
    suite = tmp_path / "few.toml"
    suite.write_text(SUITE.replace("epochs = 1\nbatch = 8", "epochs = 500\nbatch = 8"))
    command = [sys.executable, "-m", "handbench", "ablate", str(suite), "--results", str(tmp_path / "runs"), "--only", "seed=0"]
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen([*command, "--data", f"freihand={data}", "--checkpoint-seconds", "0"], stdout=log, stderr=log)
        patience = time.monotonic() + 120
        while not list((tmp_path / "runs").glob("stages/*/checkpoint.pt")) and time.monotonic() < patience:
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, (tmp_path / "log.txt").read_text()
    said = (tmp_path / "log.txt").read_text()
    assert "pre-training stopped in epoch" in said and "the suite stops here" in said and "Traceback" not in said
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 1 and not (tmp_path / "runs" / "failures").exists()


def test_a_suite_killed_at_random_moments_ends_as_an_undisturbed_one(tmp_path: Path, data: Path) -> None:
    suite = tmp_path / "few.toml"
    suite.write_text(SUITE.replace("seeds = [0, 1]", "seeds = [0]").replace('["simclr", "peclr"]', '["peclr"]'))
    words = [str(suite), str(tmp_path / "trial"), "--kills", "3", "--seed", "1", "--", "--data", f"freihand={data}"]
    command = [sys.executable, str(ROOT / "tools" / "kill_and_repeat.py"), *words]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=300)
    logs = "".join(path.read_text()[-3000:] for path in (tmp_path / "trial").glob("*/log.txt"))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr + logs
    assert outcome.stdout.count("killed after") == 3 and "ended as the undisturbed one" in outcome.stdout
