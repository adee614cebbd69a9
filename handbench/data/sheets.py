"""Samples, or rows of views, in; one picture of them out: a grid, joints overlaid with one colour a finger, names beneath.

The first thing to do with one's own data: a wrong joint order, a mirrored hand or a box in the wrong place is seen at once.
"""

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from handbench.data.cropping import MARGIN, crop, crop_mask
from handbench.errors import DataError, UnreadableSample
from handbench.protocols import Dataset
from handbench.types import FINGERS, WRIST, Sample

# Okabe and Ito's palette, told apart by colour-blind readers too.
COLOURS = {"thumb": "#E69F00", "index": "#56B4E9", "middle": "#009E73", "ring": "#D55E00", "little": "#CC79A7"}
MASK_COLOUR = (240, 228, 66)
BOX_COLOUR = "#F0E442"
CAPTION, GAP, OVERSAMPLING = 13, 4, 2


@dataclass(frozen=True)
class Picture:
    """A square picture, its joints in its own pixels (NaN where none is to be drawn), and the side of a window to outline."""

    image: UInt8[np.ndarray, "side side 3"]
    joints: Float[np.ndarray, "21 2"]
    window: float | None = None


def sheet(
    samples: Sequence[Sample | Exception], context: float, side: int = 160, columns: int | None = None, masks: bool = False
) -> Image.Image:
    """Draw a contact sheet.

    Args:
        samples: what `Dataset.samples` gives; for one that could not be read the reason is printed.
        context: the dataset's, so that the sheet shows what packing will cut out.
        side: pixels of a tile.
        columns: tiles in a row; None for a sheet a little wider than high.
        masks: tint the hand masks.

    Raises:
        DataError: there are no samples.
    """
    if not samples:
        raise DataError("a contact sheet needs at least one sample")
    columns = min(columns or math.ceil(math.sqrt(1.6 * len(samples))), len(samples))
    rows = math.ceil(len(samples) / columns)
    posed = any(isinstance(sample, Sample) and sample.joints_2d is not None for sample in samples)
    size = (columns * (side + GAP) + GAP, rows * (side + CAPTION + GAP) + GAP + (CAPTION + GAP if posed else 0))
    canvas = Image.new("RGB", size, "white")
    for place, sample in enumerate(samples):
        x, y = GAP + place % columns * (side + GAP), GAP + place // columns * (side + CAPTION + GAP)
        canvas.paste(_tile(sample, context, side, masks), (x, y))
        _caption(canvas, _name(sample), x, y + side, side)
    if posed:
        _legend(canvas)
    return canvas


def rows_sheet(rows: Sequence[tuple[str, Sequence[Picture]]], heads: Sequence[str], side: int = 160) -> Image.Image:
    """Draw rows of pictures with the joints that belong to each.

    Args:
        rows: the name of a row, and its pictures.
        heads: what stands above each column.
        side: pixels of a tile.

    Raises:
        DataError: there are no rows.
    """
    if not rows:
        raise DataError("a sheet of views needs at least one sample that can be read")
    posed = any(np.isfinite(picture.joints).any() for _, pictures in rows for picture in pictures)
    height = CAPTION + len(rows) * (side + CAPTION + GAP) + GAP + (CAPTION + GAP if posed else 0)
    canvas = Image.new("RGB", (len(heads) * (side + GAP) + GAP, height), "white")
    for column, head in enumerate(heads):
        _caption(canvas, head, GAP + column * (side + GAP), 0, side)
    for number, (name, pictures) in enumerate(rows):
        y = CAPTION + GAP + number * (side + CAPTION + GAP)
        for column, picture in enumerate(pictures):
            canvas.paste(_drawn_over(picture, side), (GAP + column * (side + GAP), y))
        _caption(canvas, name, GAP, y + side, len(pictures) * (side + GAP) - GAP)
    if posed:
        _legend(canvas)
    return canvas


def pick(dataset: Dataset, count: int) -> list[Sample | Exception]:
    """Read samples that are spread evenly over a dataset.

    Raises:
        DataError: the count is below 1, or the dataset is empty.
    """
    if count < 1 or len(dataset) == 0:
        raise DataError(f"{count} of {len(dataset)} samples cannot be shown; at least one of at least one")
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()
    return list(dataset.samples(places))


def png(image: Image.Image) -> bytes:
    """The image as the content of a PNG file."""
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _tile(sample: Sample | Exception, context: float, side: int, masks: bool) -> Image.Image:
    """One crop with its overlay, drawn larger and reduced so that lines come out smooth."""
    if isinstance(sample, Exception):
        return _refusal(sample, side)
    large = side * OVERSAMPLING
    try:
        cut = crop(sample, large, context)
        mask = crop_mask(sample, large, context) if masks else None
    except UnreadableSample as error:
        return _refusal(error, side)
    pixels = cut.image
    if mask is not None:
        tint = np.asarray(MASK_COLOUR, np.uint8)
        pixels = np.where(mask[..., None], (pixels.astype(np.uint16) + tint) // 2, pixels).astype(np.uint8)
    tile = Image.fromarray(np.ascontiguousarray(pixels))
    draw = ImageDraw.Draw(tile)
    if sample.joints_2d is not None:
        _skeleton(draw, sample.joints_2d @ cut.matrix[:2, :2].T + cut.matrix[:2, 2], _drawn(sample), large)
    elif sample.box is not None:
        half = large / (2 * context * MARGIN)
        reach = np.asarray(sample.box[2:]) / max(sample.box[2:]) * half
        corners = [*(large / 2 - reach), *(large / 2 + reach)]
        draw.rectangle(corners, outline=BOX_COLOUR, width=OVERSAMPLING)
    return tile.resize((side, side), Image.Resampling.LANCZOS)


def _drawn_over(picture: Picture, side: int) -> Image.Image:
    """A picture enlarged to the tile, its window outlined and its joints drawn."""
    large = side * OVERSAMPLING
    tile = Image.fromarray(np.ascontiguousarray(picture.image)).resize((large, large), Image.Resampling.BICUBIC)
    draw, enlarge = ImageDraw.Draw(tile), large / len(picture.image)
    if picture.window is not None:
        half = picture.window * enlarge / 2
        draw.rectangle((large / 2 - half, large / 2 - half, large / 2 + half, large / 2 + half), outline=BOX_COLOUR, width=2)
    finite = np.isfinite(picture.joints).all(-1)
    _skeleton(draw, picture.joints * enlarge, [bool(flag) for flag in finite], large)
    return tile.resize((side, side), Image.Resampling.LANCZOS)


def _skeleton(draw: ImageDraw.ImageDraw, joints: Float[np.ndarray, "21 2"], drawn: Sequence[bool], size: int) -> None:
    """Draw fingers from the wrist outward: coloured bones over dark ones, so that they show on skin and on any background."""
    thick, dot = max(size / 90, 2.0), max(size / 70, 2.0)
    for dark in (True, False):
        for finger, chain in FINGERS.items():
            colour = "black" if dark else COLOURS[finger]
            width = round(thick + (2 if dark else 0))
            for start, end in zip((WRIST, *chain[:-1]), chain, strict=True):
                if drawn[start] and drawn[end]:
                    draw.line([tuple(joints[start]), tuple(joints[end])], fill=colour, width=width)
            for joint in chain:
                if drawn[joint]:
                    _dot(draw, joints[joint], dot + (1 if dark else 0), colour)
        if drawn[WRIST]:
            _dot(draw, joints[WRIST], dot + (1 if dark else 0), "black" if dark else "white")


def _dot(draw: ImageDraw.ImageDraw, centre: Float[np.ndarray, "2"], radius: float, colour: str) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _drawn(sample: Sample) -> list[bool]:
    """Joints that have a place to be drawn at."""
    assert sample.joints_2d is not None
    finite = np.isfinite(sample.joints_2d).all(-1)
    return [bool(flag) for flag in (finite if sample.valid is None else finite & sample.valid)]


def _refusal(error: Exception, side: int) -> Image.Image:
    """A grey tile that says why there is no picture."""
    tile = Image.new("RGB", (side, side), "#cccccc")
    reason = error.reason if isinstance(error, UnreadableSample) else str(error)
    lines = textwrap.wrap(reason, max(side // 6, 8))[: side // CAPTION]
    ImageDraw.Draw(tile).multiline_text((4, 4), "\n".join(lines), fill="black", font=_font())
    return tile


def _name(sample: Sample | Exception) -> str:
    """What stands under a tile."""
    if isinstance(sample, UnreadableSample):
        return sample.name
    if isinstance(sample, Sample):
        return f"{sample.key} {sample.side[0].upper()}" if sample.side else sample.key
    return ""


def _caption(canvas: Image.Image, text: str, x: int, y: int, width: int) -> None:
    """Print the end of a name, which tells files apart, as far as it fits."""
    font, shown = _font(), text
    while shown and font.getlength(shown) > width:
        shown = shown[1:] if shown is text else shown[2:]
        shown = f"…{shown}" if shown else ""
    ImageDraw.Draw(canvas).text((x, y), shown, fill="#333333", font=font)


def _legend(canvas: Image.Image) -> None:
    """Name the fingers in their colours along the bottom."""
    draw, font, x = ImageDraw.Draw(canvas), _font(), float(GAP)
    y = canvas.height - CAPTION - GAP
    for finger, colour in COLOURS.items():
        draw.rectangle((x, y + 3, x + 8, y + 11), fill=colour)
        draw.text((x + 11, y), finger, fill="#333333", font=font)
        x += 18 + font.getlength(finger)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(10)
