"""PeCLR's released hand-pose checkpoints: a state dict and images in; camera-frame hands in lengths of their reference bone out.

A ResNet gives 21 x (u, v, depth) in pixels of a 224 x 224 crop, in the palm convention and a joint order of its own; the root
depth is solved for, clamped to [4, 50] and refined. The hand is cropped twice: first about the middle of the image, then about
the joints that this found. What is clamped or could not be solved is marked, here and nowhere else rescued, because these
networks were trained behind the clamp.

Source: Spurr et al., ICCV 2021, arXiv:2106.05953, and the facts of its public code; the code here is our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from handbench.errors import RecipeError
from handbench.geometry import move
from handbench.joint_orders import PECLR
from handbench.normalising import normalised
from handbench.pose.lifting import Rooted, root
from handbench.pose.refinement import RootRefinement
from handbench.pose25d import joints_of, project
from handbench.types import JOINTS

SIDE = 224
NEAREST, FARTHEST = 4.0, 50.0  # bone lengths
MIDDLE = 0.33  # of the image: the first pass takes this box for the hand
HAND = 0.7  # of the crop: the hand's longer side
ORDER = PECLR.tolist()
BONE = (3, 8)  # middle MCP - middle PIP in their order
ARCHITECTURES = {5: "resnet50", 35: "resnet152"}  # by the last block of layer3
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREFIXES = {"backend_model.": "encoder.", "zroot_ref.zroot_ref.": "refinement.layers."}  # theirs -> ours


@dataclass(frozen=True)
class Estimate:
    """Hands of a batch.

    Args:
        joints_2d: pixels of the image that the camera belongs to, common order.
        joints_3d: camera frame, in lengths of the bone middle MCP - middle PIP, common order.
        solvable: the quadratic had a real root; else its nearest miss was taken.
        clamped: the root depth was outside [4, 50].
    """

    joints_2d: Float[Tensor, "batch 21 2"]
    joints_3d: Float[Tensor, "batch 21 3"]
    solvable: Bool[Tensor, "batch"]
    clamped: Bool[Tensor, "batch"]


@dataclass(frozen=True)
class Output:
    """What the network says of crops, in its own joint order, the palm in slot 0.

    Args:
        pose: u, v in pixels of the crop, depth behind the palm in bone lengths.
        joints: camera frame, bone lengths.
        solvable, clamped: as in Estimate.
    """

    pose: Float[Tensor, "batch 21 3"]
    joints: Float[Tensor, "batch 21 3"]
    solvable: Bool[Tensor, "batch"]
    clamped: Bool[Tensor, "batch"]


class ReleasedNetwork(nn.Module):
    """A ResNet with 3 x 21 + 1 outputs, of which the last is unused, and the refinement of its root depth.

    Args:
        architecture: resnet50 or resnet152; torchvision's and timm's have the same names and the same numbers.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, architecture: str) -> None:
        super().__init__()
        self.encoder = timm.create_model(architecture, num_classes=3 * JOINTS + 1)
        self.refinement = RootRefinement()
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, images: Float[Tensor, "batch 3 side side"], intrinsics: Float[Tensor, "batch 3 3"]) -> Output:
        """Map crops, RGB in [0, 1], and their cameras to hands."""
        output = self.encoder(normalised(images, self.mean, self.deviation)).float()
        pose = output[:, : 3 * JOINTS].unflatten(1, (JOINTS, 3)).clone()
        pose[:, 0, 2] = 0.0
        rooted = root(pose, intrinsics, BONE)
        solved = torch.where(rooted.solvable, rooted.depth, _nearest_miss(rooted))
        depth = solved.clamp(NEAREST, FARTHEST)
        added = self.refinement.correct(rooted.behind.float(), rooted.rays[..., :2].float(), depth.float()).double()
        joints = ((depth + added)[:, None] + rooted.behind)[..., None] * rooted.rays
        return Output(pose, joints, rooted.solvable, depth != solved)


def network_of(state: Mapping[str, Tensor], path: Path) -> ReleasedNetwork:
    """Build the network that a released state dict belongs to.

    Args:
        state: tensors by the names that the authors' code gives them.
        path: for messages.

    Raises:
        RecipeError: a plain encoder, which has no pose; or a name or shape that does not fit, which is named.
    """
    if not any(name.startswith("zroot_ref.") for name in state):
        raise RecipeError(
            f"weights {path} predict no pose: 'zroot_ref.zroot_ref.0.weight' is missing. They may be a plain encoder: "
            "train a head on it with `handbench run --weights`, and give the run to --run"
        )
    network = ReleasedNetwork(_architecture(state, path))
    own = network.state_dict()
    theirs = {_our_name(name): (name, value) for name, value in state.items()}
    for name, value in own.items():
        stored = theirs.get(name)
        if stored is None and name.endswith("num_batches_tracked"):
            continue  # older torch did not store it, and nothing reads it
        if stored is None:
            raise RecipeError(f"weights {path} do not fit: '{_their_name(name)}' is missing; download the file again")
        if stored[1].shape != value.shape:
            shapes = f"has shape {tuple(stored[1].shape)}, expected {tuple(value.shape)}"
            raise RecipeError(f"weights {path} do not fit: '{stored[0]}' {shapes}; give one of the released checkpoints")
    unknown = [original for name, (original, _) in theirs.items() if name not in own]
    if unknown:
        raise RecipeError(f"weights {path} do not fit: '{unknown[0]}' is unknown; give one of the released checkpoints")
    network.load_state_dict({name: value for name, (_, value) in theirs.items()}, strict=False)
    return network.eval()


@torch.inference_mode()
def estimate(
    network: ReleasedNetwork, images: UInt8[Tensor, "batch 224 224 3"], intrinsics: Float[Tensor, "batch 3 3"]
) -> Estimate:
    """Predict hands in two passes.

    Args:
        network: in evaluation mode.
        images: RGB on its device, the hand near the middle and about a third of the side.
        intrinsics: of the images, pixels.
    """
    middle = torch.tensor([1 - MIDDLE, 1 - MIDDLE, 1 + MIDDLE, 1 + MIDDLE], device=images.device) * SIDE / 2
    first = crop_matrices(middle.expand(len(images), 4))
    found = network(crops(images, first), first @ intrinsics.double())
    second = crop_matrices(boxes(found.pose[..., :2], first))
    final = network(crops(images, second), second @ intrinsics.double())
    joints = joints_of(final.joints[:, ORDER], "palm")
    pixels = move(torch.linalg.inv(second), final.pose[:, ORDER, :2].double())
    wrist = project(joints[:, :1].expand(-1, JOINTS, -1), intrinsics.double())[:, :1]  # the network's slot 0 is the palm
    return Estimate(torch.cat([wrist, pixels[:, 1:]], 1), joints, final.solvable, final.clamped)


def crop_matrices(box: Float[Tensor, "batch 4"]) -> Float[Tensor, "batch 3 3"]:
    """The matrices that bring boxes x1, y1, x2, y2 to the middle of a crop, their longer side to 0.7 of its side.

    Example:
        >>> crop_matrices(torch.tensor([[0.0, 50.0, 112.0, 100.0]]))[0].round(decimals=6).tolist()
        [[1.4, 0.0, 33.6], [0.0, 1.4, 7.0], [0.0, 0.0, 1.0]]
    """
    box = box.double()
    side = (box[:, 2:] - box[:, :2]).amax(1).clamp(min=1.0)
    zoom, zero = HAND * SIDE / side, torch.zeros_like(side)
    shift = SIDE / 2 - zoom[:, None] * (box[:, :2] + box[:, 2:]) / 2
    rows = [torch.stack(row, -1) for row in ((zoom, zero, shift[:, 0]), (zero, zoom, shift[:, 1]), (zero, zero, zero + 1))]
    return torch.stack(rows, -2)


def boxes(joints: Float[Tensor, "batch 21 2"], matrices: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 4"]:
    """Boxes of joints found in crops, in pixels of the image; cut to whole pixels of the crop, as the authors' are."""
    corners = torch.stack([joints.amin(1).trunc(), joints.amax(1).trunc()], 1).double()
    return move(torch.linalg.inv(matrices), corners).flatten(1)


def crops(images: UInt8[Tensor, "batch side side 3"], matrices: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 3 224 224"]:
    """Resample images, bilinear, black outside; matrices count whole pixels from the centre of the first, as OpenCV does."""
    last_source, last = images.shape[1] - 1, SIDE - 1
    normal = torch.tensor([[2 / last_source, 0, -1], [0, 2 / last_source, -1], [0, 0, 1]], dtype=torch.float64)
    pixel = torch.tensor([[last / 2, 0, last / 2], [0, last / 2, last / 2], [0, 0, 1]], dtype=torch.float64)
    back = normal.to(matrices.device) @ torch.linalg.inv(matrices) @ pixel.to(matrices.device)
    grid = functional.affine_grid(back[:, :2].float(), [len(images), 3, SIDE, SIDE], align_corners=True)
    pixels = images.permute(0, 3, 1, 2).float() / 255
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _nearest_miss(rooted: Rooted) -> Float[Tensor, "batch"]:
    """The root depth whose bone length comes nearest to 1: the authors cut a negative discriminant at 0."""
    start, end = BONE
    spread = rooted.rays[:, start] - rooted.rays[:, end]
    offset = rooted.behind[:, start, None] * rooted.rays[:, start] - rooted.behind[:, end, None] * rooted.rays[:, end]
    return -(spread * offset).sum(-1) / spread.square().sum(-1).clamp(min=1e-8)


def _architecture(state: Mapping[str, Tensor], path: Path) -> str:
    """Tell the ResNets apart by the blocks of their third layer."""
    blocks = [int(name.split(".")[2]) for name in state if name.startswith("backend_model.layer3.")]
    last = max(blocks, default=-1)
    if last not in ARCHITECTURES:
        known = ", ".join(f"{name} has {block + 1}" for block, name in ARCHITECTURES.items())
        raise RecipeError(
            f"weights {path} are of no released network: 'backend_model.layer3' has {last + 1} blocks ({known}); "
            "give one of the released checkpoints"
        )
    return ARCHITECTURES[last]


def _our_name(name: str) -> str:
    for theirs, ours in PREFIXES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def _their_name(name: str) -> str:
    for theirs, ours in PREFIXES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name
