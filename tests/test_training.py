"""The training loop: history, accumulation, Ctrl-C, and resuming to the very same weights."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from handbench import devices
from handbench.errors import HandbenchError, Interrupted
from handbench.training import Plan, Task, train
from handbench.types import Targets, Views, to_device

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4 * 36, 2))


def views(epoch: int, step: int, part: int) -> Views:
    """Images that are a function of their place, as in a run."""
    generator = torch.Generator().manual_seed(1000 * epoch + 10 * step + part)
    empty = Targets(
        torch.zeros(6, dtype=torch.int64),
        torch.zeros(6, 21, 2),
        torch.zeros(6, 21, 3),
        torch.ones(6, 21, dtype=torch.bool),
        torch.eye(3).repeat(6, 1, 1),
        torch.zeros(6, dtype=torch.bool),
    )
    return Views(
        torch.rand(1, 6, 3, 8, 8, generator=generator), torch.eye(3).expand(1, 6, 3, 3), torch.eye(3).expand(6, 3, 3), empty
    )


def task_of(module: nn.Module, stop_after: int | None = None) -> Task:
    """Learn to answer with the mean of red and of green; Ctrl-C is pressed while the loss of that number is computed."""
    asked = 0

    def loss(seen: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        nonlocal asked
        asked += 1
        if asked == stop_after:
            signal.raise_signal(signal.SIGINT)
        wanted = seen.flat.mean((2, 3))[:, :2]
        error = (module(seen.flat) - wanted).square().mean()
        return error, {"error": error.detach()}

    return Task(module.train(), views, loss, "learning")


PLAN = Plan(epochs=3, steps=4, rate=1e-2, warmup=0.2, weight_decay=1e-4)


def test_history_has_a_row_an_epoch_and_the_loss_falls(tmp_path: Path) -> None:
    history = train(task_of(network()), Plan(epochs=6, steps=8, rate=1e-2), CPU, tmp_path)
    assert [row["epoch"] for row in history] == list(range(6))
    assert history[-1]["loss"] < history[0]["loss"] and history[0]["loss"] == pytest.approx(history[0]["error"])
    assert all(row["views_per_second"] > 0 and 0 <= row["data_wait"] <= 1 for row in history)


@pytest.mark.parametrize("stop_after", [1, 4, 6, 11])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, stop_after: int) -> None:
    whole, parted = network(), network()
    expected = train(task_of(whole), PLAN, CPU, tmp_path / "whole")
    with pytest.raises(Interrupted, match=r"stopped in epoch . of 3, after step . of 4; run the same command again"):
        train(task_of(parted, stop_after), PLAN, CPU, tmp_path / "parted")
    again = network()
    history = train(task_of(again), PLAN, CPU, tmp_path / "parted")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert [row["loss"] for row in history] == [row["loss"] for row in expected]
    assert [row["error"] for row in history] == [row["error"] for row in expected]


def test_a_second_ctrl_c_stops_at_once_and_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    module = network()

    def loss(seen: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return module(seen.flat).mean(), {}

    with pytest.raises(KeyboardInterrupt):
        train(Task(module, views, loss, "learning"), PLAN, CPU, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before and not (tmp_path / "checkpoint.pt").exists()


def test_checkpoints_by_the_clock_hold_the_place(tmp_path: Path) -> None:
    train(task_of(network()), PLAN, CPU, tmp_path, checkpoint_seconds=0.0)
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert stored["place"] == [2, 3] and len(stored["history"]) == 2


def test_micro_batches_add_up_to_the_mean_gradient(tmp_path: Path) -> None:
    """Two micro-batches in one step move the weights as the mean of their losses does."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    start = {name: value.clone() for name, value in linear.state_dict().items()}
    losses: list[Tensor] = []

    def loss(seen: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        error = linear(seen.flat).square().mean()
        losses.append(error.detach())
        return error, {}

    history = train(Task(linear, views, loss, "learning"), Plan(1, 1, rate=0.1, accumulate=2), CPU, tmp_path)
    reference = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    reference.load_state_dict(start)
    optimiser = torch.optim.Adam(reference.parameters(), lr=0.1)
    (sum(reference(views(0, 0, part).flat).square().mean() for part in (0, 1)) / 2).backward()
    optimiser.step()
    assert torch.allclose(linear[1].weight, reference[1].weight, atol=1e-6)
    assert history[0]["loss"] == pytest.approx(torch.stack(losses).mean().item())


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    module = network()
    bad = Task(module, views, lambda seen: (module(seen.flat).sum() * torch.nan, {}), "pre-training")
    with pytest.raises(HandbenchError, match="the loss became nan in epoch 1; lower the learning rate"):
        train(bad, PLAN, CPU, tmp_path)


def test_no_step_asks_the_device_for_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the end of an epoch does: a host that waits for a GPU at every step leaves it idle."""
    asked = 0

    def counted(name: str) -> None:
        original = getattr(Tensor, name)

        def method(self: Tensor, *arguments: object) -> object:
            nonlocal asked
            asked += 1
            return original(self, *arguments)

        monkeypatch.setattr(Tensor, name, method)

    for name in ("item", "tolist", "__float__", "__int__", "__bool__", "__index__", "cpu", "numpy"):
        counted(name)
    counts = []
    for steps in (2, 9):
        asked = 0
        train(task_of(network()), Plan(1, steps, rate=1e-2, lars=True, weight_decay=1e-4), CPU, tmp_path / str(steps))
        counts.append(asked)
    assert counts[0] == counts[1] > 0


@pytest.mark.gpu
def test_no_step_waits_for_the_gpu(tmp_path: Path) -> None:
    device = torch.device("cuda")
    module = network().to(device)
    moved = [replace_tensors(views(0, step, 0), device) for step in range(6)]

    def seen(epoch: int, step: int, part: int) -> Views:
        torch.cuda.set_sync_debug_mode("error" if 0 < step < 5 else "default")
        return moved[step]

    def loss(given: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        error = module(given.flat).square().mean()
        return error, {"error": error.detach()}

    try:
        history = train(Task(module.train(), seen, loss, "learning"), Plan(1, 6, rate=1e-2, lars=True), device, tmp_path)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert history[0]["seconds"] > 0 and 0 <= history[0]["data_wait"] <= 1


def replace_tensors(given: Views, device: torch.device) -> Views:
    return Views(*(part.to(device) for part in (given.images, given.warps, given.frame)), to_device(given.targets, device))


def test_half_precision_learns_as_full_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tiny problem in fp32 and, forced, in bf16 (emulated where the CPU has none): the loss curves agree."""
    curves = []
    for half in (False, True):
        monkeypatch.setattr(devices, "half_precision", lambda device, half=half: half)
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))
        module = module.to(memory_format=torch.channels_last)

        def loss(seen: Views, module: nn.Module = module, half: bool = half) -> tuple[Tensor, Mapping[str, Tensor]]:
            output = module(seen.flat)
            assert output.dtype is (torch.bfloat16 if half else torch.float32)
            return (output.float() - seen.flat.mean((2, 3))[:, :2]).square().mean(), {}

        history = train(Task(module.train(), views, loss, "learning"), Plan(8, 6, rate=5e-3), CPU, tmp_path / str(half))
        curves.append(torch.tensor([row["loss"] for row in history]))
    full, half = curves
    assert full.min() < full[0] / 2 and ((half - full).abs() < 0.05 * full).all(), (full, half)


def test_the_folder_keeps_the_history(tmp_path: Path) -> None:
    history = train(task_of(network()), PLAN, CPU, tmp_path)
    assert json.loads((tmp_path / "history.json").read_text()) == history


def test_dropout_is_a_function_of_the_step(tmp_path: Path) -> None:
    first, second = network(), network()
    torch.manual_seed(1)
    train(task_of(first), PLAN, CPU, tmp_path / "a")
    torch.manual_seed(2)
    train(task_of(second), PLAN, CPU, tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
