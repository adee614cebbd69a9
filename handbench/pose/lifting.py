"""Lifting: 2.5D poses, cameras and bone lengths go in; camera-frame hands, predictions and their truth come out.

All in float64. Nothing is clamped: a hand that no depth fits is marked and holds NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from handbench.geometry import move
from handbench.pose25d import BONES, Convention, Pose25D, joints_of, pose_from_window, project
from handbench.types import INDEX_MCP, WRIST, Labels, Prediction, Truth


@dataclass(frozen=True)
class Lifted:
    """Hands in the camera frame.

    Args:
        joints: metres; NaN where not solvable.
        solvable: a real root depth exists.
        both_in_front: both root depths put the root before the camera, so the larger one was a choice.
    """

    joints: Float[Tensor, "*batch joints 3"]
    solvable: Bool[Tensor, "*batch"]
    both_in_front: Bool[Tensor, "*batch"]


@dataclass(frozen=True)
class Rooted:
    """What is known of 2.5D poses once their root depth is solved for, all in lengths of the reference bone.

    Args:
        rays: K^-1 (u, v, 1), so that z is 1.
        behind: depth of each joint behind the root.
        depth: the root's, the larger solution; without meaning where not solvable.
        solvable, both_in_front: as in Lifted.
        mirrored: the camera's image is mirrored, as that of a left hand turned into a right one is.
    """

    rays: Float[Tensor, "*batch joints 3"]
    behind: Float[Tensor, "*batch joints"]
    depth: Float[Tensor, "*batch"]
    solvable: Bool[Tensor, "*batch"]
    both_in_front: Bool[Tensor, "*batch"]
    mirrored: Bool[Tensor, "*batch"]


Refinement = Callable[[Rooted], Float[Tensor, "*batch"]]  # a better root depth


def lift(
    pose: Float[Tensor, "*batch joints 3"],
    intrinsics: Float[Tensor, "*#batch 3 3"],
    bone_length: Float[Tensor, "*batch"],
    bone: tuple[int, int] = (WRIST, INDEX_MCP),
) -> Lifted:
    """Recover camera-space joints from a 2.5D pose.

    Joint k lies on the ray r_k = K^-1 (u_k, v_k, 1) at depth s (Z + z_k). Asking the reference bone to have length s leaves a
    quadratic in Z, of which the larger root is taken: the true one exactly when (r_n - r_m) · (P_n - P_m) >= 0 for the bone's
    ends n and m. A bone almost along its ray can fail that.

    Args:
        pose: u, v in pixels of the image that intrinsics describe, then root-relative depth in bone lengths.
        intrinsics: pixels; any invertible K, so that of a rotated view too (warp @ K gives the same hand).
        bone_length: metres; the factor s.
        bone: indices of the reference bone's two ends.

    Returns:
        Joints in metres, x right, y down, z forward; which hands were solvable; which had both roots in front.

    Raises:
        ValueError: both ends of bone are the same joint.

    Source:
        Iqbal et al., ECCV 2018, arXiv:1804.09534, re-derived with rays in place of pixels.

    Example:
        >>> camera = torch.tensor([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
        >>> pose = torch.tensor([[50.0, 50, 0], [60, 50, 0]])  # two points of one depth, 0.1 apart on the plane at depth 1
        >>> lift(pose, camera, torch.tensor(0.05), bone=(0, 1)).joints.round(decimals=6).tolist()
        [[0.0, 0.0, 0.5], [0.05, 0.0, 0.5]]
    """
    return _placed(root(pose, intrinsics, bone), bone_length)


def root(
    pose: Float[Tensor, "*batch joints 3"], intrinsics: Float[Tensor, "*#batch 3 3"], bone: tuple[int, int] = (WRIST, INDEX_MCP)
) -> Rooted:
    """Solve for the root's depth: the first half of `lift`, which see; raises ValueError likewise."""
    if bone[0] == bone[1]:
        raise ValueError(f"the reference bone needs two different ends, not {bone}")
    pose, intrinsics = pose.double(), intrinsics.double()
    turned = torch.linalg.det(intrinsics)
    camera = turned.isfinite() & (turned != 0)  # one that cannot be inverted spoils its own hand, not the batch nor a gradient
    usable = torch.where(camera[..., None, None], intrinsics, torch.eye(3, dtype=pose.dtype, device=pose.device))
    rays, depths = _rays(pose[..., :2], usable), pose[..., 2:]
    start, end = bone
    spread = rays[..., start, :] - rays[..., end, :]
    offset = depths[..., start, :] * rays[..., start, :] - depths[..., end, :] * rays[..., end, :]
    larger, smaller, real = _roots(spread.square().sum(-1), 2 * (spread * offset).sum(-1), offset.square().sum(-1) - 1)
    solvable = real & camera & pose.isfinite().all(-1).all(-1) & rays.isfinite().all(-1).all(-1) & larger.isfinite()
    return Rooted(rays, depths[..., 0], larger, solvable, solvable & (smaller > 0), (turned < 0).expand(solvable.shape))


def _placed(rooted: Rooted, bone_length: Float[Tensor, "*batch"], depth: Float[Tensor, "*batch"] | None = None) -> Lifted:
    """Put every joint on its ray; `depth` is another root depth than the one solved for."""
    depth = rooted.depth if depth is None else depth.double()
    joints = bone_length.double()[..., None, None] * (depth[..., None] + rooted.behind)[..., None] * rooted.rays
    solvable = rooted.solvable & joints.isfinite().all(-1).all(-1)
    joints = torch.where(solvable[..., None, None], joints, torch.nan)
    return Lifted(joints, solvable, solvable & rooted.both_in_front)


def decode(
    pose: Pose25D,
    intrinsics: Float[Tensor, "*#batch 3 3"],
    convention: Convention = "wrist",
    refinement: Refinement | None = None,
) -> Lifted:
    """Lift a pose of either convention and give the wrist its slot back: the inverse of `encode`.

    Args:
        pose: in the pixels of the image that intrinsics describe.
        intrinsics: pixels.
        convention: the pose's.
        refinement: replaces the root depths by better ones; None keeps the solutions.
    """
    rooted = root(pose.joints, intrinsics, BONES[convention])
    lifted = _placed(rooted, pose.scale, refinement(rooted) if refinement else None)
    return Lifted(joints_of(lifted.joints, convention), lifted.solvable, lifted.both_in_front)


def predict(
    output: Float[Tensor, "rows 21 3"],
    intrinsics: Float[Tensor, "rows 3 3"],
    scale: Float[Tensor, "rows"],
    key: Shaped[np.ndarray, "rows"],
    size: int,
    convention: Convention = "wrist",
    refinement: Refinement | None = None,
) -> tuple[Prediction, Lifted]:
    """Turn a head's output into a prediction, given what the protocol gives: the view's camera and the bone's length.

    Args:
        output: as a head returns it.
        intrinsics: of the view, `warp @ K`; NaN where unknown, and the hand then counts as not solvable.
        scale: true length of the convention's reference bone, metres (`bone_length`); NaN likewise.
        key: names of the rows.
        size: side of the view, pixels.
        convention: the one the head was trained in.
        refinement: as in `decode`.

    Returns:
        The prediction, and what lifting says of each hand.
    """
    pose = Pose25D(pose_from_window(output.detach().double(), size), scale.double())
    lifted = decode(pose, intrinsics.double(), convention, refinement)
    pixels = pose.joints[..., :2]
    if convention == "palm":  # no head gives the wrist's pixel: it follows from the lifted hand, or stays unknown
        wrist = project(lifted.joints, intrinsics.double())[..., :1, :]
        pixels = torch.cat([wrist, pixels[..., 1:, :]], -2)
    found = Prediction(key, pixels.cpu().numpy(), lifted.joints.cpu().numpy(), lifted.solvable.cpu().numpy(), size)
    return found, lifted


def truth_of(labels: Labels, warps: Float[Tensor, "*rows 3 3"]) -> Truth:
    """The truth in the pixels of a view.

    Args:
        labels: in pixels of the packed crop.
        warps: pixel of the packed crop -> pixel of the view; (3, 3) for all rows or (rows, 3, 3).
    """
    moved = move(warps.detach().double().cpu(), torch.from_numpy(labels.joints_2d).double())
    return Truth(labels.key, moved.numpy(), labels.joints_3d.astype(np.float64), labels.valid, labels.visible)


def _rays(pixels: Float[Tensor, "*batch joints 2"], intrinsics: Float[Tensor, "*#batch 3 3"]) -> Float[Tensor, "*batch joints 3"]:
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    # solve_ex: what cannot be solved makes its own hand unsolvable, and raises nothing for the batch.
    rays = torch.linalg.solve_ex(intrinsics, homogeneous.transpose(-1, -2)).result.transpose(-1, -2)
    unit: Tensor = rays / rays[..., 2:]
    return unit


def _roots(
    a: Float[Tensor, "*batch"], b: Float[Tensor, "*batch"], c: Float[Tensor, "*batch"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Bool[Tensor, "*batch"]]:
    """Both roots of a x² + b x + c with a >= 0, larger first, and whether they are real; without cancellation."""
    discriminant = b.square() - 4 * a * c
    real = (discriminant >= 0) & (a > 0)
    root = torch.where(real, discriminant, 1.0).sqrt()  # a root of 1 keeps the gradient of unsolvable hands finite
    falling = b <= 0
    q = torch.where(falling, root - b, -root - b) / 2
    safe_a, safe_q = torch.where(real, a, 1.0), torch.where(q == 0, 1.0, q)
    outer, inner = q / safe_a, torch.where(q == 0, 0.0, c / safe_q)
    return torch.where(falling, outer, inner), torch.where(falling, inner, outer), real
