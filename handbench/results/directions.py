"""The name of a metric goes in; how people write it, which way is better and how many decimals it bears come out.

One table for every writer of numbers: a metric that a plugin brings and that is not listed has no better side, so nothing of it
is bold and no improvement is claimed.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", ""]

DECIMALS = {"%": 1, "degrees": 1, "mm": 2, "px": 2}  # by unit, what stands before the @; bare ratios have 3


@dataclass(frozen=True)
class Metric:
    """A metric as a table shows it.

    Args:
        label: as papers write it.
        better: which way is better; "" where neither is (a latent turn has a target, not a direction).
    """

    label: str
    better: Better = ""


_POSE = {
    "epe_2d": Metric("2D EPE", "lower"),
    "epe_3d": Metric("3D EPE", "lower"),
    "pa_epe": Metric("PA-EPE", "lower"),
    "root_epe": Metric("root-relative EPE", "lower"),
    "root_bone_epe": Metric("EPE after root and bone", "lower"),
    "vertex_epe": Metric("vertex EPE", "lower"),
    "pa_vertex_epe": Metric("PA vertex EPE", "lower"),
    "mpjpe": Metric("MPJPE", "lower"),
    "pa_mpjpe": Metric("PA-MPJPE", "lower"),
    "auc": Metric("AUC", "higher"),
    "auc_2d": Metric("2D AUC", "higher"),
    "pa_auc": Metric("PA-AUC", "higher"),
    "root_auc": Metric("root-relative AUC", "higher"),
    "root_bone_auc": Metric("AUC after root and bone", "higher"),
    "vertex_auc": Metric("vertex AUC", "higher"),
    "pa_vertex_auc": Metric("PA vertex AUC", "higher"),
    "f5": Metric("F@5", "higher"),
    "f15": Metric("F@15", "higher"),
    "pa_f5": Metric("PA F@5", "higher"),
    "pa_f15": Metric("PA F@15", "higher"),
    "pck": Metric("2D PCK", "higher"),
    "unsolvable": Metric("without a depth", "lower"),
    "both_roots_in_front": Metric("with two depths"),
}
# Measured on the frozen encoder, whatever pose is read from it afterwards. What describes features has no better side.
_READ = ("rotation", "translation", "scale", "roll", "position", "size", "finger_direction")
_FEATURES = {
    "knn_accuracy": Metric("k-NN", "higher"),
    "linear_accuracy": Metric("linear probe", "higher"),
    "retrieval_top1": Metric("retrieval top-1", "higher"),
    "pose_retrieval": Metric("nearest pose", "lower"),
    **{f"{name}_error": Metric(f"{name.replace('_', ' ')} error", "lower") for name in _READ},
    **{f"{name}_r2": Metric(f"{name.replace('_', ' ')} R²", "higher") for name in _READ},
    "commutation_rotation": Metric("commutation, rotation", "lower"),
    "commutation_translation": Metric("commutation, translation", "lower"),
    "invariance_rotation": Metric("invariance, rotation"),
    "invariance_translation": Metric("invariance, translation"),
    "latent_turn": Metric("latent turn"),
    "alignment": Metric("alignment"),
    "uniformity": Metric("uniformity"),
    "effective_rank": Metric("effective rank"),
    "feature_spread": Metric("feature spread"),
    "dead_channels": Metric("dead channels"),
}
METRICS = _POSE | _FEATURES
FEATURES = frozenset(_FEATURES)
MEDIAN = "_median"
BASELINES = {"random": "random encoder", "constant": "constant answer"}


def metric_of(name: str) -> Metric:
    """What is known of a metric; a baseline's score (`mpjpe/random`) and one on other data (`mpjpe@wild`) are read as it is.

    Example:
        >>> metric_of("pa_mpjpe"), metric_of("mpjpe/random").label, metric_of("auc@wild").label, metric_of("wobble")
        (Metric(label='PA-MPJPE', better='lower'), 'MPJPE, random encoder', 'AUC on wild', Metric(label='wobble', better=''))
    """
    scored, _, baseline = name.partition("/")
    own, _, elsewhere = scored.partition("@")
    known = METRICS.get(own.removesuffix(MEDIAN), Metric(own))
    if own.endswith(MEDIAN) and own.removesuffix(MEDIAN) in METRICS:
        known = Metric(f"{known.label}, median", known.better)
    label = f"{known.label} on {elsewhere}" if elsewhere else known.label
    return Metric(f"{label}, {BASELINES.get(baseline, baseline)}" if baseline else label, known.better)


def decimals_of(unit: str) -> int:
    """How many decimals a value of this unit bears.

    Example:
        >>> decimals_of("px@64"), decimals_of("%"), decimals_of("")
        (2, 1, 3)
    """
    return DECIMALS.get(unit.partition("@")[0], 3)
