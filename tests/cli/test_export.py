"""`handbench export` as typed: an encoder that timm and handbench read, and a card that says what it is."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from fixtures import write_freihand, write_photos

from handbench.assembly import assemble
from handbench.cli import main
from handbench.flow import Job, Runtime, run
from handbench.learn.backbones.timm_models import TimmModel
from handbench.learn.backbones.tiny import Tiny
from handbench.plugins import discover
from handbench.pose.fitted import FILE
from handbench.recipe import build

SMALL = [
    "pretrain.epochs=1",
    "pretrain.batch=8",
    "pretrain.view=32",
    "measure.neighbours=3",
    "measure.images=20",
    "pose.epochs=1",
]


def make(results: Path, dataset: str, root: Path, backbone: str, *more: str) -> Path:
    options = {"budget": "smoke", "objective.name": "simclr", "dataset.name": dataset, "dataset.root": str(root)}
    recipe = build(options={**options, "backbone.name": backbone}, assignments=[*SMALL, *more])
    return run(Job(recipe, assemble(recipe, discover()), Runtime(results, torch.device("cpu"), say=lambda line: None)))


@pytest.fixture(scope="module")
def timm_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, resnet18: no poses, no network of its own."""
    root = write_photos(tmp_path_factory.mktemp("photos"), people=5)
    return make(tmp_path_factory.mktemp("runs"), "photos", root, "resnet18", "pretrain.images=8")


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FreiHAND's layout, tiny, fine-tuned."""
    root = write_freihand(tmp_path_factory.mktemp("freihand"), unique=12, evaluation=3)
    return make(tmp_path_factory.mktemp("runs"), "freihand", root, "tiny", "pose.protocol=finetune")


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Type a command; returns its exit code and both streams."""

    def handbench(*words: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        return int(leaving.value.code or 0), printed.out, printed.err

    return handbench


def test_timm_loads_it_and_so_does_handbench(typed: Any, timm_run: Path, tmp_path: Path) -> None:
    code, out, _ = typed("export", timm_run, "--out", tmp_path / "out")
    path = tmp_path / "out/encoder.safetensors"
    assert code == 0 and out.split() == [str(path), str(tmp_path / "out/README.md")]
    model = timm.create_model("resnet18", num_classes=0, checkpoint_path=str(path))
    stage = next((timm_run.parent / "stages").glob("pretrain-*/encoder.safetensors"))
    ours = TimmModel(TimmModel.Config("resnet18", str(path)))
    trained = TimmModel(TimmModel.Config("resnet18", str(stage)))
    for name, value in model.state_dict().items():
        assert torch.equal(value, trained.model.state_dict()[name]) and torch.equal(value, ours.model.state_dict()[name]), name


def test_the_card_says_what_it_is_and_how_to_load_it(typed: Any, timm_run: Path, tmp_path: Path) -> None:
    typed("export", timm_run, "--out", tmp_path)
    card = (tmp_path / "README.md").read_text()
    for fact in (
        "# resnet18: simclr on photos",
        f"(run `{timm_run.name}`)",
        "Augmentations: rotate, translate, scale, color_jitter.",
        "8 images in pre-training",
        'timm.create_model("resnet18", num_classes=0, checkpoint_path="encoder.safetensors")',
        "`handbench run --backbone resnet18 --weights encoder.safetensors` takes it back.",
        "| knn_accuracy |",
        "32 x 32 pixels",
        "The terms of what these weights were trained on hold for them (photos)",
    ):
        assert fact in card, fact
    assert "/random" not in card and "/constant" not in card


def test_handbench_run_takes_back_tiny_as_it_was_trained_or_fine_tuned(typed: Any, tiny_run: Path, tmp_path: Path) -> None:
    first, tuned = tmp_path / "first", tmp_path / "tuned"
    assert typed("export", tiny_run, "--out", first)[0] == 0
    assert typed("export", tiny_run, "--out", tuned, "--finetuned")[0] == 0
    assert "pre-trained and then fine-tuned on 3D hand pose" in (tuned / "README.md").read_text()
    models = [Tiny(Tiny.Config(str(folder / "encoder.safetensors"))) for folder in (first, tuned)]
    assert not torch.equal(*(model.stem[0].weight for model in models))
    kept = next((tiny_run.parent / "stages").glob(f"pose-*/{FILE}"))
    again = Tiny(Tiny.Config(str(kept)))  # the whole pose network's file is taken too: its backbone
    assert torch.equal(again.stem[0].weight, models[1].stem[0].weight)
    words = ["run", "--backbone", "tiny", "--weights", tuned / "encoder.safetensors", "--dry-run"]
    code, out, _ = typed(*words)
    assert code == 0 and f'weights = "{tuned / "encoder.safetensors"}"' in out


def test_mistakes_are_one_line(typed: Any, timm_run: Path, tiny_run: Path, tmp_path: Path) -> None:
    code, _, err = typed("export", tmp_path, "--out", tmp_path / "out")
    assert code == 2 and "holds no finished run (no run.json)" in err
    code, _, err = typed("export", timm_run, "--out", tmp_path / "out", "--finetuned")
    assert code == 2 and "froze its encoder (protocol features); leave --finetuned out" in err
    alone = tmp_path / "alone" / tiny_run.name
    shutil.copytree(tiny_run, alone)
    code, _, err = typed("export", alone, "--out", tmp_path / "out")
    assert code == 2 and "is gone, and" in err and not (tmp_path / "out").exists()
