"""Photographs as people have them: turned, grey, transparent, huge, broken, boxed."""

import os
from pathlib import Path

import numpy as np
import pytest
from fixtures import write_bad_photos, write_photos
from PIL import Image

from handbench.data.datasets.photos import Photos
from handbench.errors import DataError, UnreadableSample
from handbench.protocols import Dataset


def photos(root: Path | None, **settings: object) -> Photos:
    return Photos(Photos.Config(**settings), root)


def halves(width: int, height: int) -> np.ndarray:
    """An image that is red on its left and blue on its right half."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 255
    image[:, width // 2 :, 2] = 255
    return image


def boxes(folder: Path, text: str) -> Path:
    (folder / "boxes.csv").write_text(text)
    return folder / "boxes.csv"


def test_folder_names_are_labels_and_the_order_is_that_of_names(tmp_path: Path) -> None:
    write_photos(tmp_path, people=2)
    Image.fromarray(halves(8, 8)).save(tmp_path / "loose.PNG")
    (tmp_path / "fist" / "deeper" / "still").mkdir(parents=True)
    Image.fromarray(halves(8, 8)).save(tmp_path / "fist" / "deeper" / "still" / "x.bmp")
    (tmp_path / ".hidden").mkdir()
    Image.fromarray(halves(8, 8)).save(tmp_path / ".hidden" / "no.png")
    (tmp_path / "fist" / "._person_00.jpg").write_bytes(b"resource fork")
    (tmp_path / "notes.txt").write_text("no image")
    dataset = photos(tmp_path)
    assert isinstance(dataset, Dataset)
    assert dataset.context == 1.0
    keys = ["fist/deeper/still/x.bmp", "fist/person_00.jpg", "fist/person_01.jpg", "loose.PNG"]
    keys += ["palm/person_00.jpg", "palm/person_01.jpg", "point/person_00.jpg", "point/person_01.jpg"]
    samples = [dataset[index] for index in range(len(dataset))]
    assert [sample.key for sample in samples] == keys
    assert [sample.label for sample in samples] == ["fist"] * 3 + [None] + ["palm"] * 2 + ["point"] * 2
    assert samples[0].box is None


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_photos(tmp_path / "data", people=1, classes=["fist"])
    write_photos(tmp_path / "elsewhere", people=1, classes=["palm"])
    (tmp_path / "data" / "fist" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "palm").symlink_to(tmp_path / "elsewhere" / "palm")
    dataset = photos(tmp_path / "data")
    assert [dataset[index].key for index in range(len(dataset))] == ["fist/person_00.jpg", "palm/person_00.jpg"]


@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [(1, (2, 2)), (3, (2, 13)), (6, (2, 2)), (8, (13, 2))],  # (row, column) of a pixel that is red once upright
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, red_at: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(halves(16, 16)).save(tmp_path / "turned.png", exif=exif)
    assert photos(tmp_path)[0].image[red_at].tolist() == [255, 0, 0]


def test_turned_oblong_image_swaps_its_sides(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(halves(32, 16)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert photos(tmp_path)[0].image.shape == (32, 16, 3)


def test_every_colour_mode_becomes_rgb(tmp_path: Path) -> None:
    grey = np.full((8, 8), 100, np.uint8)
    Image.fromarray(grey).save(tmp_path / "a_grey.png")
    Image.fromarray((grey.astype(np.uint16) << 8) + 77).save(tmp_path / "b_deep.png")
    clear = np.dstack([halves(8, 8), np.full((8, 8), 0, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "c_clear.png")
    Image.fromarray(halves(8, 8)).convert("CMYK").save(tmp_path / "d_cmyk.jpg", quality=100)
    Image.fromarray(halves(8, 8)).quantize(4).save(tmp_path / "e_palette.gif")
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey // 2)]).save(tmp_path / "f_grey_alpha.png")
    images = [photos(tmp_path)[index].image for index in range(6)]
    assert [image.shape for image in images] == [(8, 8, 3)] * 6
    assert images[0][0, 0].tolist() == images[1][0, 0].tolist() == [100, 100, 100]
    assert images[2][0, 0].tolist() == [255, 255, 255]  # nothing is there, so white shows
    assert np.abs(images[3].astype(int) - halves(8, 8)).max() < 12
    assert images[4].tolist() == halves(8, 8).tolist()
    assert images[5][0, 0].tolist() == [225, 225, 225]  # 100 at opacity 50/255 on white


def test_large_jpeg_is_decoded_smaller_as_far_as_the_hand_keeps_its_detail(tmp_path: Path) -> None:
    Image.fromarray(halves(4000, 2000)).save(tmp_path / "large.jpg", quality=90)
    assert photos(tmp_path)[0].image.shape == (500, 1000, 3)  # 4000 / 512 is 7.8, so a quarter
    assert photos(tmp_path, detail=0)[0].image.shape == (2000, 4000, 3)
    boxes(tmp_path, "path,x,y,w,h\nlarge.jpg,1900,100,400,300\nlarge.jpg,1000,0,2000,1600\n")
    dataset = photos(tmp_path, boxes="boxes.csv")
    assert dataset[0].image.shape == (2000, 4000, 3)
    assert dataset[0].box == (1900, 100, 400, 300)
    half = photos(tmp_path, boxes="boxes.csv", detail=1000)[1]
    assert half.image.shape == (1000, 2000, 3)
    assert half.box == (500, 0, 1000, 800)


def test_boxes_keep_their_side_their_label_and_their_photograph(tmp_path: Path) -> None:
    write_photos(tmp_path, people=1)
    table = boxes(
        tmp_path,
        "﻿path,x,y,w,h,side\nfist/person_00.jpg,2,3,10,20,left\npalm/person_00.jpg,0,0,40,40,\nfist/person_00.jpg,-5,30,15,20,Right\n",
    )
    dataset = photos(table)
    assert dataset.context == 1.2
    samples = [dataset[index] for index in range(3)]
    assert [sample.key for sample in samples] == ["fist/person_00.jpg#0", "palm/person_00.jpg#0", "fist/person_00.jpg#1"]
    assert [sample.box for sample in samples] == [(2, 3, 10, 20), (0, 0, 40, 40), (0, 30, 10, 10)]  # the last is cut to the image
    assert [sample.side for sample in samples] == ["left", None, "right"]
    assert [sample.label for sample in samples] == ["fist", "palm", "fist"]
    assert samples[0].frame == samples[2].frame == "fist/person_00.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,x,y,w\na.png,1,2,3\n", r"boxes\.csv: column h missing; found path,x,y,w, expected path,x,y,w,h\[,side\]"),
        ("path,x,y,w,h\na.png,1,2,3,4\na.png,1,wide,3,4\n", r"boxes\.csv line 3: y is 'wide', not a number"),
        ("path,x,y,w,h\na.png,1,2,3\n", r"boxes\.csv line 2: h is 'None', not a number"),
        ("path,x,y,w,h\na.png,1,2,0,4\n", r"boxes\.csv line 2: box \(1, 2, 0, 4\) has no area"),
        ("path,x,y,w,h\na.png,1,2,nan,4\n", r"line 2: box \(1, 2, nan, 4\) has no area"),
        ("path,x,y,w,h,side\na.png,1,2,3,4,up\n", r"line 2: side 'up' is unknown; left, right or nothing"),
        ("path,x,y,w,h\n", "holds no boxes below its header"),
        ("", r"column path, x, y, w, h missing; found "),
    ],
)
def test_bad_table_is_an_error_that_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        photos(boxes(tmp_path, text))


def test_bad_rows_are_unreadable_samples(tmp_path: Path) -> None:
    Image.fromarray(halves(16, 16)).save(tmp_path / "a.png")
    dataset = photos(boxes(tmp_path, "path,x,y,w,h\nmissing.png,1,2,3,4\na.png,16,0,4,4\n"))
    with pytest.raises(UnreadableSample, match=r"^missing\.png#0: there is no such file$"):
        dataset[0]
    with pytest.raises(UnreadableSample, match=r"a\.png#0: its box \(16, 0, 4, 4\) lies outside the image of 16 x 16 pixels"):
        dataset[1]


def test_bad_files_each_say_what_is_wrong(tmp_path: Path) -> None:
    names = write_bad_photos(tmp_path)
    failures = photos(tmp_path).samples(range(3))
    assert [failure.name for failure in failures if isinstance(failure, UnreadableSample)] == sorted(names)
    assert [str(failure) for failure in failures][:2] == [
        "empty.jpg: is empty (0 bytes)",
        "text.png: is not an image, whatever its extension says",
    ]
    assert str(failures[2]).startswith("truncated.jpg: is truncated")


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(halves(64, 64)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableSample, match=r"bomb\.png: is too large to be a photograph .*shrink it first"):
        photos(tmp_path)[0]


def test_wrong_root_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dataset 'photos' needs a folder of images or a CSV of boxes: --data FOLDER"):
        photos(None)
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        photos(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"no images in this folder or below; looked for \.bmp, .*\.jpg"):
        photos(tmp_path)
    with pytest.raises(DataError, match=r"boxes\.csv: there is no such file; it should be a CSV with the columns path,x,y,w,h"):
        photos(tmp_path, boxes="boxes.csv")


def test_fingerprint_follows_the_data_and_nothing_else(tmp_path: Path) -> None:
    write_photos(tmp_path, people=1)
    before = photos(tmp_path).fingerprint()
    (tmp_path / "notes.txt").write_text("not data")
    assert photos(tmp_path).fingerprint() == before
    assert photos(tmp_path, detail=64).fingerprint() != before
    os.utime(tmp_path / "fist" / "person_00.jpg", (1, 1))
    touched = photos(tmp_path).fingerprint()
    assert touched != before
    (tmp_path / "fist" / "person_00.jpg").rename(tmp_path / "fist" / "renamed.jpg")
    assert photos(tmp_path).fingerprint() not in (before, touched)
