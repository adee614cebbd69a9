"""HO-3D's evaluator: predicted and true hands go in; FreiHAND's numbers and those after root and bone alignment come out.

Between absolute and Procrustes-aligned it scores hands that were moved to the true wrist and scaled until the bone from the
wrist to the middle finger's MCP has its true length.

Source: Hampali et al., CVPR 2020, and the definitions of its public evaluator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import ABSOLUTE, Alignment
from handbench.pose.metrics.freihand import ALIGNED, joint_rows, mesh_rows
from handbench.pose.scoring import Row, RowMetric
from handbench.types import MIDDLE_MCP, WRIST

ROOT_AND_BONE = Alignment(origin=WRIST, scale=(WRIST, MIDDLE_MCP))


class HO3D(RowMetric):
    """EPE and AUC from 0 to 50 mm: absolute, after root and bone alignment, and Procrustes-aligned with reflection.

    Args:
        config: has nothing to set.
    """

    protocol = "ho3d"

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def rows(self) -> Sequence[Row]:
        """epe_3d, auc, root_bone_epe, root_bone_auc, pa_epe, pa_auc, and those of meshes."""
        return [
            *joint_rows(ABSOLUTE, "epe_3d", "auc"),
            *joint_rows(ROOT_AND_BONE, "root_bone_epe", "root_bone_auc"),
            *joint_rows(ALIGNED, "pa_epe", "pa_auc"),
            *mesh_rows(),
        ]
