"""Probes: what can be read is read, what is chosen is chosen on the validation part, and the same seed gives the same head."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from handbench.errors import DataError, RecipeError
from handbench.pose import probe as probing
from handbench.pose.heads.linear import Linear
from handbench.pose.heads.mlp import MLP
from handbench.pose.probe import Features, Fitted, probe, validation_loss
from handbench.pose25d import pose_loss

CPU = torch.device("cpu")
WIDTH = 12


def hands(rows: int, seed: int, noise: float = 0.0, bent: bool = False) -> Features:
    """Targets that are an affine map of features of very different deviations; `bent` adds what no affine map reads."""
    world, generator = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    weight, bend = torch.randn(WIDTH, 63, generator=world) / 8, torch.randn(WIDTH, 63, generator=world) / 4
    standard = torch.randn(rows, WIDTH, generator=generator)
    target = standard @ weight + 0.5 + noise * torch.randn(rows, 63, generator=generator)
    if bent:
        target += (standard @ bend).abs()
    features = standard * torch.logspace(-1, 2, WIDTH) + 3.0
    return Features(features, target.unflatten(1, (21, 3)), torch.ones(rows, 21, dtype=torch.bool))


def fit(head_class: type, train: Features, validation: Features, seed: int = 0, epochs: int = 3, config: object = None) -> Fitted:
    chosen = config or head_class.Config()  # type: ignore[attr-defined]
    return probe(head_class, chosen, train=train, validation=validation, seed=seed, device=CPU, epochs=epochs)


def mean_pose_loss(train: Features, rows: Features) -> float:
    return pose_loss(train.target.mean(0).expand_as(rows.target), rows.target, rows.valid).item()


@pytest.fixture(autouse=True)
def _short_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LEAST_STEPS", 5)


def test_a_linear_head_reads_an_affine_map_of_raw_features() -> None:
    test = hands(50, 3)
    fitted = fit(Linear, hands(400, 1), hands(100, 2))
    assert validation_loss(fitted.head, test) < 1e-3 * mean_pose_loss(hands(400, 1), test)
    assert fitted.chosen.settings == {"ridge": 1e-6}
    assert not fitted.head.training


def test_the_choice_is_the_validation_parts() -> None:
    train = hands(30, 1, noise=1.0)
    clean, noisy = fit(Linear, train, hands(200, 2)), fit(Linear, train, train)
    assert noisy.chosen.settings["ridge"] < clean.chosen.settings["ridge"]  # choosing on training rows overfits
    for fitted in (clean, noisy):
        assert fitted.chosen.loss == min(trial.loss for trial in fitted.trials)
    assert validation_loss(clean.head, hands(200, 2)) == pytest.approx(clean.chosen.loss)


def test_near_dead_channels_are_not_blown_up() -> None:
    train = hands(400, 1)
    dead = train.features.clone()
    dead[:, 0] = 5.0 + 1e-9 * torch.randn(400, generator=torch.Generator().manual_seed(9))
    head = probing.standardised(Linear(Linear.Config(), width=WIDTH), replace(train, features=dead))
    assert head.deviation[0] == pytest.approx(1e-2 * dead.std(0, correction=0).max().item(), rel=1e-5)
    assert head.deviation[-1] == pytest.approx(dead[:, -1].std(correction=0).item(), rel=1e-5)


def test_constant_features_give_the_mean_pose() -> None:
    train, validation = hands(40, 1), hands(20, 2)
    flat = [replace(rows, features=torch.ones_like(rows.features)) for rows in (train, validation)]
    fitted = fit(Linear, *flat)
    torch.testing.assert_close(fitted.head(flat[1].features)[0], train.target.mean(0))


def test_an_mlp_reads_more_than_a_linear_head() -> None:
    train, validation, test = hands(600, 1, bent=True), hands(150, 2, bent=True), hands(300, 3, bent=True)
    config = MLP.Config(hidden=64)
    linear, mlp = fit(Linear, train, validation), fit(MLP, train, validation, epochs=30, config=config)
    assert validation_loss(mlp.head, test) < 0.7 * validation_loss(linear.head, test) < 0.7 * mean_pose_loss(train, test)
    assert [(trial.settings["rate"], trial.settings["weight_decay"]) for trial in mlp.trials] == [
        (setting.rate, setting.decay) for setting in probing.SETTINGS
    ]
    assert mlp.chosen.loss == min(trial.loss for trial in mlp.trials)
    assert mlp.note.startswith(f"rate {mlp.chosen.settings['rate']:.3g}, weight_decay") and "best of 3" in mlp.note
    assert validation_loss(mlp.head, validation) == pytest.approx(mlp.chosen.loss)


@pytest.mark.parametrize("place", [0, 2])
def test_a_setting_among_others_is_fitted_as_it_would_be_alone(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    train, validation = hands(150, 1, bent=True), hands(40, 2, bent=True)
    config = MLP.Config(hidden=8, dropout=0.2)
    together = fit(MLP, train, validation, config=config)
    monkeypatch.setattr(probing, "SETTINGS", (probing.SETTINGS[place],))
    alone = fit(MLP, train, validation, config=config)
    assert alone.trials[0].loss == pytest.approx(together.trials[place].loss, rel=1e-5)


def test_the_seed_decides_and_nothing_else() -> None:
    train, validation = hands(150, 1, bent=True), hands(40, 2, bent=True)
    config = MLP.Config(hidden=8, dropout=0.2)
    torch.manual_seed(77)
    state = torch.random.get_rng_state()
    first = fit(MLP, train, validation, config=config)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's random numbers are his own
    torch.manual_seed(78)
    second, other = fit(MLP, train, validation, config=config), fit(MLP, train, validation, seed=1, config=config)
    assert all(
        torch.equal(a, b) for a, b in zip(first.head.state_dict().values(), second.head.state_dict().values(), strict=True)
    )
    assert first.trials == second.trials
    assert first.trials != other.trials


@pytest.mark.parametrize("head_class", [Linear, MLP])
def test_missing_labels_are_left_out(head_class: type) -> None:
    train, validation = hands(260, 1), hands(60, 2)
    spoiled = replace(train, target=train.target.clone(), valid=train.valid.clone())
    spoiled.target[200:, 7] = 1e6
    spoiled.valid[200:, 7] = False
    spoiled.target[:50, :, 2] = math.nan  # hands with labels in the image only
    spoiled.target[50:60] = math.nan  # hands with none
    fitted = fit(head_class, spoiled, validation, epochs=10)
    assert validation_loss(fitted.head, validation) < 0.7 * mean_pose_loss(train, validation)


class Bottleneck(nn.Module):
    """A third party's head: affine, but in a layout of its own."""

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config, *, width: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(width + 1, 63))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (torch.cat([features, torch.ones_like(features[:, :1])], 1) @ self.matrix).unflatten(1, (21, 3))

    @torch.no_grad()
    def take_solution(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        self.matrix.copy_(torch.cat([weight.T, bias[None]]))


def test_any_head_that_takes_a_solution_is_solved() -> None:
    train, validation = hands(200, 1, noise=0.1), hands(60, 2, noise=0.1)
    theirs, ours = fit(Bottleneck, train, validation), fit(Linear, train, validation)
    assert theirs.chosen.settings == ours.chosen.settings
    torch.testing.assert_close(theirs.head(validation.features), ours.head(validation.features), rtol=1e-4, atol=1e-5)


def test_too_few_labels_and_broken_features_are_the_users_to_mend() -> None:
    train, validation = hands(20, 1), hands(5, 2)
    with pytest.raises(DataError, match="training part has 1 labelled hands, the probe needs at least 2"):
        fit(Linear, hands(1, 1), validation)
    with pytest.raises(DataError, match="validation part has 0 labelled"):
        fit(Linear, train, replace(validation, valid=torch.zeros_like(validation.valid)))
    broken = train.features.clone()
    broken[3, 0] = math.inf
    with pytest.raises(RecipeError, match="1 of 20 training images are not finite"):
        fit(MLP, replace(train, features=broken), validation)


def test_an_odd_number_of_rows_never_leaves_a_batch_of_one() -> None:
    rows = hands(probing.BATCH + 1, 1)
    sizes = [len(batch) for batch in probing._batches(rows, seed=0, epoch=0)]
    assert sum(sizes) == len(rows)
    assert min(sizes) >= 64


@pytest.mark.gpu
def test_a_probe_fits_on_cuda() -> None:
    train, validation, cuda = hands(200, 1), hands(60, 2), torch.device("cuda")
    for head_class in (Linear, MLP):
        fitted = probe(head_class, head_class.Config(), train=train, validation=validation, seed=0, device=cuda, epochs=3)
        assert fitted.head(validation.features.to(cuda)).is_cuda
        assert fitted.chosen.loss < mean_pose_loss(train, validation)
