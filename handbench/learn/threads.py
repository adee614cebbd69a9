"""Work on the CPU image by image: a number of images and a function on a range of them in; the ranges done on a few threads.

OpenCV and NumPy let go of Python's lock while they compute, so plain threads are enough. Each image is computed by itself:
results do not depend on the number of threads.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.protocols import ByteChange

Image = Float[np.ndarray, "height width 3"]


def in_threads(count: int, work: Callable[[range], None]) -> None:
    """Call `work` on ranges that cover `count` images, one for each thread that torch may use.

    OpenCV is told once, by the first call in a process, to start no threads of its own: two levels of threads on a busy
    machine were measured to cost more than twenty times what they bring.
    """
    pool, threads = _pool(os.getpid()), min(torch.get_num_threads(), count)
    bounds = [count * part // threads for part in range(threads + 1)] if count else [0]
    ranges = [range(start, end) for start, end in pairwise(bounds)]
    waiting = [pool.submit(work, part) for part in ranges[1:]]
    for part in ranges[:1]:
        work(part)  # this thread works too
    for future in waiting:
        future.result()


def image_by_image(
    images: Float[Tensor, "batch 3 height width"], drawn: Bool[Tensor, "batch"], change: Callable[[Image, int], None]
) -> Float[Tensor, "batch 3 height width"]:
    """Change the drawn images in place by a function of (image, place in the batch).

    Args:
        images: of one size; changed in place where they lie channels last in memory.
        drawn: which of them change.
        change: changes one image in place, as OpenCV wants it: height, width, channels.

    Returns:
        All images, channels last in memory.
    """
    seen = images.movedim(1, -1).contiguous()
    pixels, places = seen.numpy(), drawn.nonzero()[:, 0].tolist()

    def work(part: range) -> None:
        for number in part:
            change(pixels[places[number]], places[number])

    in_threads(len(places), work)
    return seen.movedim(-1, 1)


def bytes_by_image(
    images: Float[Tensor, "batch 3 height width"], drawn: Bool[Tensor, "batch"], change: ByteChange
) -> Float[Tensor, "batch 3 height width"]:
    """As `image_by_image`, by a function that takes bytes; images are in [0, 1]."""

    def changed(image: Image, place: int) -> None:
        pixels = np.asarray(cv2.convertScaleAbs(image, alpha=255), np.uint8)
        change(pixels, place)
        np.multiply(pixels, np.float32(1 / 255), out=image)

    return image_by_image(images, drawn, changed)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process: threads do not survive a fork, so a forked one starts its own."""
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix=f"handbench-{process}")
