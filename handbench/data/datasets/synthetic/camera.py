"""Random numbers and posed hands go in; cameras that see each hand whole come out.

The focal length is like FreiHAND's (388 px at 224, times U(1.15, 1.70)); the depth follows from the share of the frame that the
hand is to span, and is about 0.6 m. Labels are projected with these numbers, so all is float64.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.rotations import about_x, about_y, about_z, uniformly

COLUMNS = 16
FOCAL = 388.0 / 224.0  # focal length over the image's side
FOCAL_RANGE = (1.15, 1.70)
SPAN = (0.38, 0.72)  # of the frame, joint to joint
DEPTH = (0.30, 1.10)  # metres
OFF_CENTRE = 0.10  # of the frame
MARGIN = 0.032  # of the frame, kept clear of the outline's vertices; leaves 1 % clear of all skin
TILT, STEEPEST = 30.0, 50.0  # degrees
ROLL = 60.0  # degrees
TOWARDS_CAMERA = -0.5  # cosine past which the forearm would point into the camera
STRAIGHT_AWAY, LEAN = 0.85, 0.7  # cosine past which the forearm's cut end would show, and the radians that hide it
ROUNDS = 16  # most hands need none

Turns = Float[np.ndarray, "batch 3 3"]
Points = Float[np.ndarray, "batch points 3"]


@dataclass(frozen=True)
class Cameras:
    """Where the hand of each image stands before its camera.

    Args:
        turn: hand axes -> camera axes; holds the mirror that makes a left hand.
        offset: metres, added after the turn.
        focal: pixels; the principal point is the image's centre.
        left: which hands are left ones.
        size: side of the image in pixels.
    """

    turn: Turns
    offset: Float[np.ndarray, "batch 3"]
    focal: Float[np.ndarray, "batch"]
    left: Bool[np.ndarray, "batch"]
    size: int

    @property
    def intrinsics(self) -> Float[np.ndarray, "batch 3 3"]:
        """K, pixels."""
        matrices = np.zeros((len(self.focal), 3, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = self.focal
        matrices[:, :2, 2] = self.size / 2
        matrices[:, 2, 2] = 1
        return matrices

    def see(self, points: Points) -> Points:
        """Take points of the hand's frame to the camera's, metres."""
        return np.asarray(turned(self.turn, points) + self.offset[:, None])

    def project(self, points: Points) -> Float[np.ndarray, "batch points 2"]:
        """Project points of the camera's frame to pixels."""
        return np.asarray(points[..., :2] / points[..., 2:] * self.focal[:, None, None] + self.size / 2)


def turned(turn: Turns, points: Points) -> Points:
    """Turn points, written out so that the rounding does not depend on the batch."""
    x, y, z = points[..., :1], points[..., 1:2], points[..., 2:]
    return np.asarray(x * turn[:, None, :, 0] + y * turn[:, None, :, 1] + z * turn[:, None, :, 2])


def draw_turns(
    columns: Columns, wrist: Float[np.ndarray, "3 3"], *, facing: bool, roll: str, left: float
) -> tuple[Turns, Bool[np.ndarray, "batch"]]:
    """Draw how hands stand before the camera, and which of them are left hands.

    Args:
        wrist: axes of the resting wrist in the hand's frame: x of flexion, y to the back of the hand, z to the forearm.
        facing: palm or back to the camera, tilted by a normal of 30 degrees about each axis, rather than any orientation.
        roll: "below" turns the forearm to the bottom of the image, give or take 60 degrees.
        left: share of left hands.
    """
    is_left = columns.chance(left)
    mirror = np.where(is_left[:, None, None], np.diag([-1.0, 1.0, 1.0]), np.eye(3))
    turn = (_facing(columns) if facing else _anyhow(columns)) @ wrist.T @ mirror
    aimed = (turn @ mirror @ wrist)[:, :, 2]  # the forearm's direction as the camera sees it
    to_bottom = about_z(np.pi / 2 - np.arctan2(aimed[:, 1], aimed[:, 0]))
    spread = columns.normal(0, np.deg2rad(ROLL))
    anywhere = columns.uniform(-np.pi, np.pi)
    final = about_z(spread if roll == "below" else anywhere)
    return final @ to_bottom @ turn, is_left


def place(
    columns: Columns,
    turn: Turns,
    left: Bool[np.ndarray, "batch"],
    joints: Float[np.ndarray, "batch 21 3"],
    skin: Points,
    size: int,
) -> Cameras:
    """Choose focal length, depth and offset so that the hand spans its share of the frame and stays inside it.

    Args:
        joints, skin: joints and vertices of the hand in its own frame, metres.
    """
    focal = FOCAL * size * columns.uniform(*FOCAL_RANGE)
    wanted = size * columns.uniform(*SPAN)
    aside = size * columns.uniform(-OFF_CENTRE, OFF_CENTRE, (2,))
    seen_joints, seen_skin = turned(turn, joints), turned(turn, skin)
    middle = (seen_joints.max(1) + seen_joints.min(1)) / 2
    extent = np.ptp(seen_joints[..., :2], axis=1).max(1)
    depth = np.clip(focal * extent / wanted, *DEPTH)
    offset = np.concatenate([aside * (depth / focal)[:, None], depth[:, None]], 1) - middle
    outside = np.arange(len(offset))
    for _ in range(ROUNDS):
        moved = _moved_inside(seen_skin[outside], offset[outside], focal[outside], size)
        changed = (moved != offset[outside]).any(1)
        offset[outside] = moved
        outside = outside[changed]
    return Cameras(turn, offset, focal, left, size)


def _moved_inside(
    skin: Points, offset: Float[np.ndarray, "batch 3"], focal: Float[np.ndarray, "batch"], size: int
) -> Float[np.ndarray, "batch 3"]:
    """Shift and, where that cannot do, push back the hands that stick out; perspective makes it take a few rounds."""
    seen = skin + offset[:, None]
    pixels = seen[..., :2] / seen[..., 2:] * focal[:, None, None] + size / 2
    low, high = pixels.min(1), pixels.max(1)
    room = size * (1 - 2 * MARGIN)
    too_large = np.maximum(1, (high - low).max(1) / room)
    inside = np.clip(0, size * MARGIN - low, None) + np.clip(size * (1 - MARGIN) - high, None, 0)
    depth = seen[..., 2].mean(1)
    change = inside * (depth / focal)[:, None]
    return np.asarray(offset + np.concatenate([change, (depth * (too_large - 1))[:, None]], 1))


def _facing(columns: Columns) -> Turns:
    """Wrist axes -> camera axes: fingers up, palm or back to the camera, tilted."""
    count = len(columns)
    back = about_x(np.full(count, -np.pi / 2))
    palm = about_z(np.full(count, np.pi)) @ about_x(np.full(count, np.pi / 2))
    upright = np.where(columns.chance(0.5)[:, None, None], palm, back)
    tilt = np.deg2rad(np.clip(columns.normal(0, TILT, (2,)), -STEEPEST, STEEPEST))
    # about the image's x axis a positive turn swings the forearm, which hangs along +y, away from the camera
    about_horizontal = np.where(np.sin(tilt[:, 0]) < TOWARDS_CAMERA, -tilt[:, 0], tilt[:, 0])
    return np.asarray(about_x(about_horizontal) @ about_y(tilt[:, 1]) @ upright)


def _anyhow(columns: Columns) -> Turns:
    """Wrist axes -> camera axes: any rotation whose forearm points neither into the camera nor straight away from it."""
    turn = uniformly(columns.uniform(shape=(3,)))
    turn = about_x(np.where(turn[:, 2, 2] < TOWARDS_CAMERA, np.pi, 0.0)) @ turn
    away = turn[:, 2, 2] > STRAIGHT_AWAY
    return np.asarray(about_x(np.where(away, -LEAN * np.sign(turn[:, 1, 2]), 0.0)) @ turn)
