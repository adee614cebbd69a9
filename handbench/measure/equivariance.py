"""Equivariance: pairs of views of each image in; what can be read of the warp between them, and how projections follow it, out.

Needs no labels. Values are read from the features of both views, side by side.
"""

import math
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handbench.geometry import rotation, scaling
from handbench.measure.commutation import commutation_errors, constant_errors
from handbench.measure.decoding import Off, degrees_between, distance, read
from handbench.measure.features import Seen
from handbench.measure.found import Found, joined, readings, widened
from handbench.measure.pairs import Pairs, inscribed, moved, turned
from handbench.measure.sights import Part, Sights
from handbench.measure.turn import latent_turns, median_and_spread
from handbench.types import Score


def rotation_read(sights: Sights) -> Found:
    """rotation_error (degrees) and rotation_r2 (of sine and cosine), of the turn from one view to the other."""
    (known, first, second), (asked, *test) = (_turned(sights, part) for part in ("train", "test"))
    off, truth = partial(degrees_between, axes=2), _circle(asked.turn)
    decoded = read(_beside(first, second), _circle(known.turn), _beside(*test), off)
    angle = torch.atan2(decoded.values[:, 0], decoded.values[:, 1])
    return Found(
        readings("rotation", decoded, truth, off, "degrees"),
        {"rotation_error": off(decoded.values, truth)},
        {"rotation_true": torch.rad2deg(asked.turn), "rotation_decoded": torch.rad2deg(angle)},
    )


def translation_read(sights: Sights) -> Found:
    """translation_error (px of the view), scale_error (natural log of the ratio of sizes) and the R² of both."""
    (known, first, second), (asked, *test) = (_moved(sights, part) for part in ("train", "test"))
    train, held_out, side = _beside(first, second), _beside(*test), first.size
    here = _chosen(sights)
    parts = []
    for name, columns, unit, factor, values, truth in (
        ("translation", ("translation_x", "translation_y"), f"px@{side}", side, known.shift, asked.shift),
        ("scale", ("log_scale",), "log", 1, known.log_scale[:, None], asked.log_scale[:, None]),
    ):
        off = _in_units(factor)
        decoded = read(train, values, held_out, off)
        pairs = {}
        for axis, column in enumerate(columns):
            pairs[f"{column}_true"] = widened(truth[:, axis], here)
            pairs[f"{column}_decoded"] = widened(decoded.values[:, axis], here)
        errors = widened(off(decoded.values, truth), here)
        parts.append(Found(readings(name, decoded, truth, off, unit), {f"{name}_error": errors}, pairs))
    return joined(parts)


@torch.inference_mode()
def latent_turn(sights: Sights) -> Found:
    """latent_turn (degrees): by how much projected points turn when the image is turned."""
    angle = math.radians(sights.settings.turn)
    inside, rows, points = scaling(torch.tensor(inscribed(angle))), sights.material.test, []
    for turn in (0.0, angle):
        warp = (inside @ rotation(torch.tensor(turn))).expand(len(rows), 3, 3)
        projected = sights.project(sights.warped(f"turn {turn}", rows, warp))
        if projected is None:
            return Found()
        points.append(projected)
    turns = latent_turns(points[0], points[1])
    middle, spread = median_and_spread(turns)
    note = f"image turned by {sights.settings.turn:g}°; median and half the central 68 %"
    score = Score("latent_turn", middle, "degrees", len(turns), spread=spread, protocol="procrustes", note=note)
    return Found([score], {"latent_turn": turns})


def commutation(sights: Sights) -> Found:
    """How far the projection of the second view is from the warp acting on the projection of the first, and from no action.

    commutation_rotation and commutation_translation are about 0 for an equivariant projection, invariance_rotation and
    invariance_translation for an invariant one; the latter's pairs are shifted and scaled. Beside each stands what the mean
    projection scores in the place of every image's own.
    """
    parts = []
    for name, looked_at in (("rotation", _turned), ("translation", _moved)):
        pairs, *seen = looked_at(sights, "test")
        first, second = (sights.project(view) for view in seen)
        if first is None or second is None:
            return Found()
        here = torch.ones(len(sights.material.test)).bool() if name == "rotation" else _chosen(sights)
        acted = sights.subject.act(pairs.relative, first)
        parts += [_followed(f"commutation_{name}", acted, second, here), _followed(f"invariance_{name}", first, second, here)]
    return joined(parts)


def _followed(
    name: str, expected: Float[Tensor, "chosen points 2"], found: Float[Tensor, "chosen points 2"], here: Bool[Tensor, "rows"]
) -> Found:
    scores = []
    for suffix, errors in (("", commutation_errors(expected, found)), ("/constant", constant_errors(expected, found))):
        known = errors[~errors.isnan()]
        middle, spread = median_and_spread(known) if len(known) else (math.nan, None)
        excluded = len(errors) - len(known)
        scores.append(Score(name + suffix, middle, "", len(known), excluded, "median distance / spread of points", spread))
    return Found(scores, {name: widened(commutation_errors(expected, found), here)})


def _turned(sights: Sights, part: Part) -> tuple[Pairs, Seen, Seen]:
    rows = sights.rows(part)
    pairs = turned(len(rows), sights.settings.rotation, sights.seed, "rotation", part)
    first, second = (sights.warped(f"turned {part} {place}", rows, warps) for place, warps in enumerate(pairs))
    return pairs, first, second


def _moved(sights: Sights, part: Part) -> tuple[Pairs, Seen, Seen]:
    rows = sights.rows(part)[sights.some(part)]
    limits = (sights.settings.translation, sights.settings.scale)
    pairs = moved(len(rows), *limits, sights.seed, "translation", part)
    first, second = (sights.warped(f"moved {part} {place}", rows, warps) for place, warps in enumerate(pairs))
    return pairs, first, second


def _chosen(sights: Sights) -> Bool[Tensor, "rows"]:
    """The held-out images that are looked at for translation."""
    here = torch.zeros(len(sights.material.test), dtype=torch.bool)
    here[torch.from_numpy(sights.some("test"))] = True
    return here


def _beside(first: Seen, second: Seen) -> Float[Tensor, "rows twice"]:
    return torch.cat([first.features, second.features], 1)


def _circle(radians: Float[Tensor, "rows"]) -> Float[Tensor, "rows 2"]:
    return torch.stack([radians.sin(), radians.cos()], 1)


def _in_units(factor: float) -> Off:
    return lambda guess, truth: factor * distance(guess, truth)
