"""The encoder keeps handbench's contract, in training too, and has as many weights as its widths say."""

import pytest
import torch
from handbench_convnet.backbone import ConvNet

from handbench.testing import checks


@pytest.mark.parametrize("check", checks("backbone", "convnet"), ids=str)
def test_contract(check):
    check()


def test_batch_mates_do_not_count_in_training_either():
    model = ConvNet(ConvNet.Config()).train()
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(model(images)[:1], model(images[:1]), atol=1e-5, rtol=1e-5)


def test_number_of_weights():
    channels = [(3, 32), (32, 64), (64, 128), (128, 256), (256, 256)]
    expected = sum(9 * before * after + 2 * after for before, after in channels)
    assert sum(weight.numel() for weight in ConvNet(ConvNet.Config()).parameters()) == expected


@pytest.mark.parametrize("width", [0, 32, 100])
def test_width_is_a_multiple_of_64(width):
    with pytest.raises(ValueError, match="multiple of 64"):
        ConvNet.Config(width=width)
