"""mmpose's 2D metrics: predicted and true pixels go in; EPE, PCK and AUC by its definitions come out.

PCK counts distances strictly below a share of the hand's box, here the one around the labelled joints. AUC is the mean height of
20 left bins, strictly below again, so that a perfect prediction scores 0.95. Both are means per joint, then over joints; EPE is a
mean over all joints.

Source: the definitions of the public toolbox mmpose (keypoint_epe, keypoint_pck_accuracy, keypoint_auc).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.distances import Comparison
from handbench.pose.scoring import Row, RowMetric
from handbench.pose.summaries import Area, Mean, Share

BINS = 20


class MMPose2D(RowMetric):
    """2D EPE, PCK and AUC.

    Args:
        config: see Config.
    """

    protocol = "mmpose-2d"

    @dataclass(frozen=True)
    class Config:
        """The two thresholds.

        Args:
            share: of the longer side of the hand's box, for PCK.
            pixels: where the AUC's thresholds end; of the view, so scale it with the view where numbers are to compare.
        """

        share: float = 0.2
        pixels: float = 30.0

        def __post_init__(self) -> None:
            if not (self.share > 0 and self.pixels > 0):
                raise ValueError(f"share = {self.share} and pixels = {self.pixels} must be above 0")

    def rows(self) -> Sequence[Row]:
        """Give epe_2d, pck and auc_2d."""
        pixels = Comparison("joints_2d")
        over_box = Comparison("joints_2d", over_box=True)
        area = Area(0.0, self.config.pixels, BINS, rule="left", strict=True)
        return [
            Row("epe_2d", pixels, Mean("all")),
            Row("pck", over_box, Share(self.config.share), f"within {self.config.share:g} of the box around the true joints"),
            Row("auc_2d", pixels, area, f"to {self.config.pixels:g} px; a perfect prediction scores 0.95"),
        ]
