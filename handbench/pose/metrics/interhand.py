"""InterHand2.6M's evaluator for one hand: predicted and true hands go in; the wrist-relative MPJPE comes out.

Values are means per joint, then over all 21 joints. The wrist is one of them and its error is 0, so the number is 20/21 of a
mean over the other joints.

Source: Moon et al., ECCV 2020, and the definitions of its public evaluator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import Alignment
from handbench.pose.distances import Comparison
from handbench.pose.scoring import Row, RowMetric
from handbench.pose.summaries import Mean
from handbench.types import WRIST


class InterHand(RowMetric):
    """MPJPE about the wrist, the wrist counted.

    Args:
        config: has nothing to set.
    """

    protocol = "interhand"

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def rows(self) -> Sequence[Row]:
        """Only mpjpe."""
        return [Row("mpjpe", Comparison(alignment=Alignment(origin=WRIST)), Mean("joints"), "the wrist's 0 is averaged in")]
