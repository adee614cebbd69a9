"""What every metric promises: predicted and true hands in; complete scores that know right from wrong out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from handbench.testing.contract import Subject, require
from handbench.testing.toys import hands
from handbench.types import Prediction, Score, Truth

HANDS = 12
NOISE = 0.01  # metres
EXACT = 1e-4  # mm or px; official evaluators add 1e-8 to the norms they divide by

Rows = TypeVar("Rows", Prediction, Truth)


def scores_are_complete(subject: Subject) -> None:
    """Every score has a name of its own, a protocol, a count and a finite value."""
    scores = _scores(subject, *hands(HANDS))
    require(scores, f"{subject.name}: gives no scores")
    names = [score.metric for score in scores]
    require(len(set(names)) == len(names), f"{subject.name}: two scores have one name ({', '.join(names)})")
    for score in scores:
        require(score.protocol, f"{subject.name}: score {score.metric} does not say its protocol")
        require(np.isfinite(score.value), f"{subject.name}: {score.metric} of a perfect prediction is {score.value}")
        whole = score.count + score.excluded == HANDS
        require(whole, f"{subject.name}: {score.metric} counts {score.count} + {score.excluded} of {HANDS} hands")


def perfect_is_better_than_wrong(subject: Subject) -> None:
    """A perfect prediction beats one that is off by a centimetre and by some pixels, in every score."""
    prediction, truth = hands(HANDS)
    random = np.random.default_rng(1)
    wrong = replace(
        prediction,
        joints_2d=prediction.joints_2d + random.normal(0, 3, prediction.joints_2d.shape),
        joints_3d=prediction.joints_3d + random.normal(0, NOISE, prediction.joints_3d.shape),
        vertices=None
        if prediction.vertices is None
        else prediction.vertices + random.normal(0, NOISE, prediction.vertices.shape),
    )
    for best, worse in zip(_scores(subject, prediction, truth), _scores(subject, wrong, truth), strict=True):
        error = best.unit not in ("", "%")
        require(not error or abs(best.value) < EXACT, f"{subject.name}: {best.metric} of a perfect prediction is {best.value}")
        differ = worse.value > best.value if error else worse.value < best.value
        require(differ, f"{subject.name}: {best.metric} is {best.value} when perfect and {worse.value} when wrong")


def order_of_hands_does_not_count(subject: Subject) -> None:
    """Shuffling the hands changes no score."""
    prediction, truth = _noisy()
    order = np.random.default_rng(2).permutation(HANDS)
    for one, two in zip(
        _scores(subject, prediction, truth), _scores(subject, _rows(prediction, order), _rows(truth, order)), strict=True
    ):
        close = np.isclose(one.value, two.value, rtol=1e-9)
        require(close, f"{subject.name}: {one.metric} changes from {one.value} to {two.value} with the order of the hands")


def hands_that_cannot_be_scored_are_counted_out(subject: Subject) -> None:
    """A hand that could not be lifted (NaN) is excluded and counted, and does not spoil the others."""
    prediction, truth = _noisy()
    joints, solvable = prediction.joints_3d.copy(), np.ones(HANDS, bool)
    joints[3], solvable[3] = np.nan, False
    partly = replace(prediction, joints_3d=joints, solvable=solvable)
    kept = np.delete(np.arange(HANDS), 3)
    fewer = _scores(subject, _rows(prediction, kept), _rows(truth, kept))
    for whole, score, without in zip(_scores(subject, prediction, truth), _scores(subject, partly, truth), fewer, strict=True):
        require(score.count + score.excluded == HANDS, f"{subject.name}: {score.metric} loses hands without counting them")
        same = np.isclose(score.value, (without if score.excluded else whole).value)
        require(same, f"{subject.name}: {score.metric} is {score.value} beside a hand that could not be lifted")


def _noisy() -> tuple[Prediction, Truth]:
    prediction, truth = hands(HANDS)
    noise = np.random.default_rng(3).normal(0, NOISE, prediction.joints_3d.shape)
    pixels = np.random.default_rng(4).normal(0, 2, prediction.joints_2d.shape)
    return replace(prediction, joints_3d=prediction.joints_3d + noise, joints_2d=prediction.joints_2d + pixels), truth


def _rows(value: Rows, rows: np.ndarray) -> Rows:
    return replace(value, **{name: array[rows] for name, array in vars(value).items() if isinstance(array, np.ndarray)})


def _scores(subject: Subject, prediction: Prediction, truth: Truth) -> Sequence[Score]:
    scores: Sequence[Score] = subject.target(subject.config()).score(prediction, truth)
    return scores


def promises(_: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them."""
    return (
        scores_are_complete,
        perfect_is_better_than_wrong,
        order_of_hands_does_not_count,
        hands_that_cannot_be_scored_are_counted_out,
    )
