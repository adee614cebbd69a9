"""Batches are the pack's rows, wherever the pixels lie."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures import Drawn, hand_joints, write_photos

from handbench.data import pool as pools
from handbench.data.cache import Cache
from handbench.data.datasets.photos import Photos
from handbench.data.packing import pack
from handbench.data.packs import Pack
from handbench.data.pool import Pool, free_memory
from handbench.data.transfer import Feeder


@pytest.fixture
def made(tmp_path: Path) -> Pack:
    return pack(Drawn(Drawn.Config()), "drawn", 24, Cache(tmp_path / "cache", 10**9))


@pytest.mark.parametrize("residence", ["memory", "file"])
def test_batch_is_the_rows_in_their_order(made: Pack, monkeypatch: pytest.MonkeyPatch, residence: str) -> None:
    monkeypatch.setattr(pools, "free_memory", lambda: 10**12 if residence == "memory" else 0)
    pool = Pool(made, torch.device("cpu"))
    assert pool.residence == residence
    rows = np.array([7, 0, 19, 7])
    batch = pool.batch(rows)
    assert batch.window == pytest.approx(20.0)
    assert batch.images.dtype == torch.uint8
    assert (batch.images.numpy() == made.pixels[rows]).all()
    np.testing.assert_allclose(batch.targets.joints_3d, [hand_joints(row) for row in rows], atol=1e-7)
    np.testing.assert_allclose(batch.targets.joints_2d, made.labels.joints_2d[rows], rtol=1e-6)
    np.testing.assert_allclose(batch.targets.intrinsics, made.labels.intrinsics[rows], rtol=1e-6)
    assert batch.targets.valid.all()
    assert batch.targets.classes.tolist() == [1, 0, 1, 1]
    assert {tensor.dtype for tensor in (batch.targets.joints_2d, batch.targets.joints_3d)} == {torch.float32}


def test_changing_a_batch_leaves_the_pool_alone(made: Pack) -> None:
    pool = Pool(made, torch.device("cpu"))
    pool.batch(np.array([3])).images.fill_(0)
    assert (pool.batch(np.array([3])).images.numpy() == made.pixels[3:4]).all()


def test_empty_batch_has_the_right_shape(made: Pack) -> None:
    assert Pool(made, torch.device("cpu")).batch(np.array([], np.int64)).images.shape == (0, 24, 24, 3)


def test_classes_are_sorted_names_and_photographs_without_one_have_none(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", people=1)
    (root / "fist" / "person_00.jpg").rename(root / "loose.jpg")
    pool = Pool(pack(Photos(Photos.Config(), root), "photos", 16), torch.device("cpu"))
    assert pool.classes == ("palm", "point")
    batch = pool.batch(np.arange(3))
    assert batch.targets.classes.tolist() == [-1, 0, 1]
    assert batch.targets.joints_2d.isnan().all()
    assert not batch.targets.valid.any()


def test_no_pixel_is_read_before_the_first_batch(
    made: Pack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Pool, "_settle", lambda _: pytest.fail("pixels were read"))
    pool = Pool(made, torch.device("cpu"))
    assert len(pool) == 20 and pool.classes == ("class 0", "class 1", "class 2") and pool.notes == ()
    monkeypatch.undo()
    with caplog.at_level("INFO"):
        pool.batch(np.array([1]))
        pool.batch(np.array([2]))
    assert caplog.text.count(f"{made.key}: 20 images, 34.6 kB, are drawn from memory") == 1


def test_rows_far_into_a_large_file(made: Pack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beyond 2^31 bytes: a file with holes takes no room."""
    rows = 2**31 // (24 * 24 * 3) + 1000
    pixels = np.memmap(tmp_path / "sparse", np.uint8, "w+", shape=(rows, 24, 24, 3))
    pixels[rows - 1], pixels[5] = 7, 3
    monkeypatch.setattr(pools, "free_memory", lambda: 0)
    pool = Pool(made, torch.device("cpu"))
    pool._pixels = pixels
    places = torch.zeros(2, dtype=torch.int64)
    images = pool._images(np.array([rows - 1, 5]), places)
    assert images.sum((1, 2, 3)).tolist() == [7 * 24 * 24 * 3, 3 * 24 * 24 * 3]
    pool._gather(np.array([rows - 1]), images[:1].numpy())
    assert (images[0] == 7).all()
    with pytest.raises(IndexError, match=f"rows {rows} to {rows} of {rows}"):
        pool._gather(np.array([rows]), images[:1].numpy())


def test_a_host_pool_feeds_through_its_feeder(made: Pack) -> None:
    """The way to a GPU, with a lane that stays on the host."""

    class Lane:
        def buffer(self, shape: tuple[int, ...]) -> torch.Tensor:
            return torch.empty(shape, dtype=torch.uint8)

        def send(self, filled: torch.Tensor) -> tuple[torch.Tensor, None]:
            return filled.clone(), None

        def arrive(self, copy: torch.Tensor, sent: None) -> None:
            pass

        def finish(self, sent: None) -> None:
            pass

    pool = Pool(made, torch.device("cpu"))
    pool.batch(np.array([0]))
    pool._feeder = Feeder(pool._gather, (24, 24, 3), Lane())
    rows = np.array([4, 2, 19])
    pool.ahead(rows)
    assert (pool.batch(rows).images.numpy() == made.pixels[rows]).all()


def test_own_window_is_passed_on(made: Pack) -> None:
    assert Pool(made, torch.device("cpu"), window=12.0).batch(np.array([0])).window == 12.0


def test_free_memory_is_some_of_what_there_is() -> None:
    assert 10**7 < free_memory() < 10**14


@pytest.mark.gpu
def test_gpu_holds_small_packs_and_gives_the_same(made: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda")
    rows = np.array([7, 0, 19, 7])
    resident = Pool(made, device)
    assert resident.residence == "gpu"
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 0))
    fed = Pool(made, device)
    assert fed.residence == "memory"
    for pool in (resident, fed):
        batch = pool.batch(rows)
        assert batch.images.device.type == batch.targets.classes.device.type == "cuda"
        assert (batch.images.cpu().numpy() == made.pixels[rows]).all()
