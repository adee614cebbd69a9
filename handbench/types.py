"""The values that flow between the stages: frozen dataclasses of arrays and tensors with named shapes.

Conventions, everywhere:
    pixels   an image spans [0, width] x [0, height]; the centre of its first pixel is (0.5, 0.5); x right, y down.
    camera   OpenCV axes: x right, y down, z forward; metres; a point projects to `K @ P / z`.
    joints   21 in the common order: wrist, then thumb, index, middle, ring, little, each from base to tip.
    missing  None in a Sample; NaN (numbers), False (flags), -1 (classes) or "" (names) in arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

from handbench.geometry import in_full_precision, inverse, move, window_from_pixel

JOINTS = 21
WRIST, INDEX_MCP, MIDDLE_MCP, MIDDLE_PIP, LITTLE_MCP = 0, 5, 9, 10, 17
FINGERS = {
    "thumb": (1, 2, 3, 4),
    "index": (5, 6, 7, 8),
    "middle": (9, 10, 11, 12),
    "ring": (13, 14, 15, 16),
    "little": (17, 18, 19, 20),
}

Side = Literal["left", "right"]
Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Sample:
    """One hand in one image, as a dataset gives it; all that a dataset does not know is None.

    Args:
        key: unique and stable name within the dataset, e.g. the path below its root.
        image: RGB.
        box: the hand's box x, y, width, height in pixels; None means that the whole image is the hand's crop.
        joints_2d: pixels.
        joints_3d: metres, camera frame.
        valid: joints whose label exists and may be scored.
        visible: joints not hidden by anything.
        intrinsics: K, pixels.
        side: which hand.
        label: class name, e.g. the folder of a photograph.
        mask: true on the hand.
        vertices: metres, camera frame.
        scale: length of the reference bone in metres where the dataset gives it (FreiHAND: middle MCP to PIP).
        part: official part of the dataset; None where the dataset has no official split.
        subject, sequence, frame, camera, source: ids for splits and positives; `source` names the unique photograph that
            several samples show in versions (FreiHAND's four backgrounds).
    """

    key: str
    image: UInt8[np.ndarray, "height width 3"]
    box: tuple[float, float, float, float] | None = None
    joints_2d: Float[np.ndarray, "21 2"] | None = None
    joints_3d: Float[np.ndarray, "21 3"] | None = None
    valid: Bool[np.ndarray, "21"] | None = None
    visible: Bool[np.ndarray, "21"] | None = None
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    side: Side | None = None
    label: str | None = None
    mask: Bool[np.ndarray, "height width"] | None = None
    vertices: Float[np.ndarray, "vertices 3"] | None = None
    scale: float | None = None
    part: Part | None = None
    subject: str | None = None
    sequence: str | None = None
    frame: str | None = None
    camera: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Labels:
    """The label table of a pack: one row a sample, in pixels of the packed crop. Missing values as in the module's head."""

    key: Shaped[np.ndarray, "rows"]
    joints_2d: Float[np.ndarray, "rows 21 2"]
    joints_3d: Float[np.ndarray, "rows 21 3"]
    valid: Bool[np.ndarray, "rows 21"]
    visible: Bool[np.ndarray, "rows 21"]
    intrinsics: Float[np.ndarray, "rows 3 3"]
    scale: Float[np.ndarray, "rows"]
    crop: Float[np.ndarray, "rows 3 3"]
    side: Shaped[np.ndarray, "rows"]
    label: Shaped[np.ndarray, "rows"]
    part: Shaped[np.ndarray, "rows"]
    subject: Shaped[np.ndarray, "rows"]
    sequence: Shaped[np.ndarray, "rows"]
    frame: Shaped[np.ndarray, "rows"]
    camera: Shaped[np.ndarray, "rows"]
    source: Shaped[np.ndarray, "rows"]

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: Int[np.ndarray, "chosen"]) -> "Labels":
        """The table of the chosen rows, in their order."""
        return Labels(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def posed(self) -> Bool[np.ndarray, "rows"]:
        """Rows that can train and score a 3D pose: joints in both spaces and intrinsics are there."""
        known = np.isfinite(self.joints_3d).all(-1) & np.isfinite(self.joints_2d).all(-1)
        posed: Bool[np.ndarray, rows] = (known & self.valid).any(-1) & np.isfinite(self.intrinsics).all((-1, -2))
        return posed


@dataclass(frozen=True)
class Targets:
    """What is known of a batch of hands, as tensors on the training device; pixels are those of the images they go with.

    `left` says which are left hands, as the images show them: views mirror those to right ones.
    """

    classes: Int[Tensor, "batch"]
    joints_2d: Float[Tensor, "batch 21 2"]
    joints_3d: Float[Tensor, "batch 21 3"]
    valid: Bool[Tensor, "batch 21"]
    intrinsics: Float[Tensor, "batch 3 3"]
    left: Bool[Tensor, "batch"]


@dataclass(frozen=True)
class Batch:
    """Packed crops and their targets on the training device.

    Args:
        images: the packed crops.
        window: side of the nominal window in pixels of the crop: what a view shows when nothing is drawn for it.
        targets: in pixels of the crop.
    """

    images: UInt8[Tensor, "batch side side 3"]
    window: float
    targets: Targets


@dataclass(frozen=True)
class Views:
    """What an objective sees: several views of each hand, and the warps that made them.

    Args:
        images: RGB in [0, 1].
        warps: pixel of the packed crop -> pixel of the view; the only carrier of geometry.
        frame: pixel of the packed crop -> window coordinates of the nominal window, [-1, 1] about its centre; of a left hand
            mirrored, so that it looks like a right one in every view and no window warp holds the mirror.
        targets: in pixels of the packed crop, common to all views.
    """

    images: Float[Tensor, "views batch 3 height width"]
    warps: Float[Tensor, "views batch 3 3"]
    frame: Float[Tensor, "batch 3 3"]
    targets: Targets

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of a view in pixels."""
        return int(self.images.shape[-1])

    @property
    def flat(self) -> Float[Tensor, "images 3 height width"]:
        """All images in one batch, view by view: the whole of view 0, then view 1; channels last, which convolutions prefer."""
        return self.images.flatten(0, 1).contiguous(memory_format=torch.channels_last)

    @property
    def window_warps(self) -> Float[Tensor, "views batch 3 3"]:
        """The warps in window coordinates: nominal window -> view, both [-1, 1] x [-1, 1]; the identity for a plain view."""
        with in_full_precision(self.warps.device):
            warps: Tensor = window_from_pixel(self.size, like=self.warps) @ self.warps @ inverse(self.frame)
        return warps

    @property
    def joints_2d(self) -> Float[Tensor, "views batch 21 2"]:
        """The joints in pixels of each view."""
        return move(self.warps, self.targets.joints_2d.expand(len(self), -1, -1, -1))

    @property
    def intrinsics(self) -> Float[Tensor, "views batch 3 3"]:
        """The camera that belongs to each view's pixels: the warp times K."""
        with in_full_precision(self.warps.device):
            return self.warps @ self.targets.intrinsics


@dataclass(frozen=True)
class Facts:
    """What an objective may know of its data and its run before it starts.

    Args:
        classes: number of class labels, 0 where there are none.
        posed: whether hand joints are labelled.
        images: number of training images.
        steps: optimiser steps the run will take.
    """

    classes: int
    posed: bool
    images: int
    steps: int


@dataclass(frozen=True)
class Prediction:
    """Poses of test hands, in rows; NaN where a hand could not be lifted.

    Args:
        key: rows' names.
        joints_2d: pixels of the view.
        joints_3d: metres, camera frame.
        solvable: false where lifting had no real root.
        view: side of the view in pixels.
        vertices: metres, camera frame; None where only joints are predicted.
    """

    key: Shaped[np.ndarray, "rows"]
    joints_2d: Float[np.ndarray, "rows 21 2"]
    joints_3d: Float[np.ndarray, "rows 21 3"]
    solvable: Bool[np.ndarray, "rows"]
    view: int
    vertices: Float[np.ndarray, "rows vertices 3"] | None = None


@dataclass(frozen=True)
class Truth:
    """The labels that predictions are held against, rows as in the Prediction; vertices where the dataset has a mesh."""

    key: Shaped[np.ndarray, "rows"]
    joints_2d: Float[np.ndarray, "rows 21 2"]
    joints_3d: Float[np.ndarray, "rows 21 3"]
    valid: Bool[np.ndarray, "rows 21"]
    visible: Bool[np.ndarray, "rows 21"]
    vertices: Float[np.ndarray, "rows vertices 3"] | None = None


@dataclass(frozen=True)
class Score:
    """One number of a run, complete enough to stand in a table by itself.

    Args:
        metric: name, e.g. "pa_epe".
        value: in `unit`.
        unit: "mm", "px@64", "%", "degrees", or "" for a bare ratio.
        count: samples the value was computed on.
        excluded: samples that could not be scored (unsolvable, unlabelled).
        protocol: whose definition, e.g. "freihand".
        spread: spread of the value over samples, in `unit`; None where it has none.
        note: what the reader must know, in a few words.
    """

    metric: str
    value: float
    unit: str
    count: int
    excluded: int = 0
    protocol: str = ""
    spread: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a report is made from; equal only to itself.

    Args:
        folder: where the runs lie.
        records: the document of each finished run, with the run's own directory added as "folder".
        suite: the suite the runs belong to, as it was resolved; None for runs made one by one.
        failures: one document for each run of the suite that failed: its cell, its error, its traceback.
        excluded: a sentence about each record that could not be read and is therefore in no table.
    """

    folder: Path
    records: tuple[Mapping[str, Any], ...]
    suite: Mapping[str, Any] | None = None
    failures: tuple[Mapping[str, Any], ...] = ()
    excluded: tuple[str, ...] = ()


def to_device(targets: Targets, device: torch.device) -> Targets:
    """The same targets on another device."""
    moved = {field.name: getattr(targets, field.name).to(device, non_blocking=True) for field in fields(targets)}
    return replace(targets, **moved)
