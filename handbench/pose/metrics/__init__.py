"""Built-in metrics: predicted poses against the truth."""

from collections.abc import Mapping

from handbench.hookspecs import Lazy, Offer, hookimpl


@hookimpl
def handbench_metrics() -> Mapping[str, Offer]:
    """Offer the protocols whose numbers the papers quote."""
    here = "handbench.pose.metrics"
    return {
        "freihand": Lazy(f"{here}.freihand:FreiHAND", "EPE and AUC, absolute and Procrustes-aligned with reflection, mm"),
        "rotation": Lazy(f"{here}.rotation:Rotation", "root-relative MPJPE, and aligned by a similarity without reflection, mm"),
        "root-relative": Lazy(f"{here}.root_relative:RootRelative", "MPJPE and AUC about a root joint, and with scale, mm"),
        "ho3d": Lazy(f"{here}.ho3d:HO3D", "freihand's numbers and those after root and bone alignment, mm"),
        "dexycb": Lazy(f"{here}.dexycb:DexYCB", "freihand's numbers for joints and those about the wrist, mm"),
        "interhand": Lazy(f"{here}.interhand:InterHand", "wrist-relative MPJPE, the wrist counted, mm"),
        "rhd": Lazy(f"{here}.rhd:RHD", "EPE and AUC of visible joints about the wrist at the true scale, mm"),
        "mmpose-2d": Lazy(f"{here}.mmpose_2d:MMPose2D", "2D EPE, PCK and AUC by mmpose's definitions"),
        "pixels": Lazy(f"{here}.pixels:Pixels", "2D error in pixels of the view"),
    }
