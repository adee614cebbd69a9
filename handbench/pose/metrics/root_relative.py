"""Errors about a root joint: predicted and true hands go in; what is left once both share it, with and without scale, comes out.

Values are means over all valid joints of all hands, the root among them. The scale of `n_mpjpe` is the factor with the least
squared distance about the root.

Source: the factor is that of Rhodin et al., CVPR 2018 (N-MPJPE).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from handbench.pose.alignment import Alignment
from handbench.pose.distances import Comparison
from handbench.pose.metrics.freihand import TO_50_MM
from handbench.pose.scoring import Row, RowMetric
from handbench.pose.summaries import Mean
from handbench.types import MIDDLE_MCP, WRIST

ROOTS = {"wrist": WRIST, "middle_mcp": MIDDLE_MCP}


class RootRelative(RowMetric):
    """MPJPE and AUC about a root joint, and MPJPE with the best scale besides.

    Args:
        config: see Config.
    """

    protocol = "root-relative"

    @dataclass(frozen=True)
    class Config:
        """root: the joint that both hands share."""

        root: Literal["wrist", "middle_mcp"] = "wrist"

    def rows(self) -> Sequence[Row]:
        """Give mpjpe, root_auc (0 to 50 mm) and n_mpjpe; hands without a valid root are excluded."""
        root = ROOTS[self.config.root]
        rooted, note = Comparison(alignment=Alignment(origin=root)), f"about the {self.config.root.replace('_', ' ')}"
        return [
            Row("mpjpe", rooted, Mean("all"), note),
            Row("root_auc", rooted, TO_50_MM, note),
            Row("n_mpjpe", Comparison(alignment=Alignment(origin=root, scale="fit")), Mean("all"), note),
        ]
