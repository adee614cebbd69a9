"""All probes of one frozen encoder: its views of training and held-out images in; scores out.

Rotation is decoded from views inside the square that stays within the window at every angle: the fill of a turned
view's corners would betray the angle without a look at the hand.
"""

import math
from collections.abc import Callable, Iterable, Mapping
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
from handbench.settings import Measure
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


@dataclass(frozen=True)
class Found:
    """What probing found.

    Args:
        scores: means over the held-out images.
        samples: the same by held-out image: column name -> one number a row, NaN where an image cannot be scored.
    """

    scores: list[Score]
    samples: Mapping[str, Float[Tensor, "test"]]


def probe(subject: Subject, material: Material, settings: Measure, seed: int) -> Found:
    """Score a frozen encoder by every probe that its data allows.

    Returns:
        knn_accuracy and linear_accuracy (%, where there are classes), retrieval_top1 (%), rotation_error (degrees),
        latent_turn (degrees, where there is a projection); each but the last with what a constant answer scores as
        `…/constant`.
    """
    parts = [
        _classes(subject, material, settings, seed),
        _retrieval(subject, material),
        _rotation(subject, material, settings, seed),
        _turn(subject, material, settings),
    ]
    samples = {name: values for part in parts for name, values in part.samples.items()}
    return Found([score for part in parts for score in part.scores], samples)


def _classes(subject: Subject, material: Material, settings: Measure, seed: int) -> Found:
    labelled, scored = material.train_classes >= 0, material.test_classes >= 0
    classes, truth = material.train_classes[labelled], material.test_classes[scored]
    if len(classes.unique()) < 2 or not len(truth):
        return Found([], {})
    train = extract(subject.encoder, subject.plain(material.train[labelled.numpy()], None))
    test = extract(subject.encoder, subject.plain(material.test[scored.numpy()], None))
    guesses = {
        "knn_accuracy": knn_predict(train, classes, test, settings.neighbours),
        "linear_accuracy": linear_predict(train, classes, test, seed),
    }
    most = torch.full_like(truth, int(classes.bincount().argmax()))
    named = guesses | {f"{name}/constant": most for name in guesses}
    scores = [_share(name, (guess == truth).float()) for name, guess in named.items()]
    rows = {
        name: torch.full(scored.shape, math.nan).masked_scatter(scored, (guess == truth).float())
        for name, guess in guesses.items()
    }
    return Found(scores, rows)


def _retrieval(subject: Subject, material: Material) -> Found:
    first, second = (extract(subject.encoder, subject.augmented(material.test, view)) for view in (0, 1))
    hits, chance = retrieval_hits(first, second), torch.full((len(first),), 1 / len(first))
    return Found([_share("retrieval_top1", hits), _share("retrieval_top1/constant", chance)], {"retrieval_top1": hits})


def _rotation(subject: Subject, material: Material, settings: Measure, seed: int) -> Found:
    def pairs(rows: Rows, name: str) -> tuple[tuple[Tensor, Tensor], Tensor]:
        limit = math.radians(settings.rotation)
        angles = torch.from_numpy(Draws(seed, "rotation", name).uniform(-limit, limit, (2, len(rows)))).float()
        inside = scaling(torch.tensor(inscribed(limit)))
        first, second = (extract(subject.encoder, subject.plain(rows, inside @ rotation(turn))) for turn in angles)
        return (first, second), angles[1] - angles[0]

    train, train_turns = pairs(material.train, "train")
    test, test_turns = pairs(material.test, "test")
    decoded, constant = decode_errors(train, train_turns, test, test_turns), constant_errors(train_turns, test_turns)
    return Found(
        [_degrees("rotation_error", decoded), _degrees("rotation_error/constant", constant)], {"rotation_error": decoded}
    )


def inscribed(limit: float) -> float:
    """How much to enlarge the content so that a view turned by up to `limit` radians stays within the window.

    Example:
        >>> round(inscribed(math.pi), 4), inscribed(0.0)
        (1.4142, 1.0)
    """
    widest = min(limit, math.pi / 4)
    return math.cos(widest) + math.sin(widest)


@torch.inference_mode()
def _turn(subject: Subject, material: Material, settings: Measure) -> Found:
    angle = math.radians(settings.turn)
    inside = scaling(torch.tensor(inscribed(angle)))
    points = []
    for turn in (0.0, angle):
        warp = (inside @ rotation(torch.tensor(turn))).expand(len(material.test), 3, 3)
        projected = subject.project(extract(subject.encoder, subject.plain(material.test, warp)))
        if projected is None:
            return Found([], {})
        points.append(projected.cpu())
    turns = latent_turns(points[0], points[1])
    middle, spread = median_and_spread(turns)
    note = f"image turned by {settings.turn:g}°; median and half the central 68 %"
    score = Score("latent_turn", middle, "degrees", len(turns), spread=spread, protocol="procrustes", note=note)
    return Found([score], {"latent_turn": turns})


def _share(metric: str, hits: Tensor) -> Score:
    return Score(metric, 100 * hits.double().mean().item(), "%", len(hits))


def _degrees(metric: str, errors: Tensor) -> Score:
    return Score(metric, errors.double().mean().item(), "degrees", len(errors), spread=errors.double().std().item())
