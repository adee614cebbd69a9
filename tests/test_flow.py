"""The whole flow on small data: records, reuse, protocols, mixtures, and a run that is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures import write_freihand, write_photos

from handbench.assembly import assemble
from handbench.errors import DataError
from handbench.flow import Job, Runtime, run
from handbench.plugins import discover
from handbench.recipe import build
from handbench.results.records import Record, read_run

SMALL = ["pretrain.epochs=2", "pretrain.batch=8", "pretrain.view=32", "measure.neighbours=3"]


def do(results: Path, options: dict[str, Any], *assignments: str) -> tuple[Record, list[str]]:
    """Run and read the record back, with what was said."""
    said: list[str] = []
    recipe = build(options={"budget": "smoke", **options}, assignments=[*SMALL, *assignments])
    directory = run(Job(recipe, assemble(recipe, discover()), Runtime(results, torch.device("cpu"), say=said.append)))
    record = read_run(directory)
    assert record is not None
    return record, said


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = write_photos(tmp_path_factory.mktemp("photos"), people=14)
    return {"dataset.name": "photos", "dataset.root": str(folder)}


@pytest.fixture(scope="module")
def freihand(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = write_freihand(tmp_path_factory.mktemp("freihand"), unique=20, evaluation=5)
    return {"dataset.name": "freihand", "dataset.root": str(folder)}


@pytest.mark.parametrize("objective", ["peclr", "simclr", "supervised", "none"])
def test_photographs_are_scored_with_every_objective(tmp_path: Path, photos: dict[str, Any], objective: str) -> None:
    record, said = do(tmp_path, photos | {"objective.name": objective})
    scores = {score.metric: score for score in record.scores}
    wanted = {"knn_accuracy", "linear_accuracy", "retrieval_top1", "rotation_error"}
    assert (
        wanted <= set(scores)
        and {f"{name}/random" for name in wanted} <= set(scores)
        and {f"{name}/constant" for name in wanted} <= set(scores)
    )
    assert ("latent_turn" in scores) == (objective in ("peclr", "simclr"))
    assert all(np.isfinite(score.value) for score in record.scores)
    assert record.status == "finished" and record.protocol == "features" and record.id.startswith(f"{objective}-tiny-photos-s0-")
    assert "no subject ids: the same person may be in training and test" in record.notes
    assert any("about" in line for line in said) == (objective != "none")
    with np.load(tmp_path / record.id / "probes.npz") as kept:
        assert len(kept["key"]) == scores["rotation_error"].count
        assert kept["rotation_error"].mean() == pytest.approx(scores["rotation_error"].value, rel=1e-5)
    assert record.data["train"] + record.data["validation"] + record.data["test"] == sum(
        1 for _ in Path(photos["dataset.root"]).rglob("*.jpg")
    )


def test_a_finished_run_is_not_done_again(tmp_path: Path, photos: dict[str, Any]) -> None:
    first, _ = do(tmp_path, photos)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again, said = do(tmp_path, photos)
    assert again == first and any("finished before" in line for line in said)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_stored_recipe_is_complete_and_runs_the_same(tmp_path: Path, photos: dict[str, Any]) -> None:
    first, _ = do(tmp_path / "a", photos)
    assert first.recipe["objective"] == {
        "name": "peclr",
        "mode": "exact",
        "temperature": 0.1,
        "hidden": 512,
        "points": 64,
        "divisor": "view",
    }
    assert first.recipe["augmentation"][0] == {"name": "rotate", "degrees": 45.0}
    stored = build(tmp_path / "a" / first.id / "recipe.toml")
    directory = run(
        Job(stored, assemble(stored, discover()), Runtime(tmp_path / "a", torch.device("cpu"), say=lambda line: None))
    )
    assert directory == tmp_path / "a" / first.id


def test_runs_share_stages_by_content(tmp_path: Path, freihand: dict[str, Any]) -> None:
    do(tmp_path, freihand)
    fewer, _ = do(tmp_path, freihand, "pose.labels=0.5")
    reused = {stage.name: stage.reused for stage in fewer.stages}
    assert reused == {"pretrain": True, "measure": True, "pose": False, "score": False}
    other, _ = do(tmp_path, freihand, "seed=1")
    assert not any(stage.reused for stage in other.stages)


def test_the_same_run_in_another_folder_gives_the_same_scores(tmp_path: Path, photos: dict[str, Any]) -> None:
    one, two = (do(tmp_path / name, photos)[0] for name in ("a", "b"))
    assert one.scores == two.scores and one.key == two.key


@pytest.mark.parametrize("protocol", ["probe", "mlp", "finetune"])
def test_poses_are_scored_by_every_protocol(tmp_path: Path, freihand: dict[str, Any], protocol: str) -> None:
    record, _ = do(tmp_path, freihand | {"pose.protocol": protocol})
    scores = {score.metric: score for score in record.scores}
    wanted = {"epe_2d": "px@32", "epe_3d": "mm", "pa_epe": "mm", "auc": "", "pa_auc": "", "mpjpe": "mm", "pa_mpjpe": "mm"}
    assert {name: scores[name].unit for name in wanted} == wanted
    assert all(scores[name].count + scores[name].excluded == 5 for name in wanted)
    assert all(f"{name}/constant" in scores for name in wanted) and ("epe_2d/random" in scores) == (protocol != "finetune")
    assert scores["epe_2d"].value < 40 and record.protocol == protocol
    with np.load(tmp_path / record.id / "predictions.npz") as kept:
        assert kept["joints_2d"].shape == (5, 21, 2) and len(kept["key"]) == 5 and int(kept["view"]) == 32


def test_fine_tuning_learns_the_training_hands(tmp_path: Path, freihand: dict[str, Any]) -> None:
    """Enough epochs on few hands: better than the mean pose on held-out hands whose dots can be seen."""
    record, _ = do(
        tmp_path,
        freihand | {"pose.protocol": "finetune", "objective.name": "none"},
        "pose.epochs=25",
        "pose.batch=8",
        "pose.learning_rate=1e-3",
    )
    scores = {score.metric: score.value for score in record.scores}
    assert scores["epe_2d"] < 0.8 * scores["epe_2d/constant"]


def test_without_evaluation_annotations_the_held_out_part_is_scored_and_said(tmp_path: Path) -> None:
    folder = write_freihand(tmp_path / "freihand", unique=30, evaluation=4, annotated=False)
    record, said = do(tmp_path / "runs", {"dataset.name": "freihand", "dataset.root": str(folder)})
    assert any("no annotations" in note for note in record.notes) and any("held out of training" in line for line in said)
    assert {score.metric: score.count + score.excluded for score in record.scores}["epe_2d"] == record.data["test"] > 0


def test_pre_training_on_a_mixture(tmp_path: Path, photos: dict[str, Any], freihand: dict[str, Any]) -> None:
    recipe = tmp_path / "mixture.toml"
    sources = [(options["dataset.name"], options["dataset.root"]) for options in (freihand, photos)]
    recipe.write_text("\n".join(f'[[pretrain.data]]\nname = "{name}"\nroot = "{root}"\n' for name, root in sources))
    built = build(recipe, {"budget": "smoke", **freihand}, SMALL)
    directory = run(
        Job(built, assemble(built, discover()), Runtime(tmp_path / "runs", torch.device("cpu"), say=lambda line: None))
    )
    record = read_run(directory)
    assert record is not None and record.data["pretraining"] > record.data["train"]


@pytest.mark.parametrize("protocol", ["probe", "finetune"])
def test_another_datasets_test_part_is_scored_with_its_own_cameras(
    tmp_path: Path, freihand: dict[str, Any], protocol: str
) -> None:
    """Scored on itself a network scores what it scored before; on other hands of another camera it scores something else."""
    other = write_freihand(tmp_path / "other", unique=8, evaluation=3)
    focal = [[[2 * value if value > 150 else value for value in row] for row in matrix] for matrix in _cameras(other)]
    (other / "evaluation_K.json").write_text(json.dumps(focal))
    options = freihand | {"pose.protocol": protocol, "evaluate.name": "freihand"}
    same, _ = do(tmp_path, options | {"evaluate.root": freihand["dataset.root"]})
    crossed, _ = do(tmp_path, options | {"evaluate.root": str(other)})
    own, again, elsewhere = _values(same, ""), _values(same, "@freihand"), _values(crossed, "@freihand")
    assert own and again == own == _values(crossed, ""), "K, scale and images of the other dataset are its own"
    assert {name: score.count + score.excluded for name, score in elsewhere.items() if name == "mpjpe"} == {"mpjpe": 3}
    assert elsewhere["epe_2d"].value != own["epe_2d"].value and elsewhere["epe_2d"].unit == own["epe_2d"].unit
    assert ("mpjpe@freihand/random" in {score.metric for score in crossed.scores}) == (protocol == "probe")
    assert [stage.name for stage in crossed.stages] == ["pretrain", "measure", "pose", "score", "evaluate"]
    assert {stage.name: stage.reused for stage in crossed.stages if stage.name != "evaluate"}["pose"], "nothing is fitted anew"
    assert any(note.startswith("trained on freihand, scored on freihand") for note in crossed.notes)
    assert crossed.recipe["evaluate"]["root"] == str(other) and crossed.id != same.id
    with np.load(tmp_path / crossed.id / "predictions@freihand.npz") as kept:
        assert len(kept["key"]) == 3


def test_a_dataset_without_joints_cannot_be_evaluated_on(
    tmp_path: Path, photos: dict[str, Any], freihand: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=r"\[evaluate\] scores 3D poses, and dataset 'photos' has none"):
        do(tmp_path, freihand | {"evaluate.name": "photos", "evaluate.root": photos["dataset.root"]})


def _values(record: Record, suffix: str) -> dict[str, Any]:
    """The scores of one dataset by metric, baselines left out, under the names without the dataset."""
    scores = [
        score
        for score in record.scores
        if "/" not in score.metric and (score.metric.endswith(suffix) if suffix else "@" not in score.metric)
    ]
    posed = {"epe_2d", "epe_3d", "auc", "pa_epe", "pa_auc", "mpjpe", "pa_mpjpe"}
    found = {score.metric.removesuffix(suffix): replace(score, metric=score.metric.removesuffix(suffix)) for score in scores}
    return {name: score for name, score in found.items() if name in posed}


def _cameras(folder: Path) -> Any:
    return json.loads((folder / "evaluation_K.json").read_text())


def test_micro_batches_say_how_many_negatives_an_anchor_sees(tmp_path: Path, photos: dict[str, Any]) -> None:
    _, said = do(tmp_path, photos, "pretrain.micro_batch=4")
    assert any("gradients of 2 micro-batches of 4 add up: an anchor sees 6 negatives" in line for line in said)


def test_fewer_images_than_a_batch(tmp_path: Path, photos: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="fewer than one batch of 4096"):
        do(tmp_path, photos, "pretrain.batch=4096")


def test_a_killed_run_goes_on_to_the_same_scores_and_weights(tmp_path: Path, photos: dict[str, Any]) -> None:
    """SIGKILL in mid-epoch, then the same command again: bit for bit what an undisturbed run gives."""
    command = [
        sys.executable,
        "-m",
        "handbench",
        "run",
        "--dataset",
        "photos",
        "--data",
        photos["dataset.root"],
        "--budget",
        "smoke",
    ]
    command += ["--checkpoint-seconds", "0", *(word for text in [*SMALL, "pretrain.epochs=6"] for word in ("--set", text))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HANDBENCH_PLUGINS": ""}

    log = tmp_path / "log.txt"

    def start(results: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen([*command, "--results", str(results)], env=environment, stdout=output, stderr=output)

    undisturbed = start(tmp_path / "whole")
    killed = start(tmp_path / "parted")
    place = _kill_in_mid_epoch(killed, tmp_path / "parted")
    assert undisturbed.wait(240) == 0, log.read_text()
    assert place[1] != 0 and not list((tmp_path / "parted").glob("*/run.json"))
    again = start(tmp_path / "parted")
    assert again.wait(240) == 0, log.read_text()
    states = [
        torch.load(next((tmp_path / name).glob("stages/pretrain-*/state.pt")), weights_only=True) for name in ("whole", "parted")
    ]
    assert states[0].keys() == states[1].keys() and all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    documents = [json.loads(next((tmp_path / name).glob("*/run.json")).read_text()) for name in ("whole", "parted")]
    assert documents[0]["scores"] == documents[1]["scores"] and documents[0]["key"] == documents[1]["key"]


def _kill_in_mid_epoch(process: subprocess.Popen[bytes], results: Path) -> list[int]:
    """Kill once a checkpoint lies in the middle of an epoch after the first; return its place.

    The process is held while its checkpoint is read: a step takes milliseconds, and the next checkpoint may lie elsewhere.
    """
    patience = time.monotonic() + 200
    while time.monotonic() < patience and process.poll() is None:
        for path in results.glob("stages/pretrain-*/checkpoint.pt"):
            process.send_signal(signal.SIGSTOP)
            place = list(torch.load(path, weights_only=True)["place"])
            if place[0] >= 1 and place[1] >= 1:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return place
            process.send_signal(signal.SIGCONT)
        time.sleep(0.002)
    process.kill()
    raise AssertionError("no checkpoint in mid-epoch was met")


@pytest.mark.parametrize(
    ("options", "speed"),
    [
        ({"objective.name": "simclr"}, True),
        ({"objective.name": "none"}, False),
        ({"objective.name": "none", "pose.protocol": "finetune"}, True),
    ],
)
def test_every_run_says_what_it_took(tmp_path: Path, freihand: dict[str, Any], options: dict[str, Any], speed: bool) -> None:
    record, _ = do(tmp_path, freihand | options)
    cost = record.cost
    spans = {name: value for name, value in cost.items() if name.startswith("seconds_")}
    assert {"seconds_data", "seconds_pretrain", "seconds_measure", "seconds_pose"} <= set(spans)
    assert cost["seconds"] > 0 and cost["seconds_data"] > 0 and cost["peak_memory_mib"] > 10
    assert set(cost) == {"views_per_second", "data_wait", "peak_memory_mib", "seconds", *spans}
    assert np.isfinite(cost["views_per_second"]) == np.isfinite(cost["data_wait"]) == speed


def test_a_pack_that_has_no_room_is_streamed_to_the_same_scores(
    tmp_path: Path, photos: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from handbench.data.datasets.photos import Photos

    packed, _ = do(tmp_path / "packed", photos)
    monkeypatch.setattr(Photos, "parallel", "none")  # one thread of this process: workers would take seconds to start
    monkeypatch.setenv("HANDBENCH_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("HANDBENCH_CACHE_GB", "0.0001")
    streamed, _ = do(tmp_path / "streamed", photos)
    assert streamed.scores == packed.scores and streamed.key == packed.key and streamed.data == packed.data
    assert set(streamed.notes) - set(packed.notes) == {
        "images of photos were read from its own files in every epoch: no room for a pack"
    }
