"""Errors in the image: predicted and true pixels go in; the 2D end-point error in pixels of the view comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.distances import Comparison
from handbench.pose.scoring import Row, RowMetric
from handbench.pose.summaries import Mean


class Pixels(RowMetric):
    """2D end-point error: mean per joint, then over joints.

    Args:
        config: has nothing to set.
    """

    protocol = "pixels"

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def rows(self) -> Sequence[Row]:
        """Only epe_2d, in px@SIDE, SIDE being the view's side: errors of views of different sides do not compare."""
        return [Row("epe_2d", Comparison("joints_2d"), Mean("joints"))]
