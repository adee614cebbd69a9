"""A finished pack on disk in, its mapped pixels and label table out, or word of what is damaged.

A pack is a folder of three files: `pixels.u8` (rows, side, side, 3), `labels.npz`, and `manifest.json`, written last.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handbench.data import table
from handbench.data.cache import MANIFEST, manifest_of
from handbench.errors import DataError
from handbench.files import write_text
from handbench.types import Labels

FORMAT = 3
PIXELS, LABELS = "pixels.u8", "labels.npz"
BLOCK = 4 * 2**20
SAMPLED_BLOCKS = 16  # read at every opening: 64 MB, a twentieth of a second; smaller packs are checked whole


class DamagedPack(DataError):
    """A pack whose files are not what its manifest says; it can be made again."""


@dataclass(frozen=True)
class Pack:
    """Uniform crops of one dataset and their labels.

    Args:
        folder: where it lies; the folder's name is its key.
        name: the dataset's.
        fingerprint: of the dataset's files when they were packed.
        pixels: memory-mapped, read-only.
        labels: one row an image.
        side: pixels of a crop.
        context: side of a crop over the side of the nominal window.
        skipped: samples that could not be read, each with the reason.
        missing: their indices in the dataset, where the pack has labels only (crops of side 0).
    """

    folder: Path
    name: str
    fingerprint: str
    pixels: UInt8[np.ndarray, "rows side side 3"]
    labels: Labels
    side: int
    context: float
    skipped: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def key(self) -> str:
        """Name by content: dataset, side, and a digest of all that the pixels depend on."""
        return self.folder.name

    @property
    def window(self) -> float:
        """Side of the nominal window in pixels of the crop."""
        return self.side / self.context


def seal(folder: Path, rows: int, side: int, facts: dict[str, Any]) -> None:
    """Write a pack's manifest, which makes it one; the other files must be complete and synced.

    Args:
        folder: holds the pixels and the labels.
        rows: images.
        side: pixels of a crop.
        facts: what else the manifest says: dataset, fingerprint, config, context, skipped.
    """
    manifest = {
        "format": FORMAT,
        "shape": [rows, side, side, 3],
        "count": rows,
        **facts,
        "labels": {"size": (folder / LABELS).stat().st_size, "digest": _digest(folder / LABELS)},
        "pixels": {"size": (folder / PIXELS).stat().st_size, "block": BLOCK, "checksums": list(_checksums(folder / PIXELS))},
    }
    write_text(folder / MANIFEST, json.dumps({**manifest, "checksum": _checksum_of(manifest)}) + "\n")


def open_pack(folder: Path, whole: bool = False) -> Pack:
    """Open a pack after checking it: all sizes, the labels' digest, and the checksums of some blocks of pixels.

    Args:
        folder: the pack.
        whole: check every block.

    Raises:
        DamagedPack: the manifest is missing or unreadable, or a file is not what it says.
    """
    manifest = manifest_of(folder)
    if manifest is None:
        raise DamagedPack(f"{folder}: its {MANIFEST} is missing or unreadable")
    if manifest.get("format") != FORMAT:
        raise DamagedPack(f"{folder}: has format {manifest.get('format')}, this version of handbench writes {FORMAT}")
    if manifest.get("checksum") != _checksum_of(manifest):
        raise DamagedPack(f"{folder / MANIFEST}: does not agree with its own checksum")
    try:
        _check(folder, manifest, whole)
        return _opened(folder, manifest)
    except DamagedPack:
        raise
    except (KeyError, TypeError, ValueError, OSError, DataError) as error:
        raise DamagedPack(f"{folder}: cannot be opened ({error})") from error


def _check(folder: Path, manifest: dict[str, Any], whole: bool) -> None:
    for name, part in ((PIXELS, manifest["pixels"]), (LABELS, manifest["labels"])):
        size = (folder / name).stat().st_size if (folder / name).exists() else 0
        if size != part["size"]:
            raise DamagedPack(f"{folder / name}: holds {size} bytes, its manifest says {part['size']}")
    if _digest(folder / LABELS) != manifest["labels"]["digest"]:
        raise DamagedPack(f"{folder / LABELS}: its content has changed since it was written")
    stated = manifest["pixels"]["checksums"]
    blocks = range(len(stated)) if whole or len(stated) <= SAMPLED_BLOCKS else _spread(len(stated))
    for block, found in zip(blocks, _checksums(folder / PIXELS, blocks), strict=True):
        if found != stated[block]:
            raise DamagedPack(f"{folder / PIXELS}: its content has changed near byte {block * BLOCK}")


def _opened(folder: Path, manifest: dict[str, Any]) -> Pack:
    labels = table.load(folder / LABELS)
    shape = tuple(manifest["shape"])
    pixels = np.memmap(folder / PIXELS, np.uint8, "r", shape=shape) if all(shape) else np.zeros(shape, np.uint8)
    if len(labels) != len(pixels):
        raise DamagedPack(f"{folder}: holds {len(pixels)} images and {len(labels)} labels")
    name, fingerprint, context = (manifest[part] for part in ("dataset", "fingerprint", "context"))
    skipped, missing = (tuple(manifest.get(part, ())) for part in ("skipped", "missing"))
    return Pack(folder, name, fingerprint, pixels, labels, shape[1], context, skipped, missing)


def _spread(blocks: int) -> list[int]:
    """The blocks to look at in a long file: the first, the last, and some between."""
    return sorted({round(place) for place in np.linspace(0, blocks - 1, SAMPLED_BLOCKS)})


def _checksums(path: Path, blocks: range | list[int] | None = None) -> Iterator[int]:
    """CRC-32 of the chosen blocks of a file, or of all."""
    with path.open("rb") as file:
        for block in blocks if blocks is not None else range(-(-path.stat().st_size // BLOCK)):
            file.seek(block * BLOCK)
            yield zlib.crc32(file.read(BLOCK))


def _checksum_of(manifest: dict[str, Any]) -> str:
    """Of all that a manifest says but its own checksum; keys in any order."""
    content = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
