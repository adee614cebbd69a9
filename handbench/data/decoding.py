"""One image file in, its pixels out as upright 8-bit RGB, whatever the format, colour mode or orientation it was saved in."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from handbench.errors import UnreadableSample
from handbench.types import Sample

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# What Pillow's decoders raise on damaged files; OSError includes "truncated" and "unidentified".
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError)
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_rgb(path: Path, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Read an image as it is meant to be seen.

    EXIF orientation is applied, transparency is laid on white, 16-bit grey keeps its upper 8 bits.

    Args:
        path: the file.
        name: how messages call it.

    Raises:
        UnreadableSample: there is no such file, or it is empty, truncated, not an image, or too large to be a photograph.
    """
    return read_reduced(path, name, detail=0)[0]


def read_reduced(
    path: Path, name: str, detail: int, extent: float | None = None
) -> tuple[UInt8[np.ndarray, "height width 3"], int]:
    """Read an image as `read_rgb`, a large JPEG at 1/2, 1/4 or 1/8 of its size: the decoder then does a fraction of the work.

    Args:
        path: the file.
        name: how messages call it.
        detail: pixels that must be left of the extent; 0 reads everything at full size.
        extent: pixels of the part that matters; None for the image's longer side.

    Returns:
        The pixels, and the factor by which the image shrank.

    Raises:
        UnreadableSample: as `read_rgb`.
    """
    try:
        with Image.open(path) as image:
            factor = _draft(image, detail, extent) if image.format == "JPEG" and detail else 1
            image.load()
            return np.asarray(_rgb(ImageOps.exif_transpose(image), name), np.uint8), factor
    except UnreadableSample:
        raise
    except BOMB as error:
        raise UnreadableSample(name, f"is too large to be a photograph ({error}); shrink it first") from error
    except BROKEN as error:
        raise UnreadableSample(name, _reason(path, error)) from error


def read_mask(path: Path, name: str) -> Bool[np.ndarray, "height width"]:
    """Read a mask image: true where it is brighter than half.

    Raises:
        UnreadableSample: as `read_rgb`.
    """
    return np.asarray(read_rgb(path, name)[..., 0] > 127)


def one_by_one(read: Callable[[int], Sample], indices: Sequence[int]) -> list[Sample | Exception]:
    """Read samples with a function for one, an UnreadableSample standing where it failed: `Dataset.samples` without batches."""
    read_or_failed: list[Sample | Exception] = []
    for index in indices:
        try:
            read_or_failed.append(read(index))
        except UnreadableSample as error:
            read_or_failed.append(error)
    return read_or_failed


def _draft(image: Image.Image, detail: int, extent: float | None) -> int:
    """Tell the JPEG decoder at which size to work; return the factor."""
    allowed = max((extent or max(image.size)) / detail, 1)
    factor = max(step for step in (1, 2, 4, 8) if step <= allowed)
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))
    return factor


def _rgb(image: Image.Image, name: str) -> Image.Image:
    """Convert any mode to RGB without the wrap or clip that a bare convert gives for 16 bits."""
    if image.mode == "F":
        raise UnreadableSample(name, "holds floating-point pixels of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _reason(path: Path, error: Exception) -> str:
    """Say what is wrong with a file that did not open."""
    if not path.exists():
        return "there is no such file"
    if path.is_file() and path.stat().st_size == 0:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "is not an image, whatever its extension says"
    if isinstance(error, PermissionError):
        return "may not be read; mend its permissions"
    if "truncated" in str(error).lower():
        return f"is truncated ({error})"
    return f"cannot be decoded ({type(error).__name__}: {error})"
