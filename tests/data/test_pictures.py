"""What `predict` is pointed at: folders, files and FreiHAND's layout, with cameras and scales; bad ones are named."""

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures import camera, edit_list, write_bad_photos, write_freihand, write_photos

from handbench.data.pictures import assumed_camera, find, with_camera, with_scales
from handbench.errors import DataError, UnreadableSample


@pytest.fixture
def freihand(tmp_path: Path) -> Path:
    return write_freihand(tmp_path / "freihand", unique=1, evaluation=3, annotated=False)


def test_freihands_evaluation_set_has_its_cameras_and_scales(freihand: Path) -> None:
    found = find(freihand)
    assert found.official and [item.key for item in found.items] == [f"evaluation/rgb/{number:08d}.jpg" for number in range(3)]
    scales = json.loads((freihand / "evaluation_scale.json").read_text())
    for number, item in enumerate(found.items):
        assert item.intrinsics is not None
        np.testing.assert_array_equal(item.intrinsics, camera(number))
        assert item.scale == scales[number]
        assert item.read().shape == (224, 224, 3)


def test_a_folder_and_a_single_image_have_neither(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", people=1)
    found = find(tmp_path / "photos")
    assert [item.key for item in found.items] == ["fist/person_00.jpg", "palm/person_00.jpg", "point/person_00.jpg"]
    assert not found.official and all(item.intrinsics is None and item.scale is None for item in found.items)
    (lone,) = find(tmp_path / "photos/fist/person_00.jpg").items
    assert lone.key == "person_00.jpg" and lone.read().shape == (40, 40, 3)


def test_a_broken_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    names = write_bad_photos(tmp_path / "bad")
    for item in find(tmp_path / "bad").items:
        assert item.key in names
        with pytest.raises(UnreadableSample, match=item.key):
            item.read()


def test_a_scale_for_all_or_one_each(tmp_path: Path, freihand: Path) -> None:
    assert [item.scale for item in with_scales(find(freihand), "0.03").items] == [0.03] * 3
    (tmp_path / "scales.json").write_text("[0.02, 0.03, [0.04]]")
    (tmp_path / "nested.json").write_text("[[0.02], [0.03], [0.04]]")
    assert [item.scale for item in with_scales(find(freihand), str(tmp_path / "nested.json")).items] == [0.02, 0.03, 0.04]
    with pytest.raises(DataError, match=r"scales.json: is not a JSON list of numbers"):
        with_scales(find(freihand), str(tmp_path / "scales.json"))


def test_a_camera_for_all(freihand: Path) -> None:
    for item in with_camera(find(freihand), "300, 310,100,90").items:
        assert item.intrinsics is not None
        np.testing.assert_array_equal(item.intrinsics, [[300, 0, 100], [0, 310, 90], [0, 0, 1]])


def test_the_assumed_camera_grows_with_the_image() -> None:
    np.testing.assert_allclose(assumed_camera(224, 224), [[388.9018, 0, 112], [0, 388.7123, 112], [0, 0, 1]])
    np.testing.assert_allclose(assumed_camera(100, 448)[:2], [[777.8036, 0, 50], [0, 777.4246, 224]])


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ("-1", "scale -1 of picture 0 must be a number of metres above 0"),
        ("nan", "scale nan of picture 0"),
        ("25", "scale 25 is longer than a metre.*divide millimetres by 1000"),
        ("nothing.json", "nothing.json: is not a file"),
    ],
)
def test_bad_scales(freihand: Path, scale: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        with_scales(find(freihand), scale)


@pytest.mark.parametrize("text", ["300,300,100", "a,b,c,d", "0,300,1,1", "300,inf,1,1"])
def test_bad_cameras(freihand: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"camera .*e\.g\. 388\.9,388\.7,112,112"):
        with_camera(find(freihand), text)


def test_bad_places(tmp_path: Path, freihand: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such image or folder"):
        find(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no images"):
        find(tmp_path / "empty")
    edit_list(freihand / "evaluation_scale.json", 0, None)
    with pytest.raises(DataError, match=r"evaluation_scale.json: holds 2 entries for 3 images"):
        find(freihand)
    edit_list(freihand / "evaluation_K.json", 1, [[1, 2, 3]])
    with pytest.raises(DataError, match=r"evaluation_K.json: is not a JSON list of numbers"):
        find(freihand)
    (freihand / "evaluation_K.json").write_text("[" + ", ".join(["[[NaN,0,0],[0,1,0],[0,0,1]]"] * 3) + "]")
    with pytest.raises(DataError, match=r"evaluation_K.json: entry 0 is not finite"):
        find(freihand)
    (freihand / "evaluation_K.json").unlink()
    with pytest.raises(DataError, match=r"evaluation_K.json: is not a file"):
        find(freihand)
