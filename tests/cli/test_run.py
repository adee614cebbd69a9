"""`handbench run` as typed: what it prints, and one clear line with exit code 2 for each mistake."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures import edit_list, write_bad_photos, write_freihand, write_photos

from handbench import checkpoints
from handbench.cli import main

SMALL = [
    word
    for text in ("pretrain.epochs=1", "pretrain.batch=8", "pretrain.view=32", "measure.neighbours=3")
    for word in ("--set", text)
]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Type a command; returns its exit code, and what it printed to both streams."""

    def run(*words: str | Path, results: Path | None = None) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["run", "--budget", "smoke", *SMALL, "--results", str(results or tmp_path / "runs"), *map(str, words)])
        printed = capsys.readouterr()
        return int(leaving.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", people=10)


def of(photos: Path) -> list[str | Path]:
    return ["--dataset", "photos", "--data", photos]


def test_a_run_prints_its_table_and_says_where_the_record_is(typed: Any, photos: Path, tmp_path: Path) -> None:
    code, out, err = typed(*of(photos), "--objective", "simclr")
    assert code == 0
    for word in ("metric", "random encoder", "constant", "retrieval_top1", "rotation_error", "latent_turn", "degrees"):
        assert word in out
    record = Path(out.splitlines()[-1].removeprefix("record: "))
    assert json.loads(record.read_text())["objective"] == "simclr" and record.parent.parent == tmp_path / "runs"
    assert "pre-training simclr, tiny: 1 epochs" in err and "about" in err


def test_dry_run_prints_a_recipe_that_runs_the_same(typed: Any, photos: Path, tmp_path: Path) -> None:
    code, out, _ = typed(*of(photos), "--objective", "simclr", "--dry-run")
    assert code == 0 and 'name = "simclr"' in out and not (tmp_path / "runs").exists()
    (tmp_path / "recipe.toml").write_text(out)
    assert typed(*of(photos), "--objective", "simclr", tmp_path / "recipe.toml", "--dry-run")[1] == out


def test_data_may_name_its_dataset(typed: Any, photos: Path) -> None:
    assert f'root = "{photos}"' in typed("--dataset", "photos", "--data", f"photos={photos}", "--dry-run")[1]
    code, _, err = typed("--dataset", "photos", "--data", "other=x", "--dry-run")
    assert code == 2 and "the run has no dataset 'other' (photos)" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--objective", "pecrl"], "objective 'pecrl' is unknown; did you mean 'peclr'"),
        (["--backbone", "resnet51"], "backbone 'resnet51' is unknown; did you mean 'resnet5"),
        (["--augmentation", "rotat"], "augmentation 'rotat' is unknown; did you mean 'rotate'"),
        (["--set", "objective.temprature=1"], "'temprature' is not a key of [objective]; did you mean 'temperature'"),
        (["--set", "objective.temperature='warm'"], "objective.temperature = 'warm' is a str; a float is wanted"),
        (["--set", "pretrain.lr=1"], "'lr' is not a key of [pretrain]"),
        (["--device", "tpu"], "device 'tpu'"),
        (["--weights", "none.pth", "--backbone", "tiny"], "weights none.pth is not a file"),
        (["--weights", "imagenet", "--backbone", "tiny"], "'tiny' has no ImageNet weights"),
        (
            ["--plugin", "no_such_module"],
            "--plugin no_such_module cannot be used: it needs the module 'no_such_module', which is not installed",
        ),
        (["--set", "pretrain.batch=512"], "80 training images are fewer than one batch of 512"),
        (["--labels", "0"], "labels = 0.0 must be in (0, 1]"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(typed: Any, photos: Path, words: list[str], message: str, tmp_path: Path) -> None:
    code, out, err = typed(*of(photos), *words)
    message = message.replace("80 training", "training") if "training" in message else message
    assert code == 2 and message in err and "Traceback" not in err and not out
    assert not list((tmp_path / "runs").glob("*/run.json"))


def test_an_unknown_dataset(typed: Any) -> None:
    code, _, err = typed("--dataset", "freihnd")
    assert code == 2 and "dataset 'freihnd' is unknown; did you mean 'freihand'" in err


def test_an_unknown_option_and_an_unknown_command(typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("--objectiv", "peclr")[0] == 2
    with pytest.raises(SystemExit) as leaving:
        main(["rum"])
    assert leaving.value.code == 2 and "command 'rum' is unknown; did you mean 'run'" in capsys.readouterr().err


def test_folders_that_are_missing_or_empty(typed: Any, tmp_path: Path) -> None:
    code, _, err = typed(*of(tmp_path / "nowhere"))
    assert code == 2 and "nowhere" in err
    (tmp_path / "empty").mkdir()
    code, _, err = typed(*of(tmp_path / "empty"))
    assert code == 2 and "empty" in err and ".jpg" in err


def test_bad_files_among_good_ones_are_named_counted_and_skipped(typed: Any, photos: Path, tmp_path: Path) -> None:
    names = write_bad_photos(photos / "red")
    code, out, err = typed(*of(photos))
    assert code == 0 and all(name in err for name in names) and "3 unreadable" in out
    write_bad_photos(tmp_path / "bad")
    code, _, err = typed(*of(tmp_path / "bad"))
    assert code == 2 and "3 unreadable samples" in err


def test_freihand_with_defects(typed: Any, tmp_path: Path) -> None:
    def tree(name: str) -> Path:
        return write_freihand(tmp_path / name, unique=6, evaluation=3)

    def freihand(folder: Path) -> tuple[int, str, str]:
        return typed("--dataset", "freihand", "--data", folder)

    missing, short, broken = tree("missing"), tree("short"), tree("broken")
    (missing / "training_K.json").unlink()
    code, _, err = freihand(missing)
    assert code == 2 and "training_K.json" in err
    edit_list(short / "training_xyz.json", 0, None)
    code, _, err = freihand(short)
    assert code == 2 and "training_xyz.json" in err and "5" in err and "6" in err
    for frame in range(3):
        edit_list(broken / "training_xyz.json", frame, [[float("nan")] * 3] * 21)
    code, _, err = freihand(broken)
    assert code == 2 and "NaN" in err


def test_results_that_cannot_be_written(typed: Any, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = typed(*of(photos), results=tmp_path / "file" / "runs")
    assert code == 2 and "cannot be written" in err and str(tmp_path / "file") in err


def test_without_room_for_a_pack_images_are_read_from_their_own_files(
    typed: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    code, out, err = typed(*of(photos))
    assert code == 0, err
    assert "were read from its own files in every epoch: no room for a pack" in out


def test_a_full_disk_at_a_checkpoint_loses_nothing_that_was_finished(
    typed: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typed(*of(photos), "--objective", "none")[0] == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    real = torch.save

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full)
    code, _, err = typed(*of(photos))
    assert code == 2 and "No space left" in err and "--results" in err
    assert all(path.read_bytes() == content for path, content in kept.items())
    monkeypatch.setattr(checkpoints.torch, "save", real)
    assert typed(*of(photos))[0] == 0


def test_a_damaged_stage_is_named(typed: Any, photos: Path, tmp_path: Path) -> None:
    assert typed(*of(photos))[0] == 0
    for path in (tmp_path / "runs").glob("stages/pretrain-*/state.pt"):
        path.write_bytes(b"damaged")
    code, _, err = typed(*of(photos), "--set", "measure.turn=20")
    assert code == 2 and "state.pt is damaged" in err and "delete" in err


def test_imagenet_weights_that_cannot_be_fetched_fail_before_any_work(
    typed: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handbench.learn.backbones import timm_models

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm_models.timm, "create_model", offline)
    code, _, err = typed(*of(photos), "--backbone", "resnet18", "--weights", "imagenet")
    assert code == 2 and "give --weights PATH" in err and "packing" not in err
    assert not list((tmp_path / "cache").glob("*"))


def test_resnet152_is_taken_as_written(typed: Any, photos: Path) -> None:
    code, out, _ = typed(*of(photos), "--objective", "peclr", "--backbone", "resnet152", "--dry-run")
    assert code == 0 and 'name = "resnet152"' in out
