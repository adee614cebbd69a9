"""`handbench score`: what a user types and gets; JSON alone on stdout, doubts on stderr, mistakes with exit code 2."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skeletons import right_hands

from handbench.cli import main
from handbench.files import as_npz
from handbench.joint_orders import MANO, from_common
from handbench.streams import Draws

TRUE = right_hands(12)
PREDICTED = TRUE + Draws("score").normal(0, 0.008, TRUE.shape)
FLIP = np.array([-1.0, 1.0, 1.0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(TRUE.tolist()))
    return tmp_path


def write(folder: Path, joints: Any) -> Path:
    path = folder / "pred.json"
    path.write_text(json.dumps([np.asarray(joints).tolist(), []]))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["score", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[dict[str, Any], str]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out), err


def values(document: dict[str, Any]) -> dict[str, float]:
    return {f"{score['protocol']}:{score['metric']}": score["value"] for score in document["scores"]}


def test_json_alone_in_full_precision(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, err = as_json(
        capsys, write(folder, PREDICTED), "--truth", folder, "--protocol", "freihand", "--protocol", "interhand"
    )
    assert document["warnings"] == [] and document["hands"] == 12
    distances = 1000 * np.linalg.norm(PREDICTED - TRUE, axis=-1)
    assert values(document)["freihand:epe_3d"] == pytest.approx(distances.mean(), rel=1e-14)
    assert [score["protocol"] for score in document["scores"]] == ["freihand"] * 4 + ["interhand"]
    assert all({"value", "unit", "count", "excluded", "protocol"} <= score.keys() for score in document["scores"])
    joints, fingers = (document[part]["freihand:epe_3d"] for part in ("joints", "fingers"))
    assert joints["unit"] == fingers["unit"] == "mm"
    np.testing.assert_allclose(list(joints["values"].values()), distances.mean(0))
    assert fingers["values"]["index"] == pytest.approx(distances[:, 5:9].mean())
    assert list(joints["values"])[:2] == ["wrist", "thumb CMC"] and len(joints["values"]) == 21
    assert "layout recognised: freihand" in err and "warning" not in err


def test_tables_stand_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, write(folder, PREDICTED), "--truth", folder / "evaluation_xyz.json")
    assert code == 0
    scores, fingers, joints = out.split("\n\n")
    assert all(word in scores for word in ("freihand", "rotation", "pa_mpjpe", "excluded"))
    assert fingers.splitlines()[0].split() == [
        "finger",
        *(f"freihand:{name}" for name in ("epe_3d", "pa_epe")),
        *(f"rotation:{name}" for name in ("mpjpe", "pa_mpjpe")),
    ]
    assert len(fingers.splitlines()) == 8 and len(joints.splitlines()) == 23
    assert f"{1000 * np.linalg.norm(PREDICTED - TRUE, axis=-1).mean():.2f}" in scores


def test_a_mirrored_hand_is_0_under_freihand_and_not_under_rotation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, err = as_json(capsys, write(folder, TRUE * FLIP), "--truth", folder)
    found = values(document)
    assert found["freihand:pa_epe"] == pytest.approx(0, abs=1e-3) and found["rotation:pa_mpjpe"] > 5
    assert "warning: the hands fit much better mirrored" in err and len(document["warnings"]) == 1


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (1000 * PREDICTED, "in mm, not m"),
        (PREDICTED / 1000, "multiply by 1000"),
        (from_common(PREDICTED, MANO), "in the order of 'mano'"),
    ],
)
def test_doubts_are_said_and_the_file_is_scored_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str], joints: np.ndarray, words: str
) -> None:
    document, err = as_json(capsys, write(folder, joints), "--truth", folder)
    assert words in err and any(words in line for line in document["warnings"])
    assert values(document)["freihand:epe_3d"] == pytest.approx(1000 * np.linalg.norm(joints - TRUE, axis=-1).mean())


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (PREDICTED[:5], ["pred.json: 5 samples", "has 12", "sample 5"]),
        (PREDICTED[:, :20], ["joints of sample 0 are 20 x 3"]),
        (np.where(np.arange(12)[:, None, None] == 7, np.nan, PREDICTED), ["not finite", "sample 7"]),
    ],
)
def test_bad_files_are_errors(folder: Path, capsys: pytest.CaptureFixture[str], joints: np.ndarray, words: list[str]) -> None:
    code, out, err = run(capsys, write(folder, joints), "--truth", folder, "--json")
    assert (code, out) == (2, "") and err.startswith("error: ") and all(word in err for word in words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--protocol", "freehand"], "did you mean 'freihand'"),
        (["--protocol", "rhd", "--set", "rhd.strat=20"], "start"),
        (["--protocol", "rhd", "--set", "rhd=20"], "is not P.KEY=VALUE"),
        (["--set", "rhd.start=20"], "score it with --protocol rhd"),
    ],
)
def test_wrong_words(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    code, _, err = run(capsys, write(folder, PREDICTED), "--truth", folder, *arguments)
    assert code == 2 and words in err


def test_settings_plot_and_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--protocol", "rhd", "--set", "rhd.start=20", "--plot", folder / "pck.png", "--out", folder / "score.json"]
    document, _ = as_json(capsys, write(folder, PREDICTED), "--truth", folder, *options)
    assert [score["note"] for score in document["scores"] if score["metric"] == "root_auc"] == ["20 to 50 mm"]
    assert json.loads((folder / "score.json").read_text()) == document
    with Image.open(folder / "pck.png") as image:
        assert image.size == (960, 660)
    curve = document["pck"]["rhd:root_epe"]
    assert curve["thresholds"][-1] == 50 and curve["share"] == sorted(curve["share"])


def test_what_cannot_be_scored_is_null_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, err = as_json(capsys, write(folder, PREDICTED), "--truth", folder, "--protocol", "mmpose-2d")
    assert {score["value"] for score in document["scores"]} == {None}
    assert "mmpose-2d: no hand could be scored" in err


def test_a_run_s_predictions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = np.arange(12).astype(str)
    arrays = {"key": key, "joints_2d": PREDICTED[..., :2], "solvable": np.ones(12, bool), "view": 64}
    (folder / "predictions.npz").write_bytes(as_npz(joints_3d=PREDICTED, **arrays))
    (folder / "truth.npz").write_bytes(as_npz(key=key, joints_3d=TRUE, joints_2d=TRUE[..., :2]))
    document, _ = as_json(capsys, folder / "predictions.npz", "--truth", folder / "truth.npz", "--protocol", "pixels")
    (score,) = document["scores"]
    assert (score["metric"], score["unit"], document["layout"]) == ("epe_2d", "px@64", "npz")
