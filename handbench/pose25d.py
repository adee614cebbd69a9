"""2.5D poses: camera-frame joints and their pixels go in; scale-free poses, a head's targets and its loss come out.

Joint k becomes (u_k, v_k) in pixels and its depth behind the root in lengths of one reference bone. Two conventions are in use:

    wrist   root wrist; bone wrist - index MCP (PeCLR's pre-training code and ablations).
    palm    root palm, the middle of wrist and middle MCP, which takes the wrist's slot 0; bone middle MCP - middle PIP,
            FreiHAND's `scale` (PeCLR's released models).

Source: Iqbal et al., ECCV 2018, arXiv:1804.09534.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.types import INDEX_MCP, MIDDLE_MCP, MIDDLE_PIP, WRIST

Convention = Literal["wrist", "palm"]
BONES: dict[Convention, tuple[int, int]] = {"wrist": (WRIST, INDEX_MCP), "palm": (MIDDLE_MCP, MIDDLE_PIP)}
ROOT = 0  # the slot of either convention's root
DEPTH_WEIGHT = 5.0


@dataclass(frozen=True)
class Pose25D:
    """Poses without absolute depth.

    Args:
        joints: u, v in pixels, then depth behind the root in lengths of the reference bone; slot 0 as the convention says.
        scale: length of the reference bone, metres.
    """

    joints: Float[Tensor, "*batch 21 3"]
    scale: Float[Tensor, "*batch"]


def encode(
    joints_3d: Float[Tensor, "*batch 21 3"], joints_2d: Float[Tensor, "*batch 21 2"], convention: Convention = "wrist"
) -> Pose25D:
    """Turn camera-frame joints and their pixels into a 2.5D pose.

    Args:
        joints_3d: metres, camera frame.
        joints_2d: pixels of any view whose warp is affine; NaN where unknown.
        convention: "wrist" or "palm".

    Returns:
        The pose, in the pixels of joints_2d. `handbench.pose.lifting.decode` is the way back.
    """
    slots = slots_of(joints_3d, convention)
    depth = slots[..., 2] - slots[..., ROOT : ROOT + 1, 2]
    scale = bone_length(joints_3d, convention)
    pixels = _pixels_of_slots(joints_2d, joints_3d[..., 2], convention)
    return Pose25D(torch.cat([pixels, (depth / scale[..., None])[..., None]], -1), scale)


def project(joints_3d: Float[Tensor, "*batch 21 3"], intrinsics: Float[Tensor, "*#batch 3 3"]) -> Float[Tensor, "*batch 21 2"]:
    """Pixels at which a camera sees joints: K P / z."""
    seen = joints_3d @ intrinsics.transpose(-1, -2)
    return seen[..., :2] / seen[..., 2:]


def bone_length(joints_3d: Float[Tensor, "*batch 21 3"], convention: Convention = "wrist") -> Float[Tensor, "*batch"]:
    """Length of the convention's reference bone, in the unit of the joints."""
    start, end = BONES[convention]
    bone = joints_3d[..., start, :] - joints_3d[..., end, :]
    return bone.square().sum(-1).sqrt()


def root_depth(joints_3d: Float[Tensor, "*batch 21 3"], convention: Convention = "wrist") -> Float[Tensor, "*batch"]:
    """Depth of the convention's root in lengths of its reference bone: the true Z that lifting looks for."""
    depth: Tensor = slots_of(joints_3d, convention)[..., ROOT, 2]
    return depth / bone_length(joints_3d, convention)


def slots_of(joints_3d: Float[Tensor, "*batch 21 3"], convention: Convention) -> Float[Tensor, "*batch 21 3"]:
    """Put the convention's root into slot 0: the palm takes the wrist's place, or nothing changes."""
    if convention == "wrist":
        return joints_3d
    palm = (joints_3d[..., WRIST, :] + joints_3d[..., MIDDLE_MCP, :]) / 2
    return torch.cat([palm[..., None, :], joints_3d[..., 1:, :]], -2)


def joints_of(slots: Float[Tensor, "*batch 21 3"], convention: Convention) -> Float[Tensor, "*batch 21 3"]:
    """The inverse of `slots_of`: wrist = 2 palm - middle MCP."""
    if convention == "wrist":
        return slots
    wrist = 2 * slots[..., ROOT, :] - slots[..., MIDDLE_MCP, :]
    return torch.cat([wrist[..., None, :], slots[..., 1:, :]], -2)


def window_from_pose(pose: Float[Tensor, "*batch 21 3"], size: float) -> Float[Tensor, "*batch 21 3"]:
    """Turn u, v from pixels of a view of side `size` into what a head returns: [-1, 1] about the view's centre; depths stay."""
    return torch.cat([pose[..., :2] * (2.0 / size) - 1.0, pose[..., 2:]], -1)


def pose_from_window(output: Float[Tensor, "*batch 21 3"], size: float) -> Float[Tensor, "*batch 21 3"]:
    """Turn a head's output into u, v in pixels of a view of side `size`; depths stay. The inverse of `window_from_pose`."""
    return torch.cat([(output[..., :2] + 1.0) * (size / 2.0), output[..., 2:]], -1)


def target_of(
    joints_2d: Float[Tensor, "*batch 21 2"],
    joints_3d: Float[Tensor, "*batch 21 3"],
    size: float,
    convention: Convention = "wrist",
    valid: Bool[Tensor, "*batch 21"] | None = None,
) -> Float[Tensor, "*batch 21 3"]:
    """What a head should return for a view: NaN wherever a label it needs is missing or not valid, which the loss leaves out.

    Without its root or reference bone a hand has no depths, but keeps its u, v.

    Args:
        joints_2d: pixels of the view.
        joints_3d: metres, camera frame.
        size: side of the view, pixels.
        convention: "wrist" or "palm".
        valid: joints whose labels may be used; None means all that are not NaN.
    """
    if valid is not None:
        joints_2d = joints_2d.masked_fill(~valid[..., None], torch.nan)
        joints_3d = joints_3d.masked_fill(~valid[..., None], torch.nan)
    return window_from_pose(encode(joints_3d, joints_2d, convention).joints, size)


def pose_loss(
    output: Float[Tensor, "batch 21 3"], target: Float[Tensor, "batch 21 3"], valid: Bool[Tensor, "batch 21"]
) -> Float[Tensor, ""]:
    """L1(u, v) + 5 · L1(z), each the mean over the numbers that count.

    A number counts when its joint is valid and its target is not NaN (missing), so hands without depths still train u and v.
    The two means run over the whole batch: a hand with few valid joints weighs less than a full one. A batch in which nothing
    counts gives 0, with gradient 0.

    Args:
        output: u, v in [-1, 1] about the view's centre; root-relative depth in bone lengths.
        target: the same, NaN where unknown.
        valid: joints that count.

    Source:
        PeCLR, fine-tuning code (L1 with weight 5 on depth).

    Example:
        >>> zero, one, all_joints = torch.zeros(2, 21, 3), torch.ones(2, 21, 3), torch.ones(2, 21, dtype=torch.bool)
        >>> pose_loss(zero, one, all_joints).item(), pose_loss(zero, one, ~all_joints).item()
        (6.0, 0.0)
    """
    counts = valid[..., None] & ~target.isnan()
    error = torch.where(counts, output - target, 0.0).abs()
    plane = error[..., :2].sum() / counts[..., :2].sum().clamp(min=1)
    depth = error[..., 2].sum() / counts[..., 2].sum().clamp(min=1)
    return plane + DEPTH_WEIGHT * depth


def _pixels_of_slots(
    joints_2d: Float[Tensor, "*batch 21 2"], depths: Float[Tensor, "*batch 21"], convention: Convention
) -> Float[Tensor, "*batch 21 2"]:
    if convention == "wrist":
        return joints_2d
    # z [u v 1] is linear in the 3D point, so the palm's pixel is the mean of its ends weighted by their depths, without K.
    near, far = depths[..., WRIST, None], depths[..., MIDDLE_MCP, None]
    palm = (near * joints_2d[..., WRIST, :] + far * joints_2d[..., MIDDLE_MCP, :]) / (near + far)
    return torch.cat([palm[..., None, :], joints_2d[..., 1:, :]], -2)
