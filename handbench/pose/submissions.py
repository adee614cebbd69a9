"""Prediction files of other people's methods, and the truth they are held against: files in; a Prediction and a Truth out.

Layouts:
    freihand  JSON [xyz, verts], or a .zip of it, against evaluation_xyz.json (and evaluation_verts.json); metres, OpenCV axes,
              common joint order. With evaluation_K.json beside the truth, both are projected to pixels as well.
    ho3d      the same JSON against HO-3D's released evaluation_xyz.json, in evaluation.txt's order; MANO joint order and OpenGL
              axes, both of which are converted.
    npz       joints_3d (rows, 21, 3), metres, OpenCV axes, common order; and, where there are any: key (rows,), joints_2d
              (rows, 21, 2) in pixels, vertices (rows, n, 3); of a prediction solvable (rows,) and view, the side of the view in
              pixels; of a truth valid and visible (rows, 21). Rows are matched by key where both files have keys. NaN stands in
              the rows of a prediction that are not solvable, and where a truth is not valid.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float

from handbench.errors import DataError
from handbench.joint_orders import MANO, to_common
from handbench.pose.named_arrays import read_arrays
from handbench.pose.plausibility import guess_order
from handbench.pose.point_lists import HandLists, Hands, load, read_hands, read_points, require_equal
from handbench.types import JOINTS, Prediction, Truth

Layout = Literal["freihand", "ho3d", "npz"]
Either = TypeVar("Either", Prediction, Truth)

OPENCV_FROM_OPENGL = np.array([1.0, -1.0, -1.0])
SIDES: dict[Layout, int] = {"freihand": 224, "ho3d": 640}  # pixels of the images


@dataclass(frozen=True)
class Submission:
    """What two files hold, ready to be scored.

    Args:
        layout: as given, or recognised.
        prediction, truth: row by row the same hands.
        notes: what was converted, left aside or taken from elsewhere, a sentence each.
    """

    layout: Layout
    prediction: Prediction
    truth: Truth
    notes: tuple[str, ...]


def read_submission(predicted: Path, truth: Path, layout: Layout | None = None, vertices: Path | None = None) -> Submission:
    """Read predictions and truth.

    Args:
        predicted: .json, .zip or .npz.
        truth: .json or .npz, or the folder that holds evaluation_xyz.json.
        layout: recognised where it is None: .npz by its name, HO-3D by the truth's joint order and axes.
        vertices: true vertices; evaluation_verts.json beside the truth unless given.

    Raises:
        DataError: a file that cannot be read, that does not fit the other, or that holds what is no number; the message names
            the file, the first bad sample and the remedy.
    """
    truth = truth / "evaluation_xyz.json" if truth.is_dir() else truth
    named = {path.suffix == ".npz" for path in (predicted, truth)} | ({layout == "npz"} if layout else set())
    if len(named) > 1:
        raise DataError(
            f"{predicted} and {truth} must both be .npz files (layout npz) or both JSON (freihand, ho3d); "
            "give prediction and truth in one layout"
        )
    if named == {True}:
        return Submission("npz", *read_arrays(predicted, truth))
    return _from_lists(read_hands(predicted), read_hands(truth), layout, vertices)


def _from_lists(ours: HandLists, truth: HandLists, layout: Layout | None, vertices: Path | None) -> Submission:
    """FreiHAND's and HO-3D's files."""
    require_equal(ours.path, len(ours.joints), truth.path, len(truth.joints))
    found = layout or _recognise(truth)
    mesh, notes = _true_vertices(ours, truth, vertices)
    notes = [] if layout else [f"layout recognised: {found} (--layout {found})", *notes]
    rows = len(truth.joints)
    key, unknown, all_joints = np.arange(rows).astype(str), np.full((rows, JOINTS, 2), np.nan), np.ones((rows, JOINTS), bool)
    our_mesh = None if mesh is None else ours.vertices
    prediction = Prediction(key, unknown, ours.joints, np.ones(rows, bool), SIDES[found], our_mesh)
    submission = Submission(found, prediction, Truth(key, unknown, truth.joints, all_joints, all_joints, mesh), tuple(notes))
    return _from_ho3d(submission, truth) if found == "ho3d" else _with_pixels(submission, truth.path)


def _recognise(truth: HandLists) -> Layout:
    """By the truth alone: predictions may be wrong in just these ways."""
    order, forward = guess_order(truth.joints), float(np.median(truth.joints[..., 2])) > 0
    if order == "common" and forward:
        return "freihand"
    if order == "mano" and not forward:
        return "ho3d"
    raise DataError(
        f"{truth.path} is not clearly of FreiHAND's layout or HO-3D's (joint order: {order or 'none known'}; the hands lie "
        f"{'before' if forward else 'behind'} an OpenCV camera); say which with --layout"
    )


def _true_vertices(ours: HandLists, truth: HandLists, path: Path | None) -> tuple[Hands | None, list[str]]:
    """The true mesh where there is one and it can be compared, and what to say about it."""
    beside = truth.path.with_name(truth.path.name.replace("_xyz", "_verts"))
    if path is None and truth.vertices is None and (beside == truth.path or not beside.is_file()):
        return None, ["no true vertices: meshes are not scored"] if ours.vertices is not None else []
    if ours.vertices is None:
        return None, [f"{ours.path} holds no vertices: meshes are not scored"]
    if path is None and truth.vertices is not None:
        mesh = truth.vertices
    else:
        mesh = read_points(load(path or beside), path or beside, "vertices", None)
        require_equal(path or beside, len(mesh), truth.path, len(truth.joints))
    if mesh.shape[1] != ours.vertices.shape[1]:
        raise DataError(
            f"{ours.path}: {ours.vertices.shape[1]} vertices a hand, the truth has {mesh.shape[1]}; "
            "write the mesh of the same model, or leave the vertices out"
        )
    return mesh, []


def _from_ho3d(submission: Submission, truth: HandLists) -> Submission:
    """Turn MANO's order and OpenGL's axes into ours; the list of frames beside the truth must be as long."""
    listed = truth.path.with_name("evaluation.txt")
    if listed.is_file():
        require_equal(truth.path, len(truth.joints), listed, len(listed.read_text(encoding="utf-8").split()))
    note = "prediction and truth were converted: joints from MANO's order to the common one, OpenGL axes to OpenCV's"
    return replace(
        submission,
        prediction=_in_our_frame(submission.prediction),
        truth=_in_our_frame(submission.truth),
        notes=(*submission.notes, note),
    )


def _in_our_frame(hands: Either) -> Either:
    """Common joint order, OpenCV axes."""
    return replace(
        hands,
        joints_3d=to_common(hands.joints_3d, MANO) * OPENCV_FROM_OPENGL,
        vertices=None if hands.vertices is None else hands.vertices * OPENCV_FROM_OPENGL,
    )


def _with_pixels(submission: Submission, truth_path: Path) -> Submission:
    """Project both to the image where the cameras lie beside the truth."""
    path = truth_path.with_name(truth_path.name.replace("_xyz", "_K"))
    if path == truth_path or not path.is_file():
        return submission
    cameras = read_points(load(path), path, "cameras", 3)
    require_equal(path, len(cameras), truth_path, len(submission.truth.key))
    prediction, truth = submission.prediction, submission.truth
    return replace(
        submission,
        prediction=replace(prediction, joints_2d=_project(prediction.joints_3d, cameras)),
        truth=replace(truth, joints_2d=_project(truth.joints_3d, cameras)),
        notes=(*submission.notes, f"2D: both were projected with {path.name}"),
    )


def _project(
    joints: Float[np.ndarray, "rows joints 3"], cameras: Float[np.ndarray, "rows 3 3"]
) -> Float[np.ndarray, "rows joints 2"]:
    """Pixels; NaN behind the camera."""
    rays = joints @ cameras.swapaxes(-1, -2)
    ahead = rays[..., 2:] > 0
    pixels: Float[np.ndarray, "rows joints 2"] = np.where(ahead, rays[..., :2] / np.where(ahead, rays[..., 2:], 1.0), np.nan)
    return pixels
