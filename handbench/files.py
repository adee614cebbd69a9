"""Bytes, text or JSON in, whole files out: a reader finds the old file or the new one, never half of either."""

import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handbench.errors import HandbenchError, ResultsError

GIGABYTE = 10**9


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary neighbour, synced, then renamed over the target.

    Raises:
        ResultsError: the disk is full, or the folder cannot be written.
    """
    ensure_writable(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror}); free some space or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically, as `write_bytes`."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are refused, because strict readers refuse them too.

    Raises:
        ValueError: the content holds NaN or infinity.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def as_npz(**arrays: npt.ArrayLike) -> bytes:
    """Arrays by name as the bytes of a compressed .npz file."""
    buffer = io.BytesIO()
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def ensure_writable(folder: Path) -> None:
    """Make a folder where it is missing and check that files can be made in it.

    Raises:
        ResultsError: it cannot be made or written; the message names the folder and what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder or mend its permissions"
        ) from error


def ensure_space(folder: Path, size: int, error: Callable[[str], HandbenchError] = ResultsError) -> None:
    """Check that `size` bytes fit on the disk that holds the folder, with 1 % to spare.

    Raises:
        HandbenchError: of the family `error`; the message gives both numbers.
    """
    free = shutil.disk_usage(nearest_existing(folder)).free
    if size * 1.01 > free:
        raise error(
            f"{folder}: {readable(size)} are needed and {readable(free)} are free on this disk; "
            "free some space or choose another folder"
        )


def nearest_existing(folder: Path) -> Path:
    """The folder itself, or the nearest of its parents that exists."""
    for candidate in (folder, *folder.absolute().parents):
        if candidate.exists():
            return candidate
    return Path(folder.anchor or ".")


def sync_folder(folder: Path) -> None:
    """Ask the disk to remember the names in a folder, so that a rename survives a power cut."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def readable(size: float) -> str:
    """A number of bytes as people write it.

    Example:
        >>> readable(57_000_000), readable(19_600_000_000), readable(900)
        ('57.0 MB', '19.6 GB', '900 bytes')
    """
    for unit, bytes_each in (("GB", GIGABYTE), ("MB", 10**6), ("kB", 1000)):
        if size >= bytes_each:
            return f"{size / bytes_each:.1f} {unit}"
    return f"{size:.0f} bytes"
