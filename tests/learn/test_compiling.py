"""Compiling: when it pays, that it changes nothing, and that a run goes on without it. The compiler here is a stand-in."""

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn

from handbench.learn import compiling
from handbench.learn.compiling import compiled, pays
from handbench.learn.pretrain import Learner
from handbench.learn.views import make_views
from handbench.types import Batch, Targets, Views, to_device

CPU = torch.device("cpu")


class Mean(nn.Module):
    """An objective: the mean feature."""

    def forward(self, backbone: nn.Module, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        return backbone(views.images.flatten(0, 1)).mean(), {}


def learner() -> Learner:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return Learner(backbone, Mean()).train()


def maker(make: compiling.Making) -> compiling.Maker:
    """Views of six made-up crops, whatever the place, by the function that is given."""
    targets = Targets(
        torch.zeros(6, dtype=torch.int64),
        torch.zeros(6, 21, 2),
        torch.zeros(6, 21, 3),
        torch.ones(6, 21, dtype=torch.bool),
        torch.eye(3).repeat(6, 1, 1),
        torch.zeros(6, dtype=torch.bool),
    )
    crops = torch.randint(0, 256, (6, 12, 12, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def views(epoch: int, step: int, part: int) -> Views:
        return make(Batch(crops, 12.0, targets), [], 2, 8, torch.Generator().manual_seed(step))

    return views


def test_it_pays_in_long_runs_on_cuda_only() -> None:
    cuda = torch.device("cuda")
    break_even = compiling.COST / (1 - 1 / compiling.GAIN)
    assert [pays("auto", seconds, cuda) for seconds in (0.9 * break_even, 1.1 * break_even)] == [False, True]
    assert not pays("auto", 1e6, CPU) and pays(True, 0.0, CPU) and not pays(False, 1e6, cuda)


def test_compiled_runs_the_compiler_and_leaves_the_learner_as_it_was() -> None:
    given, graphs = learner(), []
    before = copy.deepcopy(given.state_dict())

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        graphs.append(graph)
        return graph.forward

    seen = maker(make_views)(0, 0, 0)
    expected = copy.deepcopy(given)(seen)[0]
    with compiled(given, given.backbone, maker, CPU, backend=backend) as attempt:
        assert graphs, attempt.note
        assert attempt.note.startswith("compiled backbone and views in ")
        for name, value in before.items():
            assert torch.equal(given.state_dict()[name], value), name
        assert all(parameter.grad is None for parameter in given.parameters())
        with warnings.catch_warnings(action="ignore"):
            views = attempt.views(0, 0, 0)
        assert torch.allclose(views.images, seen.images, atol=1e-6)
        assert torch.allclose(given(views)[0], expected, atol=1e-5)
        assert given.backbone._compiled_call_impl is not None
    assert given.backbone._compiled_call_impl is None and list(given.state_dict()) == list(before)


def test_a_compiler_that_fails_is_done_without() -> None:
    given = learner()
    before = copy.deepcopy(given.state_dict())

    def broken(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        raise RuntimeError("no C++ compiler here\nlong trace")

    with compiled(given, given.backbone, maker, CPU, backend=broken) as attempt:
        assert attempt.note.startswith("torch.compile failed (") and attempt.note.endswith("; going on without it")
        assert "\n" not in attempt.note
        assert given(attempt.views(0, 0, 0))[0].isfinite()
        assert all(
            torch.equal(given.state_dict()[name], value) for name, value in before.items() if name.endswith(("weight", "bias"))
        )


@pytest.mark.gpu
def test_the_real_compiler_agrees_on_a_gpu() -> None:
    device = torch.device("cuda")
    given = learner().to(device)

    def on_gpu(make: compiling.Making) -> compiling.Maker:
        views = maker(lambda batch, *rest: batch)(0, 0, 0)
        moved = Batch(views.images.to(device), views.window, to_device(views.targets, device))
        return lambda epoch, step, part: make(moved, [], 2, 8, torch.Generator(device).manual_seed(step))

    eager = on_gpu(make_views)(0, 0, 0)
    with compiled(given, given.backbone, on_gpu, device) as attempt:
        assert attempt.note.startswith("compiled"), attempt.note
        assert torch.allclose(attempt.views(0, 0, 0).images, eager.images, atol=1e-3)
