"""Probes against numbers that can be worked out by hand, and on features that hold the answer by construction."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from handbench.geometry import move, rotation
from handbench.measure import probes
from handbench.measure.classes import fit, linear_predict
from handbench.measure.features import Standardiser, extract
from handbench.measure.neighbours import knn_predict, retrieval_hits
from handbench.measure.rotation import constant_errors, decode_errors
from handbench.measure.turn import latent_turns, median_and_spread
from handbench.settings import Measure


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


def test_standardiser_does_not_blow_up_near_dead_channels() -> None:
    features = torch.randn(100, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 10.0, 1e-6])
    scaled = Standardiser.of(features)(features)
    assert scaled.std(0, correction=0)[:2] == pytest.approx([1.0, 1.0], abs=1e-5) and scaled[:, 2].abs().max() < 1e-3


def angles_and_features(count: int, seed: int) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Pairs of features that hold sine and cosine of each view's own roll among noise."""
    generator = torch.Generator().manual_seed(seed)
    roll = torch.rand(count, generator=generator) * 0.4
    turn = (torch.rand(count, generator=generator) - 0.5) * 0.6
    noise = torch.randn(2, count, 5, generator=generator)
    first, second = (
        torch.cat([torch.stack([angle.sin(), angle.cos()], 1), part], 1)
        for angle, part in zip((roll, roll + turn), noise, strict=True)
    )
    return turn, (first, second)


def test_rotation_is_decoded_from_features_that_hold_it() -> None:
    train_turn, train = angles_and_features(400, 3)
    test_turn, test = angles_and_features(200, 4)
    errors = decode_errors(train, train_turn, test, test_turn)
    assert errors.mean() < 2.0 < constant_errors(train_turn, test_turn).mean()


def test_rotation_is_not_decoded_from_noise() -> None:
    train_turn, _ = angles_and_features(400, 5)
    test_turn, _ = angles_and_features(200, 6)
    noise = torch.randn(600, 2, 4, generator=torch.Generator().manual_seed(7))
    errors = decode_errors((noise[:400, 0], noise[:400, 1]), train_turn, (noise[400:, 0], noise[400:, 1]), test_turn)
    assert errors.mean() > 0.9 * constant_errors(train_turn, test_turn).mean()


def test_constant_errors_wrap_around_the_circle() -> None:
    train = torch.deg2rad(torch.tensor([179.0, -179.0]))
    assert constant_errors(train, torch.deg2rad(torch.tensor([-178.0]))).item() == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("degrees", [-120.0, 0.0, 30.0, 179.0])
def test_latent_turn_recovers_the_turn_of_points_about_any_centre(degrees: float) -> None:
    points = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(8))
    turned = 2.5 * move(rotation(torch.full((4,), math.radians(degrees))), points) + 7.0
    assert latent_turns(points, turned).tolist() == pytest.approx([degrees] * 4, abs=1e-3)


def test_median_and_spread() -> None:
    values = torch.arange(101.0)
    assert median_and_spread(values) == (50.0, 34.0)


class Marks(nn.Module):
    """An 'encoder' that reads the four corners and the centre of a view, to tell how it was turned."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, ::4, ::4].flatten(1)


def test_probe_scores_name_their_unit_count_and_constant() -> None:
    """On images that a turn changes in a known way, all probes run, and the projection that follows the image turns with it."""
    images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(9))
    angles: list[torch.Tensor] = []

    def plain(rows: np.ndarray, turns: torch.Tensor | None) -> list[torch.Tensor]:
        if turns is not None:
            angles.append(torch.atan2(turns[:, 0, 1], turns[:, 0, 0]))
        return [images[rows]]

    def project(features: torch.Tensor) -> torch.Tensor:
        points = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]]).expand(len(features), 3, 2)
        return move(rotation(angles[-1]), points)

    rows = np.arange(40)
    subject = probes.Subject(Marks(), project, plain, lambda chosen, view: [images[chosen]])
    material = probes.Material(rows[:30], rows[30:], torch.arange(30) % 2, torch.arange(10) % 2)
    found = probes.probe(subject, material, Measure(neighbours=3), seed=0)
    scores = {score.metric: score for score in found.scores}
    assert scores["retrieval_top1"].value == 100.0 and scores["retrieval_top1/constant"].value == pytest.approx(10.0)
    assert scores["knn_accuracy/constant"].value == 50.0
    assert scores["latent_turn"].value == pytest.approx(30.0, abs=1e-3) and scores["latent_turn"].spread == pytest.approx(
        0.0, abs=1e-3
    )
    assert {name: 100 * found.samples[name].mean().item() for name in ("knn_accuracy", "linear_accuracy")} == pytest.approx(
        {name: scores[name].value for name in ("knn_accuracy", "linear_accuracy")}
    )
    assert found.samples["rotation_error"].mean().item() == pytest.approx(scores["rotation_error"].value, rel=1e-5)
    assert {score.unit for score in scores.values()} == {"%", "degrees"} and all(score.count == 10 for score in scores.values())


def test_without_classes_there_is_no_accuracy() -> None:
    images = torch.rand(12, 3, 8, 8)
    subject = probes.Subject(
        Marks(), lambda features: None, lambda rows, turns: [images[rows]], lambda rows, view: [images[rows]]
    )
    rows = np.arange(12)
    material = probes.Material(rows[:8], rows[8:], torch.full((8,), -1), torch.full((4,), -1))
    names = {score.metric for score in probes.probe(subject, material, Measure(), seed=0).scores}
    assert names == {"retrieval_top1", "retrieval_top1/constant", "rotation_error", "rotation_error/constant"}


def test_extract_evaluates_and_leaves_the_mode_as_it_was() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    features = extract(network, [torch.rand(3, 3, 2, 2), torch.rand(2, 3, 2, 2)])
    assert features.shape == (5, 12) and network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
