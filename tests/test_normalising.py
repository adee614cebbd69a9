"""Normalising: exact values in either layout, gradients, and the layout that stays."""

import pytest
import torch

from handbench.normalising import normalised

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5), (2, 3, 3, 4, 5), (0, 3, 4, 5)])
@pytest.mark.parametrize("last", [False, True])
def test_mean_and_deviation_are_taken_off_each_channel(shape: tuple[int, ...], last: bool) -> None:
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    images = images.movedim(-3, -1).contiguous().movedim(-1, -3) if last else images
    seen = normalised(images, MEAN, DEVIATION)
    expected = (images.double() - MEAN[:, None, None].double()) / DEVIATION[:, None, None].double()
    assert seen.shape == images.shape
    assert torch.allclose(seen.double(), expected, atol=1e-6)
    assert not images.numel() or seen.stride() == images.stride()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_reaches_the_images(layout: torch.memory_format) -> None:
    images = torch.rand(2, 3, 4, 4).contiguous(memory_format=layout).requires_grad_()
    normalised(images, MEAN, DEVIATION).sum().backward()
    assert images.grad is not None
    assert torch.allclose(images.grad, (1 / DEVIATION)[:, None, None].expand(2, 3, 4, 4))
