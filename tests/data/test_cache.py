"""The cache knows what it holds, keeps to its size, and takes nothing from the living."""

import json
from pathlib import Path

import pytest

from handbench.data.cache import PARTIAL, Cache, default_cache
from handbench.errors import DataError, ResultsError


def put(cache: Cache, key: str, size: int, manifest: object = None) -> Path:
    folder = cache.folder / key
    folder.mkdir(parents=True)
    (folder / "pixels.u8").write_bytes(bytes(size))
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 1000)


def test_environment_names_folder_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDBENCH_CACHE", str(tmp_path / "here"))
    monkeypatch.setenv("HANDBENCH_CACHE_GB", "0.5")
    assert default_cache() == Cache(tmp_path / "here", 500_000_000)
    monkeypatch.delenv("HANDBENCH_CACHE_GB")
    assert default_cache().cap == 20_000_000_000
    monkeypatch.delenv("HANDBENCH_CACHE")
    assert default_cache().folder.name == "handbench"


@pytest.mark.parametrize("stated", ["much", "0", "-3", "nan", "inf"])
def test_size_must_be_a_number(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.setenv("HANDBENCH_CACHE_GB", stated)
    with pytest.raises(DataError, match=f"HANDBENCH_CACHE_GB is '{stated}'; it is the cache's size in gigabytes"):
        default_cache()


def test_entries_are_listed_with_what_they_say_of_themselves(cache: Cache) -> None:
    assert cache.entries() == []
    put(cache, "b-24px-1", 100, [1])
    put(cache, "a-24px-1", 50, {"count": 3})
    entries = cache.entries()
    assert [(entry.key, entry.manifest) for entry in entries] == [("a-24px-1", {"count": 3}), ("b-24px-1", None)]
    assert entries[0].size == 50 + len('{"count": 3}')
    assert cache.size() == sum(entry.size for entry in entries)


def test_room_is_what_the_cap_leaves(cache: Cache) -> None:
    put(cache, "a-24px-1", 600)
    cache.require(400)
    with pytest.raises(
        DataError, match=r"may hold 1\.0 kB, has 600 bytes and needs 401 bytes more; .*--clear.*HANDBENCH_CACHE_GB"
    ):
        cache.require(401)
    assert [entry.key for entry in cache.entries()] == ["a-24px-1"]  # nothing was evicted


def test_clear_takes_what_is_named_or_all(cache: Cache) -> None:
    for key in ("a-24px-1", "a-32px-2", "b-24px-3"):
        put(cache, key, 100)
    assert cache.clear(("a-32", "none")) == 100
    assert [entry.key for entry in cache.entries()] == ["a-24px-1", "b-24px-3"]
    assert cache.clear() == 200
    assert cache.entries() == []
    assert cache.clear() == 0


def test_what_is_being_made_stays(cache: Cache) -> None:
    put(cache, f"a-24px-1{PARTIAL}", 100)
    put(cache, f"b-24px-1{PARTIAL}", 100)
    with cache.lock("a-24px-1") as held:
        assert held
        cache.remove_stale()
        assert [entry.key for entry in cache.entries()] == [f"a-24px-1{PARTIAL}"]
        assert cache.clear() == 0
    cache.remove_stale()
    assert cache.entries() == []


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="file/cache: cannot be written"), Cache(tmp_path / "file" / "cache", 10).lock("a"):
        pass
