"""The verbs of `handbench data`, from the options to what is printed and written."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fixtures import write_freihand, write_photos
from PIL import Image

from handbench.cli.data import data
from handbench.errors import DataError, HandbenchError, RecipeError


def call(*words: object) -> Result:
    """Run `handbench data …`; the user's errors come through as they are, the caller prints them."""
    return CliRunner().invoke(data, [str(word) for word in words], catch_exceptions=False)


def test_pack_then_list_then_verify_then_clear(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", people=5)
    (tmp_path / "photos" / "fist" / "empty.jpg").write_bytes(b"")
    done = call("pack", "photos", "--data", tmp_path / "photos", "--side", 32)
    assert "15 images of 32 x 32, 46.1 kB" in done.stdout
    assert "skipped fist/empty.jpg: is empty (0 bytes)" in done.stdout
    listed = call("cache")
    key = listed.stdout.split()[0]
    assert key.startswith("photos-32px-")
    assert "15 images" in listed.stdout
    assert "of 20.0 GB in use" in listed.stdout
    assert call("cache", "--verify").exit_code == 0
    os.truncate(tmp_path / "cache" / key / "pixels.u8", 100)
    damaged = call("cache", "--verify")
    assert damaged.exit_code == 1
    assert "holds 100 bytes, its manifest says 46080" in damaged.stdout
    assert "freed" in call("cache", "--clear", key).stdout
    assert call("cache").stdout.startswith(str(tmp_path / "cache"))


def test_show_writes_a_picture(tmp_path: Path) -> None:
    root = write_freihand(tmp_path / "hands", unique=3, evaluation=1)
    out = tmp_path / "sheet.png"
    done = call(
        "show", "freihand", "--data", root, "--out", out, "--count", 6, "--tile", 64, "--masks", "--set", 'versions=["gs"]'
    )
    assert done.stdout == f"{out}: 4 of 4 samples\n"
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.width > 3 * 64


def test_views_are_what_the_objective_sees(tmp_path: Path) -> None:
    root = write_freihand(tmp_path / "hands", unique=3, evaluation=1)
    shared = ("views", "--dataset", "freihand", "--data", root, "--budget", "smoke", "--tile", 64)
    out = tmp_path / "views.png"
    done = call(*shared, "--out", out, "--rows", 2, "--augmentation", "flip,cut_out:published")
    assert done.stdout == f"{out}: views of 32 x 32; augmentations: flip, cut_out\n"
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.width == 3 * 68 + 4  # the source and PeCLR's two views
    again, other, wider = (tmp_path / name for name in ("again.png", "other.png", "wider.png"))
    call(*shared, "--out", again, "--rows", 2, "--augmentation", "flip,cut_out:published")
    call(*shared, "--out", other, "--rows", 2, "--augmentation", "flip,cut_out:published", "--seed", 1)
    assert again.read_bytes() == out.read_bytes() != other.read_bytes()
    plain = call(*shared, "--out", wider, "--rows", 1, "--views", 3, "--objective", "simclr", "--augmentation", "")
    assert plain.stdout.endswith("augmentations: none\n")
    with Image.open(wider) as picture:
        views = [np.asarray(picture)[17 : 17 + 64, 68 * column + 4 : 68 * column + 68] for column in (1, 2, 3)]
    assert np.array_equal(views[0], views[1]) and np.array_equal(views[0], views[2])  # nothing is drawn for them
    assert not list(tmp_path.glob("cache/*/pixels.u8"))  # only what is shown was read


def test_views_of_photographs_have_no_joints(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", people=5)
    (tmp_path / "photos" / "fist" / "empty.jpg").write_bytes(b"")
    out = tmp_path / "views.png"
    call("views", "--dataset", "photos", "--data", tmp_path / "photos", "--out", out, "--rows", 15, "--set", "pretrain.view=24")
    with Image.open(out) as picture:
        assert picture.width == 3 * 164 + 4


def test_export_writes_the_layout(tmp_path: Path) -> None:
    root = write_freihand(tmp_path / "hands", unique=3, evaluation=1)
    done = call("export", "freihand", "--data", root, "--out", tmp_path / "copy")
    assert "3 training frames in 4 version(s), 1 evaluation images, freihand layout" in done.stdout
    for name in ("training_xyz", "training_K", "evaluation_xyz"):
        assert json.loads((tmp_path / "copy" / f"{name}.json").read_text()) == json.loads((root / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["pack", "photo"], HandbenchError, "dataset 'photo' is unknown; did you mean 'photos'"),
        (["pack", "photos"], DataError, "needs a folder of images or a CSV of boxes: --data FOLDER"),
        (["pack", "photos", "--data", "x", "--set", "detail"], RecipeError, "--set detail: has no value; write it as KEY=VALUE"),
        (["pack", "photos", "--data", "x", "--set", "detial=3"], HandbenchError, "detail"),
        (["views", "--augmentation", "rotat", "--out", "x.png"], HandbenchError, "did you mean 'rotate'"),
        (["views", "--set", "pretrain.fill=white", "--out", "x.png"], RecipeError, "not allowed .reflect, black, grey"),
    ],
)
def test_mistakes_are_the_users(words: list[str], error: type[HandbenchError], message: str) -> None:
    with pytest.raises(error, match=message):
        call(*words)
