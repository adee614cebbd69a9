"""A fitted network's file: there and back to the bit, others refused by the key that does not fit; and the guard."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from handbench.errors import PluginError, ResultsError
from handbench.pose.finetune import PoseNetwork
from handbench.pose.fitted import FILE, Fitted, Means, Window, as_file, frozen, read
from handbench.pose.heads.linear import Linear
from handbench.pose.heads.mlp import MLP
from handbench.pose.probe import Standardised
from handbench.pose.refinement import RootRefinement


class Encoder(nn.Module):
    """Three numbers an image, behind batch norm."""

    width = 3

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(images).mean((2, 3))


class Leaking(Encoder):
    """Its batch norm goes on counting, whatever mode it is told."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.norm.train()
        return super().forward(images)


def fitted(head: nn.Module, refinement: RootRefinement | None = None) -> Fitted:
    means = Means(torch.tensor(0.03).double(), torch.rand(21, 2).double(), torch.rand(21, 3).double())
    return Fitted(PoseNetwork(Encoder(), head, refinement).eval(), "palm", Window(64, 1.2), means)


def standardised() -> Standardised:
    return Standardised(Linear(Linear.Config(), width=3), torch.rand(3), 1 + torch.rand(3), torch.rand(21, 3))


def write(folder: Path, made: Fitted, with_encoder: bool) -> Path:
    (folder / FILE).write_bytes(as_file(made, with_encoder=with_encoder))
    return folder / FILE


def test_a_fine_tuned_network_comes_back_whole(tmp_path: Path) -> None:
    made = fitted(MLP(MLP.Config(hidden=4), width=3), RootRefinement())
    made.network.backbone.norm.running_mean += 2.0
    back = read(write(tmp_path, made, True), Encoder(), MLP, MLP.Config(hidden=4))
    assert (back.convention, back.window) == ("palm", Window(64, 1.2)) and not back.network.training
    assert torch.equal(back.means.joints, made.means.joints) and back.means.scale == made.means.scale
    own, theirs = made.network.state_dict(), back.network.state_dict()
    assert own.keys() == theirs.keys() and all(torch.equal(own[name], theirs[name]) for name in own)


def test_a_probe_leaves_its_encoder_to_the_pre_training(tmp_path: Path) -> None:
    made = fitted(standardised())
    path = write(tmp_path, made, False)
    assert not any(name.startswith("backbone") for name in load_file(path))
    back = read(path, made.network.backbone, Linear, Linear.Config())
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(back.network(images), made.network(images)) and back.network.refinement is None


def test_what_is_no_network_of_this_run_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, fitted(MLP(MLP.Config(hidden=4), width=3)), True)
    with pytest.raises(ResultsError, match=r"does not fit the run's network: .*e\.g\. head\.layers\.0\.weight"):
        read(path, Encoder(), MLP, MLP.Config(hidden=5))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ResultsError, match=r"pose.safetensors is damaged .* run again"):
        read(path, Encoder(), MLP, MLP.Config(hidden=4))
    save_file({"head.weight": torch.zeros(1)}, path)
    with pytest.raises(ResultsError, match="is no pose network of handbench"):
        read(path, Encoder(), MLP, MLP.Config())
    path.unlink()
    with pytest.raises(ResultsError, match=r"is not there: its run kept no pose network; run it again"):
        read(path, Encoder(), MLP, MLP.Config())


def test_an_encoder_that_leaks_is_caught() -> None:
    images = torch.rand(4, 3, 8, 8)
    with frozen(Encoder().eval()) as nothing:
        assert nothing is None
    quiet = Encoder().eval()
    with frozen(quiet):
        quiet(images)
    leaking = Leaking().eval()
    with (
        pytest.raises(PluginError, match=r"the backbone changed while it was frozen: norm\.num_batches_tracked and 2 more"),
        frozen(leaking),
    ):
        leaking(images)
    with pytest.raises(PluginError, match=r"the head changed while it was frozen: norm\.weight"), frozen(quiet, "the head"):
        quiet.norm.weight.data += 1e-7
