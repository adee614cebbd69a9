"""`handbench predict` as typed: from a run and from released weights, on FreiHAND's layout, folders and single images."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures import write_bad_photos, write_freihand, write_photos
from PIL import Image
from safetensors.torch import load_file

from handbench.assembly import assemble
from handbench.cli import main
from handbench.data.pictures import find, with_scales
from handbench.flow import Job, Runtime, run
from handbench.flow.predict import Found, Loaded, Predictor, Request, predict
from handbench.plugins import discover
from handbench.pose import released
from handbench.pose.fitted import FILE
from handbench.pose.released import ReleasedNetwork
from handbench.recipe import build

SMALL = ["pretrain.batch=8", "pretrain.view=32", "measure.neighbours=3", "measure.images=20", "pose.epochs=1"]


@pytest.fixture(scope="module")
def freihand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_freihand(tmp_path_factory.mktemp("freihand"), unique=20, evaluation=5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, freihand: Path) -> dict[str, Path]:
    """A fine-tuned run and a probe, made once."""
    results, made = tmp_path_factory.mktemp("runs"), {}
    for protocol, more in (("finetune", ["pose.refine=true", "pose.convention=palm"]), ("probe", [])):
        options = {"budget": "smoke", "objective.name": "none", "dataset.name": "freihand", "dataset.root": str(freihand)}
        recipe = build(options={**options, "pose.protocol": protocol}, assignments=[*SMALL, *more])
        made[protocol] = run(
            Job(recipe, assemble(recipe, discover()), Runtime(results, torch.device("cpu"), say=lambda line: None))
        )
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released checkpoint with random numbers, which answers about the middle of its crop."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ReleasedNetwork("resnet50")
    network.encoder.fc.weight.data *= 0.1
    network.encoder.fc.bias.data[:63].view(21, 3).copy_(
        torch.rand(21, 3) * torch.tensor([120.0, 120.0, 1.0]) + torch.tensor([52.0, 52, 0])
    )
    path = tmp_path_factory.mktemp("weights") / "rn50_peclr_yt3d-fh_pt_fh_ft.pth"
    torch.save({"state_dict": {released._their_name(name): value for name, value in network.state_dict().items()}}, path)
    return path


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Type a command; returns its exit code, both streams, and where it wrote."""

    def command(*words: str | Path) -> tuple[int, str, str, Path]:
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        with pytest.raises(SystemExit) as leaving:
            main(["predict", "--out", str(out), "--device", "cpu", *map(str, words)])
        printed = capsys.readouterr()
        return int(leaving.value.code or 0), printed.out, printed.err, out

    return command


@pytest.mark.parametrize("protocol", ["finetune", "probe"])
def test_a_run_predicts_an_evaluation_set(typed: Any, runs: dict[str, Path], freihand: Path, protocol: str) -> None:
    code, out, _, folder = typed(freihand, "--run", runs[protocol], "--overlays", "2", "--batch", "2")
    assert code == 0 and str(folder / "pred.zip") in out
    xyz, vertices = (np.array(part) for part in json.loads((folder / "pred.json").read_text()))
    assert xyz.shape == (5, 21, 3) and vertices.shape == (5, 778, 3) and np.isfinite(xyz).all()
    about = json.loads((folder / "about.json").read_text())
    assert about["unit"] == "m" and about["pictures"] == 5 and about["predictor"] == f"run {runs[protocol].name}"
    assert [path.name for path in sorted((folder / "overlays").iterdir())] == [
        "evaluation_rgb_00000000.png",
        "evaluation_rgb_00000004.png",
    ]
    with np.load(folder / "predictions.npz") as kept:
        lifted = kept["solvable"]
        seen = kept["joints_3d"] @ kept["intrinsics"].transpose(0, 2, 1)
        pixels = (seen[..., :2] / seen[..., 2:])[lifted]
        np.testing.assert_allclose(pixels, kept["joints_2d"][lifted], atol=1e-4)  # the hand stands where it was seen
        if protocol == "probe":  # the given length is the palm bone's, whatever the run's own convention
            bones = np.linalg.norm(kept["joints_3d"][:, 9] - kept["joints_3d"][:, 10], axis=-1)
            scales = np.array(json.loads((freihand / "evaluation_scale.json").read_text()))
            np.testing.assert_allclose(bones[lifted], scales[lifted], rtol=1e-9)


def test_a_run_keeps_its_network_what_it_says_of_hands_and_how_it_was_chosen(runs: dict[str, Path]) -> None:
    for protocol, folder in runs.items():
        assert {"predictions.npz", "hands.npz", "curves.json", "examples.npz"} <= {path.name for path in folder.iterdir()}
        document = json.loads((folder / "run.json").read_text())
        key = next(stage["key"] for stage in document["stages"] if stage["name"] == "pose")
        kept = load_file(folder.parent / f"stages/pose-{key[:16]}/{FILE}")
        parts = {name.split(".")[0] for name in kept}
        assert parts == ({"head", "mean"} if protocol == "probe" else {"backbone", "head", "refinement", "mean"})
        assert any(note.startswith("probe: ridge") for note in document["notes"]) == (protocol == "probe")
        assert {"both_roots_in_front", "unsolvable"} <= {score["metric"] for score in document["scores"]}
        with np.load(folder / "examples.npz") as examples:
            assert examples["images"].shape == (4, 32, 32, 3) and examples["images"].dtype == np.uint8


def test_two_passes_look_closer_than_one(typed: Any, runs: dict[str, Path], freihand: Path) -> None:
    pixels = {}
    for passes in ("1", "2"):
        code, _, _, folder = typed(freihand, "--run", runs["finetune"], "--passes", passes)
        assert code == 0
        with np.load(folder / "predictions.npz") as kept:
            pixels[passes] = kept["joints_2d"][:, 1:]
    # An untrained head spreads its joints over the same share of whatever it is shown, and the second window is smaller.
    spread = {passes: np.ptp(joints, axis=1).max() for passes, joints in pixels.items()}
    assert spread["2"] < 0.95 * spread["1"]


def test_a_hand_that_no_depth_fits_has_the_mean_hand_in_the_submission_and_is_named(freihand: Path, tmp_path: Path) -> None:
    seen, said, mean = [], [], np.full((21, 3), 0.5)

    def hands(loaded: Sequence[Loaded]) -> Found:
        seen.append(len(loaded))
        joints = np.ones((len(loaded), 21, 3))
        lifted = np.array([not one.key.endswith("3.jpg") for one in loaded])
        joints[~lifted] = np.nan
        return Found(np.ones((len(loaded), 21, 2)), joints, lifted, np.zeros(len(loaded), bool))

    pictures = with_scales(find(freihand), "0.03")
    predict(Request(pictures, Predictor("a network", hands, mean), tmp_path, batch=2, say=said.append))
    assert seen == [2, 2, 1]
    xyz = np.array(json.loads((tmp_path / "pred.json").read_text())[0])
    np.testing.assert_array_equal(xyz[3], mean)
    np.testing.assert_allclose(np.delete(xyz, 3, 0), 0.03)
    wanted = "no root depth fits 1 of 5 hands (e.g. evaluation/rgb/00000003.jpg); pred.json holds the mean training hand there"
    assert said == [f"note: {wanted}"] and json.loads((tmp_path / "about.json").read_text())["unsolvable"] == 1
    with np.load(tmp_path / "predictions.npz") as kept:
        assert np.isnan(kept["joints_3d"][3]).all() and not kept["solvable"][3]


def test_left_hands_are_mirrored_there_and_back(
    typed: Any, runs: dict[str, Path], weights: Path, freihand: Path, tmp_path: Path
) -> None:
    picture = np.asarray(Image.open(freihand / "evaluation/rgb/00000000.jpg"))
    for name, pixels in (("right", picture), ("left", picture[:, ::-1])):
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / f"{name}.png")
    for network in (["--run", runs["finetune"]], ["--weights", weights]):
        found = {}
        for side in ("right", "left"):
            code, _, _, folder = typed(tmp_path / f"{side}.png", *network, "--side", side)
            assert code == 0
            with np.load(folder / "predictions.npz") as kept:
                found[side] = (kept["joints_2d"], kept["joints_3d"])
        np.testing.assert_allclose(found["left"][0] * [-1, 1] + [224, 0], found["right"][0], atol=0.02)
        np.testing.assert_allclose(found["left"][1] * [-1, 1, 1], found["right"][1], atol=0.02, equal_nan=True)


def test_released_weights_predict_an_evaluation_set_and_a_folder(
    typed: Any, weights: Path, freihand: Path, tmp_path: Path
) -> None:
    code, _, _, folder = typed(freihand, "--weights", weights)
    metric = np.array(json.loads((folder / "pred.json").read_text())[0])
    assert code == 0 and metric.shape == (5, 21, 3) and np.isfinite(metric).all()
    photos = tmp_path / "photos"
    shutil.copytree(freihand / "evaluation/rgb", photos)
    write_bad_photos(photos)
    code, _, err, folder = typed(photos, "--weights", weights, "--overlays", "1", "--camera", "388.9018,388.7123,112,112")
    about = json.loads((folder / "about.json").read_text())
    assert code == 0 and about["unit"] == "bone" and (about["pictures"], about["skipped"]) == (5, 3)
    assert "in lengths of the bone middle MCP - middle PIP, not metres; give --scale" in err
    assert "3 pictures were skipped: empty.jpg" in err and not (folder / "pred.json").exists()
    with np.load(folder / "predictions.npz") as kept:
        scale = json.loads((freihand / "evaluation_scale.json").read_text())[0]
        np.testing.assert_allclose(kept["joints_3d"][0] * scale, metric[0], rtol=1e-6)
    with Image.open(next((folder / "overlays").iterdir())) as drawn:
        assert len(drawn.getcolors(10**6) or []) > 100


def test_a_picture_of_any_size_with_an_assumed_camera(typed: Any, weights: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    image = np.random.RandomState(0).randint(0, 256, (60, 90, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "wide.png")
    for network in (["--run", runs["probe"]], ["--weights", weights]):
        code, _, err, folder = typed(tmp_path / "wide.png", *network, "--scale", "0.03")
        assert code == 0 and "no camera is known: FreiHAND's was assumed" in err
        assert json.loads((folder / "about.json").read_text())["unit"] == "m"
        with np.load(folder / "predictions.npz") as kept:
            np.testing.assert_allclose(kept["intrinsics"][0, :2, 2], [45, 30])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of --run FOLDER and --weights FILE"),
        (["--run", "a", "--weights", "b"], "give one of --run FOLDER and --weights FILE"),
        (["--run", "nowhere"], "nowhere holds no finished run"),
        (["--weights", "nowhere.pth"], "weights nowhere.pth is not a file"),
        (["--weights", "code.pth"], "is not a plain state dict: it asks for the code"),
        (["--weights", "other.pth"], "'zroot_ref.zroot_ref.0.weight' is missing"),
        (["--run", "a", "--scale", "25"], "divide millimetres by 1000"),
        (["--run", "a", "--camera", "1,2"], "camera '1,2' is not fx,fy,cx,cy"),
        (["--run", "a", "--device", "tpu"], "device 'tpu'"),
    ],
)
def test_mistakes_are_one_line(
    typed: Any, freihand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": print}, tmp_path / "code.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    code, _, err, folder = typed(freihand, *words)
    assert code == 2 and message in err and "Traceback" not in err and not (folder / "pred.json").exists()


def test_a_leaderboard_wants_every_image_and_metres(typed: Any, runs: dict[str, Path], freihand: Path, tmp_path: Path) -> None:
    shutil.copytree(freihand / "evaluation", tmp_path / "fh/evaluation")
    shutil.copy(freihand / "evaluation_K.json", tmp_path / "fh")
    code, _, err, _ = typed(tmp_path / "fh", "--run", runs["probe"])
    assert code == 2 and "pred.json is in metres, and evaluation_scale.json is not there: give --scale" in err
    (tmp_path / "fh/evaluation/rgb/00000003.jpg").write_bytes(b"")
    code, _, err, folder = typed(tmp_path / "fh", "--run", runs["probe"], "--scale", "0.03")
    assert code == 2 and "00000003.jpg: is empty" in err and "pred.json needs every image" in err
    assert not (folder / "pred.json").exists()


def test_a_run_that_cannot_predict_says_why(typed: Any, runs: dict[str, Path], freihand: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied" / runs["probe"].name
    shutil.copytree(runs["probe"], copied)
    code, _, err, _ = typed(freihand, "--run", copied)
    assert code == 2 and "is gone, and" in err and "run its recipe.toml again" in err
    document = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps(document | {"protocol": "features"}))
    code, _, err, _ = typed(freihand, "--run", copied)
    assert code == 2 and "scored features only" in err


def test_nothing_readable_is_an_error(typed: Any, runs: dict[str, Path], tmp_path: Path) -> None:
    write_bad_photos(tmp_path / "bad")
    code, _, err, _ = typed(tmp_path / "bad", "--run", runs["probe"])
    assert code == 2 and "none of 3 pictures can be read: empty.jpg" in err
    write_photos(tmp_path / "photos", people=1)
