"""DexYCB's hand evaluator: predicted and true hands go in; EPE and AUC, absolute, root-relative and aligned, come out.

It is of FreiHAND's code family; root-relative (about the wrist) is what it adds.

Source: Chao et al., CVPR 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import ABSOLUTE, Alignment
from handbench.pose.metrics.freihand import ALIGNED, joint_rows
from handbench.pose.scoring import Row, RowMetric
from handbench.types import WRIST


class DexYCB(RowMetric):
    """EPE and AUC from 0 to 50 mm: absolute, about the wrist, and Procrustes-aligned with reflection.

    Args:
        config: has nothing to set.
    """

    protocol = "dexycb"

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def rows(self) -> Sequence[Row]:
        """epe_3d, auc, root_epe, root_auc, pa_epe, pa_auc."""
        return [
            *joint_rows(ABSOLUTE, "epe_3d", "auc"),
            *joint_rows(Alignment(origin=WRIST), "root_epe", "root_auc"),
            *joint_rows(ALIGNED, "pa_epe", "pa_auc"),
        ]
