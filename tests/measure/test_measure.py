"""Probes against numbers that can be worked out by hand, and on encoders that hold the answer by construction."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from handbench.geometry import move, rotation
from handbench.measure import probes
from handbench.measure.classes import fit, linear_predict
from handbench.measure.features import look
from handbench.measure.found import Found, mean
from handbench.measure.neighbours import knn_predict, retrieval_hits
from handbench.measure.sights import Material, Sights, Subject
from handbench.measure.turn import latent_turns, median_and_spread
from handbench.settings import Measure
from handbench.types import Score, Targets, Views

SIZE = 8


def test_knn_votes_by_weight_not_by_count() -> None:
    train = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6]])
    classes = torch.tensor([0, 1, 1])
    # One vote of exp(1/0.07) outweighs two of exp(0.8/0.07).
    assert knn_predict(train, classes, torch.tensor([[2.0, 0.0]]), neighbours=3).tolist() == [0]
    assert knn_predict(train, classes, torch.tensor([[2.0, 0.0]]), neighbours=3, temperature=1.0).tolist() == [1]


def test_knn_with_more_neighbours_than_images() -> None:
    assert knn_predict(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), neighbours=50).tolist() == [0, 1]


def test_retrieval_hits_where_the_own_view_is_nearest() -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    second = torch.tensor([[5.0, 0.1], [1.0, 1.0], [0.1, 1.0]])
    assert retrieval_hits(first, second).tolist() == [1.0, 0.0, 0.0]


def test_linear_probe_separates_what_is_separable_and_ignores_dead_channels() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(300) % 3
    features = torch.cat(
        [
            3 * nn.functional.one_hot(classes, 3) + torch.randn(300, 3, generator=generator),
            1e-9 * torch.randn(300, 4, generator=generator),
        ],
        1,
    )
    guess = linear_predict(features[:200], classes[:200], features[200:], seed=0)
    assert (guess == classes[200:]).float().mean() > 0.9


def test_linear_fit_is_at_a_minimum() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs, classes = torch.randn(60, 4, generator=generator), torch.arange(60) % 3
    weights = fit(inputs, classes, decay=0.1).requires_grad_()
    loss = (
        nn.functional.cross_entropy(inputs @ weights[:, :-1].T + weights[:, -1], classes) + 0.05 * weights[:, :-1].square().sum()
    )
    (gradient,) = torch.autograd.grad(loss, weights)
    assert gradient.abs().max() < 5e-4


@pytest.mark.parametrize("degrees", [-120.0, 0.0, 30.0, 179.0])
def test_latent_turn_recovers_the_turn_of_points_about_any_centre(degrees: float) -> None:
    points = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(8))
    turned = 2.5 * move(rotation(torch.full((4,), math.radians(degrees))), points) + 7.0
    assert latent_turns(points, turned).tolist() == pytest.approx([degrees] * 4, abs=1e-3)


def test_median_and_spread() -> None:
    assert median_and_spread(torch.arange(101.0)) == (50.0, 34.0)


def test_a_mean_counts_what_it_leaves_out() -> None:
    score = mean("x", torch.tensor([1.0, math.nan, 3.0]), "mm", excluded=2, protocol="p")
    assert score == Score("x", 2.0, "mm", 2, 3, "p", spread=score.spread)
    assert score.spread == pytest.approx(math.sqrt(2))
    assert math.isnan(mean("x", torch.tensor([math.nan]), "mm").value)


# A world without pictures: an image "shows" a hand of known joints, and a view of it holds the warp in its pixels' first numbers.
ROWS, TRAIN = 90, 60
HANDS = torch.randn(ROWS, 21, 3, generator=torch.Generator().manual_seed(9)) * 0.03


def views_of(rows: np.ndarray, warps: torch.Tensor | None, posed: bool = True) -> Iterable[Views]:
    """Views whose pixels hold the image's number and the warp: what an encoder would have to see."""
    count = len(rows)
    moved = torch.eye(3).repeat(count, 1, 1) if warps is None else warps
    images = torch.zeros(1, count, 3, SIZE, SIZE)
    images.flatten(2)[0, :, :9] = moved.flatten(1)
    images.flatten(2)[0, :, 9] = torch.from_numpy(rows).float()
    joints = HANDS[rows]
    flat = move(moved, joints[..., :2] / 0.1)
    known = torch.full((count, 21), posed)
    pixels = (flat + 1) * SIZE / 2
    targets = Targets(
        classes=torch.from_numpy(rows) % 2,
        joints_2d=pixels,
        joints_3d=joints,
        valid=known,
        intrinsics=torch.eye(3).repeat(count, 1, 1),
        left=torch.zeros(count, dtype=torch.bool),
    )
    eye = torch.eye(3).repeat(count, 1, 1)
    yield Views(images, eye[None], eye, targets)


class Reads(nn.Module):
    """An 'encoder' that sees what there is to see: the warp's numbers, its angle and log-scale, and the hand."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = images.flatten(1)
        warps, hand = values[:, :9].unflatten(1, (3, 3)), HANDS[values[:, 9].long()]
        angle = torch.atan2(warps[:, 0, 1], warps[:, 0, 0])[:, None]
        scale = torch.linalg.det(warps[:, :2, :2]).log()[:, None] / 2
        along = nn.functional.normalize(hand[:, 9, :2] - hand[:, 0, :2], dim=1)
        extent = (hand[:, :, None, :2] - hand[:, None, :, :2]).norm(dim=3).amax((1, 2))[:, None]
        tips = nn.functional.normalize(hand[:, 4::4] - hand[:, 1::4], dim=2).flatten(1)
        palm = hand[:, 0, :2] + hand[:, 9, :2]
        return torch.cat([angle, scale, warps[:, :2, 2], along, extent, tips, palm], 1)


class Blind(nn.Module):
    """An encoder that has collapsed."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(images), 7)


def subject(encoder: nn.Module, posed: bool = True, project: object = None) -> Subject:
    def plain(rows: np.ndarray, warps: torch.Tensor | None) -> Iterator[Views]:
        yield from views_of(rows, warps, posed)

    return Subject(encoder, project or (lambda features: None), plain, lambda rows, view: plain(rows, None))  # type: ignore[arg-type]


def material(posed: bool = True) -> Material:
    rows = np.arange(ROWS)
    flags = torch.full((ROWS,), posed)
    none = torch.full((ROWS,), -1)
    return Material(
        rows[:TRAIN], rows[TRAIN:], none[:TRAIN], none[TRAIN:], flags[:TRAIN], flags[TRAIN:], torch.arange(TRAIN, ROWS)
    )


SETTINGS = Measure(neighbours=3, pairs=50, rotation=20.0)


def scored(found: Found) -> dict[str, Score]:
    return {score.metric: score for score in found.scores}


def test_an_encoder_that_sees_everything_reads_everything() -> None:
    scores = scored(probes.probe(subject(Reads()), material(), SETTINGS, seed=0))
    for name in ("translation", "scale", "roll", "position", "size", "finger_direction"):
        assert scores[f"{name}_r2"].value > 0.999, name
        assert scores[f"{name}_error"].value < 0.05 * scores[f"{name}_error/constant"].value, name
    assert scores["rotation_r2"].value > 0.9  # sine and cosine are no linear function of angles
    assert scores["rotation_error"].value < 2.0 < scores["rotation_error/constant"].value
    units = {name: scores[f"{name}_error"].unit for name in ("rotation", "translation", "scale", "roll", "position", "size")}
    assert list(units.values()) == ["degrees", "px@8", "log", "degrees", "px@8", "px@8"]
    assert all(score.protocol for score in scores.values())


def test_a_collapsed_encoder_reads_nothing_and_is_flagged() -> None:
    scores = scored(probes.probe(subject(Blind()), material(), SETTINGS, seed=0))
    for name in ("rotation", "translation", "scale", "roll", "position", "size", "finger_direction"):
        assert scores[f"{name}_r2"].value <= 0, name
        assert scores[f"{name}_r2"].value == pytest.approx(scores[f"{name}_r2/constant"].value, abs=1e-6)
        assert scores[f"{name}_error"].value == pytest.approx(scores[f"{name}_error/constant"].value, rel=1e-4)
    for name in ("alignment", "uniformity", "effective_rank", "feature_spread", "dead_channels"):
        assert scores[name].value == pytest.approx(scores[f"{name}/constant"].value, abs=1e-6), name
    assert "collapsed" in scores["effective_rank"].note and "collapsed" in scores["feature_spread"].note


def test_an_encoder_that_spreads_is_not_flagged() -> None:
    scores = scored(probes.probe(subject(Reads()), material(), replace(SETTINGS, probes=("spread",)), seed=0))
    assert "collapsed" not in scores["effective_rank"].note + scores["feature_spread"].note
    assert scores["alignment"].value == 0 < scores["alignment/shuffled"].value  # both views are the same here


def test_columns_belong_to_the_held_out_images() -> None:
    found = probes.probe(subject(Reads()), material(), replace(SETTINGS, pairs=10), seed=0)
    scores = scored(found)
    assert all(len(column) == ROWS - TRAIN for column in (*found.samples.values(), *found.pairs.values()))
    for name in ("rotation_error", "translation_error", "scale_error", "roll_error", "pose_retrieval"):
        column = found.samples[name][~found.samples[name].isnan()]
        assert len(column) == scores[name].count == (10 if name in ("translation_error", "scale_error") else 30)
        assert column.mean().item() == pytest.approx(scores[name].value, rel=1e-5)
    wanted = [
        f"{name}_{end}" for name in ("rotation", "translation_x", "translation_y", "log_scale") for end in ("true", "decoded")
    ]
    assert list(found.pairs) == wanted
    here = ~found.pairs["log_scale_true"].isnan()
    assert int(here.sum()) == 10
    off = (found.pairs["log_scale_decoded"] - found.pairs["log_scale_true"]).abs()
    torch.testing.assert_close(off[here], found.samples["scale_error"][here])
    assert torch.equal(here, ~found.samples["translation_error"].isnan())


def points(features: torch.Tensor) -> torch.Tensor:
    """A projection that moves exactly as the warp says: fixed points under the similarity that the encoder saw."""
    angle, scale, shift = features[:, 0], features[:, 1], features[:, 2:4]
    shape = torch.tensor([[0.3, 0.1], [-0.2, 0.4], [0.0, -0.5]]).expand(len(features), 3, 2)
    return scale.exp()[:, None, None] * move(rotation(angle), shape) + shift[:, None]


def test_an_exactly_equivariant_projection_commutes_and_turns() -> None:
    chosen = replace(SETTINGS, probes=("commutation", "turn"))
    scores = scored(probes.probe(subject(Reads(), project=points), material(), chosen, seed=0))
    assert scores["commutation_rotation"].value == pytest.approx(0, abs=1e-5)
    assert scores["commutation_translation"].value == pytest.approx(0, abs=1e-5)
    assert scores["invariance_rotation"].value > 0.1 and scores["invariance_translation"].value > 0.1
    assert scores["commutation_rotation/constant"].value > 0.1
    assert scores["latent_turn"].value == pytest.approx(30, abs=1e-2) and scores["latent_turn"].spread == pytest.approx(
        0, abs=1e-2
    )


def test_an_invariant_projection_stays() -> None:
    def still(features: torch.Tensor) -> torch.Tensor:
        return features[:, 6:12].unflatten(1, (3, 2))  # of the hand alone

    scores = scored(probes.probe(subject(Reads(), project=still), material(), replace(SETTINGS, probes=("commutation",)), seed=0))
    assert scores["invariance_rotation"].value == 0 and scores["commutation_rotation"].value > 0.1


def test_probes_can_be_left_out_and_share_their_views() -> None:
    sights = Sights(subject(Reads(), project=points), material(), SETTINGS, seed=0)
    passes = []
    for name in ("retrieval", "spread", "rotation", "translation", "turn", "commutation", "hand", "poses"):
        probes.PROBES[name](sights)  # type: ignore[index]
        passes.append(sights.passes)
    # two augmented views; two turned views; two moved views of 50 + 30; two for the turn; the plain ones of both parts
    assert np.diff([0, *passes]).tolist() == [60, 0, 180, 160, 60, 0, 90, 0]
    found = probes.probe(subject(Reads()), material(), replace(SETTINGS, probes=("retrieval",)), seed=0)
    assert {score.metric for score in found.scores} == {"retrieval_top1", "retrieval_top1/constant"}


def test_without_joints_classes_or_projection_the_rest_is_measured() -> None:
    names = {
        score.metric for score in probes.probe(subject(Reads(), posed=False), material(posed=False), SETTINGS, seed=0).scores
    }
    assert {"retrieval_top1", "rotation_error", "translation_r2", "effective_rank"} <= names
    assert not any(name.startswith(("roll", "pose", "knn", "latent", "commutation")) for name in names)


def test_classes_are_scored_where_there_are_any() -> None:
    labelled = replace(material(), train_classes=torch.arange(TRAIN) % 2, test_classes=torch.arange(ROWS - TRAIN) % 2)
    labelled.test_classes[:4] = -1
    found = probes.probe(subject(Reads()), labelled, replace(SETTINGS, probes=("classes",)), seed=0)
    scores = scored(found)
    assert scores["knn_accuracy"].count == 26 and scores["knn_accuracy"].excluded == 4
    assert scores["linear_accuracy/constant"].value == 50.0
    assert found.samples["knn_accuracy"][:4].isnan().all()


def test_looking_evaluates_and_leaves_the_mode_as_it_was() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3 * SIZE * SIZE), nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    seen = look(network, [*views_of(np.arange(40), None), *views_of(np.arange(3), None, posed=False)])
    assert seen.features.shape == (43, 192) and network.training and seen.size == SIZE
    assert seen.joints_2d[:40].isfinite().all() and seen.joints_3d[40:].isnan().all()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
