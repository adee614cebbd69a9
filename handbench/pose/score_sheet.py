"""A score sheet: predictions, truth and metrics in; scores, errors by joint and finger, and PCK curves, as one document, out.

The document is ready for JSON, in full precision, millimetres and pixels; text and plot are made from it alone.
"""

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from handbench.pose.distances import Distances, measure
from handbench.pose.scoring import MM, Row, RowMetric, score_all, unit_of
from handbench.pose.summaries import Mean, shares_within
from handbench.protocols import Metric
from handbench.types import FINGERS, Prediction, Truth

PARTS = {"thumb": ("CMC", "MCP", "IP", "tip")}
FINGER = ("MCP", "PIP", "DIP", "tip")
JOINT_NAMES = ("wrist", *(f"{finger} {part}" for finger in FINGERS for part in PARTS.get(finger, FINGER)))
STYLES = ("-", "--", "-.", ":")  # in turn, so that curves that coincide are both seen
CURVE_MM = np.linspace(0.0, 50.0, 101)

Document = Mapping[str, Any]


def score_sheet(metrics: Sequence[Metric], prediction: Prediction, truth: Truth) -> dict[str, Any]:
    """Score and take apart.

    Returns:
        `scores`, a list of scores; `joints` and `fingers`, for each `protocol:error` its unit and means (null where nothing is
        scored; a mean over joints, not over hands); `pck`, for each 3D error the share of joints (mean over joints) within
        thresholds in mm.
    """
    rows = {
        f"{metric.protocol}:{row.metric}": row
        for metric in metrics
        if isinstance(metric, RowMetric)
        for row in metric.rows()
        if isinstance(row.summary, Mean) and row.comparison.points != "vertices" and not row.comparison.over_box
    }
    measured = measure(prediction, truth, [row.comparison for row in rows.values()])
    distances = {name: measured[row.comparison] for name, row in rows.items()}
    joints = {name: _scaled(row, distances[name], prediction.view) for name, row in rows.items()}
    return {
        "scores": [_plain(asdict(score)) for score in score_all(metrics, prediction, truth)],
        "joints": {name: _named(unit, values) for name, (unit, values) in joints.items()},
        "fingers": {name: _by_finger(unit, values) for name, (unit, values) in joints.items()},
        "pck": {name: _curve(distances[name]) for name, (unit, _) in joints.items() if unit == "mm"},
    }


def as_text(document: Document) -> str:
    """Scores, then errors by finger and joint, one column an error."""
    head = ("protocol", "metric", "value", "unit", "n", "excluded", "± spread", "note")
    lines = [
        (
            *(score["protocol"], score["metric"], _number(score["value"], score["unit"]), score["unit"], str(score["count"])),
            *(str(score["excluded"]), "" if score["spread"] is None else _number(score["spread"], score["unit"]), score["note"]),
        )
        for score in document["scores"]
    ]
    tables = [_table((head, *lines), left=(0, 1, 3, 7))]
    if document["joints"]:
        names = tuple(document["joints"])
        units = tuple(document["joints"][name]["unit"] for name in names)
        by_finger, by_joint = (
            [(part, *(_number(table[name]["values"][part], "mm") for name in names)) for part in parts]
            for table, parts in ((document["fingers"], ("wrist", *FINGERS)), (document["joints"], JOINT_NAMES))
        )
        tables += [_table((("finger", *names), ("", *units), *by_finger)), _table((("joint", *names), ("", *units), *by_joint))]
    return "\n\n".join(tables)


def plot(document: Document) -> bytes:
    """The PCK curves of all 3D errors as a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot(xlabel="threshold, mm", ylabel="share of joints within it", xlim=(0, CURVE_MM[-1]), ylim=(0, 1))
    for (name, curve), style in zip(document["pck"].items(), itertools.cycle(STYLES), strict=False):
        axes.plot(curve["thresholds"], curve["share"], style, label=name, linewidth=1.6)
    if document["pck"]:
        axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.25)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def _scaled(row: Row, measured: Distances, view: int) -> tuple[str, list[float]]:
    unit = unit_of(row, view)
    return unit, ((MM if unit == "mm" else 1.0) * measured.joints).tolist()


def _named(unit: str, values: list[float]) -> dict[str, Any]:
    return {"unit": unit, "values": _plain(dict(zip(JOINT_NAMES, values, strict=True)))}


def _by_finger(unit: str, values: list[float]) -> dict[str, Any]:
    means = {"wrist": values[0]}
    for finger, joints in FINGERS.items():
        known = [values[joint] for joint in joints if np.isfinite(values[joint])]
        means[finger] = float(np.mean(known)) if known else np.nan
    return {"unit": unit, "values": _plain(means)}


def _curve(measured: Distances) -> dict[str, Any]:
    shares = shares_within(measured, CURVE_MM / MM)
    known = shares[np.isfinite(shares).all(1)]
    share = known.mean(0).tolist() if len(known) else [None] * len(CURVE_MM)
    return {"unit": "mm", "thresholds": CURVE_MM.tolist(), "share": share}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """NaN as null: strict JSON has no NaN."""
    return {name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in values.items()}


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.2f}" if unit else f"{value:.4f}"


def _table(rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> str:
    """Columns as wide as their longest cell, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
