"""All probes of one frozen encoder: its views of training and held-out images in; scores out.

Rotation is decoded from views inside the square that stays within the window at every angle: the fill of a turned
view's corners would betray the angle without a look at the hand.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from handbench.geometry import rotation, scaling
from handbench.measure.classes import linear_predict
from handbench.measure.features import extract
from handbench.measure.neighbours import knn_predict, retrieval_hits
from handbench.measure.rotation import constant_errors, decode_errors
from handbench.measure.turn import latent_turns, median_and_spread
from handbench.recipe import Measure
from handbench.streams import Draws
from handbench.types import Score

Rows = Int[np.ndarray, "rows"]
Images = Iterable[Float[Tensor, "_ 3 height width"]]


@dataclass(frozen=True)
class Subject:
    """What is probed, and how to look at images with it.

    Args:
        encoder: frozen.
        project: features -> the projection's points; None where the objective has none.
        plain: rows, and a warp in window coordinates for each or None -> batches of images.
        augmented: rows, number of the view -> batches of images under the objective's augmentations.
    """

    encoder: nn.Module
    project: Callable[[Tensor], Tensor | None]
    plain: Callable[[Rows, Float[Tensor, "rows 3 3"] | None], Images]
    augmented: Callable[[Rows, int], Images]


@dataclass(frozen=True)
class Material:
    """Which images are looked at, and their classes (-1 for none)."""

    train: Int[np.ndarray, "train"]
    test: Int[np.ndarray, "test"]
    train_classes: Int[Tensor, "train"]
    test_classes: Int[Tensor, "test"]


def probe(subject: Subject, material: Material, settings: Measure, seed: int) -> list[Score]:
    """Score a frozen encoder by every probe that its data allows.

    Returns:
        knn_accuracy and linear_accuracy (%, where there are classes), retrieval_top1 (%), rotation_error (degrees),
        latent_turn (degrees, where there is a projection); each with what a constant answer scores as `…/constant`.
    """
    scores = [
        *_classes(subject, material, settings, seed),
        *_retrieval(subject, material),
        *_rotation(subject, material, settings, seed),
    ]
    return scores + _turn(subject, material, settings)


def _classes(subject: Subject, material: Material, settings: Measure, seed: int) -> list[Score]:
    labelled, scored = material.train_classes >= 0, material.test_classes >= 0
    classes, truth = material.train_classes[labelled], material.test_classes[scored]
    if len(classes.unique()) < 2 or not len(truth):
        return []
    train = extract(subject.encoder, subject.plain(material.train[labelled.numpy()], None))
    test = extract(subject.encoder, subject.plain(material.test[scored.numpy()], None))
    near = knn_predict(train, classes, test, settings.neighbours)
    linear = linear_predict(train, classes, test, seed)
    most = torch.full_like(truth, int(classes.bincount().argmax()))
    named = {"knn_accuracy": near, "linear_accuracy": linear, "knn_accuracy/constant": most, "linear_accuracy/constant": most}
    return [_share(name, (guess == truth).float()) for name, guess in named.items()]


def _retrieval(subject: Subject, material: Material) -> list[Score]:
    first, second = (extract(subject.encoder, subject.augmented(material.test, view)) for view in (0, 1))
    chance = torch.full((len(first),), 1 / len(first))
    return [_share("retrieval_top1", retrieval_hits(first, second)), _share("retrieval_top1/constant", chance)]


def _rotation(subject: Subject, material: Material, settings: Measure, seed: int) -> list[Score]:
    def pairs(rows: Rows, name: str) -> tuple[tuple[Tensor, Tensor], Tensor]:
        limit = math.radians(settings.rotation)
        angles = torch.from_numpy(Draws(seed, "rotation", name).uniform(-limit, limit, (2, len(rows)))).float()
        inside = scaling(torch.tensor(inscribed(limit)))
        first, second = (extract(subject.encoder, subject.plain(rows, inside @ rotation(turn))) for turn in angles)
        return (first, second), angles[1] - angles[0]

    train, train_turns = pairs(material.train, "train")
    test, test_turns = pairs(material.test, "test")
    decoded = decode_errors(train, train_turns, test, test_turns)
    return [_degrees("rotation_error", decoded), _degrees("rotation_error/constant", constant_errors(train_turns, test_turns))]


def inscribed(limit: float) -> float:
    """How much to enlarge the content so that a view turned by up to `limit` radians stays within the window.

    Example:
        >>> round(inscribed(math.pi), 4), inscribed(0.0)
        (1.4142, 1.0)
    """
    widest = min(limit, math.pi / 4)
    return math.cos(widest) + math.sin(widest)


@torch.inference_mode()
def _turn(subject: Subject, material: Material, settings: Measure) -> list[Score]:
    angle = math.radians(settings.turn)
    inside = scaling(torch.tensor(inscribed(angle)))
    points = []
    for turn in (0.0, angle):
        warp = (inside @ rotation(torch.tensor(turn))).expand(len(material.test), 3, 3)
        projected = subject.project(extract(subject.encoder, subject.plain(material.test, warp)))
        if projected is None:
            return []
        points.append(projected.cpu())
    middle, spread = median_and_spread(latent_turns(points[0], points[1]))
    note = f"image turned by {settings.turn:g}°; median and half the central 68 %"
    return [Score("latent_turn", middle, "degrees", len(material.test), spread=spread, protocol="procrustes", note=note)]


def _share(metric: str, hits: Tensor) -> Score:
    return Score(metric, 100 * hits.double().mean().item(), "%", len(hits))


def _degrees(metric: str, errors: Tensor) -> Score:
    return Score(metric, errors.double().mean().item(), "degrees", len(errors), spread=errors.double().std().item())
