"""FreiHAND's evaluator: predicted and true hands go in; EPE and AUC of joints and meshes, absolute and aligned, come out.

Absolute means camera coordinates, not root-relative. Aligned means the best similarity *with reflection allowed*: a mirrored
hand scores 0 here. Values are means per joint, then over joints. HO-3D and DexYCB share this code family.

Source: Zimmermann et al., ICCV 2019, and the definitions of its public evaluator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import ABSOLUTE, Alignment
from handbench.pose.distances import Comparison
from handbench.pose.scoring import Row, RowMetric
from handbench.pose.summaries import Area, FScore, Mean, Median

ALIGNED = Alignment("centroid", "fit", "orthogonal", epsilon=1e-8)
TO_50_MM = Area(0.0, 0.05, steps=100)
F_SCORES = {"f5": FScore(0.005), "f15": FScore(0.015)}


class FreiHAND(RowMetric):
    """EPE and AUC from 0 to 50 mm, absolute and Procrustes-aligned; for meshes, F-scores at 5 and 15 mm besides.

    Args:
        config: see Config.
    """

    protocol = "freihand"

    @dataclass(frozen=True)
    class Config:
        """medians: also give the mean over joints of each joint's median."""

        medians: bool = False

    def rows(self) -> Sequence[Row]:
        """epe_3d, auc, pa_epe, pa_auc; with meshes vertex_epe … pa_f15; and …_median where asked for."""
        return [
            *joint_rows(ABSOLUTE, "epe_3d", "auc", medians=self.config.medians),
            *joint_rows(ALIGNED, "pa_epe", "pa_auc", medians=self.config.medians),
            *mesh_rows(),
        ]


def joint_rows(alignment: Alignment, error: str, area: str, *, medians: bool = False) -> list[Row]:
    """Error and AUC of the joints after an alignment, as this code family takes them."""
    compared = Comparison("joints_3d", alignment)
    rows = [Row(error, compared, Mean("joints")), Row(area, compared, TO_50_MM)]
    return [*rows, Row(f"{error}_median", compared, Median())] if medians else rows


def mesh_rows() -> list[Row]:
    """Error, AUC and F-scores of the vertices, absolute and aligned."""
    rows = []
    for prefix, alignment in (("", ABSOLUTE), ("pa_", ALIGNED)):
        same, nearest = Comparison("vertices", alignment), Comparison("vertices", alignment, nearest=True)
        rows += [Row(f"{prefix}vertex_epe", same, Mean("joints")), Row(f"{prefix}vertex_auc", same, TO_50_MM)]
        rows += [Row(f"{prefix}{name}", nearest, summary) for name, summary in F_SCORES.items()]
    return rows
