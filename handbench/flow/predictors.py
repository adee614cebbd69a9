"""Predictors: a finished run's folder, or a released checkpoint's file, in; a function from pictures to hands out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.assembly import make_backbone, part, without_weights
from handbench.data.cropping import crop
from handbench.data.material import crop_side
from handbench.errors import ResultsError
from handbench.flow.learn import ENCODER
from handbench.flow.predict import Found, Loaded, Predictor
from handbench.geometry import move
from handbench.learn import views
from handbench.learn.backbones.weights import load_weights, read_state
from handbench.plugins import Plugins
from handbench.pose import fitted, lifting, released
from handbench.pose.fitted import Fitted
from handbench.recipe import from_tables
from handbench.results import records
from handbench.settings import Fill, Recipe
from handbench.types import MIDDLE_MCP, MIDDLE_PIP, Batch, Prediction, Sample, Targets

MIRROR = np.diag([-1.0, 1.0, 1.0])


def from_run(folder: Path, plugins: Plugins, device: torch.device, *, passes: int = 2, left: bool = False) -> Predictor:
    """The network of a finished run.

    Args:
        folder: the run's directory; the stages it names lie beside it.
        plugins: to build its backbone and head with.
        device: where to compute.
        passes: 1 takes the whole picture for the hand's window; 2 crops again about the joints that this found.
        left: the pictures show left hands.

    Raises:
        ResultsError: no finished run, one that scored features only, or one whose network is gone.
    """
    record = _record(folder)
    recipe = from_tables(dict(record.recipe))
    network = _network(folder, record, recipe, plugins)
    network.network.to(device)

    def hands(loaded: Sequence[Loaded]) -> Found:
        return _seen_by_run(network, loaded, recipe.pretrain.fill, device, passes, left)

    return Predictor(f"run {record.id}", hands, network.means.joints.numpy())


def from_weights(path: Path, device: torch.device, *, left: bool = False) -> Predictor:
    """A released checkpoint; raises RecipeError for a file that is none."""
    network = released.network_of(read_state(path), path).to(device)

    def hands(loaded: Sequence[Loaded]) -> Found:
        return _seen_by_released(network, loaded, device, left)

    return Predictor(f"weights {path.name}", hands)


def stage_folder(folder: Path, record: records.Record, name: str) -> Path:
    """Where a stage of a run lies.

    Raises:
        ResultsError: the run has no such stage, or its folder is gone.
    """
    keys = [stage.key for stage in record.stages if stage.name == name]
    if not keys:
        raise ResultsError(f"{folder} has no {name} stage; it was made by an older handbench: run it again")
    place = folder.parent / "stages" / f"{name}-{keys[0][:16]}"
    if not (place / "stage.json").is_file():
        raise ResultsError(f"{place} is gone, and {folder.name} leans on it; run its recipe.toml again, or restore the folder")
    return place


def _record(folder: Path) -> records.Record:
    record = records.read_run(folder)
    if record is None:
        raise ResultsError(f"{folder} holds no finished run (no run.json); name a run's own folder, e.g. below runs/")
    if record.protocol == "features":
        raise ResultsError(
            f"{folder} scored features only: its data have no joints, so there is no pose network; "
            "run on a dataset with joints, e.g. freihand or synthetic"
        )
    return record


def _network(folder: Path, record: records.Record, recipe: Recipe, plugins: Plugins) -> Fitted:
    backbone = without_weights(part(plugins, "backbone", recipe.backbone))  # what it started from does not matter any more
    assert recipe.head is not None, "a stored recipe names its head"
    head = part(plugins, "head", recipe.head)
    encoder = make_backbone(backbone, recipe.seed)
    if recipe.pose.protocol != "finetune":
        load_weights(encoder, stage_folder(folder, record, "pretrain") / ENCODER)
    path = stage_folder(folder, record, "pose") / fitted.FILE
    return fitted.read(path, encoder, head.resolved.target, head.config)


@torch.inference_mode()
def _seen_by_run(network: Fitted, loaded: Sequence[Loaded], fill: Fill, device: torch.device, passes: int, left: bool) -> Found:
    boxes: list[tuple[float, float, float, float] | None] = [None] * len(loaded)
    for _ in range(passes):
        prediction, matrices = _look(network, loaded, boxes, fill, device, left)
        pixels = move(torch.linalg.inv(matrices), torch.from_numpy(prediction.joints_2d)).numpy()
        boxes = [_box(joints, one) for joints, one in zip(pixels, loaded, strict=True)]
    joints = prediction.joints_3d
    if network.convention == "wrist":  # the scale that is given is another bone's
        bone = np.linalg.norm(joints[:, MIDDLE_MCP] - joints[:, MIDDLE_PIP], axis=-1)
        joints = joints / bone[:, None, None]
    return Found(pixels, joints, prediction.solvable, np.zeros(len(loaded), bool))


def _look(
    network: Fitted,
    loaded: Sequence[Loaded],
    boxes: Sequence[tuple[float, float, float, float] | None],
    fill: Fill,
    device: torch.device,
    left: bool,
) -> tuple[Prediction, Float[Tensor, "rows 3 3"]]:
    """One pass: predictions in pixels of the views, in bone lengths; and the matrices from pictures to views."""
    size, context = network.window.size, network.window.context
    side = crop_side(size, context)
    cut = [crop(Sample(one.key, one.image, box), side, context) for one, box in zip(loaded, boxes, strict=True)]
    images = torch.from_numpy(np.stack([piece.image for piece in cut])).to(device)
    seen = views.plain_views(Batch(images, side / context, _unknown(len(loaded), left, device)), size, fill=fill)
    output = network.network(seen.flat).float().cpu()
    matrices = seen.warps[0].double().cpu() @ torch.from_numpy(np.stack([piece.matrix for piece in cut]))
    cameras = matrices @ torch.from_numpy(np.stack([one.intrinsics for one in loaded]))
    refinement = network.network.refinement
    key, lengths = np.array([one.key for one in loaded]), torch.ones(len(loaded))
    return lifting.predict(output, cameras, lengths, key, size, network.convention, refinement.cpu() if refinement else None)[
        0
    ], matrices


def _unknown(count: int, left: bool, device: torch.device) -> Targets:
    """Targets of which nothing is known but the side."""
    nan = torch.full((count, 21, 3), torch.nan, device=device)
    return Targets(
        classes=torch.full((count,), -1, device=device),
        joints_2d=nan[..., :2],
        joints_3d=nan,
        valid=torch.zeros(count, 21, dtype=torch.bool, device=device),
        intrinsics=nan[:, :3],
        left=torch.full((count,), left, device=device),
    )


def _box(joints: Float[np.ndarray, "21 2"], one: Loaded) -> tuple[float, float, float, float] | None:
    """The box about predicted joints, cut to the picture; None, the whole picture, where nothing of it is inside."""
    height, width = one.image.shape[:2]
    known = joints[np.isfinite(joints).all(1)]
    if not len(known):
        return None
    (x1, y1), (x2, y2) = np.maximum(known.min(0), 0.0), np.minimum(known.max(0), (width, height))
    return (float(x1), float(y1), float(x2 - x1), float(y2 - y1)) if min(x2 - x1, y2 - y1) > 1 else None


def _seen_by_released(network: released.ReleasedNetwork, loaded: Sequence[Loaded], device: torch.device, left: bool) -> Found:
    """Pictures shrunk to 224 pixels, left hands mirrored in the picture and in space."""
    cut = [crop(Sample(one.key, one.image), released.SIDE, 1.0) for one in loaded]
    images = np.stack([piece.image for piece in cut])
    matrices, cameras = np.stack([piece.matrix for piece in cut]), np.stack([one.intrinsics for one in loaded])
    turn = np.eye(3)
    if left:
        images, turn = np.ascontiguousarray(images[:, :, ::-1]), MIRROR
        matrices = np.array([[-1.0, 0, released.SIDE], [0, 1, 0], [0, 0, 1]]) @ matrices
    seen = torch.from_numpy(matrices @ cameras @ turn).to(device)
    found = released.estimate(network, torch.from_numpy(images).to(device), seen)
    pixels = move(torch.linalg.inv(torch.from_numpy(matrices)), found.joints_2d.cpu()).numpy()
    solvable: Bool[np.ndarray, rows] = found.solvable.cpu().numpy()
    return Found(pixels, found.joints_3d.cpu().numpy() @ turn, solvable, found.clamped.cpu().numpy())
