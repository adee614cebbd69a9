"""Compiling: a learner, its views and how long they are expected to take in; the same compiled, where that pays, out.

torch.compile costs a fixed time before the first step and makes each step faster, so a run must be long to gain. Gain and cost
here are assumptions for a data-centre GPU until they are measured on one; on a CPU no gain was found (27-39 s of compiling).
"""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from handbench import devices
from handbench.learn.views import make_views
from handbench.types import Views

COST = 120.0  # seconds of compiling backbone and views, forward and backward
GAIN = 1.2  # steps in the time of one

Making = Callable[..., Views]
Maker = Callable[[int, int, int], Views]


@dataclass(frozen=True)
class Attempt:
    """What came of compiling.

    Args:
        views: the function that makes views: compiled, or as it was.
        note: for the user; empty where nothing was tried.
    """

    views: Maker
    note: str = ""


def pays(wanted: bool | Literal["auto"], expected: float, device: torch.device) -> bool:
    """Whether to compile: what the user wants, or on CUDA, whether the time gained exceeds the time of compiling.

    Args:
        wanted: pretrain.compile.
        expected: seconds of the run without compiling.
        device: of the run.

    Example:
        >>> cuda, cpu = torch.device("cuda"), torch.device("cpu")
        >>> pays("auto", 600, cuda), pays("auto", 900, cuda), pays("auto", 9000, cpu), pays(True, 1, cpu)
        (False, True, False, True)
    """
    if wanted != "auto":
        return wanted
    return device.type == "cuda" and expected * (1 - 1 / GAIN) > COST


@contextmanager
def compiled(
    learner: nn.Module,
    backbone: nn.Module,
    maker: Callable[[Making], Maker],
    device: torch.device,
    backend: str | Callable[..., Any] = "inductor",
) -> Iterator[Attempt]:
    """Compile a backbone in place and the views for as long as the context lasts; where that fails, all stays as it was.

    One micro-batch goes forward and backward first, which is when torch compiles; the learner's weights and statistics are then
    put back.

    Args:
        learner: gives the loss of views; holds the backbone.
        backbone: what is compiled of it.
        maker: from a function like `make_views` to the one that makes a place's views.
        device: of the run.
        backend: torch.compile's.
    """
    kept = {name: value.clone() for name, value in learner.state_dict().items()}
    started = time.perf_counter()
    try:
        try:
            backbone.compile(backend=backend)
            views = maker(torch.compile(make_views, backend=backend))
            with warnings.catch_warnings(action="ignore"):  # of calls that stay outside the graph, which is as it should be
                rehearse(learner, views, device)
            attempt = Attempt(views, f"compiled backbone and views in {time.perf_counter() - started:.0f} s")
        except Exception as error:  # whatever a compiler raises, the run can go on without it
            uncompile(backbone)
            reason = (str(error).strip().splitlines() or [""])[0]
            attempt = Attempt(maker(make_views), f"torch.compile failed ({type(error).__name__}: {reason}); going on without it")
        finally:
            learner.load_state_dict(kept)
            learner.zero_grad(set_to_none=True)
        yield attempt
    finally:
        uncompile(backbone)


def uncompile(module: nn.Module) -> None:
    """Let a module run as written again; the next stages call it with batches of other sizes."""
    module._compiled_call_impl = None


def rehearse(learner: nn.Module, views: Maker, device: torch.device) -> float:
    """One micro-batch forward and backward; returns its seconds."""
    devices.synchronise(device)
    started = time.perf_counter()
    seen = views(0, 0, 0)
    with devices.autocast(device):
        loss, _ = learner(seen)
    loss.backward()
    devices.synchronise(device)
    return time.perf_counter() - started
