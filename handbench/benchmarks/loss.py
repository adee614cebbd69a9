"""Bench loss: batch sizes in; time and peak extra memory of four ways to write NT-Xent, forward and backward, out.

The first three are how it is usually written: every pair's similarity held at once. Ours takes a few anchors at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from handbench import devices
from handbench.benchmarks import Arm, Claim, Timing, ratio
from handbench.learn.objectives.contrast import nt_xent

WIDTH, TEMPERATURE = 128, 0.5
SIZES = (128, 256, 512, 1024, 2048, 4096, 8192)
NAIVE_UP_TO = 4096  # pairs; at 8192 its tables of all pairs would take 7 GB and more
FASTER, LEANER, AT = 3.5, 10.0, 2048  # what is promised over the naive form, at so many pairs on a CPU

MEMORY, ERROR = "extra MiB", "gradient error"

Projections = Float[Tensor, "pairs width"]
Loss = Callable[[Any, Any, float], Tensor]


def masked_select(first: Projections, second: Projections, temperature: float) -> Float[Tensor, ""]:
    """Exponentials of all similarities, the diagonal cut out by a mask: the form of much published code."""
    unit = functional.normalize(torch.cat([first, second]), dim=1)
    count = len(unit)
    exponentials = torch.exp(unit @ unit.T / temperature)
    others = ~torch.eye(count, dtype=torch.bool, device=unit.device)
    sums = exponentials.masked_select(others).view(count, -1).sum(-1)
    positive = torch.exp((unit * unit.roll(count // 2, 0)).sum(-1) / temperature)
    return -torch.log(positive / sums).mean()


def cross_entropy(first: Projections, second: Projections, temperature: float) -> Float[Tensor, ""]:
    """The library's cross-entropy over all similarities, the diagonal filled with minus infinity."""
    unit = functional.normalize(torch.cat([first, second]), dim=1)
    logits = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    anchors = torch.arange(len(unit), device=unit.device)
    return functional.cross_entropy(logits, anchors.roll(len(unit) // 2))


def logsumexp(first: Projections, second: Projections, temperature: float) -> Float[Tensor, ""]:
    """One table of all similarities, changed in place, and logsumexp over it."""
    unit = functional.normalize(torch.cat([first, second]), dim=1)
    logits = (unit / temperature) @ unit.T
    positive = (unit * unit.roll(len(unit) // 2, 0)).sum(-1) / temperature
    return (logits.fill_diagonal_(-torch.inf).logsumexp(1) - positive).mean()


FORMS: dict[str, tuple[Loss, str]] = {
    "exp + masked_select": (masked_select, "all pairs at once, diagonal cut out by a mask, as in published code"),
    "masked cross-entropy": (cross_entropy, "all pairs at once, the library's cross-entropy"),
    "in-place logsumexp": (logsumexp, "one table of all pairs, changed in place"),
    "ours": (nt_xent, "a few anchors at a time, gradient formed on the way forward"),
}


def arms(sizes: tuple[int, ...], device: torch.device) -> list[Arm]:
    """One arm a form and size; its memory, and its gradient against the first form's, are measured first on the same inputs."""
    return [arm for pairs in sizes for arm in _of_size(pairs, device)]


def claims(timings: Sequence[Timing]) -> list[Claim]:
    """What was promised of ours at 2048 pairs on a CPU, and its gradient against the naive form's."""
    by_name = {timing.name: timing for timing in timings}
    ours, naive = (f"{name}, B = {AT}" for name in ("ours", "exp + masked_select"))
    if not {ours, naive} <= set(by_name):
        return []
    leaner = by_name[naive].notes[MEMORY] / by_name[ours].notes[MEMORY]
    return [
        Claim(f"B = {AT}: ours as fast as exp + masked_select, times", ratio(timings, ours, naive), FASTER),
        Claim(f"B = {AT}: extra memory of exp + masked_select over ours", leaner, LEANER),
        Claim(f"B = {AT}: largest difference of the gradients", by_name[ours].notes[ERROR], 1e-6, less_is_better=True),
    ]


def _of_size(pairs: int, device: torch.device) -> Iterator[Arm]:
    inputs = torch.randn(2, pairs, WIDTH, generator=torch.Generator().manual_seed(0)).to(device)
    expected = gradient_of(masked_select, inputs)[1] if pairs <= NAIVE_UP_TO else None
    for name, (form, does) in FORMS.items():
        if form is not nt_xent and pairs > NAIVE_UP_TO:
            continue
        notes = {MEMORY: extra_mib(form, inputs)}
        if expected is not None:
            notes[ERROR] = float((gradient_of(form, inputs)[1] - expected).abs().max())
        yield Arm(f"{name}, B = {pairs}", does, _work(form, inputs, device), notes=notes)


def _work(form: Loss, inputs: Float[Tensor, "2 pairs width"], device: torch.device) -> Callable[[], int]:
    def work() -> int:
        devices.synchronise(device)
        gradient_of(form, inputs)
        devices.synchronise(device)
        return 1

    return work


def gradient_of(form: Loss, inputs: Float[Tensor, "2 pairs width"]) -> tuple[Float[Tensor, ""], Float[Tensor, "2 pairs width"]]:
    """Forward and backward once: the loss and the gradient by both views' projections."""
    leaf = inputs.detach().clone().requires_grad_()
    first, second = leaf
    loss = form(first, second, TEMPERATURE)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def extra_mib(form: Loss, inputs: Float[Tensor, "2 pairs width"]) -> float:
    """The most memory that forward and backward hold beyond what was held before, in MiB.

    On CUDA the allocator's own account; on a CPU every allocation that torch's profiler sees, summed over time.
    """
    device = inputs.device
    if device.type == "cuda":
        devices.synchronise(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        gradient_of(form, inputs)
        devices.synchronise(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        gradient_of(form, inputs)
    return _peak(seen) / 2**20


def _peak(seen: profile) -> int:
    """The highest running sum of allocations, in bytes."""
    held = most = 0
    assert seen.profiler is not None and seen.profiler.kineto_results is not None
    memory = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(memory, key=lambda event: event.start_ns()):
        held += event.nbytes()  # type: ignore[attr-defined]
        most = max(most, held)
    return most
