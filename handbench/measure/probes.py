"""All probes of one frozen encoder: its views of training and held-out images in; scores out.

Probes share views: each kind is looked at once. No probe chooses anything on held-out images.
"""

from collections.abc import Callable, Mapping

import torch

from handbench.measure import equivariance, representation
from handbench.measure.classes import linear_predict
from handbench.measure.decoding import read
from handbench.measure.found import Found, joined, mean, readings, share, widened
from handbench.measure.hand import quantities
from handbench.measure.neighbours import knn_predict, retrieval_hits, retrieve_poses
from handbench.measure.sights import Material, Sights, Subject
from handbench.settings import Measure, Probe
from handbench.types import Score

LEAST_ROWS = 5  # labelled training hands, to decode anything from
LEAST_RANK, LEAST_SPREAD = 2.0, 0.05  # below, features count as collapsed


def probe(subject: Subject, material: Material, settings: Measure, seed: int) -> Found:
    """Score a frozen encoder by every probe that is asked for and that data and objective allow.

    Beside a score `name` stands `name/constant`, what an answer scores that does not look at the image: the mean, or a choice
    at random. Retrieval by pose has `name/oracle` too, the best that any choice could score.
    """
    sights = Sights(subject, material, settings, seed)
    return joined([PROBES[name](sights) for name in dict.fromkeys(settings.probes)])


def _classes(sights: Sights) -> Found:
    """knn_accuracy and linear_accuracy, %."""
    material = sights.material
    labelled, scored = material.train_classes >= 0, material.test_classes >= 0
    classes, truth = material.train_classes[labelled], material.test_classes[scored]
    if len(classes.unique()) < 2 or not len(truth):
        return Found()
    train, test = sights.plain("train").features[labelled], sights.plain("test").features[scored]
    neighbours = sights.settings.neighbours
    guesses = {
        "knn_accuracy": (knn_predict(train, classes, test, neighbours), f"{neighbours} neighbours"),
        "linear_accuracy": (linear_predict(train, classes, test, sights.seed), "logistic regression"),
    }
    most = (torch.full_like(truth, int(classes.bincount().argmax())) == truth).float()
    scores, samples = [], {}
    for name, (guess, protocol) in guesses.items():
        hits, excluded = (guess == truth).float(), int((~scored).sum())
        scores += [share(name, hits, excluded, protocol), share(f"{name}/constant", most, excluded, protocol)]
        samples[name] = widened(hits, scored)
    return Found(scores, samples)


def _retrieval(sights: Sights) -> Found:
    """retrieval_top1, %: whether the nearest of all second views shows the same image."""
    first, second = (sights.augmented(view).features for view in (0, 1))
    hits, chance = retrieval_hits(first, second), torch.full((len(first),), 1 / len(first))
    scores = [share(f"retrieval_top1{suffix}", of, 0, "cosine") for suffix, of in (("", hits), ("/constant", chance))]
    return Found(scores, {"retrieval_top1": hits})


def _spread(sights: Sights) -> Found:
    """alignment, uniformity, effective_rank, feature_spread and dead_channels (%), of features of augmented views.

    The constants are those of features that have collapsed to one point; `alignment/shuffled` is of two different images.
    """
    first, second = (sights.augmented(view).features for view in (0, 1))
    count, width = first.shape
    aligned, others = (representation.alignment(first, view) for view in (second, second.roll(1, 0)))
    rank, spread = representation.effective_rank(first), representation.channel_spread(first)
    size = f"of {width} channels" + (f"; collapsed: below {LEAST_RANK:g}" if rank < LEAST_RANK else "")
    flag = f"collapsed: below {LEAST_SPREAD:g}" if spread < LEAST_SPREAD else ""
    scores = [
        mean("alignment", aligned, "", 0, "wang-isola"),
        mean("alignment/constant", torch.zeros(count), "", 0, "wang-isola"),
        mean("alignment/shuffled", others, "", 0, "wang-isola"),
    ]
    for name, value, collapsed, unit, protocol, note in (
        ("uniformity", representation.uniformity(first), 0.0, "", "wang-isola", ""),
        ("effective_rank", rank, 1.0, "", "rankme", size),
        ("feature_spread", spread, 0.0, "", "of unit-length features", flag),
        ("dead_channels", representation.dead_channels(first), 100.0, "%", "under 1 % of the largest deviation", ""),
    ):
        scores.append(Score(name, value, unit, count, protocol=protocol, note=note))
        scores.append(Score(f"{name}/constant", collapsed, unit, count, protocol=protocol))
    return Found(scores, {"alignment": aligned})


def _hand(sights: Sights) -> Found:
    """roll, position, size and finger_direction of labelled hands, each as `…_error` and `…_r2`."""
    material = sights.material
    if material.train_posed.sum() < LEAST_ROWS or not material.test_posed.any():
        return Found()
    train, test, parts = sights.plain("train"), sights.plain("test"), []
    known, asked = quantities(train), quantities(test)
    for name, quantity in known.items():
        usable, scored = (values.isfinite().all(1) for values in (quantity.values, asked[name].values))
        if usable.sum() < LEAST_ROWS or not scored.any():
            continue
        truth = asked[name].values[scored]
        decoded = read(train.features[usable], quantity.values[usable], test.features[scored], quantity.off)
        scores = readings(name, decoded, truth, quantity.off, quantity.unit, int((~scored).sum()))
        errors = widened(quantity.off(decoded.values, truth), scored)
        parts.append(Found(scores, {f"{name}_error": errors}))
    return joined(parts)


def _poses(sights: Sights) -> Found:
    """pose_retrieval, mm: how far the pose of the nearest held-out image is."""
    if not sights.material.test_posed.any():
        return Found()
    seen = sights.plain("test")
    known = seen.joints_3d.isfinite().all(2).all(1)
    if known.sum() < 2:
        return Found()
    found = retrieve_poses(seen.features[known], seen.joints_3d[known], sights.material.test_sources[known])
    answers = {"": found.nearest, "/constant": found.average, "/oracle": found.closest}
    protocol, excluded = "mean joint distance from the wrist", int((~known).sum())
    scores = [mean(f"pose_retrieval{suffix}", values, "mm", excluded, protocol) for suffix, values in answers.items()]
    return Found(scores, {"pose_retrieval": widened(found.nearest, known)})


PROBES: Mapping[Probe, Callable[[Sights], Found]] = {
    "classes": _classes,
    "retrieval": _retrieval,
    "spread": _spread,
    "rotation": equivariance.rotation_read,
    "translation": equivariance.translation_read,
    "turn": equivariance.latent_turn,
    "commutation": equivariance.commutation,
    "hand": _hand,
    "poses": _poses,
}
