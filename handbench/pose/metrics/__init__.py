"""Built-in metrics: predicted poses against the truth."""

from collections.abc import Mapping

from handbench.hookspecs import Lazy, Offer, hookimpl


@hookimpl
def handbench_metrics() -> Mapping[str, Offer]:
    """Offer the protocols whose numbers the papers quote."""
    return {
        "freihand": Lazy(
            "handbench.pose.metrics.freihand:FreiHAND", "EPE and AUC, absolute and Procrustes-aligned with reflection, mm"
        ),
        "rotation": Lazy(
            "handbench.pose.metrics.rotation:Rotation", "root-relative MPJPE, and aligned by a similarity without reflection, mm"
        ),
        "pixels": Lazy("handbench.pose.metrics.pixels:Pixels", "2D error in pixels of the view"),
    }
