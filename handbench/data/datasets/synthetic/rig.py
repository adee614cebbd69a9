"""Joint angles and bone scales go in; joint frames, skinning matrices, 21 joints and the posed vertices come out.

The rig is the right hand of the WebXR generic hand: 25 joints, each with its frame's -z along the bone, +y towards the back of
the hand and x as the axis of flexion. A left hand is the mirror image in x. All of this is float64 on the CPU, because labels
come from it, and free of matrix products whose rounding could depend on the batch.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from handbench.data.datasets.synthetic.rotations import about_x, about_y, about_z
from handbench.errors import DataError

ASSET = Path(__file__).parent / "hand.npz"
ASSET_SHA256 = "47936e47290186a83acb04ed6dacf2fc02360ca95f7b824b2e2f3888483b3d5f"
BONES = 25
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 8, 0, 10, 11, 12, 13, 0, 15, 16, 17, 18, 0, 20, 21, 22, 23)
COMMON_FROM_WEBXR = (0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24)
METACARPALS = (5, 10, 15, 20)
TIPS = (4, 9, 14, 19, 24)
TIP_DEPTH = 0.85  # WebXR's tips lie about 1 cm deep; the label moves to this share of the way to the skin
ANGLES = 23


@dataclass(frozen=True)
class Rig:
    """The hand at rest, as `tools/convert_hand.py` writes it.

    Args:
        vertices: metres.
        faces: outward where their corners run counter-clockwise.
        influences, weights: the four bones that move each vertex, and their shares, which sum to 1.
        bind: joint frame -> hand, at rest.
        tips: distance from the tip joints to the skin along the bone, metres.
        forearm: faces that are not part of the hand.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    influences: Int[np.ndarray, "vertices 4"]
    weights: Float[np.ndarray, "vertices 4"]
    bind: Float[np.ndarray, "25 4 4"]
    tips: Float[np.ndarray, "5"]
    forearm: Bool[np.ndarray, "faces"]

    @cached_property
    def inverse_bind(self) -> Float[np.ndarray, "25 4 4"]:
        """Hand -> joint frame, at rest."""
        return np.linalg.inv(self.bind)

    @property
    def hand_vertices(self) -> Int[np.ndarray, "chosen"]:
        """Vertices that faces of the hand use: all but the forearm's."""
        return np.unique(self.faces[~self.forearm])

    @cached_property
    def outline_vertices(self) -> Int[np.ndarray, "chosen"]:
        """About 250 vertices that bound the hand in any pose: each bone's furthest along the axes and diagonals of its frame."""
        signs = np.array(list(product((-1, 0, 1), repeat=3)))
        chosen = set()
        for bone in range(BONES):
            own = self.hand_vertices[self.influences[self.hand_vertices, 0] == bone]
            local = self.vertices[own] @ self.bind[bone, :3, :3]
            chosen |= set(own[(local @ signs[signs.any(1)].T).argmax(0)]) if len(own) else set()
        return np.array(sorted(chosen))


@dataclass(frozen=True)
class Skeleton:
    """Posed hands, in the frame of the resting right hand, metres.

    Args:
        frames: joint -> hand.
        skinning: resting vertex -> posed vertex, by bone.
        joints: the 21 joints in the common order.
    """

    frames: Float[np.ndarray, "batch 25 4 4"]
    skinning: Float[np.ndarray, "batch 25 4 4"]
    joints: Float[np.ndarray, "batch 21 3"]


@cache
def load_rig() -> Rig:
    """Read the shipped asset.

    Raises:
        DataError: the file is missing or not the one this version was made with.
    """
    try:
        content = ASSET.read_bytes()
    except OSError as error:
        raise DataError(f"{ASSET}: the synthetic hand's asset cannot be read ({error}); reinstall handbench") from error
    return parse_rig(content)


def parse_rig(content: bytes) -> Rig:
    """Check the asset's bytes against its checksum, then unpack them.

    Raises:
        DataError: the checksum differs.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != ASSET_SHA256:
        raise DataError(f"{ASSET}: sha256 {found} is not the asset's {ASSET_SHA256}: the file is damaged; reinstall handbench")
    with np.load(io.BytesIO(content)) as arrays:
        weights = arrays["weights"].astype(np.float64)
        return Rig(
            vertices=arrays["vertices"].astype(np.float64),
            faces=arrays["faces"].astype(np.int64),
            influences=arrays["joints"].astype(np.int64),
            weights=weights / weights.sum(1, keepdims=True),
            bind=arrays["bind"].astype(np.float64),
            tips=arrays["tips"].astype(np.float64),
            forearm=arrays["forearm"],
        )


def articulate(rig: Rig, angles: Float[np.ndarray, "batch 23"], scales: Float[np.ndarray, "batch 25 3"]) -> Skeleton:
    """Pose the skeleton by forward kinematics.

    A bone's scale S_j stretches its vertices in its own frame, `M_j = G_j S_j B_j^-1`, and the offset at which its child begins,
    so that shape and pose stay independent and joints stay inside the flesh.

    Args:
        angles: degrees, in the order of `pose.ANGLE_NAMES`.
        scales: along x, y, z of each joint's frame; 1 is the resting hand.
    """
    turns = _rotations(angles)
    inverse = rig.inverse_bind
    frames = np.zeros((len(angles), BONES, 4, 4))
    frames[:, 0] = np.eye(4)  # the wrist stays where it is; its own turn is the camera's
    frames[:, 0] = frames[:, 0] @ rig.bind[0]
    for bone, parent in enumerate(PARENTS[1:], start=1):
        local = np.broadcast_to(inverse[parent] @ rig.bind[bone], (len(angles), 4, 4)).copy()
        local[:, :3, 3] *= scales[:, parent]
        local[:, :3, :3] = local[:, :3, :3] @ turns[:, bone]
        frames[:, bone] = frames[:, parent] @ local
    stretched = frames.copy()
    stretched[..., :3, :3] *= scales[:, :, None, :]
    return Skeleton(frames, stretched @ inverse, _common_joints(rig, frames, scales))


def skin(
    rig: Rig, skinning: Float[np.ndarray, "batch 25 4 4"], chosen: Int[np.ndarray, "chosen"]
) -> Float[np.ndarray, "batch chosen 3"]:
    """Move the chosen vertices by linear blend skinning, metres."""
    blended = np.zeros((len(skinning), len(chosen), 3, 4))
    for column in range(4):
        blended += rig.weights[chosen, column, None, None] * skinning[:, rig.influences[chosen, column], :3]
    x, y, z = np.split(rig.vertices[chosen], 3, axis=1)
    return np.asarray(blended[..., 0] * x + blended[..., 1] * y + blended[..., 2] * z + blended[..., 3])


def _rotations(angles: Float[np.ndarray, "batch 23"]) -> Float[np.ndarray, "batch 25 3 3"]:
    """Each bone's turn in its own frame: flexion about -x, abduction about y, pronation about -z."""
    radians = np.deg2rad(angles)
    turns = np.tile(np.eye(3), (len(angles), BONES, 1, 1))
    turns[:, 1] = about_y(radians[:, 1]) @ about_x(-radians[:, 0]) @ about_z(-radians[:, 2])
    turns[:, 2], turns[:, 3] = about_x(-radians[:, 3]), about_x(-radians[:, 4])
    for finger, metacarpal in enumerate(METACARPALS):
        first = 5 + 4 * finger
        turns[:, metacarpal + 1] = about_y(radians[:, first + 1]) @ about_x(-radians[:, first])
        turns[:, metacarpal + 2] = about_x(-radians[:, first + 2])
        turns[:, metacarpal + 3] = about_x(-radians[:, first + 3])
    turns[:, 15], turns[:, 20] = about_x(-radians[:, 21]), about_x(-radians[:, 22])
    return turns


def _common_joints(
    rig: Rig, frames: Float[np.ndarray, "batch 25 4 4"], scales: Float[np.ndarray, "batch 25 3"]
) -> Float[np.ndarray, "batch 21 3"]:
    joints = frames[:, list(COMMON_FROM_WEBXR)][..., :3, 3]
    for finger, tip in enumerate(TIPS):
        reach = TIP_DEPTH * rig.tips[finger] * scales[:, tip, 2]
        joints[:, 4 + 4 * finger] -= frames[:, tip, :3, 2] * reach[:, None]
    return joints
