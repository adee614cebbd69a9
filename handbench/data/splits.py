"""A label table and a seed in, rows for training, validation and test out: whole people or frames at a time.

A split orders the units (people, photographs) at random with the classes interleaved and cuts the order into test, validation
and training; a label fraction is the beginning of such an order, which is why smaller fractions lie inside larger ones.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Shaped

from handbench.errors import DataError
from handbench.streams import Draws
from handbench.types import Labels

Rows = Int[np.ndarray, "rows"]
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of rows, each ascending.

    Args:
        train: rows to learn from.
        validation: rows to choose by.
        test: rows to score on.
        unit: what was kept together: "subject", "source", "frame", "key", or "official".
        notes: what a reader of the scores must know.
    """

    train: Int[np.ndarray, "train"]
    validation: Int[np.ndarray, "validation"]
    test: Int[np.ndarray, "test"]
    unit: str
    notes: tuple[str, ...] = ()


def split(
    labels: Labels, seed: int, holdout: float = 0.2, validation: float = 0.1, scored: Bool[np.ndarray, "rows"] | None = None
) -> Split:
    """Split a table: by its official parts where it has them, else by seeded draws over its units.

    Args:
        labels: the table.
        seed: of the draws.
        holdout: share of the units that become the test part.
        validation: share of the units that become the validation part.
        scored: rows that can be scored (e.g. `labels.posed` for pose); a test part without any is replaced. None for all rows.

    Raises:
        DataError: a share is not above 0, the shares leave nothing to train on, or there are fewer than three units.
    """
    if not (holdout > 0 and validation > 0 and holdout + validation < 1):
        shares = f"{holdout:g} for the test and {validation:g} for validation"
        raise DataError(f"shares of {shares} leave no split; both above 0, together below 1")
    usable = np.ones(len(labels), bool) if scored is None else scored
    if (labels.part != "").any():
        return _official(labels, seed, holdout, validation, usable)
    units, unit = units_of(labels)
    everything = np.arange(len(labels), dtype=np.int64)
    test, rest = _carved(everything, units, labels.label, holdout, Draws(seed, "split"))
    chosen, train = _carved(rest, units, labels.label, validation / (1 - holdout), Draws(seed, "split", "validation"))
    return Split(train, chosen, test[usable[test]], unit, _leaks(unit))


def fraction(rows: Rows, labels: Labels, share: float, seed: int) -> Int[np.ndarray, "chosen"]:
    """The part of the training rows whose labels may be used: nested, and drawn over unique frames.

    Every smaller share is a subset of every larger one; all versions of a frame go together; at least one frame is taken.

    Args:
        rows: training rows.
        labels: the table.
        share: in (0, 1].
        seed: of the draw.

    Raises:
        DataError: the share is outside (0, 1], or there are no rows.
    """
    if not 0 < share <= 1:
        raise DataError(f"a label fraction of {share:g} is not possible; above 0, at most 1")
    if len(rows) == 0:
        raise DataError("there are no training rows to take a label fraction of")
    frames, _ = units_of(labels, by_subject=False)
    order = _ordered(frames[rows], labels.label[rows], Draws(seed, "labels"))
    count = max(1, round(share * len(order)))
    return rows[np.isin(frames[rows], order[:count])]


def units_of(labels: Labels, by_subject: bool = True) -> tuple[Shaped[np.ndarray, "rows"], str]:
    """What must not be torn apart, by row, and what it is: the person, else the photograph, else the frame, else the sample."""
    if by_subject and (labels.subject != "").all():
        return labels.subject, "subject"
    if (labels.source != "").all():
        return labels.source, "source"
    if (labels.frame != "").all():
        return np.char.add(np.char.add(labels.sequence.astype(np.str_), "/"), labels.frame.astype(np.str_)), "frame"
    return labels.key, "key"


def _official(labels: Labels, seed: int, holdout: float, validation: float, scored: Bool[np.ndarray, "rows"]) -> Split:
    """Take the dataset's own parts, and carve what they lack out of the training part."""
    units, _ = units_of(labels)
    given = {part: np.flatnonzero(labels.part == part).astype(np.int64) for part in PARTS}
    train, chosen, test = given["train"], given["validation"], given["test"][scored[given["test"]]]
    notes = []
    if len(given["test"]) and not len(test):
        notes.append(f"the official test part ({len(given['test'])} images) has no annotations")
    if not len(test):
        test, chosen = chosen[scored[chosen]], chosen[:0]
        if len(test):
            notes.append(f"scored on the official validation part ({len(test)} images), which is held out of training")
    if not len(test):
        test, train = _carved(train, units, labels.label, holdout, Draws(seed, "split"))
        test = test[scored[test]]
        notes.append(f"scored on a part held out of training ({len(test)} images)")
    if not len(chosen):
        chosen, train = _carved(train, units, labels.label, validation, Draws(seed, "split", "validation"))
        notes.append(f"validated on a part held out of training ({len(chosen)} images)")
    return Split(train, chosen, test, "official", tuple(notes))


def _carved(
    rows: Rows, units: Shaped[np.ndarray, "all"], classes: Shaped[np.ndarray, "all"], share: float, draws: Draws
) -> tuple[Int[np.ndarray, "inside"], Int[np.ndarray, "outside"]]:
    """Part rows by whole units: a share of them (one at least), and the rest (one at least)."""
    order = _ordered(units[rows], classes[rows], draws)
    if len(order) < 2:
        raise DataError(f"{len(rows)} images of {len(order)} independent unit cannot be split; a split needs three or more")
    count = min(max(1, round(share * len(order))), len(order) - 1)
    inside = np.isin(units[rows], order[:count])
    return rows[inside], rows[~inside]


def _ordered(units: Shaped[np.ndarray, "rows"], classes: Shaped[np.ndarray, "rows"], draws: Draws) -> Shaped[np.ndarray, "units"]:
    """Order the unique units at random so that every beginning of the order holds the classes in proportion.

    Unit r of the n of its class (in random order) stands at (r + 1/2) / n; where a unit holds several classes, as a person who
    shows all digits does, its first counts.
    """
    names, first = np.unique(units, return_index=True)
    shuffled = draws.permutation(len(names))
    place = np.empty(len(names))
    for name in np.unique(classes[first]):
        members = shuffled[classes[first][shuffled] == name]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return names[shuffled[np.argsort(place[shuffled], kind="stable")]]


def _leaks(unit: str) -> tuple[str, ...]:
    """Say what a split without ids cannot promise."""
    return () if unit == "subject" else ("no subject ids: the same person may be in training and test",)
