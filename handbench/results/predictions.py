"""Predicted hands in; the files that others read out: FreiHAND's submission, an .npz of everything and a table.

The leaderboard's `pred.json` is `[xyz, verts]`, one entry an image in the order of the evaluation set, metres; meshes are not
predicted here, so all vertices are zero, as in PeCLR's own submission. `pred.zip` holds the same file.
"""

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped

from handbench.errors import ResultsError
from handbench.files import as_npz, write_bytes, write_text
from handbench.types import FINGERS, WRIST

VERTICES = 778
SEGMENTS = ("1", "2", "3", "tip")  # of a finger, from its base

Unit = Literal["m", "bone"]


@dataclass(frozen=True)
class Hands:
    """Predictions in the images that were given.

    Args:
        key: names of the images.
        joints_2d: pixels of the image.
        joints_3d: camera frame; NaN where a hand could not be lifted.
        intrinsics: the cameras that were used, pixels.
        solvable: a depth fits the reference bone.
        clamped: a released network cut its root depth to the range it was trained in.
        unit: of joints_3d: metres, or lengths of the bone middle MCP - middle PIP.
    """

    key: Shaped[np.ndarray, "rows"]
    joints_2d: Float[np.ndarray, "rows 21 2"]
    joints_3d: Float[np.ndarray, "rows 21 3"]
    intrinsics: Float[np.ndarray, "rows 3 3"]
    solvable: Bool[np.ndarray, "rows"]
    clamped: Bool[np.ndarray, "rows"]
    unit: Unit


def write(folder: Path, hands: Hands) -> list[Path]:
    """Write predictions.npz and predictions.csv; return their paths."""
    paths = [folder / "predictions.npz", folder / "predictions.csv"]
    write_bytes(paths[0], as_npz(**vars(hands)))
    write_text(paths[1], _table(hands))
    return paths


def write_submission(folder: Path, joints: Float[np.ndarray, "rows 21 3"]) -> list[Path]:
    """Write pred.json and pred.zip; return their paths.

    Args:
        folder: where to.
        joints: metres, camera frame, of every image in the set's order.

    Raises:
        ResultsError: a hand is not finite, which the leaderboard refuses.
    """
    broken = ~np.isfinite(joints).all((1, 2))
    if broken.any():
        raise ResultsError(f"hand {int(broken.argmax())} of {len(joints)} has no 3D joints; pred.json needs every one")
    no_mesh = json.dumps([[0.0] * 3] * VERTICES, separators=(",", ":"))  # said once, written as often as needed
    text = f"[{json.dumps(joints.tolist(), separators=(',', ':'))},[{','.join([no_mesh] * len(joints))}]]"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("pred.json"), text, zipfile.ZIP_DEFLATED)  # a fixed date: same predictions, same bytes
    paths = [folder / "pred.json", folder / "pred.zip"]
    write_text(paths[0], text)
    write_bytes(paths[1], packed.getvalue())
    return paths


def joint_names() -> list[str]:
    """The joints in the common order.

    Example:
        >>> joint_names()[:6]
        ['wrist', 'thumb 1', 'thumb 2', 'thumb 3', 'thumb tip', 'index 1']
    """
    names = {WRIST: "wrist"}
    for finger, chain in FINGERS.items():
        names |= {joint: f"{finger} {segment}" for joint, segment in zip(chain, SEGMENTS, strict=True)}
    return [names[joint] for joint in sorted(names)]


def _table(hands: Hands) -> str:
    """One row a joint; empty cells where there is no 3D joint."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["image", "joint", "u_px", "v_px", *(f"{axis}_{hands.unit}" for axis in "xyz")])
    for key, plane, space in zip(hands.key, hands.joints_2d, hands.joints_3d, strict=True):
        for name, point, place in zip(joint_names(), plane, space, strict=True):
            lifted = [f"{value:.6f}" for value in place] if np.isfinite(place).all() else [""] * 3
            writer.writerow([key, name, *(f"{value:.3f}" for value in point), *lifted])
    return buffer.getvalue()
