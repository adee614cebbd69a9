"""The folder that holds packed data: how large it may grow, what lies in it, what is done with it.

`HANDBENCH_CACHE` names the folder, `HANDBENCH_CACHE_GB` the size it may reach. Nothing is ever evicted silently.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from handbench.errors import DataError
from handbench.files import GIGABYTE, ensure_space, ensure_writable, readable

CAP_GB = 20.0
MANIFEST = "manifest.json"
PARTIAL = ".partial"

log = logging.getLogger(__name__)


class NoRoom(DataError):
    """Neither the cache nor its disk has room for a pack; its images can still be read one by one."""


@dataclass(frozen=True)
class Entry:
    """One pack in the cache.

    Args:
        key: its folder's name.
        size: bytes on disk.
        manifest: what it says of itself; None for a pack that was never finished or whose manifest is damaged.
    """

    key: str
    size: int
    manifest: dict[str, Any] | None


@dataclass(frozen=True)
class Cache:
    """A folder of packs.

    Args:
        folder: where; made when something is put in.
        cap: bytes it may hold.
    """

    folder: Path
    cap: int

    def entries(self) -> list[Entry]:
        """What lies in the cache, by name."""
        if not self.folder.is_dir():
            return []
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return [Entry(path.name, folder_size(path), manifest_of(path)) for path in folders]

    def size(self) -> int:
        """Bytes in use."""
        return sum(entry.size for entry in self.entries())

    def require(self, size: int) -> None:
        """Check that a new pack of `size` bytes may be made here.

        Raises:
            NoRoom: it would exceed the cap or the disk.
            ResultsError: the folder cannot be written.
        """
        used = self.size()
        if used + size > self.cap:
            raise NoRoom(
                f"{self.folder}: the cache may hold {readable(self.cap)}, has {readable(used)} and needs {readable(size)} more; "
                "clear it with `handbench data cache --clear`, raise HANDBENCH_CACHE_GB, or name a larger disk by HANDBENCH_CACHE"
            )
        ensure_space(self.folder, size, NoRoom)

    def clear(self, names: tuple[str, ...] = ()) -> int:
        """Remove the packs whose key starts with one of the names, or all of them; return the bytes freed.

        A pack that another process is making at this moment stays.
        """
        freed = 0
        for entry in self.entries():
            if not names or entry.key.startswith(names):
                with self.lock(entry.key.removesuffix(PARTIAL), wait=False) as held:
                    if held:
                        shutil.rmtree(self.folder / entry.key)
                        freed += entry.size
        return freed

    def remove_stale(self) -> None:
        """Remove what interrupted processes left behind; a lock tells it from what a living one is making."""
        for path in self.folder.glob(f"*{PARTIAL}"):
            with self.lock(path.name.removesuffix(PARTIAL), wait=False) as held:
                if held:
                    log.info("removing the unfinished pack %s", path.name)
                    shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold the right to make or remove one pack; the system frees it even when the process is killed.

        Args:
            key: the pack's name.
            wait: wait for another process to finish; else give false at once.
        """
        ensure_writable(self.folder)
        lock = filelock.FileLock(self.folder / f".{key}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if not wait:
                yield False
                return
            log.warning("another process is packing %s; waiting for it", key)
            lock.acquire()
        try:
            yield True
        finally:
            lock.release()


def default_cache() -> Cache:
    """The cache that the environment names, or the user's cache folder.

    Raises:
        DataError: HANDBENCH_CACHE_GB is not a number above 0.
    """
    named = os.environ.get("HANDBENCH_CACHE")
    folder = Path(named).expanduser() if named else platformdirs.user_cache_path("handbench")
    stated = os.environ.get("HANDBENCH_CACHE_GB", "") or str(CAP_GB)
    try:
        gigabytes = float(stated)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise DataError(f"HANDBENCH_CACHE_GB is '{stated}'; it is the cache's size in gigabytes, a number above 0")
    return Cache(folder, int(gigabytes * GIGABYTE))


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """A pack's manifest; None where it is missing or no JSON object."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder; files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
