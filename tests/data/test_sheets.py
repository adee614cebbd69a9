"""A sheet shows every sample, its joints in their fingers' colours, and why one is missing."""

import io
from pathlib import Path

import numpy as np
import pytest
from fixtures import Drawn, write_bad_photos, write_freihand
from PIL import Image, ImageColor

from handbench.data.cropping import crop
from handbench.data.datasets.freihand import FreiHand
from handbench.data.datasets.photos import Photos
from handbench.data.sheets import CAPTION, COLOURS, GAP, Picture, pick, png, rows_sheet, sheet
from handbench.errors import DataError
from handbench.types import FINGERS, Sample

SIDE = 160


def tile(picture: Image.Image) -> np.ndarray:
    """The pixels of a sheet's first tile."""
    return np.asarray(picture)[GAP : GAP + SIDE, GAP : GAP + SIDE].astype(int)


def test_joints_have_the_colours_of_their_fingers(tmp_path: Path) -> None:
    dataset = FreiHand(FreiHand.Config(), write_freihand(tmp_path, unique=2, evaluation=0))
    sample = dataset[0]
    seen = tile(sheet([sample], dataset.context, SIDE))
    cut = crop(sample, SIDE, dataset.context)
    for finger, chain in FINGERS.items():
        x, y = sample.joints_2d[chain[-1]] @ cut.matrix[:2, :2].T + cut.matrix[:2, 2]
        assert np.abs(seen[int(y), int(x)] - ImageColor.getrgb(COLOURS[finger])).max() < 60, finger


def test_overlay_stays_on_the_joints(tmp_path: Path) -> None:
    """Away from joints and bones the tile is the crop that packing makes."""
    dataset = FreiHand(FreiHand.Config(), write_freihand(tmp_path, unique=1, evaluation=0))
    sample = dataset[0]
    plain = crop(sample, SIDE, dataset.context).image.astype(int)
    changed = np.abs(tile(sheet([sample], dataset.context, SIDE)) - plain).max(-1) > 40
    assert 0.01 < changed.mean() < 0.15


def test_missing_and_invalid_joints_are_not_drawn() -> None:
    dataset = Drawn(Drawn.Config())
    sample = dataset[0]
    blank = Sample("x", sample.image, joints_2d=np.full((21, 2), np.nan))
    invalid = Sample("x", sample.image, joints_2d=sample.joints_2d, valid=np.zeros(21, bool))
    bare = Sample("x", sample.image)
    assert tile(sheet([blank], 1.0, SIDE)).tolist() == tile(sheet([bare], 1.0, SIDE)).tolist()
    assert tile(sheet([invalid], 1.0, SIDE)).tolist() == tile(sheet([bare], 1.0, SIDE)).tolist()


def test_boxes_are_drawn_where_there_are_no_joints() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    seen = tile(sheet([Sample("x", image, box=(30.0, 40.0, 40.0, 20.0))], 1.25, SIDE))
    lit = np.argwhere(seen.sum(-1) > 300)
    # The crop is 62.5 px wide about (50, 50), so the box spans 160 * 40 / 62.5 = 102 px and half as much in height.
    assert (lit.max(0) - lit.min(0)).tolist() == pytest.approx([51, 102], abs=2)
    assert (lit.max(0) + lit.min(0)).tolist() == pytest.approx([159, 159], abs=2)


def test_masks_tint_on_request() -> None:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[40:80, 40:80] = True
    sample = Sample("x", image, mask=mask)
    assert tile(sheet([sample], 1.0, SIDE)).max() == 0
    seen = tile(sheet([sample], 1.0, SIDE, masks=True))
    assert (seen[45:75, 45:75, 0] > 100).all()
    assert seen[90:, 90:].max() == 0


def test_unreadable_samples_have_a_grey_tile(tmp_path: Path) -> None:
    write_bad_photos(tmp_path)
    samples = pick(Photos(Photos.Config(), tmp_path), 10)
    picture = sheet(samples, 1.0, SIDE)
    assert (tile(picture)[-10:, -10:] == 0xCC).all()
    assert (tile(picture) < 100).any()  # the reason is written on it


def test_sheet_is_a_grid_with_captions_and_a_legend() -> None:
    samples = pick(Drawn(Drawn.Config(count=100)), 7)
    assert [sample.key for sample in samples if isinstance(sample, Sample)] == [
        f"hand {row}" for row in (0, 16, 33, 50, 66, 82, 99)
    ]
    picture = sheet(samples, 1.2, SIDE, columns=4)
    assert picture.size == (4 * (SIDE + GAP) + GAP, 2 * (SIDE + CAPTION + GAP) + GAP + CAPTION + GAP)
    caption = np.asarray(picture)[GAP + SIDE : GAP + SIDE + CAPTION, GAP : GAP + SIDE]
    assert (caption < 128).any()
    assert (np.asarray(picture)[-CAPTION:] == ImageColor.getrgb(COLOURS["ring"])).all(-1).any()


def test_picture_is_a_png() -> None:
    picture = sheet(pick(Drawn(Drawn.Config()), 1), 1.2, 32)
    read = Image.open(io.BytesIO(png(picture)))
    assert read.format == "PNG"
    assert np.asarray(read).tolist() == np.asarray(picture).tolist()


def test_rows_show_every_picture_with_its_own_joints() -> None:
    """Joints are placed in the picture's own pixels and enlarged with it; what is NaN is not drawn."""
    black = np.zeros((40, 40, 3), np.uint8)
    joints = np.full((21, 2), np.nan)
    joints[4] = (10.0, 30.0)  # the thumb's tip alone
    rows = [("one", [Picture(black, joints), Picture(black, np.full((21, 2), np.nan), window=20.0)])]
    picture = np.asarray(rows_sheet(rows, ["source", "view 1"], 80)).astype(int)
    first, second = (picture[CAPTION + GAP : CAPTION + GAP + 80, x : x + 80] for x in (GAP, 2 * GAP + 80))
    assert np.abs(first[60, 20] - ImageColor.getrgb(COLOURS["thumb"])).max() < 40
    rows_lit, columns_lit = np.nonzero(first.max(-1) > 60)
    assert abs(rows_lit.mean() - 59.5) < 1 and abs(columns_lit.mean() - 19.5) < 1
    lit = np.argwhere(second.max(-1) > 100)
    assert lit.min(0).tolist() == pytest.approx([20, 20], abs=1) and lit.max(0).tolist() == pytest.approx([60, 60], abs=1)
    assert second[25:55, 25:55].max() == 0
    heading = picture[:CAPTION]
    assert (heading < 128).any()


def test_nothing_to_show() -> None:
    with pytest.raises(DataError, match="0 of 20 samples cannot be shown"):
        pick(Drawn(Drawn.Config()), 0)
    with pytest.raises(DataError, match="at least one sample"):
        sheet([], 1.0)
    with pytest.raises(DataError, match="at least one sample"):
        rows_sheet([], [])
