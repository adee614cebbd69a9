"""Ranges on threads cover every image once, pass errors on, and images keep their places and their layout."""

from collections import Counter

import cv2
import numpy as np
import pytest
import torch

from handbench.learn.threads import image_by_image, in_threads


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_image_once(count: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    seen: Counter[int] = Counter()
    in_threads(count, lambda places: seen.update(places))
    assert seen == Counter(range(count))
    assert cv2.getNumThreads() == 1


@pytest.mark.parametrize("broken", [0, 5])
def test_an_error_of_any_thread_is_the_callers(broken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)

    def work(places: range) -> None:
        if broken in places:
            raise ValueError(f"image {broken}")

    with pytest.raises(ValueError, match=f"image {broken}"):
        in_threads(6, work)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_images_change_in_their_places(layout: torch.memory_format) -> None:
    images = torch.rand(5, 3, 4, 6).contiguous(memory_format=layout)
    factors = torch.tensor([1.0, 2.0, 1.0, 1.0, 5.0])
    expected = images * factors[:, None, None, None]

    def change(image: np.ndarray, place: int) -> None:
        assert image.shape == (4, 6, 3)
        image *= np.float32(factors[place])

    changed = image_by_image(images, factors > 1, change)
    assert torch.equal(changed, expected)
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, expected) == (layout is torch.channels_last), "images that lie as OpenCV wants them are not copied"
