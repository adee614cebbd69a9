"""The evaluator of RHD and STB: predicted and true hands go in; EPE and AUC about the root, at the true scale, come out.

The method is told the hand's scale: the prediction is made as large as the truth by the bone from the middle finger's MCP to
its PIP, and moved to the true wrist. Only visible joints are scored. Values are means per joint, then over joints.

Source: Zimmermann and Brox, ICCV 2017, and the definitions of its public evaluator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handbench.pose.alignment import Alignment
from handbench.pose.distances import Comparison
from handbench.pose.scoring import MM, Row, RowMetric
from handbench.pose.summaries import Area, Mean, Median
from handbench.types import MIDDLE_MCP, MIDDLE_PIP, WRIST

STEPS = 20
END = 50.0  # mm


class RHD(RowMetric):
    """EPE, its median, and AUC with 20 thresholds to 50 mm, of visible joints.

    Args:
        config: see Config.
    """

    protocol = "rhd"

    @dataclass(frozen=True)
    class Config:
        """Where the curve starts, and where the scale comes from.

        Args:
            start: first threshold of the AUC in mm; many papers on STB use 20.
            scaled: the predictions were given the true scale already (a scale-normalised output times the true length), and
                are not scaled again.
        """

        start: float = 0.0
        scaled: bool = False

        def __post_init__(self) -> None:
            if not 0 <= self.start < END:
                raise ValueError(f"start = {self.start} must be in [0, {END:g}) mm")

    def rows(self) -> Sequence[Row]:
        """Root-relative root_epe, root_epe_median and root_auc."""
        scale = None if self.config.scaled else (MIDDLE_MCP, MIDDLE_PIP)
        compared = Comparison(alignment=Alignment(origin=WRIST, scale=scale), visible=True)
        area = Area(self.config.start / MM, END / MM, STEPS)
        return [
            Row("root_epe", compared, Mean("joints")),
            Row("root_epe_median", compared, Median()),
            Row("root_auc", compared, area, f"{self.config.start:g} to {END:g} mm"),
        ]
