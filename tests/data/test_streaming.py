"""Streaming gives what a pool of the same dataset gives, reads ahead, and ends when its workers or its user do."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures import Drawn, write_bad_photos, write_photos

from handbench.data import streaming
from handbench.data.cache import Cache
from handbench.data.datasets.photos import Photos
from handbench.data.material import prepare
from handbench.data.packing import pack, survey
from handbench.data.packs import open_pack
from handbench.data.pool import Pool
from handbench.data.streaming import Stream
from handbench.errors import DataError, UnreadableSample

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 10**9)


def test_batches_are_those_of_the_pool(cache: Cache) -> None:
    drawn = Drawn(Drawn.Config(count=40, broken=11), "none")
    pool, stream = Pool(pack(drawn, "drawn", 24, cache), CPU), Stream(drawn, "drawn", 24, CPU, cache)
    assert stream.pack.key == pool.pack.key and stream.pack.skipped == pool.pack.skipped and len(stream) == len(pool) == 37
    assert stream.classes == pool.classes and "read from its own files" in stream.notes[0]
    for rows in (np.array([7, 0, 36, 7, 12]), np.arange(37), np.array([], np.int64)):
        expected, got = pool.batch(rows), stream.batch(rows)
        assert torch.equal(got.images, expected.images) and got.window == expected.window
        for name, value in vars(expected.targets).items():
            assert torch.equal(getattr(got.targets, name), value), name
    for name, column in vars(pool.pack.labels).items():
        np.testing.assert_array_equal(getattr(stream.pack.labels, name), column)


def test_worker_processes_read_ahead_and_a_dead_one_is_an_error(tmp_path: Path, cache: Cache) -> None:
    """Real processes, real JPEGs, one bad file among them."""
    folder = write_photos(tmp_path / "photos", people=12)
    write_bad_photos(folder / "fist")
    photos = Photos(Photos.Config(), folder)
    pool, stream = Pool(pack(photos, "photos", 32, cache), CPU), Stream(photos, "photos", 32, CPU, cache, workers=2)
    orders = [np.random.RandomState(number).permutation(36)[:20] for number in range(3)]
    for number, rows in enumerate(orders):
        for following in orders[number : number + 2]:
            stream.ahead(following)
        assert torch.equal(stream.batch(rows).images, pool.batch(rows).images)
    for process in stream._executor._processes.values():
        process.kill()
    with pytest.raises(DataError, match=r"a process that reads 'photos' died .* run the same command again"):
        stream.batch(orders[0])
    assert stream._executor is None  # the next batch starts new ones


def test_labels_are_read_once_and_listed_in_the_cache(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(Drawn.Config(broken=11), "none")
    first = survey(drawn, "drawn", 24, cache)
    monkeypatch.setattr(Drawn, "samples", lambda *_: pytest.fail("was read again"))
    again = survey(drawn, "drawn", 24, cache)
    assert again.missing == first.missing == (10,) and again.skipped == first.skipped
    np.testing.assert_array_equal(again.labels.joints_2d, first.labels.joints_2d)
    (entry,) = cache.entries()
    assert entry.key.endswith("-labels") and entry.manifest is not None and entry.manifest["count"] == 19
    assert len(open_pack(cache.folder / entry.key, whole=True)) == 19
    assert cache.clear() > 0


def test_no_room_even_for_labels_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = survey(Drawn(Drawn.Config(), "none"), "drawn", 24, Cache(tmp_path / "cache", 1000))
    assert len(found.labels) == 20 and "the labels are read again in every run" in caplog.text


def test_too_many_unreadable_samples_are_an_error(cache: Cache) -> None:
    with pytest.raises(DataError, match="3 unreadable samples"):
        Stream(Drawn(Drawn.Config(broken=6), "none"), "drawn", 24, CPU, cache)


def test_a_sample_that_vanishes_is_named(tmp_path: Path, cache: Cache) -> None:
    folder = write_photos(tmp_path / "photos", people=4)
    photos = Photos(Photos.Config(), folder)
    photos.parallel = "none"
    stream = Stream(photos, "photos", 16, CPU, cache)
    (folder / "palm" / "person_01.jpg").unlink()
    with pytest.raises(UnreadableSample, match=r"palm/person_01\.jpg: there is no such file"):
        stream.batch(np.arange(12))


def test_ctrl_c_ends_a_streaming_process_at_once(tmp_path: Path) -> None:
    script = f"""
import numpy as np, torch
from pathlib import Path
from fixtures import Drawn
from handbench.data.cache import Cache
from handbench.data.streaming import Stream

if __name__ == "__main__":
    cache = Cache(Path({str(tmp_path)!r}), 10**9)
    stream = Stream(Drawn(Drawn.Config(), "processes"), "drawn", 24, torch.device("cpu"), cache, 1)
    stream.batch(np.arange(4))
    print("streams", flush=True)
    while True:
        stream.ahead(np.arange(8))
        stream.batch(np.arange(8))
"""
    (tmp_path / "endless.py").write_text(script)
    path = os.pathsep.join([str(Path(streaming.__file__).parents[2]), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "endless.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"streams\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode in (1, 130, -signal.SIGINT)


def test_a_budget_that_is_too_small_is_streamed_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_photos(tmp_path / "photos", people=12)
    monkeypatch.setattr(Photos, "parallel", "none")
    photos = Photos(Photos.Config(), folder)
    packed = prepare(photos, "photos", 32, CPU)
    monkeypatch.setenv("HANDBENCH_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("HANDBENCH_CACHE_GB", "0.0001")
    with caplog.at_level(logging.WARNING):
        streamed = prepare(photos, "photos", 32, CPU)
    assert streamed.pool.residence == "stream" and "needs 322.6 kB more" in caplog.text
    assert streamed.notes == (*packed.notes, *streamed.pool.notes) and streamed.facts == packed.facts
    rows = streamed.split.test
    assert torch.equal(streamed.pool.batch(rows).images, packed.pool.batch(rows).images)
