"""What pipelines are measured on: a folder of the user's images or rendered hands in; square JPEGs of 224 pixels on disk out."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from handbench.data.datasets.photos import Photos
from handbench.data.datasets.synthetic.dataset import SyntheticHands
from handbench.errors import DataError

SIDE, QUALITY = 224, 92


def write_jpegs(folder: Path, count: int, source: Path | None) -> list[Path]:
    """Write `count` JPEGs of SIDE x SIDE pixels.

    Args:
        folder: where; made here.
        count: images; a folder with fewer gives fewer.
        source: the user's images, whose centre squares are taken; None for rendered hands.

    Raises:
        DataError: fewer than 16 images can be read.
    """
    folder.mkdir(parents=True)
    paths = []
    for number, image in enumerate(islice(_found(source) if source else _rendered(count), count)):
        paths.append(folder / f"{number:05d}.jpg")
        image.save(paths[-1], quality=QUALITY)
    if len(paths) < 16:
        raise DataError(f"{source}: holds {len(paths)} images that can be read; 16 or more are needed")
    return paths


def _found(source: Path) -> Iterator[Image.Image]:
    photos = Photos(Photos.Config(), source)
    for number in range(len(photos)):
        (sample,) = photos.samples([number])
        if not isinstance(sample, Exception):
            whole = Image.fromarray(sample.image)
            left, top = ((length - min(whole.size)) // 2 for length in whole.size)
            yield whole.resize((SIDE, SIDE), box=(left, top, left + min(whole.size), top + min(whole.size)), reducing_gap=3.0)


def _rendered(count: int) -> Iterator[Image.Image]:
    hands = SyntheticHands(SyntheticHands.Config(images=max(count, 16), validation=1, test=1, size=SIDE, device="cpu"))
    for start in range(0, count, 32):
        for sample in hands.samples(range(start, min(start + 32, count))):
            if not isinstance(sample, Exception):
                yield Image.fromarray(np.ascontiguousarray(sample.image))
