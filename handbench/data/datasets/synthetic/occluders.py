"""Random numbers and posed hands go in; rounded boxes and cylinders come out that hands hold or that lie across the view.

A held object lies before the palm, across the fingers; its radius is the room that fingers and palm leave, so nothing sticks
into anything. An object across the view comes from outside the frame and ends before the hand. Where an object would leave
fewer than eight joints clear, the image gets none.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handbench.data.datasets.synthetic.backdrops import rgb_from_hsv
from handbench.data.datasets.synthetic.camera import Cameras, turned
from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.config import Domain
from handbench.data.datasets.synthetic.meshes import Hits
from handbench.data.datasets.synthetic.pose import RADII, SEGMENTS
from handbench.data.datasets.synthetic.rig import Skeleton
from handbench.data.datasets.synthetic.transfer import tensor

COLUMNS = 32
AROUND = 24
PROFILE = ((-1.0, 0.80), (-0.95, 0.94), (-0.80, 1.0), (-0.4, 1.0), (0.4, 1.0), (0.80, 1.0), (0.95, 0.94), (1.0, 0.80))
KNUCKLES = (5, 9, 13, 17)
PALM_RADIUS = 0.013  # metres
PALM_DISTANCES = (0.025, 0.035, 0.045, 0.055)  # metres from the knuckles to a held object's axis
CROSSING_LENGTH = 0.5  # metres: more than any frame shows
CLEAR_JOINTS = 8
THINNEST, THICKEST = 0.010, 0.042  # metres, radius of a held object
SKIN = 0.002  # metres left between object and skin
ABSENT = np.array([0.0, 0.0, -1.0])  # behind the camera: never drawn


@dataclass(frozen=True)
class Occluders:
    """One object an image, or none.

    Args:
        points: vertices in the camera frame, metres; all behind the camera where there is none.
        colours: two, linear RGB.
        stripes: bands along the object; 0 for none.
    """

    points: Float[Tensor, "batch vertices 3"]
    colours: Float[Tensor, "batch 2 3"]
    stripes: Float[Tensor, "batch"]


@dataclass(frozen=True)
class _Rods:
    """Centre, three axes with their half lengths (the third along the rod), and roundness across, per image; camera frame."""

    centre: Float[np.ndarray, "batch 3"]
    axes: Float[np.ndarray, "batch 3 3"]
    halves: Float[np.ndarray, "batch 3"]
    square: Float[np.ndarray, "batch"]


def draw_occluders(columns: Columns, domain: Domain, skeleton: Skeleton, cameras: Cameras) -> Occluders:
    """Draw the objects of images; all images of a domain without objects get none."""
    if domain.held == domain.crossing == 0:
        return _none(len(columns))
    held, held_fits = _held(columns, skeleton, cameras)
    crossing = _crossing(columns, skeleton, cameras)
    kind = columns.uniform()
    is_held = (kind < domain.held) & held_fits
    is_crossing = (kind < domain.held + domain.crossing) & ~is_held
    joints = cameras.see(skeleton.joints)
    points = np.where(is_held[:, None, None], _rounded(held), _rounded(crossing))
    rods = np.where(is_held, _clear(held, joints), _clear(crossing, joints))
    shown = (is_held | is_crossing) & (rods >= CLEAR_JOINTS) & (points[..., 2].min(1) > 0.12)
    points = np.where(shown[:, None, None], points, ABSENT)
    colours = rgb_from_hsv(columns.uniform(shape=(2,)), columns.uniform(0.0, 0.5, (2,)), columns.uniform(0.12, 0.8, (2,))) ** 2.2
    stripes = np.where(columns.chance(0.3), columns.uniform(3, 9), 0.0)
    return Occluders(tensor(points), tensor(colours), tensor(stripes))


def rod_faces() -> Int[np.ndarray, "faces 3"]:
    """The faces that all objects share: rings of AROUND vertices, closed by one vertex at either end."""
    here = np.arange(AROUND)
    following = (here + 1) % AROUND
    faces = []
    for ring in range(len(PROFILE) - 1):
        near, far = ring * AROUND, (ring + 1) * AROUND
        faces += [
            np.stack([near + here, near + following, far + following], 1),
            np.stack([near + here, far + following, far + here], 1),
        ]
    last = (len(PROFILE) - 1) * AROUND
    start, end = last + AROUND, last + AROUND + 1
    faces += [
        np.stack([following, here, np.full(AROUND, start)], 1),
        np.stack([last + here, last + following, np.full(AROUND, end)], 1),
    ]
    return np.concatenate(faces)


def rod_places() -> Float[np.ndarray, "vertices"]:
    """How far along its object each vertex lies, from -1 to 1."""
    return np.concatenate([np.repeat(np.array(PROFILE)[:, 0], AROUND), [-1.0, 1.0]])


def colour(occluders: Occluders, along: Float[Tensor, "faces 3"], seen: Hits) -> Float[Tensor, "pixels 3"]:
    """The colour of each visible point of an object: plain, or in bands along it.

    Args:
        along: `rod_places` of the faces' corners.
    """
    place = seen.blend(along[seen.face][..., None])[:, 0]
    bands = occluders.stripes[seen.image]
    first = (torch.sin(place * bands * torch.pi) >= 0) | (bands == 0)
    chosen = occluders.colours[seen.image]
    return torch.where(first[:, None], chosen[:, 0], chosen[:, 1])


def _none(batch: int) -> Occluders:
    vertices = len(PROFILE) * AROUND + 2
    return Occluders(tensor(np.tile(ABSENT, (batch, vertices, 1))), torch.zeros(batch, 2, 3), torch.zeros(batch))


def _held(columns: Columns, skeleton: Skeleton, cameras: Cameras) -> tuple[_Rods, Bool[np.ndarray, "batch"]]:
    """Rods across the palm, as thick as the fingers let them be; and whether that is thick enough."""
    wrist = skeleton.frames[:, 0, :3, :3]
    lean = columns.uniform(-0.3, 0.3)
    axis = wrist[..., 0] * np.cos(lean)[:, None] + wrist[..., 2] * np.sin(lean)[:, None]
    knuckles = skeleton.joints[:, list(KNUCKLES)].mean(1)
    start = knuckles - wrist[..., 2] * columns.uniform(-0.005, 0.03, (1,))
    square, length = columns.uniform(0.55, 1.0), columns.uniform(0.045, 0.10)
    tried = np.stack([start - wrist[..., 1] * distance for distance in PALM_DISTANCES])
    rooms = np.stack([_room(skeleton.joints, centre, axis) for centre in tried])
    best = np.minimum(rooms, THICKEST).argmax(0), np.arange(len(start))
    centre, radius = tried[best], (rooms[best] - SKIN) / _corner(square)
    fits = radius >= THINNEST
    radius = np.clip(radius, THINNEST, THICKEST)
    axes = np.stack([np.cross(wrist[..., 1], axis), wrist[..., 1], axis], 1)
    halves = np.stack([radius, radius, length], 1)
    seen_axes = turned(cameras.turn, axes)
    seen_axes[:, 0] *= np.linalg.det(seen_axes)[:, None]  # mirrored hands hold objects that are not mirrored
    return _Rods(cameras.see(centre[:, None])[:, 0], seen_axes, halves, square), fits


def _crossing(columns: Columns, skeleton: Skeleton, cameras: Cameras) -> _Rods:
    """Rods that come from outside the frame and end between the camera and a joint."""
    joints = cameras.see(skeleton.joints)
    goal = joints[np.arange(len(joints)), columns.choice(21)] * columns.uniform(0.72, 0.90, (1,))
    angle, depth = columns.uniform(0, 2 * np.pi), columns.uniform(-0.15, 0.15)
    axis = np.stack([np.cos(angle), np.sin(angle), depth], 1)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    side = np.stack([-np.sin(angle), np.cos(angle), np.zeros_like(angle)], 1)
    thick = columns.uniform(0.004, 0.016)
    halves = np.stack([thick, thick * columns.uniform(0.35, 1.5), np.full_like(thick, CROSSING_LENGTH / 2)], 1)
    start = goal - axis * columns.uniform(-0.015, 0.02, (1,))
    axes = np.stack([side, np.cross(axis, side), axis], 1)
    return _Rods(start + axis * CROSSING_LENGTH / 2, axes, halves, columns.uniform(0.55, 1.0))


def _rounded(rods: _Rods) -> Float[np.ndarray, "batch vertices 3"]:
    """Vertices of rods: superellipses across, bevelled at both ends."""
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    power = rods.square[:, None]
    across = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    upwards = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    profile = np.array(PROFILE)
    bevel = np.minimum(rods.halves[:, :2].min(1) / rods.halves[:, 2], 0.5)  # as long as the rod is thick
    height = np.sign(profile[:, 0]) * (1 - (1 - np.abs(profile[:, 0])) * np.where(np.abs(profile[:, 0]) > 0.6, bevel[:, None], 1))
    shape = (len(angle), len(profile))
    local = np.zeros((len(power), len(profile), len(angle), 3))
    local[..., 0] = across[:, None] * profile[:, 1, None]
    local[..., 1] = upwards[:, None] * profile[:, 1, None]
    local[..., 2] = np.broadcast_to(height[..., None], (len(power), *shape[::-1]))
    ends = np.broadcast_to(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]), (len(power), 2, 3))
    local = np.concatenate([local.reshape(len(power), -1, 3), ends], 1) * rods.halves[:, None]
    return np.asarray(turned(rods.axes.transpose(0, 2, 1), local) + rods.centre[:, None])


def _room(
    joints: Float[np.ndarray, "batch 21 3"], centre: Float[np.ndarray, "batch 3"], axis: Float[np.ndarray, "batch 3"]
) -> Float[np.ndarray, "batch"]:
    """Distance from an axis to the nearest flesh of digits and palm, metres."""
    bones = np.array(SEGMENTS + tuple((0, knuckle) for knuckle in KNUCKLES))
    radii = np.concatenate([RADII, np.full(len(KNUCKLES), PALM_RADIUS)])
    share = np.linspace(0, 1, 6)[:, None]
    points = joints[:, bones[:, 0], None] * (1 - share) + joints[:, bones[:, 1], None] * share
    away = points - centre[:, None, None]
    along = (away * axis[:, None, None]).sum(-1, keepdims=True)
    gaps = np.linalg.norm(away - along * axis[:, None, None], axis=-1).min(2) - radii
    return np.asarray(gaps.min(1))


def _clear(rods: _Rods, joints: Float[np.ndarray, "batch 21 3"]) -> Int[np.ndarray, "batch"]:
    """Number of joints whose line to the camera passes by the rod."""
    steps = np.linspace(-1, 1, 49)[:, None] * rods.halves[:, None, 2:]
    beads = rods.centre[:, None] + steps * rods.axes[:, None, 2]  # batch, beads, 3
    length = (joints**2).sum(-1)
    share = np.clip((beads[:, None] * joints[:, :, None]).sum(-1) / length[..., None], 0, 1)
    gap = np.linalg.norm(beads[:, None] - share[..., None] * joints[:, :, None], axis=-1).min(2)
    thick = rods.halves[:, :2].max(1) * _corner(rods.square)
    return np.asarray((gap > thick[:, None]).sum(1))


def _corner(power: Float[np.ndarray, "batch"]) -> Float[np.ndarray, "batch"]:
    """Largest radius of a superellipse of unit half axes: on its diagonal."""
    return np.asarray(np.sqrt(2.0) * np.sqrt(0.5) ** power)
