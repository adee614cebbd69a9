"""Pose errors that know left from right: predicted and true hands go in; root-relative and rotation-aligned MPJPE come out.

Values are means over all valid joints of all hands, as mmpose and HaMeR take them; the alignment is a similarity without
reflection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import SIMILARITY, Alignment
from handbench.pose.distances import Comparison
from handbench.pose.scoring import Row, RowMetric
from handbench.pose.summaries import Mean
from handbench.types import WRIST


class Rotation(RowMetric):
    """MPJPE about the wrist, and after the best rotation, scale and shift.

    Args:
        config: has nothing to set.
    """

    protocol = "rotation"

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def rows(self) -> Sequence[Row]:
        """Score mpjpe (hands without a valid wrist are excluded) and pa_mpjpe."""
        return [
            Row("mpjpe", Comparison(alignment=Alignment(origin=WRIST)), Mean("all")),
            Row("pa_mpjpe", Comparison(alignment=SIMILARITY), Mean("all")),
        ]
