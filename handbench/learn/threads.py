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
from jaxtyping import Float
from torch import Tensor

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
    images: Float[Tensor, "batch 3 height width"], change: Callable[[Image, int], Image]
) -> Float[Tensor, "batch 3 height width"]:
    """Change images of one size by a function of (image, place in the batch), as OpenCV wants them: height, width, channels.

    Returns:
        The changed images, channels last in memory.
    """
    seen = images.movedim(1, -1).contiguous().numpy()
    changed = np.empty_like(seen)

    def work(places: range) -> None:
        for place in places:
            changed[place] = change(seen[place], place)

    in_threads(len(seen), work)
    return torch.from_numpy(changed).movedim(-1, 1)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process: threads do not survive a fork, so a forked one starts its own."""
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix=f"handbench-{process}")
