"""Errors in the image: predicted and true pixels go in; the 2D end-point error in pixels of the view comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.scoring import distances, mean_over_joints, pairs_2d, score, spread_over_hands
from handbench.types import Prediction, Score, Truth


class Pixels:
    """2D end-point error: mean per joint, then over joints.

    Args:
        config: has nothing to set.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def score(self, prediction: Prediction, truth: Truth) -> Sequence[Score]:
        """Score epe_2d in px@SIDE, SIDE being the view's side: errors of views of different sides do not compare."""
        measured = distances(pairs_2d(prediction, truth))
        unit = f"px@{prediction.view}"
        return [score("epe_2d", mean_over_joints(measured), unit, measured, "pixels", spread_over_hands(measured))]
