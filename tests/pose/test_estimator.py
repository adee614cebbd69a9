"""Fitting and assessing: where the scale comes from, what lifting reports, what stays frozen, and that it learns."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures import hand_joints
from torch import nn

from handbench.errors import PluginError
from handbench.pose.estimator import Held, Task, assess, fit
from handbench.pose.fitted import Window
from handbench.pose.heads.linear import Linear
from handbench.pose.metrics.pixels import Pixels
from handbench.pose25d import bone_length, project
from handbench.settings import Pose
from handbench.types import Labels, Targets, Views

SIDE = 16
CPU = torch.device("cpu")
CAMERA = torch.tensor([[28.0, 0, 8], [0, 28, 8], [0, 0, 1]])


class Encoder(nn.Module):
    """Reads the picture's numbers as they are, and keeps a batch norm's statistics."""

    width = 3 * SIDE * SIDE

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(self.width, affine=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(images.flatten(1))


class Leaking(Encoder):
    """Trains its batch norm in evaluation mode."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.norm.train()
        return super().forward(images)


def hands(first: int, count: int) -> torch.Tensor:
    return torch.stack([torch.from_numpy(hand_joints(number)) for number in range(first, first + count)]).float()


def views_of(joints: torch.Tensor) -> Views:
    """Pictures in which the pixels of the joints can be read off."""
    count = len(joints)
    cameras, square = CAMERA.expand(count, 3, 3), torch.eye(3).expand(count, 3, 3)
    pixels = project(joints.nan_to_num(0.6), cameras)
    images = torch.zeros(count, 3 * SIDE * SIDE)
    images[:, :42] = pixels.flatten(1) / SIDE
    images[:, 42:63] = joints[..., 2].nan_to_num(0.6)
    valid = joints.isfinite().all(-1)
    targets = Targets(torch.zeros(count, dtype=torch.long), pixels, joints, valid, cameras, torch.zeros(count, dtype=torch.bool))
    return Views(images.view(1, count, 3, SIDE, SIDE), square[None], square, targets)


def labels_of(joints: torch.Tensor, scale: float = math.nan) -> Labels:
    count = len(joints)
    words, square = np.array(["x"] * count), np.tile(np.eye(3), (count, 1, 1))
    names = dict.fromkeys(("side", "label", "part", "subject", "sequence", "frame", "camera", "source"), words)
    valid = joints.isfinite().all(-1).numpy()
    pixels = project(joints, CAMERA.expand(count, 3, 3)).numpy()
    return Labels(
        np.arange(count).astype(str), pixels, joints.numpy(), valid, valid, square, np.full(count, scale), square, **names
    )


def task(settings: Pose, folder: Path, encoder: nn.Module | None = None) -> Task:
    parts = {"train": views_of(hands(0, 64)), "validation": views_of(hands(100, 16))}

    def plain(part: str) -> Iterator[Views]:
        yield parts[part]

    made = encoder or Encoder()
    return Task(
        made, Linear, Linear.Config(), settings, plain, lambda *_: parts["train"], 4, Window(SIDE, 1.0), 0, CPU, folder, 60.0
    )


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Pose], object]:
    """A fitted probe of a convention, made once."""
    made: dict[str, object] = {}

    def of(settings: Pose) -> object:
        if settings.convention not in made:
            made[settings.convention] = fit(task(settings, tmp_path_factory.mktemp("probe")))
        return made[settings.convention]

    return of


def scores_of(found: object) -> dict[str, float]:
    return {score.metric: score.value for score in found.scores}  # type: ignore[attr-defined]


def test_a_probe_reads_the_hand_and_says_what_was_chosen(probed: Callable) -> None:
    made, joints = probed(Pose()), hands(200, 8)
    found = assess(made, Held(labels_of(joints), [views_of(joints)]), Pose(), [Pixels(Pixels.Config())], CPU)
    scores = scores_of(found)
    assert scores["epe_2d"] < 0.5 * scores["epe_2d/constant"]
    assert made.note.startswith("probe: ridge ") and "best of" in made.note
    assert {score.metric: (score.count, score.unit) for score in found.scores}["both_roots_in_front"] == (8, "%")
    assert not [note for note in found.notes if "mean" in note]


def test_the_scale_is_given_or_the_training_mean_and_said(probed: Callable) -> None:
    joints = hands(200, 8)
    joints[3:, 5] = math.nan  # no index MCP: these hands have no reference bone
    made = probed(Pose())
    length = bone_length(hands(0, 64)).mean().item()
    assert made.means.scale.item() == pytest.approx(length, rel=1e-6)
    held = Held(labels_of(joints), [views_of(joints)])
    found = assess(made, held, Pose(), [], CPU)
    assert any(
        f"5 of 8 test hands has the training mean, {1000 * length:.1f} mm: their data have none" in note for note in found.notes
    )
    bones = np.linalg.norm(found.prediction.joints_3d[:, 0] - found.prediction.joints_3d[:, 5], axis=-1)[
        found.prediction.solvable
    ]
    wanted = np.where(np.arange(8) < 3, bone_length(hands(200, 8)), length)[found.prediction.solvable]
    np.testing.assert_allclose(bones, wanted, rtol=1e-5)
    every = assess(made, Held(labels_of(joints), [views_of(joints)]), Pose(scale="mean"), [], CPU)
    assert any("8 of 8 test hands has the training mean" in note and "pose.scale = mean" in note for note in every.notes)


def test_the_palm_s_scale_may_come_from_the_data_s_own_column(probed: Callable) -> None:
    settings, joints = Pose(convention="palm"), hands(200, 4)
    joints[:, 10] = math.nan  # no middle PIP
    found = assess(probed(settings), Held(labels_of(joints, scale=0.05), [views_of(joints)]), settings, [], CPU)
    assert not found.notes or "mean" not in found.notes[0]
    bones = np.linalg.norm(found.prediction.joints_3d[:, 9] - found.prediction.joints_3d[:, 10], axis=-1)
    np.testing.assert_allclose(bones[found.prediction.solvable], 0.05, rtol=1e-6)


def test_what_lifting_could_not_do_or_had_to_choose_is_counted(probed: Callable) -> None:
    """Two predictions are forced through the head's mean pose: one unsolvable, then one with both roots in front."""
    made, joints = probed(Pose()), hands(200, 4)
    head, kept = made.network.head, made.network.head.pose.clone()
    try:
        head.head.map.weight.data.zero_()
        head.head.map.bias.data.zero_()
        head.pose[5, 2] = head.pose[0, 2] + 3.0  # three bones behind its own other end
        found = assess(made, Held(labels_of(joints), [views_of(joints)]), Pose(), [], CPU)
        assert scores_of(found)["unsolvable"] == 100 and "4 of 4 test hands could not be lifted" in " ".join(found.notes)
        # Nearly one bone behind the root and beside the axis: c > 0 > b in the quadratic, so that both its roots are positive.
        head.pose[0], head.pose[5] = torch.tensor([-0.9, 0.0, 0.0]), torch.tensor([-0.8, 0.0, 0.99])
        found = assess(made, Held(labels_of(joints), [views_of(joints)]), Pose(), [], CPU)
        assert scores_of(found)["both_roots_in_front"] == 100 and scores_of(found)["unsolvable"] == 0
        assert found.notes == ("4 of 4 test hands had both root depths in front of the camera; the larger was taken",)
    finally:
        head.pose.copy_(kept)


def test_fine_tuning_trains_a_copy_and_refines(tmp_path: Path) -> None:
    settings = Pose(protocol="finetune", refine=True, epochs=3, batch=64, learning_rate=1e-3)
    wanted = task(settings, tmp_path)
    before = {name: value.clone() for name, value in wanted.encoder.state_dict().items()}
    made = fit(wanted)
    assert all(torch.equal(value, before[name]) for name, value in wanted.encoder.state_dict().items())
    assert made.network.refinement is not None and not made.network.training
    moved = made.network.backbone.state_dict()["norm.running_mean"]
    assert not torch.equal(moved, before["norm.running_mean"])
    joints = hands(200, 8)
    found = assess(made, Held(labels_of(joints), [views_of(joints)]), settings, [Pixels(Pixels.Config())], CPU)
    assert scores_of(found)["epe_2d"] < 100 and found.prediction.joints_3d.shape == (8, 21, 3)


def test_a_leaking_encoder_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"the backbone changed while it was frozen: norm\."):
        fit(task(Pose(), tmp_path, Leaking()))
