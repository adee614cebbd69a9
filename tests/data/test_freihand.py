"""FreiHAND's layout: ids, versions, parts, cameras, and what is said of an incomplete copy."""

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures import camera, edit_list, hand_joints, project, write_freihand

from handbench.data.datasets.freihand import FreiHand, held_out_frames
from handbench.errors import DataError, UnreadableSample
from handbench.protocols import Dataset


def freihand(root: Path | None, **settings: object) -> FreiHand:
    return FreiHand(FreiHand.Config(**settings), root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_freihand(tmp_path / "FreiHAND", unique=10, evaluation=3)


def test_held_out_frames_are_those_of_scikit_learn() -> None:
    # train_test_split(range(32560), train_size=.9, random_state=5) of scikit-learn 1.7, computed once.
    held_out = held_out_frames(32560).nonzero()[0]
    assert len(held_out) == 3256
    assert held_out[:6].tolist() == [5, 19, 21, 39, 86, 111]
    assert held_out.sum() == 52735085
    assert {32263, 28320, 9347, 10427, 4810, 11139, 20926, 24150} <= set(held_out.tolist())


def test_held_out_share_is_rounded_as_scikit_learn_does() -> None:
    assert {count: int(held_out_frames(count).sum()) for count in (1, 7, 10, 43)} == {1: 1, 7: 1, 10: 1, 43: 5}


def test_samples_hold_the_labels_of_their_frame(root: Path) -> None:
    dataset = freihand(root)
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 43
    samples = [dataset[index] for index in range(43)]
    assert [sample.key for sample in samples] == [f"training/rgb/{i:08d}.jpg" for i in range(40)] + [
        f"evaluation/rgb/{i:08d}.jpg" for i in range(3)
    ]
    for index, sample in enumerate(samples):
        frame, hand = (index % 10, index % 10) if index < 40 else (index - 40, 10000 + index - 40)
        assert (sample.joints_3d == hand_joints(hand)).all()
        assert (sample.intrinsics == camera(frame)).all()
        np.testing.assert_allclose(sample.joints_2d, project(hand_joints(hand), camera(frame)), atol=1e-9)
        assert sample.scale == pytest.approx(np.linalg.norm(hand_joints(hand)[9] - hand_joints(hand)[10]))
        assert sample.side == "right"
        assert sample.source == f"{'training' if index < 40 else 'evaluation'}/{frame:08d}"
        assert sample.image.shape == (224, 224, 3)
    assert [sample.part for sample in samples] == (["train"] * 9 + ["validation"]) * 4 + ["test"] * 3  # frame 9 is held out


def test_joints_lie_on_the_dots_of_the_image(root: Path) -> None:
    sample = freihand(root)[0]
    for joint, (x, y) in enumerate(sample.joints_2d[[4, 8, 12, 16, 20]]):  # the tips overlap no other dot
        red, green, blue = sample.image[int(y), int(x)].astype(int)
        assert abs(red - 255) < 30, joint
        assert abs(green - 10 * (4 + 4 * joint)) < 40
        assert abs(blue - (255 - 10 * (4 + 4 * joint))) < 40


def test_box_holds_the_joints(root: Path) -> None:
    sample = freihand(root)[3]
    x, y, w, h = sample.box
    np.testing.assert_allclose([[x, y], [x + w, y + h]], [sample.joints_2d.min(0), sample.joints_2d.max(0)])


def test_mask_belongs_to_the_frame_and_can_be_left_out(root: Path) -> None:
    samples = [freihand(root)[index] for index in (2, 32)]
    assert samples[0].mask.tolist() == samples[1].mask.tolist()
    x, y = samples[0].joints_2d[12]
    assert samples[0].mask[int(y), int(x)]
    assert not samples[0].mask[0, 0]
    assert freihand(root)[40].mask is None
    assert freihand(root, masks=False)[2].mask is None


def test_versions_can_be_chosen(root: Path) -> None:
    dataset = freihand(root, versions=("auto", "gs"))
    assert len(dataset) == 23
    assert dataset[0].key == "training/rgb/00000030.jpg"
    assert dataset[10].key == "training/rgb/00000000.jpg"
    with pytest.raises(DataError, match="version 'green' is unknown; gs, hom, sample, auto"):
        freihand(root, versions=("green",))


def test_first_release_with_one_version_is_read(tmp_path: Path) -> None:
    root = write_freihand(tmp_path, unique=5, evaluation=0, versions=1)
    assert len(freihand(root)) == 5
    with pytest.raises(DataError, match="has no version 'auto' of the training images; there are gs"):
        freihand(root, versions=("auto",))


def test_evaluation_without_annotations_shows_the_whole_image(tmp_path: Path) -> None:
    sample = freihand(write_freihand(tmp_path, unique=2, evaluation=2, annotated=False))[9]
    assert sample.key == "evaluation/rgb/00000001.jpg"
    assert sample.part == "test"
    assert sample.joints_2d is None
    assert sample.joints_3d is None
    np.testing.assert_allclose(sample.box, (22.4, 22.4, 179.2, 179.2))
    assert 1.25 * sample.box[2] == pytest.approx(224)


def test_missing_lists(root: Path) -> None:
    (root / "training_scale.json").unlink()
    joints = hand_joints(4)
    assert freihand(root)[4].scale == pytest.approx(np.linalg.norm(joints[9] - joints[10]))
    (root / "training_xyz.json").unlink()
    with pytest.raises(DataError, match=r"training_xyz\.json: is missing; it belongs to FreiHAND v2"):
        freihand(root)


@pytest.mark.parametrize("name", ["K", "xyz", "scale"])
def test_list_of_the_wrong_length_is_named_with_both_lengths(root: Path, name: str) -> None:
    edit_list(root / f"training_{name}.json", 9, None)
    with pytest.raises(DataError, match=rf"training_{name}\.json: holds 9 entries, expected 10 as the other training files have"):
        freihand(root)


def test_number_of_images_must_fit(root: Path) -> None:
    (root / "evaluation/rgb/00000002.jpg").unlink()
    with pytest.raises(DataError, match=r"evaluation/rgb: holds 2 images, expected 3 as in evaluation_K\.json"):
        freihand(root)
    (root / "training/rgb/00000017.jpg").unlink()
    with pytest.raises(
        DataError, match=r"training/rgb: holds 39 images, expected 40: 4 versions of the 10 entries of training_K\.json"
    ):
        freihand(root)


def test_lists_of_the_wrong_shape_or_kind(root: Path) -> None:
    path = root / "training_xyz.json"
    path.write_text(json.dumps(np.zeros((10, 20, 3)).tolist()))
    with pytest.raises(DataError, match=r"training_xyz\.json: holds an array of shape \(10, 20, 3\), expected \(frames, 21, 3\)"):
        freihand(root)
    for broken in ("[[1, 2], [3]]", "{", '["a"]', "3"):
        path.write_text(broken)
        with pytest.raises(DataError, match=r"training_xyz\.json: (is not a JSON list|holds an array of shape \(\))"):
            freihand(root)


def test_impossible_joints_are_named(root: Path) -> None:
    joints = hand_joints(1)
    broken = joints.copy()
    broken[3, 1] = float("nan")
    edit_list(root / "training_xyz.json", 1, broken.tolist())
    edit_list(root / "training_xyz.json", 2, (joints * [1, 1, -1]).tolist())
    edit_list(root / "training_xyz.json", 3, (joints + np.array([1.0, 0, 0])).tolist())
    dataset = freihand(root)
    with pytest.raises(UnreadableSample, match=r"training/rgb/00000001\.jpg: entry 1 of its xyz or K list holds NaN"):
        dataset[1]
    with pytest.raises(UnreadableSample, match=r"00000002\.jpg: entry 2 of its xyz list has joints behind the camera"):
        dataset[2]
    with pytest.raises(UnreadableSample, match=r"00000003\.jpg: all its joints lie outside the image of 224 x 224 pixels"):
        dataset[3]
    kinds = [type(sample).__name__ for sample in dataset.samples(range(5))]
    assert kinds == ["Sample", "UnreadableSample", "UnreadableSample", "UnreadableSample", "Sample"]


def test_wrong_root_names_the_right_one(root: Path) -> None:
    with pytest.raises(DataError, match=r"dataset 'freihand' needs its folder: --data FOLDER"):
        freihand(None)
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        freihand(root / "nowhere")
    with pytest.raises(DataError, match=rf"is not FreiHAND v2's layout; did you mean {root}"):
        freihand(root.parent)


def test_fingerprint_follows_images_and_lists(root: Path) -> None:
    before = freihand(root).fingerprint()
    assert freihand(root).fingerprint() == before
    edit_list(root / "training_K.json", 0, camera(5))
    changed = freihand(root).fingerprint()
    assert changed != before
    (root / "training/rgb/00000007.jpg").write_bytes((root / "training/rgb/00000008.jpg").read_bytes())
    assert freihand(root).fingerprint() not in (before, changed)


def test_vertices_are_read_when_asked_for(root: Path) -> None:
    mesh = np.random.RandomState(0).normal(size=(10, 778, 3))
    (root / "training_verts.json").write_text(json.dumps(mesh.tolist()))
    (root / "evaluation_verts.json").write_text(json.dumps(mesh[:3].tolist()))
    assert (freihand(root, vertices=True)[12].vertices == mesh[2]).all()
    assert freihand(root)[12].vertices is None
