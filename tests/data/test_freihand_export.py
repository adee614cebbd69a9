"""What is exported reads back through the loader of the official layout with the same numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures import FREIHAND_CAMERA, Drawn, hand_image, hand_joints, project, write_photos

from handbench.data.datasets.freihand import FreiHand
from handbench.data.datasets.photos import Photos
from handbench.data.freihand_export import export_freihand, mirror
from handbench.errors import DataError
from handbench.types import Sample


class Posed(Drawn):
    """Six training and two test hands of 224 x 224 pixels, two versions of each training hand."""

    def __init__(self, side: str = "right", versions: int = 2) -> None:
        super().__init__(Drawn.Config(count=6 * versions + 2))
        self.side, self.versions = side, versions

    def __getitem__(self, index: int) -> Sample:
        test = index >= 6 * self.versions
        hand = 100 + index if test else index % 6
        joints = hand_joints(hand)
        shade = 40 * (index // 6) + 20
        return Sample(
            f"k{index}",
            hand_image(joints, (shade, shade, shade)),
            joints_2d=project(joints, FREIHAND_CAMERA),
            joints_3d=joints,
            intrinsics=np.array(FREIHAND_CAMERA),
            side=self.side,
            mask=np.pad(np.ones((100, 60), bool), ((62, 62), (40, 124))),
            part="test" if test else "train",
            source=f"s{hand}",
        )


def test_round_trip_is_exact(tmp_path: Path) -> None:
    written = export_freihand(Posed(), "posed", tmp_path / "out")
    assert (written.training, written.versions, written.evaluation, written.mirrored, written.left_out) == (6, 2, 2, 0, 0)
    read = FreiHand(FreiHand.Config(), tmp_path / "out")
    assert len(read) == 14
    for index in range(14):
        expected, sample = Posed()[index], read[index]
        assert (sample.joints_3d == expected.joints_3d).all()
        assert (sample.intrinsics == expected.intrinsics).all()
        np.testing.assert_allclose(sample.joints_2d, expected.joints_2d, atol=1e-6)
        assert np.abs(sample.image.astype(int) - expected.image).mean() < 3  # JPEG
        assert sample.scale == pytest.approx(np.linalg.norm(expected.joints_3d[9] - expected.joints_3d[10]))
        assert (sample.part == "test") == (expected.part == "test")
        if index < 12:
            assert (sample.mask == expected.mask).mean() > 0.999
    assert read[0].source == read[6].source != read[1].source


def test_official_files_are_there(tmp_path: Path) -> None:
    export_freihand(Posed(), "posed", tmp_path)
    lists = {path.name: len(json.loads(path.read_text())) for path in tmp_path.glob("*.json")}
    assert lists == {
        **{f"training_{name}.json": 6 for name in ("K", "xyz", "scale", "mano")},
        **{f"evaluation_{name}.json": 2 for name in ("K", "xyz", "scale")},
    }
    assert np.shape(json.loads((tmp_path / "training_mano.json").read_text())) == (6, 1, 61)
    assert "training_mano.json holds zeros" in (tmp_path / "README.txt").read_text()
    names = {folder: sorted(path.name for path in (tmp_path / folder).iterdir()) for folder in ("training/rgb", "training/mask")}
    assert names["training/rgb"] == [f"{number:08d}.jpg" for number in range(12)]
    assert names["training/mask"] == [f"{number:08d}.jpg" for number in range(6)]


def test_left_hands_become_right_ones(tmp_path: Path) -> None:
    written = export_freihand(Posed("left", versions=1), "posed", tmp_path)
    assert written.mirrored == 8
    read = FreiHand(FreiHand.Config(), tmp_path)
    for index in range(6):
        left, right = Posed("left", versions=1)[index], read[index]
        assert (right.joints_3d == left.joints_3d * [-1, 1, 1]).all()
        np.testing.assert_allclose(right.joints_2d, [224, 0] + left.joints_2d * [-1, 1], atol=1e-6)
        x, y = right.joints_2d[8]
        assert np.abs(right.image[int(y), int(x)].astype(int) - left.image[int(y), int(224 - x)]).max() < 40
        assert (right.mask == left.mask[:, ::-1]).mean() > 0.999
    assert "8 left hands were mirrored" in (tmp_path / "README.txt").read_text()


def test_mirror_keeps_joints_on_their_pixels_and_undoes_itself() -> None:
    camera = np.array([[400.0, 3.0, 100.0], [0.0, 410.0, 90.0], [0.0, 0.0, 1.0]])  # skewed, and off the middle
    joints = hand_joints(1)
    left = replace(Posed("left")[1], intrinsics=camera, joints_2d=project(joints, camera), box=(10.0, 20.0, 30.0, 40.0))
    right = mirror(left)
    np.testing.assert_allclose(project(right.joints_3d, right.intrinsics), right.joints_2d, atol=1e-9)
    assert right.box == (184.0, 20.0, 30.0, 40.0)
    assert right.side == "right"
    back = mirror(right)
    assert (back.image == left.image).all()
    np.testing.assert_allclose(back.joints_2d, left.joints_2d, atol=1e-12)
    assert (back.intrinsics == camera).all()
    assert back.box == left.box


def test_other_sizes_are_cut_out_about_the_hand(tmp_path: Path) -> None:
    dataset = Drawn(Drawn.Config(count=10))  # 32 x 24 pixels, every other one a left hand
    written = export_freihand(dataset, "drawn", tmp_path)
    assert (written.training, written.versions, written.mirrored) == (10, 1, 5)
    read = FreiHand(FreiHand.Config(), tmp_path)
    for index in range(10):
        sample = read[index]
        assert sample.image.shape == (224, 224, 3)
        zoom = 224 / 24  # the box is 20 pixels wide, the window 25; whole pixels about 14 are 24 or 26
        assert sample.intrinsics[0, 0] == pytest.approx(40 * zoom)
        assert sample.intrinsics[1, 1] == pytest.approx(40 * zoom)
        left = (14 if index % 2 == 0 else 32 - 14) - 12
        seen = dataset[index].joints_2d * [1 if index % 2 == 0 else -1, 1] + [32 * (index % 2), 0]
        np.testing.assert_allclose(sample.joints_2d, (seen - [left, 11 - 12]) * zoom, atol=1e-6)


def test_version_with_other_labels_is_a_frame_of_its_own(tmp_path: Path) -> None:
    class Disputed(Posed):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return replace(sample, joints_3d=hand_joints(55)) if index == 7 else sample

    written = export_freihand(Disputed(), "posed", tmp_path)
    assert (written.training, written.versions, written.left_out) == (7, 1, 5)
    xyz = np.array(json.loads((tmp_path / "training_xyz.json").read_text()))
    assert (xyz[-1] == hand_joints(55)).all()
    assert len(FreiHand(FreiHand.Config(), tmp_path)) == 9


def test_samples_without_a_full_pose_are_left_out(tmp_path: Path) -> None:
    class Partial(Posed):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return {0: replace(sample, intrinsics=None), 1: replace(sample, valid=np.arange(21) > 0)}.get(index, sample)

    written = export_freihand(Partial(versions=1), "posed", tmp_path)
    assert (written.training, written.left_out) == (4, 2)


def test_datasets_without_poses_and_full_folders_are_refused(tmp_path: Path) -> None:
    photos = Photos(Photos.Config(), write_photos(tmp_path / "photos", people=1))
    with pytest.raises(DataError, match="dataset 'photos' has no samples with 3D joints and intrinsics"):
        export_freihand(photos, "photos", tmp_path / "out")
    with pytest.raises(DataError, match="photos: is not empty; an export needs a new folder"):
        export_freihand(Posed(), "posed", tmp_path / "photos")
