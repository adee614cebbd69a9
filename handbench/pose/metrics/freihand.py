"""FreiHAND's evaluator: predicted and true hands go in; EPE and AUC, absolute and aligned, come out.

Absolute means camera coordinates, not root-relative. Aligned means the best similarity *with reflection allowed*: a mirrored
hand scores 0 here. Values are means per joint, then over joints. HO-3D and DexYCB share this code family.

Source: Zimmermann et al., ICCV 2019, and the definitions of its public evaluator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handbench.pose.alignment import align
from handbench.pose.scoring import (
    MM,
    Distances,
    area_under_curve,
    distances,
    mean_over_joints,
    median_over_joints,
    pairs_3d,
    score,
    spread_over_hands,
)
from handbench.types import Prediction, Score, Truth

THRESHOLDS = np.linspace(0.0, 0.05, 100)  # metres
NORM_EPSILON = 1e-8


class FreiHAND:
    """EPE and AUC from 0 to 50 mm, absolute and Procrustes-aligned.

    Args:
        config: see Config.
    """

    @dataclass(frozen=True)
    class Config:
        """medians: also give the mean over joints of each joint's median."""

        medians: bool = False

    def __init__(self, config: Config) -> None:
        self.config = config

    def score(self, prediction: Prediction, truth: Truth) -> Sequence[Score]:
        """Score epe_3d, auc, pa_epe, pa_auc, and epe_3d_median, pa_epe_median where asked for."""
        pairs = pairs_3d(prediction, truth)
        aligned = align(pairs.predicted, pairs.true, pairs.counts, reflection=True, epsilon=NORM_EPSILON)
        return [*self._scores(distances(pairs), "epe_3d", "auc"), *self._scores(distances(pairs, aligned), "pa_epe", "pa_auc")]

    def _scores(self, measured: Distances, error: str, area: str) -> list[Score]:
        spread = spread_over_hands(measured)
        scores = [
            score(error, MM * mean_over_joints(measured), "mm", measured, "freihand", None if spread is None else MM * spread),
            score(area, area_under_curve(measured, THRESHOLDS), "", measured, "freihand"),
        ]
        if self.config.medians:
            scores.append(score(f"{error}_median", MM * median_over_joints(measured), "mm", measured, "freihand"))
        return scores
