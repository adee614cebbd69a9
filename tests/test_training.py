"""The training loop: history, accumulation, Ctrl-C, and resuming to the very same weights."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from handbench.errors import HandbenchError, Interrupted
from handbench.training import Plan, Task, train
from handbench.types import Targets, Views

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


def test_dropout_is_a_function_of_the_step(tmp_path: Path) -> None:
    first, second = network(), network()
    torch.manual_seed(1)
    train(task_of(first), PLAN, CPU, tmp_path / "a")
    torch.manual_seed(2)
    train(task_of(second), PLAN, CPU, tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
