"""Bench metrics: a number of hands in; how fast freihand and rotation score them, together, one by one, and hand by hand, out.

Hands hand by hand is how evaluators are usually written: a loop, one decomposition and 21 distances a turn.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from handbench.benchmarks import Arm, Claim, Timing, ratio
from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.rotation import Rotation
from handbench.pose.scoring import RowMetric, score_all
from handbench.streams import Draws
from handbench.types import JOINTS, Prediction, Truth

HANDS = 100_000
SECONDS = 2.0  # promised for both protocols over HANDS hands on 2 cores
LOOPED = 50  # the loop does one hand of so many, which decides nothing: its cost is the same for each

Hand = Float[np.ndarray, "21 3"]


def arms(hands: int = HANDS) -> list[Arm]:
    """Three arms over the same hands, in hands a second; they are in memory before the clock starts."""
    prediction, truth = random_hands(hands)
    metrics: list[RowMetric] = [FreiHAND(FreiHAND.Config()), Rotation(Rotation.Config())]

    def together() -> int:
        score_all(metrics, prediction, truth)
        return hands

    def one_by_one() -> int:
        for metric in metrics:
            metric.score(prediction, truth)
        return hands

    def looped() -> int:
        rows = range(0, hands, LOOPED)
        for row in rows:
            both_errors(prediction.joints_3d[row], truth.joints_3d[row])
        return len(rows)

    return [
        Arm("hand by hand", "a loop over hands, errors alone, no AUC", looped),
        Arm("one by one", f"freihand, then rotation, all their scores, over {hands} hands in memory", one_by_one),
        Arm("together", f"the same scores in one pass over {hands} hands in memory", together),
    ]


def claims(timings: Sequence[Timing]) -> list[Claim]:
    """What is promised for HANDS hands, and what sharing and batching gain."""
    seconds = HANDS / next(timing.median for timing in timings if timing.name == "together")
    return [
        Claim(f"seconds for freihand and rotation over {HANDS} hands, together", seconds, SECONDS, less_is_better=True),
        Claim("times as fast together as one by one", ratio(timings, "together", "one by one")),
        Claim("times as fast together as hand by hand", ratio(timings, "together", "hand by hand")),
    ]


def random_hands(number: int) -> tuple[Prediction, Truth]:
    """Hands of random points with errors of some 30 mm."""
    draws = Draws("bench-metrics", number)
    true = draws.normal(0.0, 0.05, (number, JOINTS, 3))
    predicted = true + draws.normal(0.0, 0.02, (number, JOINTS, 3))
    key, flags, pixels = np.arange(number), np.ones((number, JOINTS), bool), np.full((number, JOINTS, 2), np.nan)
    return (
        Prediction(key, pixels, predicted, np.ones(number, bool), 224),
        Truth(key, pixels, true, flags, flags),
    )


def both_errors(predicted: Hand, true: Hand) -> tuple[float, float, float, float]:
    """EPE, aligned EPE (mirroring allowed), root-relative error and aligned error (not allowed) of one hand, in metres."""
    source, target = predicted - predicted.mean(0), true - true.mean(0)
    left, strength, right = np.linalg.svd(target.T @ source)
    extent = np.square(source).sum()
    errors = []
    for last in (1.0, np.sign(np.linalg.det(left @ right))):
        signs = np.array([1.0, 1.0, last])
        moved = source @ (left * signs @ right).T * ((strength * signs).sum() / extent)
        errors.append(_mean_distance(moved, target))
    rooted = _mean_distance(predicted - predicted[0], true - true[0])
    return _mean_distance(predicted, true), errors[0], rooted, errors[1]


def _mean_distance(first: Hand, second: Hand) -> float:
    return float(np.linalg.norm(first - second, axis=1).mean())
