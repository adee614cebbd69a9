"""Pose errors that know left from right: predicted and true hands go in; root-relative and rotation-aligned MPJPE come out.

Values are means over all valid joints of all hands, as mmpose and HaMeR take them; the alignment is a similarity without
reflection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import align
from handbench.pose.scoring import MM, Distances, Pairs, distances, keep, mean_of_all, pairs_3d, score, spread_over_hands
from handbench.types import WRIST, Prediction, Score, Truth


class Rotation:
    """MPJPE about the wrist, and after the best rotation, scale and shift.

    Args:
        config: has nothing to set.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def score(self, prediction: Prediction, truth: Truth) -> Sequence[Score]:
        """Score mpjpe (hands without a valid wrist are excluded) and pa_mpjpe."""
        pairs = pairs_3d(prediction, truth)
        aligned = align(pairs.predicted, pairs.true, pairs.counts, reflection=False)
        return [self._score("mpjpe", distances(_about_wrist(pairs))), self._score("pa_mpjpe", distances(pairs, aligned))]

    def _score(self, metric: str, measured: Distances) -> Score:
        spread = spread_over_hands(measured)
        return score(metric, MM * mean_of_all(measured), "mm", measured, "rotation", None if spread is None else MM * spread)


def _about_wrist(pairs: Pairs) -> Pairs:
    rooted = keep(pairs, pairs.counts[:, WRIST])
    return Pairs(rooted.predicted - rooted.predicted[:, :1], rooted.true - rooted.true[:, :1], rooted.counts, rooted.excluded)
