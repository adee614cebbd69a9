"""What a run keeps for reports: predictions, truth, labels and images in; errors by hand, curves and examples, as files, out.

`hands.npz` holds each hand's errors and what must not be split when hands are resampled; `curves.json` the share of joints
within each distance and the error of each joint; `examples.npz` the best and the worst hands in the image.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from handbench.files import as_npz
from handbench.pose.alignment import SIMILARITY, Alignment
from handbench.pose.distances import Comparison, Distances, measure
from handbench.pose.metrics.freihand import ALIGNED
from handbench.pose.scoring import MM
from handbench.pose.summaries import shares_within
from handbench.types import WRIST, Labels, Prediction, Truth

Rows = Int[np.ndarray, "chosen"]
Images = Callable[[Rows], UInt8[np.ndarray, "chosen side side 3"]]

ERRORS = {
    "epe_2d": Comparison("joints_2d"),
    "epe_3d": Comparison(),
    "pa_epe": Comparison(alignment=ALIGNED),
    "mpjpe": Comparison(alignment=Alignment(origin=WRIST)),
    "pa_mpjpe": Comparison(alignment=SIMILARITY),
}
EXAMPLES = 3  # best, and as many worst
STEPS = 51  # of a curve
END_MM = 50.0
END_2D = 0.5  # of the view's side


def analyse(prediction: Prediction, truth: Truth, labels: Labels, images: Images) -> dict[str, bytes]:
    """Make the files.

    Args:
        prediction, truth, labels: of the same hands, row by row.
        images: rows -> their plain views.

    Returns:
        hands.npz, curves.json and examples.npz, the same for the same input.
    """
    measured = measure(prediction, truth, ERRORS.values())
    errors = {name: measured[comparison] for name, comparison in ERRORS.items()}
    return {
        "hands.npz": as_npz(**_hands(labels, errors)),
        "curves.json": (json.dumps(_curves(errors, prediction.view), allow_nan=False) + "\n").encode(),
        "examples.npz": as_npz(**_examples(prediction, truth, errors["epe_2d"].hands, images)),
    }


def clusters(labels: Labels) -> Shaped[np.ndarray, "rows"]:
    """What a hand must not be parted from when hands are resampled: its subject, else its sequence, its source, itself."""
    chosen = np.asarray(labels.key, dtype=str).astype(object)
    for column in (labels.source, labels.sequence, labels.subject):
        chosen = np.where(column != "", column, chosen)
    return chosen.astype(str)


def _hands(labels: Labels, errors: dict[str, Distances]) -> dict[str, Any]:
    """Text and float32 columns; errors in millimetres or pixels of the view."""
    columns = {name: (_unit(name)[1] * measured.hands).astype(np.float32) for name, measured in errors.items()}
    return {"key": np.asarray(labels.key, dtype=str), "cluster": clusters(labels), **columns}


def _curves(errors: dict[str, Distances], view: int) -> dict[str, Any]:
    """Only errors that any hand has; a joint that is never scored is null."""
    document: dict[str, Any] = {"pck": {}, "joints": {}}
    for name, measured in errors.items():
        if not measured.scored.any():
            continue
        unit, factor = _unit(name)
        end = END_2D * view if unit == "px" else END_MM
        thresholds = np.linspace(0.0, end, STEPS)
        share = np.nanmean(shares_within(measured, thresholds / factor), 0)
        label = f"px@{view}" if unit == "px" else unit
        document["pck"][name] = {"thresholds": thresholds.tolist(), "unit": label, "share": share.tolist()}
        document["joints"][name] = [None if np.isnan(value) else value for value in (factor * measured.joints).tolist()]
    return document


def _examples(prediction: Prediction, truth: Truth, error: Float[np.ndarray, "rows"], images: Images) -> dict[str, Any]:
    """The hands with the smallest and the largest mean error in the image, worst last; keys decide between equals."""
    scored = np.flatnonzero(np.isfinite(error))
    order = scored[np.lexsort((prediction.key[scored], error[scored]))]
    number = min(EXAMPLES, len(order) // 2)
    chosen = np.concatenate([order[:number], order[len(order) - number :]])
    shown = images(chosen) if len(chosen) else np.zeros((0, prediction.view, prediction.view, 3), np.uint8)
    return {
        "images": shown,
        "predicted": prediction.joints_2d[chosen].astype(np.float32),
        "true": truth.joints_2d[chosen].astype(np.float32),
        "valid": truth.valid[chosen],
        "error": error[chosen].astype(np.float32),
        "key": np.asarray(prediction.key[chosen], dtype=str),
        "rank": np.array(["best"] * number + ["worst"] * number, dtype="<U5"),
    }


def _unit(name: str) -> tuple[str, float]:
    """Unit and how many of it are in a unit of the points."""
    return ("px", 1.0) if name == "epe_2d" else ("mm", MM)
