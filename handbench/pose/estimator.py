"""A pre-trained encoder and labelled views in; by the protocol asked for, predicted poses of the test hands and scores out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handbench.files import as_npz
from handbench.pose.finetune import PoseNetwork, finetune, plan_of
from handbench.pose.lifting import predict, truth_of
from handbench.pose.probe import Features, probe
from handbench.pose25d import bone_length, target_of
from handbench.protocols import Metric
from handbench.settings import Pose
from handbench.streams import seed_of
from handbench.types import Labels, Prediction, Score, Views


@dataclass(frozen=True)
class Task:
    """What is to be estimated, with what, from which views.

    Args:
        encoder: pre-trained.
        head_class, head_config: a Head plugin and its Config.
        metrics: score the predictions.
        settings: [pose] of the recipe.
        plain: "train", "validation" or "test" -> that part's plain views, in batches.
        augmented: (epoch, step, 0) -> a batch of warped training views, for fine-tuning.
        steps: of an epoch of fine-tuning.
        labels: the test rows of the label table.
        size: side of a view in pixels.
        seed, device, folder, checkpoint_seconds: of the work; the folder takes fine-tuning's checkpoints.
    """

    encoder: nn.Module
    head_class: type[Any]
    head_config: Any
    metrics: Sequence[Metric]
    settings: Pose
    plain: Callable[[str], Iterable[Views]]
    augmented: Callable[[int, int, int], Views]
    steps: int
    labels: Labels
    size: int
    seed: int
    device: torch.device
    folder: Path
    checkpoint_seconds: float


@dataclass(frozen=True)
class Seen:
    """One part's hands as the encoder saw them: features and targets, camera-frame joints, and the warp of each view."""

    features: Features
    joints_3d: Float[Tensor, "rows 21 3"]
    intrinsics: Float[Tensor, "rows 3 3"]
    warps: Float[Tensor, "rows 3 3"]


def estimate(task: Task) -> tuple[bytes, list[Score]]:
    """Fit by the protocol, predict the test hands, and score them.

    Returns:
        The predictions as an .npz file (key, joints_2d, joints_3d, solvable, view), and the scores, with those of the
        training part's mean pose as `…/constant`.

    Raises:
        DataError: too few labelled hands.
        Interrupted: Ctrl-C in fine-tuning, after a checkpoint.
    """
    if task.settings.protocol == "finetune":
        encoder, head = _finetuned(task)
    else:
        encoder, head = task.encoder, _probed(task)
    seen = look(task, encoder, "test")
    with torch.inference_mode():
        output = head(seen.features.features.to(task.device)).float().cpu()
    scale = bone_length(seen.joints_3d, task.settings.convention)
    prediction = predict(output, seen.intrinsics, scale, task.labels.key, task.size, task.settings.convention)
    baseline = [replace(score, metric=f"{score.metric}/constant") for score in _score(task, seen, _mean_hand(task))]
    return as_npz(**vars(prediction)), _score(task, seen, prediction) + baseline


@torch.inference_mode()
def look(task: Task, encoder: nn.Module, part: str) -> Seen:
    """Features, targets and cameras of one part's plain views, on the CPU."""
    encoder.eval()
    rows = []
    for views in task.plain(part):
        known = views.targets
        features = encoder(views.flat).float()
        rows.append((features, _target(task, views), known.valid, known.joints_3d, views.intrinsics[0], views.warps[0]))
    features, target, valid, *rest = (torch.cat(column).cpu() for column in zip(*rows, strict=True))
    return Seen(Features(features, target, valid), *rest)


def _probed(task: Task) -> nn.Module:
    """A head on frozen features, chosen on the validation part."""
    train, validation = (look(task, task.encoder, part).features for part in ("train", "validation"))
    fitted = probe(
        task.head_class,
        task.head_config,
        train=train,
        validation=validation,
        seed=task.seed,
        device=task.device,
        epochs=task.settings.epochs,
    )
    return fitted.head


def _finetuned(task: Task) -> tuple[nn.Module, nn.Module]:
    """Encoder and head after training together."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(task.seed, "head"))
        head = task.head_class(task.head_config, width=int(task.encoder.width))  # type: ignore[arg-type]
    network = PoseNetwork(task.encoder, head).to(task.device)
    plan = plan_of(task.settings, task.steps, task.seed)
    finetune(network, task.augmented, plan, task.settings.convention, task.device, task.folder, task.checkpoint_seconds)
    network.eval()
    return network.backbone, network.head


def _target(task: Task, views: Views) -> Float[Tensor, "batch 21 3"]:
    known = views.targets
    return target_of(views.joints_2d[0], known.joints_3d, task.size, task.settings.convention, known.valid)


def _mean_hand(task: Task) -> Prediction:
    """What a constant answer would be: the mean hand of the training part, in the view's pixels and in the camera frame.

    Not the mean 2.5D pose lifted: averaged poses have short bones, and lifting them to the true bone exaggerates their depth.
    """
    seen = list(task.plain("train"))
    pixels = torch.cat([views.joints_2d[0].masked_fill(~views.targets.valid[..., None], torch.nan) for views in seen])
    joints = torch.cat([views.targets.joints_3d.masked_fill(~views.targets.valid[..., None], torch.nan) for views in seen])
    rows = len(task.labels)
    plane, space = (values.double().nanmean(0).cpu().numpy()[None].repeat(rows, 0) for values in (pixels, joints))
    return Prediction(task.labels.key, plane, space, np.ones(rows, bool), task.size)


def _score(task: Task, seen: Seen, prediction: Prediction) -> list[Score]:
    truth = truth_of(task.labels, seen.warps)
    return [score for metric in task.metrics for score in metric.score(prediction, truth)]
