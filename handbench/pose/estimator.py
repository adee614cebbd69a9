"""An encoder and labelled views in; a network fitted by the protocol asked for, and poses and scores of test hands, out."""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handbench.pose.finetune import PoseNetwork, finetune, plan_of
from handbench.pose.fitted import Fitted, Means, Window, frozen
from handbench.pose.lifting import Lifted, predict, truth_of
from handbench.pose.probe import Features, probe
from handbench.pose.refinement import RootRefinement
from handbench.pose.scoring import score_all
from handbench.pose25d import bone_length, target_of
from handbench.protocols import Metric
from handbench.settings import Pose
from handbench.streams import seed_of
from handbench.types import Labels, Prediction, Score, Truth, Views


@dataclass(frozen=True)
class Task:
    """What is to be fitted, to which views.

    Args:
        encoder: pre-trained; it is left as it is, fine-tuning trains a copy.
        head_class, head_config: a Head plugin and its Config.
        settings: [pose] of the recipe.
        plain: "train" or "validation" -> that part's plain views, in batches.
        augmented: (epoch, step, 0) -> a batch of warped training views, for fine-tuning.
        steps: of an epoch of fine-tuning.
        window: what a view shows.
        seed, device, folder, checkpoint_seconds: of the work; the folder takes fine-tuning's checkpoints.
    """

    encoder: nn.Module
    head_class: type[Any]
    head_config: Any
    settings: Pose
    plain: Callable[[str], Iterable[Views]]
    augmented: Callable[[int, int, int], Views]
    steps: int
    window: Window
    seed: int
    device: torch.device
    folder: Path
    checkpoint_seconds: float


@dataclass(frozen=True)
class Held:
    """Hands to score on, of the dataset that was trained on or of another.

    Args:
        labels: their rows of a label table.
        plain: their plain views, in batches, in the order of the labels.
    """

    labels: Labels
    plain: Iterable[Views]


@dataclass(frozen=True)
class Seen:
    """One part's hands as the encoder saw them: features and targets, camera-frame joints, and the warp of each view."""

    features: Features
    joints_3d: Float[Tensor, "rows 21 3"]
    intrinsics: Float[Tensor, "rows 3 3"]
    warps: Float[Tensor, "rows 3 3"]


@dataclass(frozen=True)
class Assessed:
    """What a network makes of test hands.

    Args:
        prediction, truth: rows as the labels.
        scores: of every metric, of the mean training hand as `…/constant`, and of the lifting itself.
        notes: what a reader of the scores must know.
    """

    prediction: Prediction
    truth: Truth
    scores: tuple[Score, ...]
    notes: tuple[str, ...]


def fit(task: Task) -> Fitted:
    """Fit a network by the protocol; a frozen encoder is held to its digest.

    Raises:
        DataError: too few labelled hands.
        PluginError: the encoder changed though it was frozen.
        Interrupted: Ctrl-C in fine-tuning, after a checkpoint.
    """
    with frozen(task.encoder):
        network, note = _finetuned(task) if task.settings.protocol == "finetune" else _probed(task)
    return Fitted(network.eval(), task.settings.convention, task.window, _means(task), note)


def assess(fitted: Fitted, held: Held, settings: Pose, metrics: Sequence[Metric], device: torch.device) -> Assessed:
    """Predict test hands and score them; the network is held to its digest.

    Args:
        fitted: on any device.
        held: the hands.
        settings: says where the scale comes from.
        metrics: score the predictions.
        device: where to compute.
    """
    network = fitted.network.to(device).eval()
    with frozen(network, "the pose network"), torch.inference_mode():
        seen = look(network.backbone, held.plain, fitted)
        output = network.head(seen.features.features.to(device)).float().cpu()
        refinement = network.refinement.cpu() if network.refinement else None
        known = seen.joints_3d.masked_fill(~seen.features.valid[..., None], torch.nan)
        scale, mean = scales(known, held.labels, fitted, settings)
        prediction, lifted = predict(
            output, seen.intrinsics, scale, held.labels.key, fitted.window.size, fitted.convention, refinement
        )
    truth = truth_of(held.labels, seen.warps)
    baseline = [
        replace(score, metric=f"{score.metric}/constant") for score in score_all(metrics, _mean_hand(fitted, held), truth)
    ]
    judged = seen.intrinsics.isfinite().all(-1).all(-1) & scale.isfinite()
    of_lifting, notes = _lifting_report(lifted, judged)
    scores = (*score_all(metrics, prediction, truth), *of_lifting, *baseline)
    return Assessed(prediction, truth, scores, (*_scale_note(mean, fitted, settings), *notes))


@torch.inference_mode()
def look(encoder: nn.Module, plain: Iterable[Views], fitted: "Fitted | Task") -> Seen:
    """Features, targets and cameras of plain views, on the CPU."""
    encoder.eval()
    convention = fitted.convention if isinstance(fitted, Fitted) else fitted.settings.convention
    rows = []
    for views in plain:
        known = views.targets
        features = encoder(views.flat).float()
        target = target_of(views.joints_2d[0], known.joints_3d, fitted.window.size, convention, known.valid)
        rows.append((features, target, known.valid, known.joints_3d, views.intrinsics[0], views.warps[0]))
    features, target, valid, *rest = (torch.cat(column).cpu() for column in zip(*rows, strict=True))
    return Seen(Features(features, target, valid), *rest)


def scales(
    known: Float[Tensor, "rows 21 3"], labels: Labels, fitted: Fitted, settings: Pose
) -> tuple[Float[Tensor, "rows"], Bool[Tensor, "rows"]]:
    """The length of each hand's reference bone, metres, and whether it is the training mean.

    Args:
        known: camera-frame joints; NaN where unknown or not valid.
        labels: of the same rows; their own `scale` is the palm convention's bone.
        fitted: knows the convention and the mean.
        settings: `scale` says whether given lengths may be used.
    """
    given = bone_length(known.double(), fitted.convention)
    if fitted.convention == "palm":
        given = torch.where(given.isfinite(), given, torch.from_numpy(labels.scale.astype(np.float64)))
    mean = ~given.isfinite() if settings.scale == "given" else torch.ones_like(given, dtype=torch.bool)
    return torch.where(mean, fitted.means.scale.double().cpu(), given), mean


def _probed(task: Task) -> tuple[PoseNetwork, str]:
    """A head on frozen features, chosen on the validation part, and what was chosen."""
    train, validation = (look(task.encoder, task.plain(part), task).features for part in ("train", "validation"))
    fitted = probe(
        task.head_class,
        task.head_config,
        train=train,
        validation=validation,
        seed=task.seed,
        device=task.device,
        epochs=task.settings.epochs,
    )
    return PoseNetwork(task.encoder, fitted.head), f"probe: {fitted.note}"


def _finetuned(task: Task) -> tuple[PoseNetwork, str]:
    """Encoder, head and refinement after training together."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(task.seed, "head"))
        head = task.head_class(task.head_config, width=int(task.encoder.width))  # type: ignore[arg-type]
        refinement = RootRefinement() if task.settings.refine else None
    network = PoseNetwork(copy.deepcopy(task.encoder), head, refinement).to(task.device)
    plan = plan_of(task.settings, task.steps, task.seed)
    finetune(network, task.augmented, plan, task.settings.convention, task.device, task.folder, task.checkpoint_seconds)
    return network, ""


def _means(task: Task) -> Means:
    """The mean hand of the training part, in the view's pixels and in the camera frame, and its mean reference bone.

    Not the mean 2.5D pose lifted: averaged poses have short bones, and lifting them to the true bone exaggerates their depth.
    """
    seen = []
    for views in task.plain("train"):  # its images are let go at once
        unknown = ~views.targets.valid[..., None]
        known = (views.joints_2d[0].masked_fill(unknown, torch.nan), views.targets.joints_3d.masked_fill(unknown, torch.nan))
        seen.append(known)
    pixels, joints = (torch.cat(column) for column in zip(*seen, strict=True))
    lengths = bone_length(joints.double(), task.settings.convention)
    return Means(*(values.double().nanmean(0).cpu() for values in (lengths, pixels, joints)))


def _mean_hand(fitted: Fitted, held: Held) -> Prediction:
    """What a constant answer would be."""
    rows = len(held.labels)
    plane, space = (values.numpy()[None].repeat(rows, 0) for values in (fitted.means.pixels, fitted.means.joints))
    return Prediction(held.labels.key, plane, space, np.ones(rows, bool), fitted.window.size)


def _lifting_report(lifted: Lifted, judged: Bool[Tensor, "rows"]) -> tuple[list[Score], list[str]]:
    """How often lifting had a choice, and how often no answer, over hands whose camera and scale are known."""
    hands = int(judged.sum())
    counts = {"both_roots_in_front": int(lifted.both_in_front.sum()), "unsolvable": int((judged & ~lifted.solvable).sum())}
    left_out = len(judged) - hands
    scores = [Score(name, 100 * count / hands, "%", hands, left_out, "lifting") for name, count in counts.items() if hands]
    both, unsolvable = counts.values()
    notes = []
    if both:
        notes.append(f"{both} of {hands} test hands had both root depths in front of the camera; the larger was taken")
    if unsolvable:
        notes.append(f"{unsolvable} of {hands} test hands could not be lifted: no depth fits their reference bone")
    return scores, notes


def _scale_note(mean: Bool[Tensor, "rows"], fitted: Fitted, settings: Pose) -> list[str]:
    if not mean.any():
        return []
    why = "their data have none" if settings.scale == "given" else "pose.scale = mean"
    length = f"the training mean, {1000 * float(fitted.means.scale):.1f} mm"
    return [f"the reference bone of {int(mean.sum())} of {len(mean)} test hands has {length}: {why}"]
