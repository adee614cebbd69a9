"""Plausibility: hands as numbers go in; what is probably wrong with their units, their side or their joint order comes out.

Guesses need no truth: they rest on how long a hand's bones are and on how its fingers bend. Where there is truth, `doubts` asks
what would make the predictions fit it much better. Nothing is changed here, only said. Hands are (rows, 21, 3) in metres, in any
right-handed frame; rows that are not finite are passed over.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from handbench.joint_orders import ORDERS, to_common
from handbench.pose.alignment import SIMILARITY, Alignment, residuals
from handbench.types import FINGERS, INDEX_MCP, LITTLE_MCP, MIDDLE_MCP, WRIST, Side

Hands = Float[np.ndarray, "rows 21 3"]
PerRow = Float[np.ndarray, "rows"]
Unit = Literal["m", "cm", "mm"]

BONES = tuple((chain[place - 1] if place else WRIST, chain[place]) for chain in FINGERS.values() for place in range(4))
KNUCKLES = ((1, 5), (5, 9), (9, 13), (13, 17))  # bases of neighbouring fingers, which hardly move against each other
# Lengths of an adult's bones, thumb to little finger, and distances of the knuckles, in mm: rounded means of rendered hands and
# of published hand models. Only their proportions count.
PROFILE = np.array(
    [[43, 32, 31, 26], [92, 38, 23, 22], [92, 39, 26, 24], [86, 36, 26, 23], [80, 28, 20, 20], [55, 22, 20, 21]], np.float64
).ravel()
UNITS: dict[Unit, float] = {"m": 1.0, "cm": 100.0, "mm": 1000.0}  # of them in a metre
SIZES = (0.03, 0.3)  # wrist to middle MCP, metres: from small children with room to spare, to giants
MUCH_BETTER = 0.6  # of the error as given: a change that leaves more than this is not worth a warning
LEAST_BEND = 0.01  # mean |bend| of hands whose fingers say something about their side
SAMPLE = 500  # hands that a doubt rests on


def hand_size(joints: Hands) -> PerRow:
    """Distance from the wrist to the middle finger's MCP, in the unit of the joints."""
    size: PerRow = np.linalg.norm(joints[:, MIDDLE_MCP] - joints[:, WRIST], axis=-1)
    return size


def bend(joints: Hands) -> PerRow:
    """How, and how far, the four fingers bend: above 0 for a left hand, below for a right one, near 0 for straight fingers.

    The sum over fingers of cross(MCP→PIP, PIP→DIP) · (index MCP→little MCP), over the cube of the hand's size.
    """
    turning = np.zeros((len(joints), 3))
    for name, (first, second, third, _) in FINGERS.items():
        if name != "thumb":
            turning += np.cross(joints[:, second] - joints[:, first], joints[:, third] - joints[:, second])
    across = joints[:, LITTLE_MCP] - joints[:, INDEX_MCP]
    size = hand_size(joints)
    sums: PerRow = np.einsum("rd,rd->r", turning, across) / np.where(size > 0, size, np.inf) ** 3
    return sums


def guess_side(joints: Hands) -> Side | None:
    """Which hand most rows are; None where the fingers are too straight, or left and right are mixed.

    The hands must be in the common order: reversed fingers look like the other hand.
    """
    bends = bend(_finite(joints))
    if not len(bends) or np.abs(bends).mean() < LEAST_BEND:
        return None
    left = float(np.abs(bends)[bends > 0].sum() / np.abs(bends).sum())
    return "left" if left > 0.8 else "right" if left < 0.2 else None


def guess_unit(joints: Hands) -> Unit | None:
    """The unit in which the median hand has the size of a hand; None where no unit fits."""
    sizes = hand_size(_finite(joints))
    if not len(sizes):
        return None
    size = float(np.median(sizes))
    fitting: list[Unit] = [unit for unit, factor in UNITS.items() if SIZES[0] < size / factor < SIZES[1]]
    return fitting[0] if fitting else None


def order_misfits(joints: Hands) -> dict[str, float]:
    """How far the proportions of the bones are from a hand's, were the joints in each known order: mean |log ratio|."""
    known = _finite(joints)
    if not len(known):
        return {}
    return {name: misfit(to_common(known, order)) for name, order in ORDERS.items()}


def guess_order(joints: Hands) -> str | None:
    """The known order (a name of `joint_orders.ORDERS`) that makes hands of these joints; None where none clearly does."""
    misfits = order_misfits(joints)
    ranked = sorted(misfits, key=lambda name: misfits[name])
    if not ranked or misfits[ranked[0]] > 0.3 or misfits[ranked[0]] > 0.8 * misfits[ranked[1]]:
        return None
    return ranked[0]


def oddities(joints: Hands, *, side: Side | None = None) -> list[str]:
    """What looks wrong with hands that should be in metres, in the common order, and all of one side where it is given.

    Returns:
        One sentence each, with the remedy; empty where nothing looks wrong.
    """
    found = []
    unit, order, seen = guess_unit(joints), guess_order(joints), guess_side(joints)
    if unit != "m" and len(_finite(joints)):
        found.append(_size_sentence(joints, unit))
    if order not in (None, "common"):
        found.append(f"the joints are not in the common order but probably in that of '{order}'; reorder them (joint_orders.py)")
    elif side and seen and seen != side:
        found.append(f"the fingers bend as those of {seen} hands, not {side} ones; check the side and the axes")
    return found


def doubts(predicted: Hands, true: Hands) -> list[str]:
    """What would make predictions fit the truth much better: another unit, a mirror, another joint order.

    Args:
        predicted, true: hands of the same rows.

    Returns:
        One sentence each; the predictions should still be scored as they are.
    """
    usable = np.isfinite(predicted).all((1, 2)) & np.isfinite(true).all((1, 2))
    rows = np.flatnonzero(usable)
    rows = rows[:: max(1, len(rows) // SAMPLE)]
    if not len(rows):
        return []
    return [*_doubts_of_size(predicted[usable], true[usable]), *_doubts_of_shape(predicted[rows], true[rows])]


def _doubts_of_size(predicted: Hands, true: Hands) -> list[str]:
    """Sizes of the median hand; the truth first, because everything is read against it."""
    ours, theirs = float(np.median(hand_size(predicted))), float(np.median(hand_size(true)))
    found = []
    if guess_unit(true) != "m":
        found.append(f"truth: {_size_sentence(true, guess_unit(true))}")
    ratio = ours / theirs if theirs > 0 else np.inf
    if not 1 / 3 < ratio < 3:
        found.append(f"the median predicted hand is {ratio:.3g} times as large as the true one; {_remedy(ratio)}")
    return found


def _remedy(ratio: float) -> str:
    """What a ratio of sizes suggests."""
    for unit, factor in UNITS.items():
        if factor / 3 < ratio < 3 * factor:
            return f"they are probably in {unit}, not m: divide by {factor:g}"
        if factor / 3 < 1 / max(ratio, 1e-12) < 3 * factor:
            return f"they were probably taken for {unit} and divided once too often: multiply by {factor:g}"
    return "check their scale"


def _doubts_of_shape(predicted: Hands, true: Hands) -> list[str]:
    """The order first: a wrong order often looks mirrored, too."""
    given = _error(predicted, true)
    orders = {name: _error(to_common(predicted, order), true) for name, order in ORDERS.items() if name != "common"}
    best = min(orders, key=lambda name: orders[name])
    mirrored = _error(predicted * np.array([-1.0, 1.0, 1.0]), true)
    if orders[best] < MUCH_BETTER * given and orders[best] < mirrored:
        fit = f"the joints fit much better in the order of '{best}' ({_share(orders[best], given)})"
        return [f"{fit}; reorder them into the truth's order (handbench.joint_orders)"]
    if mirrored < MUCH_BETTER * given:
        fit = f"the hands fit much better mirrored ({_share(mirrored, given)})"
        return [f"{fit}; were left hands flipped, or is an axis turned over? A protocol that allows reflection does not see it"]
    return []


def _error(predicted: Hands, true: Hands, alignment: Alignment = SIMILARITY) -> float:
    """Median error after the best similarity without reflection; mirrored hands and wrong orders both raise it."""
    offsets = residuals(predicted, true, np.ones(true.shape[:2], bool), [alignment])[0]
    distances = np.linalg.norm(offsets, axis=-1).mean(1)
    known = distances[np.isfinite(distances)]
    return float(np.median(known)) if len(known) else np.inf


def _share(better: float, given: float) -> str:
    return f"an aligned error of {1000 * better:.1f} mm in place of {1000 * given:.1f}"


def misfit(joints: Hands) -> float:
    """How far the proportions of hands' median bones are from a hand's; mean |log ratio|, 0 is best."""
    lengths = np.stack([np.linalg.norm(joints[:, start] - joints[:, end], axis=-1) for start, end in (*BONES, *KNUCKLES)], 1)
    ratios = np.log(np.maximum(np.median(lengths, 0), 1e-12) / PROFILE)
    return float(np.abs(ratios - np.median(ratios)).mean())


def _size_sentence(joints: Hands, unit: Unit | None) -> str:
    size = float(np.median(hand_size(_finite(joints))))
    words = {
        "cm": "the unit is probably the centimetre; divide by 100",
        "mm": "the unit is probably the millimetre; divide by 1000",
    }
    guess = words.get(unit or "", "no usual unit makes that a hand")
    return f"the median distance from wrist to middle MCP is {size:.4g} m, where a hand has about 0.09; {guess}"


def _finite(joints: Hands) -> Float[np.ndarray, "finite 21 3"]:
    """The rows that are."""
    known: Float[np.ndarray, "finite 21 3"] = joints[np.isfinite(joints).all((1, 2))]
    return known
