"""NT-Xent against its naive forms: the same value and gradient in every way of cutting it up, and less memory."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from handbench.benchmarks.loss import FORMS, extra_mib, gradient_of, masked_select
from handbench.learn.objectives import contrast
from handbench.learn.objectives.contrast import nt_xent

NAIVE = [form for form, _ in FORMS.values() if form is not nt_xent]


def drawn(pairs: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, pairs, width, generator=torch.Generator().manual_seed(pairs)).to(dtype)


@pytest.mark.parametrize(
    ("temperature", "value"), [(0.1, 0.30881812396946656), (0.5, 1.3016189511595506), (1.0, 1.7016199163129402)]
)
@pytest.mark.parametrize("form", [nt_xent, *NAIVE])
def test_check_values(form: object, temperature: float, value: float) -> None:
    j = np.arange(48)
    first, second = np.sin(0.7 * j).reshape(6, 8), np.sin(0.7 * j + 0.3 * np.cos(1.3 * j)).reshape(6, 8)
    assert form(torch.from_numpy(first), torch.from_numpy(second), temperature).item() == pytest.approx(value, abs=1e-12)
    single = (torch.from_numpy(part.astype(np.float32)) for part in (first, second))
    assert form(*single, temperature).item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("pairs", [1, 2, 33, 200])
@pytest.mark.parametrize("form", NAIVE)
def test_value_and_gradient_are_those_of_the_naive_forms(monkeypatch: pytest.MonkeyPatch, form: object, pairs: int) -> None:
    monkeypatch.setitem(contrast.BLOCK_BYTES, "cpu", 0)  # 64 anchors at a time: 200 pairs make 7 parts, the last one short
    for scale in (1.0, 30.0):
        loss, gradient = gradient_of(nt_xent, scale * drawn(pairs, 16))
        expected, wanted = gradient_of(form, scale * drawn(pairs, 16))
        assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
        assert (gradient - wanted).abs().max() < 1e-6


@pytest.mark.parametrize("same", [False, True])
def test_gradcheck(monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    monkeypatch.setattr(contrast, "_chunk", lambda anchors, like: 3)
    first, second = drawn(5, 4, torch.float64).requires_grad_()
    function = (lambda one, two: nt_xent(one, one + two, 0.3)) if same else (lambda one, two: nt_xent(one, two, 0.3))
    assert torch.autograd.gradcheck(function, (first, second))


def test_one_view_may_carry_no_gradient() -> None:
    first, second = drawn(6, 8)
    first.requires_grad_()
    nt_xent(first, second, 0.5).backward()
    whole = gradient_of(nt_xent, torch.stack([first.detach(), second]))[1]
    assert torch.allclose(first.grad, whole[0], atol=1e-7) and second.grad is None
    with torch.no_grad():
        assert nt_xent(first, second, 0.5).item() == pytest.approx(masked_select(first, second, 0.5).item(), abs=1e-6)


def test_the_gradient_scales_with_what_comes_after() -> None:
    first, second = drawn(6, 8)
    first.requires_grad_()
    (plain,) = torch.autograd.grad(nt_xent(first, second, 0.5), first)
    (scaled,) = torch.autograd.grad(nt_xent(first, second, 0.5) / 4 + 1, first)
    assert torch.allclose(scaled, plain / 4, atol=1e-8)


@pytest.mark.parametrize("temperature", [0.005, 0.01, 10.0])
def test_no_temperature_overflows(temperature: float) -> None:
    same = torch.ones(4, 8, requires_grad=True)
    loss = nt_xent(same, same, temperature)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(7), abs=1e-4) and torch.isfinite(same.grad).all()
    loss, gradient = gradient_of(lambda one, two, _: nt_xent(one, two, temperature), drawn(50, 8))
    expected, wanted = gradient_of(lambda one, two, _: FORMS["in-place logsumexp"][0](one, two, temperature), drawn(50, 8))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5) and torch.allclose(gradient, wanted, atol=1e-5, rtol=1e-4)


def test_sums_stay_in_single_precision_under_autocast() -> None:
    first, second = drawn(100, 32)
    exact = nt_xent(first, second, 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nt_xent(first, second, 0.1).item() == exact.item()
        halves = nt_xent(first.bfloat16(), second.bfloat16(), 0.1)
    assert halves.dtype is torch.float32
    assert halves.item() == nt_xent(first.bfloat16().float(), second.bfloat16().float(), 0.1).item()


def test_memory_grows_with_the_batch_not_with_its_square() -> None:
    ours = [extra_mib(nt_xent, drawn(pairs, 32)) for pairs in (1024, 2048)]
    naive = [extra_mib(masked_select, drawn(pairs, 32)) for pairs in (1024, 2048)]
    assert ours[1] < 2.2 * ours[0] and naive[1] > 3.5 * naive[0] and ours[1] < naive[1] / 10


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_does() -> None:
    inputs = drawn(1500, 128)
    loss, gradient = gradient_of(nt_xent, inputs)
    there, moved = gradient_of(nt_xent, inputs.cuda())
    assert there.item() == pytest.approx(loss.item(), abs=1e-5) and (moved.cpu() - gradient).abs().max() < 1e-6
    assert extra_mib(nt_xent, drawn(4096, 128).cuda()) < extra_mib(masked_select, drawn(4096, 128).cuda()) / 5
