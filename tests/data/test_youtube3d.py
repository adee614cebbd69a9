"""YouTube 3D Hands' layout: boxes from meshes, joints with a MANO file only, vanished frames, other resolutions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handbench.data.datasets.youtube3d import YouTube3D
from handbench.data.mano import joint_regressor
from handbench.data.material import prepare
from handbench.errors import DataError, UnreadableSample
from handbench.protocols import Dataset

WIDTH, HEIGHT = 64, 48


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDBENCH_CACHE", str(tmp_path / "cache"))


def mesh(number: int) -> np.ndarray:
    """Vertices (778, 3) in pixels: a cloud around a place of its own."""
    random = np.random.RandomState(number)
    return random.uniform((10 + number, 8, -5), (40 + number, 30, 5), (778, 3))


def write_youtube(root: Path, frames: int = 6, resolution: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Write the official layout: two videos a part, two hands in every frame, the second a left one."""
    for part in ("train", "val", "test"):
        images, annotations = [], []
        for number in range(frames):
            name = f"youtube/{part}{number % 2}/video/frames/{number}.png"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", resolution, (40 * number, 90, 20)).save(root / name)
            images.append({"name": name, "width": WIDTH, "height": HEIGHT, "id": 100 + number})
            for side in (0, 1):
                vertices = mesh(2 * number + side).tolist()
                annotations.append({"vertices": vertices, "is_left": side, "image_id": 100 + number, "id": 2 * number + side})
        content = {"annotations": annotations, "images": images}
        (root / f"youtube_{part}.json").write_text(json.dumps(content))
    return root


def write_mano(folder: Path, side: str = "RIGHT") -> Path:
    matrix = np.zeros((16, 778))
    matrix[np.arange(16), (3 if side == "RIGHT" else 5) * np.arange(16)] = 1.0
    np.save(folder / f"MANO_{side}.npy", matrix)
    return folder / f"MANO_{side}.npy"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_youtube(tmp_path / "youtube3d")


def youtube(root: Path | None, **settings: object) -> YouTube3D:
    return YouTube3D(YouTube3D.Config(**settings), root)


def test_hands_have_the_boxes_of_their_meshes_and_no_joints(root: Path) -> None:
    dataset = youtube(root)
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 36
    samples = [dataset[index] for index in range(36)]
    for index, sample in enumerate(samples[:12]):
        low, high = mesh(index)[:, :2].min(0), mesh(index)[:, :2].max(0)
        np.testing.assert_allclose(sample.box, [*low, *(high - low)])
        assert sample.side == ("left" if index % 2 else "right")
        assert sample.joints_2d is None
        assert sample.joints_3d is None
        assert sample.intrinsics is None
        assert sample.key == f"youtube/train{index // 2 % 2}/video/frames/{index // 2}.png#{index}"
        assert (sample.sequence, sample.frame) == (f"train{index // 2 % 2}", str(index // 2))
        assert sample.image.shape == (HEIGHT, WIDTH, 3)
    assert [sample.part for sample in samples] == ["train"] * 12 + ["validation"] * 12 + ["test"] * 12
    assert dataset.notes == ("no 2D joints: they need your own MANO file, dataset.mano=MANO_RIGHT.pkl",)


def test_joints_come_with_the_users_own_mano_file(root: Path, tmp_path: Path) -> None:
    right = write_mano(tmp_path)
    samples = [youtube(root, mano=str(right))[index] for index in (2, 3)]
    np.testing.assert_allclose(samples[0].joints_2d, (joint_regressor(right) @ mesh(2))[:, :2])
    assert samples[0].valid.all()
    assert samples[1].joints_2d is None  # a left hand, and no MANO_LEFT
    left = write_mano(tmp_path, "LEFT")
    np.testing.assert_allclose(youtube(root, mano=str(right))[3].joints_2d, (joint_regressor(left) @ mesh(3))[:, :2])


def test_vanished_frames_are_counted_and_left_out(root: Path) -> None:
    whole = youtube(root).fingerprint()
    (root / "youtube/train0/video/frames/2.png").unlink()
    dataset = youtube(root)
    assert (len(dataset), dataset.missing) == (34, 2)
    assert dataset.notes[0] == "2 of 36 annotated hands were left out: their frames are not there"
    assert dataset.fingerprint() != whole
    for path in (root / "youtube").rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"none of the 36 annotated frames is there, e\.g\. youtube/train0/video/frames/0\.png"):
        youtube(root)


def test_frames_of_another_resolution_are_resized(tmp_path: Path) -> None:
    dataset = youtube(write_youtube(tmp_path / "large", frames=2, resolution=(2 * WIDTH, 2 * HEIGHT)))
    assert dataset[0].image.shape == (HEIGHT, WIDTH, 3)


def test_annotations_are_parsed_once_and_again_when_they_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = youtube(root)[5].box
    with monkeypatch.context() as patch:
        patch.setattr("handbench.data.datasets.youtube3d._parsed", None)
        assert youtube(root)[5].box == before
    content = json.loads((root / "youtube_train.json").read_text())
    content["annotations"][5]["vertices"] = mesh(40).tolist()
    (root / "youtube_train.json").write_text(json.dumps(content) + " ")
    assert youtube(root)[5].box != before


def test_it_serves_pretraining_without_labels(root: Path) -> None:
    import torch

    material = prepare(youtube(root), "youtube3d", 16, torch.device("cpu"))
    assert not material.posed
    assert [len(getattr(material.split, part)) for part in ("train", "validation", "test")] == [12, 12, 12]
    assert any("MANO" in note for note in material.notes)


def test_bad_files_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs its folder"):
        youtube(None)
    with pytest.raises(DataError, match="not YouTube 3D Hands' layout"):
        youtube(tmp_path)
    (root / "youtube/train0/video/frames/0.png").write_bytes(b"")
    with pytest.raises(UnreadableSample, match=r"frames/0\.png: is empty"):
        youtube(root)[0]
    for text, reason in (
        ("{", "JSONDecodeError"),
        ('{"images": []}', "KeyError"),
        ('{"images": [], "annotations": []}', "holds no annotations"),
        ('{"images": [], "annotations": [{"vertices": [[1, 2, 3]], "is_left": 0, "image_id": 1, "id": 7}]}', "annotation 7 has"),
    ):
        (root / "youtube_val.json").write_text(text)
        with pytest.raises(DataError, match=rf"youtube_val\.json: .*{reason}"):
            youtube(root)
