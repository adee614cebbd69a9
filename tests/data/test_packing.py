"""A pack holds what the dataset gives, is made once, and is never half there."""

import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fixtures import Drawn, hand_joints, project, write_bad_photos, write_photos

from handbench.data import packing
from handbench.data.cache import PARTIAL, Cache
from handbench.data.cropping import crop
from handbench.data.datasets.photos import Photos
from handbench.data.packing import pack
from handbench.data.packs import LABELS, PIXELS, DamagedPack, open_pack
from handbench.errors import DataError


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 10**9)


def drawn(parallel: str = "threads", **settings: object) -> Drawn:
    return Drawn(Drawn.Config(**settings), parallel)


def test_rows_are_the_crops_and_labels_of_the_samples(cache: Cache) -> None:
    dataset = drawn(count=50)
    made = pack(dataset, "drawn", 24, cache)
    assert (len(made), made.side, made.context, made.window) == (50, 24, 1.2, pytest.approx(20.0))
    for row in range(50):
        cut = crop(dataset[row], 24, 1.2)
        assert (made.pixels[row] == cut.image).all()
        assert (made.labels.crop[row] == cut.matrix).all()
        assert (made.labels.joints_3d[row] == hand_joints(row)).all()
        np.testing.assert_allclose(made.labels.joints_2d[row], project(hand_joints(row), made.labels.intrinsics[row]), atol=1e-9)
    assert made.labels.key.tolist() == [f"hand {row}" for row in range(50)]
    assert made.labels.side.tolist() == ["right", "left"] * 25
    assert made.labels.label[:4].tolist() == ["class 0", "class 1", "class 2", "class 0"]
    assert set(made.labels.part) == set(made.labels.subject) == {""}
    assert made.labels.valid.all()
    assert not made.labels.visible.any()
    assert np.isnan(made.labels.scale).all()
    assert made.labels.posed.all()


def test_photographs_have_empty_labels(tmp_path: Path, cache: Cache) -> None:
    made = pack(Photos(Photos.Config(), write_photos(tmp_path / "photos", people=2)), "photos", 32, cache)
    assert made.pixels.shape == (6, 32, 32, 3)
    assert np.isnan(made.labels.joints_2d).all()
    assert np.isnan(made.labels.intrinsics).all()
    assert not made.labels.posed.any()
    assert made.pixels[:, 16, 16].argmax(-1).tolist() == [0, 0, 1, 1, 2, 2]  # red fists, green palms, blue pointing hands


def test_second_time_nothing_is_read(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack(drawn(), "drawn", 24, cache)
    monkeypatch.setattr(Drawn, "samples", lambda *_: pytest.fail("the dataset was read again"))
    assert pack(drawn(), "drawn", 24, cache).key == first.key


def test_key_changes_with_all_that_the_pixels_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {packing.pack_key(drawn(), "drawn", side, seen) for side in (24, 32) for seen in ("a", "b")}
    keys |= {packing.pack_key(drawn(count=21), "drawn", 24, "a"), packing.pack_key(drawn(), "other", 24, "a")}
    monkeypatch.setattr(Drawn, "context", 1.0)
    keys.add(packing.pack_key(drawn(), "drawn", 24, "a"))
    assert len(keys) == 7


def test_every_way_of_working_gives_the_same_pack(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "WORTH_PROCESSES", 1)
    made = {}
    for parallel in ("none", "threads", "processes"):
        own = Cache(cache.folder / parallel, cache.cap)
        made[parallel] = pack(drawn(parallel, count=70, broken=15), "drawn", 16, own, workers=2)
    assert {parallel: len(one) for parallel, one in made.items()} == {"none": 66, "threads": 66, "processes": 66}
    for other in ("threads", "processes"):
        assert (made[other].pixels == made["none"].pixels).all()
        assert made[other].labels.key.tolist() == made["none"].labels.key.tolist()
        assert (made[other].labels.crop == made["none"].labels.crop).all()


def test_unreadable_samples_are_named_and_left_out(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = drawn(count=40, broken=20)
    made = pack(dataset, "drawn", 24, cache)
    assert made.skipped == ("hand 19: was never drawn", "hand 39: was never drawn")
    assert "skipped 2 unreadable samples (hand 19: was never drawn; hand 39: was never drawn)" in capsys.readouterr().err
    assert made.labels.key.tolist() == [f"hand {row}" for row in range(40) if row not in (19, 39)]
    assert (made.pixels[19] == crop(dataset[20], 24, 1.2).image).all()
    assert (made.folder / PIXELS).stat().st_size == 38 * 24 * 24 * 3


def test_too_many_unreadable_samples_are_an_error(cache: Cache) -> None:
    with pytest.raises(DataError, match=r"'drawn': 3 unreadable samples \(hand 5: .*\); at most 10% of 20 are skipped"):
        pack(drawn(count=20, broken=6), "drawn", 24, cache)
    assert len(pack(drawn(count=20, broken=6), "drawn", 24, cache, tolerance=0.2)) == 17
    with pytest.raises(DataError, match="4 unreadable samples"):
        pack(drawn(count=4, broken=1), "drawn", 24, cache, tolerance=1.0)


def test_bad_photographs_among_good_ones(tmp_path: Path, cache: Cache) -> None:
    write_photos(tmp_path / "photos", people=10)
    bad = write_bad_photos(tmp_path / "photos" / "fist")
    made = pack(Photos(Photos.Config(), tmp_path / "photos"), "photos", 32, cache)
    assert len(made) == 30
    assert [text.split(":")[0] for text in made.skipped] == [f"fist/{name}" for name in bad]


def test_empty_dataset_and_tiny_crops(cache: Cache) -> None:
    with pytest.raises(DataError, match="dataset 'drawn' holds no samples"):
        pack(drawn(count=0), "drawn", 24, cache)
    with pytest.raises(DataError, match="a crop of 7 pixels is too small"):
        pack(drawn(), "drawn", 7, cache)


def test_failure_leaves_nothing_behind(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packing.table, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pack(drawn(), "drawn", 24, cache)
    assert cache.entries() == []


def test_changed_code_of_a_dataset_makes_another_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "brighter_hands.py"
    source.write_text("from fixtures import Drawn\n\nclass Brighter(Drawn):\n    pass\n")
    owner = importlib.import_module("brighter_hands").Brighter

    def key() -> str:
        dataset = owner(Drawn.Config())
        return packing.pack_key(dataset, "drawn", 24, dataset.fingerprint())

    before = key()
    assert key() == before
    edit(source, "    pass", "    brightness = 2")
    assert key() != before


def test_killed_packing_is_started_again(tmp_path: Path, cache: Cache) -> None:
    script = f"""
import time
from pathlib import Path
from fixtures import Drawn
from handbench.data.cache import Cache
from handbench.data.packing import pack

read = Drawn.__getitem__

def stuck(self, index):
    if index == 18:
        print("stuck", flush=True)
        time.sleep(60)
    return read(self, index)

Drawn.__getitem__ = stuck
pack(Drawn(Drawn.Config(), "none"), "drawn", 24, Cache(Path({str(cache.folder)!r}), 10**9))
"""
    path = os.pathsep.join([str(Path(packing.__file__).parents[2]), str(Path(__file__).parents[1])])
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == b"stuck\n"
        (left,) = cache.entries()
        assert left.key.endswith(PARTIAL)
        assert left.manifest is None
        cache.remove_stale()
        assert len(cache.entries()) == 1  # its maker still lives
        process.send_signal(signal.SIGKILL)
    made = pack(drawn(), "drawn", 24, cache)
    assert len(made) == 20
    assert [entry.key for entry in cache.entries()] == [made.key]
    assert left.key == made.key + PARTIAL


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "its manifest.json is missing or unreadable"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "its manifest.json is missing or unreadable"),
        (lambda folder: (folder / "manifest.json").write_text('{"format": 3}'), "does not agree with its own checksum"),
        (
            lambda folder: edit(folder / "manifest.json", '"context": 1.2', '"context": 1.3'),
            "does not agree with its own checksum",
        ),
        (lambda folder: (folder / "manifest.json").write_text('{"format": 99}'), "has format 99"),
        (lambda folder: os.truncate(folder / PIXELS, 1000), "holds 1000 bytes, its manifest says 34560"),
        (lambda folder: (folder / PIXELS).unlink(), "holds 0 bytes"),
        (lambda folder: flip(folder / PIXELS), "its content has changed near byte 0"),
        (lambda folder: flip(folder / LABELS), "its content has changed since it was written"),
    ],
)
def test_damaged_pack_is_said_and_made_again(cache: Cache, caplog: pytest.LogCaptureFixture, damage: object, said: str) -> None:
    first = pack(drawn(), "drawn", 24, cache)
    pixels = np.array(first.pixels)
    damage(first.folder)
    with pytest.raises(DamagedPack, match=said):
        open_pack(first.folder)
    with caplog.at_level(logging.WARNING):
        again = pack(drawn(), "drawn", 24, cache)
    assert caplog.text.count(said) == 1
    assert "packing again" in caplog.text
    assert (again.pixels == pixels).all()


def test_large_pack_is_sampled_at_opening_and_checked_whole_on_request(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    from handbench.data import packs

    monkeypatch.setattr(packs, "BLOCK", 512)
    made = pack(drawn(), "drawn", 24, cache)
    blocks = len(json.loads((made.folder / "manifest.json").read_text())["pixels"]["checksums"])
    assert blocks == 68  # 34560 / 512, rounded up
    looked_at = packs._spread(blocks)
    assert (looked_at[0], looked_at[-1], len(looked_at)) == (0, 67, 16)
    flip(made.folder / PIXELS, at=512 * 2)
    assert 2 not in looked_at
    assert len(open_pack(made.folder)) == 20
    with pytest.raises(DamagedPack, match="near byte 1024"):
        open_pack(made.folder, whole=True)


def test_full_cache_or_disk_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drawn, "samples", lambda *_: pytest.fail("work was begun"))
    small = Cache(tmp_path / "cache", 50_000)
    with pytest.raises(DataError, match=r"may hold 50\.0 kB, has 0 bytes and needs 75\.5 kB more; clear it with `handbench"):
        pack(drawn(), "drawn", 24, small)
    assert small.entries() == []


def test_disk_that_fills_up_is_an_error_not_a_crash(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"cannot reserve 34560 bytes \(No space left on device\); free some space"):
        pack(drawn(), "drawn", 24, cache)


def test_two_packers_make_one_pack(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and opens what it made."""
    import threading

    reads = []
    original = Drawn.samples

    def slow(self: Drawn, indices: object) -> object:
        reads.append(indices)
        time.sleep(0.3)
        return original(self, indices)

    monkeypatch.setattr(Drawn, "samples", slow)
    made = []
    threads = [threading.Thread(target=lambda: made.append(pack(drawn("none"), "drawn", 24, cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert [len(one) for one in made] == [20, 20]


def test_errors_of_the_program_are_not_skipped(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Drawn, index: int) -> None:
        raise ZeroDivisionError(index)

    monkeypatch.setattr(Drawn, "__getitem__", broken)
    with pytest.raises(ZeroDivisionError):
        pack(drawn(), "drawn", 24, cache)


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def flip(path: Path, at: int | None = None) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 0xFF
    path.write_bytes(content)
