"""The loop that pre-training and fine-tuning share: views and a loss by (epoch, step) in; a trained module and its history out.

Views are a function of (seed, epoch, step), so a checkpoint holds weights, optimiser, place and running sums, and
nothing else: a run
killed at any moment and started again ends with the same weights, bit for bit on the CPU at the same thread count.
"""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from handbench import devices
from handbench.checkpoints import CHECKPOINT, load, save
from handbench.errors import HandbenchError, Interrupted
from handbench.files import write_json
from handbench.optimisation import adam, lars_scale, set_rate, warmup_cosine
from handbench.progress import Progress
from handbench.streams import seed_of
from handbench.types import Views

Row = dict[str, float]
TRUST = 0.02
HISTORY = "history.json"


@dataclass(frozen=True)
class Plan:
    """How to train.

    Args:
        epochs, steps: epochs, and optimiser steps in each.
        accumulate: micro-batches in a step.
        rate: learning rate at its height, already scaled for the batch.
        warmup: share of all steps.
        weight_decay: on weights only.
        lars: scale gradients by LARS.
        seed: of what a network draws for itself (dropout, stochastic depth), set anew at every step.
    """

    epochs: int
    steps: int
    rate: float
    seed: int = 0
    accumulate: int = 1
    warmup: float = 0.0
    weight_decay: float = 0.0
    lars: bool = False


@dataclass(frozen=True)
class Task:
    """What is trained.

    Args:
        module: holds everything that has weights or statistics.
        views: (epoch, step, micro-batch) -> the views to learn from.
        loss: views -> scalar loss and detached monitors.
        label: for the progress bar.
    """

    module: nn.Module
    views: Callable[[int, int, int], Views]
    loss: Callable[[Views], tuple[Tensor, Mapping[str, Tensor]]]
    label: str


@dataclass
class Tally:
    """Running sums of the current epoch; on the device, so that no step waits for the host."""

    losses: Tensor
    monitors: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, loss: Tensor, monitors: Mapping[str, Tensor]) -> None:
        """Take in one micro-batch."""
        self.losses = self.losses + loss.detach()
        for name, value in monitors.items():
            self.monitors[name] = self.monitors.get(name, torch.zeros_like(self.losses)) + value
        self.count += 1

    def read(self, clocks: "Clocks") -> None:
        """Take in what the clocks have counted since the last time."""
        self.seconds += clocks.steps.drain()
        self.waited += clocks.waits.drain()

    def row(self, epoch: int, rate: float) -> Row:
        """The epoch's line of the history."""
        means = {name: float(total) / self.count for name, total in self.monitors.items()}
        speed = {"views_per_second": self.images / max(self.seconds, 1e-9), "data_wait": self.waited / max(self.seconds, 1e-9)}
        return {
            "epoch": epoch,
            "loss": float(self.losses) / self.count,
            **means,
            "learning_rate": rate,
            "seconds": self.seconds,
            **speed,
        }


@dataclass(frozen=True)
class Clocks:
    """How long the steps took, and their part until the views were there."""

    steps: devices.Timer
    waits: devices.Timer


def train(task: Task, plan: Plan, device: torch.device, folder: Path, *, checkpoint_seconds: float = 60.0) -> list[Row]:
    """Train to the end of the plan, going on from the folder's checkpoint if it holds one.

    Returns:
        One row an epoch: loss, monitors, learning rate, seconds, views per second, share of the device's time until the
        views are there. The folder keeps them as `history.json`.

    Raises:
        Interrupted: on Ctrl-C or SIGTERM, at the end of the step, after a checkpoint.
        HandbenchError: the loss is not finite.
    """
    optimiser = adam(task.module, plan.weight_decay)
    epoch, step, history, tally = _resume(task.module, optimiser, device, folder / CHECKPOINT)
    total = plan.epochs * plan.steps
    saved = time.monotonic()
    clocks = Clocks(devices.Timer(device), devices.Timer(device))
    with Progress(total, task.label, "steps", done=epoch * plan.steps + step) as progress, StopRequest() as stop:
        while epoch < plan.epochs:
            with clocks.steps:
                rate = _step(task, plan, optimiser, device, tally, clocks.waits, epoch, step)
            progress.advance(1)
            step += 1
            due = stop.asked or time.monotonic() - saved >= checkpoint_seconds
            if step == plan.steps or due:
                tally.read(clocks)
            if step == plan.steps:
                history.append(_close_epoch(tally, epoch, rate, task.label))
                progress.note(f"epoch {epoch + 1}/{plan.epochs} loss {history[-1]['loss']:.4f}")
                epoch, step, tally = epoch + 1, 0, Tally(torch.zeros((), device=device))
            if due and epoch < plan.epochs:
                _checkpoint(task.module, optimiser, folder, epoch, step, history, tally)
                saved = time.monotonic()
                if stop.asked:
                    place = f"epoch {epoch + 1} of {plan.epochs}, after step {step} of {plan.steps}"
                    raise Interrupted(f"{task.label} stopped in {place}; run the same command again to go on from there")
    _keep_history(folder / HISTORY, history)
    return history


class StopRequest:
    """Takes Ctrl-C and SIGTERM as a request to stop at the end of the step; a second one stops at once.

    In mid-step the weights are of this step and the batch statistics of the next, so a checkpoint there would not go on exactly.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python gives signals to no other
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        sys.stderr.write("\nstopping at the end of this step; once more to stop at once\n")


def _step(
    task: Task,
    plan: Plan,
    optimiser: torch.optim.Optimizer,
    device: torch.device,
    tally: Tally,
    waits: devices.Timer,
    epoch: int,
    step: int,
) -> float:
    """One optimiser step over all its micro-batches; returns its learning rate. Nothing here asks the device for a number."""
    rate = plan.rate * warmup_cosine(epoch * plan.steps + step, plan.epochs * plan.steps, plan.warmup)
    set_rate(optimiser, rate)
    torch.manual_seed(seed_of(plan.seed, "network", epoch, step))
    optimiser.zero_grad(set_to_none=True)
    for part in range(plan.accumulate):
        with waits:
            views = task.views(epoch, step, part)
        tally.images += len(views) * views.images.shape[1]
        with devices.autocast(device):
            loss, monitors = task.loss(views)
        (loss / plan.accumulate).backward()
        tally.add(loss, monitors)
    if plan.lars:
        lars_scale(task.module.parameters(), rate, TRUST, plan.weight_decay)
    optimiser.step()
    return rate


def _close_epoch(tally: Tally, epoch: int, rate: float, label: str) -> Row:
    row = tally.row(epoch, rate)
    if not torch.isfinite(tally.losses):
        raise HandbenchError(
            f"{label}: the loss became {row['loss']} in epoch {epoch + 1}; lower the learning rate "
            "(--set pretrain.learning_rate=…) or raise the temperature (--set objective.temperature=…)"
        )
    return row


def _keep_history(path: Path, history: list[Row]) -> None:
    rows = [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in history]
    write_json(path, rows)


def _checkpoint(
    module: nn.Module, optimiser: torch.optim.Optimizer, folder: Path, epoch: int, step: int, history: list[Row], tally: Tally
) -> None:
    content = {
        "module": module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "place": [epoch, step],
        "history": history,
        "tally": dict(vars(tally)),
    }
    save(content, folder / CHECKPOINT)


def _resume(
    module: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device, path: Path
) -> tuple[int, int, list[Row], Tally]:
    if not path.is_file():
        return 0, 0, [], Tally(torch.zeros((), device=device))
    stored: dict[str, Any] = load(path)
    module.load_state_dict(stored["module"])
    optimiser.load_state_dict(stored["optimiser"])
    sums = stored["tally"]
    sums["losses"] = sums["losses"].to(device)
    sums["monitors"] = {name: value.to(device) for name, value in sums["monitors"].items()}
    epoch, step = stored["place"]
    return epoch, step, stored["history"], Tally(**sums)
