"""Splits don't leak, don't drift, and say what they cannot promise; fractions nest."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from handbench.data.splits import fraction, split, units_of
from handbench.data.table import tabulate
from handbench.errors import DataError
from handbench.types import Labels, Sample

IMAGE = np.zeros((4, 4, 3), np.uint8)


def table(rows: int, **names: object) -> Labels:
    """A label table of so many rows; each name is a function from a row to its value."""
    samples = [Sample(f"k{row:04d}", IMAGE, **{name: value(row) for name, value in names.items()}) for row in range(rows)]
    return tabulate(samples, [np.eye(3)] * rows)


def everything(*parts: np.ndarray) -> list[int]:
    return sorted(np.concatenate(parts).tolist())


def test_rows_are_shared_out_once_in_the_stated_proportions() -> None:
    parts = split(table(200), seed=0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (140, 20, 40)
    assert everything(parts.train, parts.validation, parts.test) == list(range(200))
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int64 for rows in (parts.train, parts.validation, parts.test))
    assert parts.unit == "key"
    assert parts.notes == ("no subject ids: the same person may be in training and test",)


def test_split_belongs_to_the_seed_and_the_names_not_to_the_order_of_rows() -> None:
    labels = table(100)
    first, again, other = split(labels, 0), split(labels, 0), split(labels, 1)
    assert first.test.tolist() == again.test.tolist() != other.test.tolist()
    turned = labels.take(np.arange(99, -1, -1))
    assert set(turned.key[split(turned, 0).test]) == set(labels.key[first.test])


def test_people_stay_together() -> None:
    labels = table(120, subject=lambda row: f"person {row % 12}", source=lambda row: str(row // 2))
    parts = split(labels, seed=3)
    assert parts.unit == "subject"
    assert parts.notes == ()
    people = [set(labels.subject[rows]) for rows in (parts.train, parts.validation, parts.test)]
    assert [len(group) for group in people] == [9, 1, 2]
    assert len(people[0] | people[1] | people[2]) == 12


def test_one_missing_subject_falls_back_to_sources_then_frames_then_rows() -> None:
    labels = table(10, subject=lambda row: "" if row == 3 else "p", source=lambda row: str(row // 2))
    assert units_of(labels)[1] == "source"
    labels = table(10, sequence=lambda row: f"s{row % 2}", frame=lambda row: str(row // 4))
    units, name = units_of(labels)
    assert (name, len(set(units))) == ("frame", 6)  # frame 0 of two sequences is two frames
    assert units_of(table(10))[1] == "key"


def test_versions_of_one_source_stay_together() -> None:
    labels = table(80, source=lambda row: str(row % 20))
    parts = split(labels, 0)
    assert not set(labels.source[parts.test]) & set(labels.source[parts.train])
    assert len(parts.test) == 16


def test_classes_are_spread_evenly() -> None:
    labels = table(300, label=lambda row: "rare" if row % 10 == 0 else "common")
    parts = split(labels, 0)
    rare = [int((labels.label[rows] == "rare").sum()) for rows in (parts.train, parts.validation, parts.test)]
    assert rare == [21, 3, 6]


def test_small_sets_have_one_of_each() -> None:
    parts = split(table(3), 0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1, 1, 1)
    with pytest.raises(DataError, match="cannot be split; a split needs three or more"):
        split(table(2), 0)


@pytest.mark.parametrize(("holdout", "validation"), [(0.0, 0.1), (0.2, 0.0), (0.6, 0.4), (1.2, 0.1)])
def test_impossible_shares(holdout: float, validation: float) -> None:
    with pytest.raises(DataError, match="leave no split; both above 0, together below 1"):
        split(table(10), 0, holdout, validation)


def freihand_like() -> Labels:
    """Ten frames of four versions, the last frame held out, and six evaluation images."""
    parts = {9: "validation"}
    return table(
        46,
        part=lambda row: "test" if row >= 40 else parts.get(row % 10, "train"),
        source=lambda row: f"e{row}" if row >= 40 else f"t{row % 10}",
    )


def test_official_parts_are_kept() -> None:
    parts = split(freihand_like(), 0)
    assert parts.unit == "official"
    assert parts.test.tolist() == list(range(40, 46))
    assert parts.validation.tolist() == [9, 19, 29, 39]
    assert len(parts.train) == 36
    assert parts.notes == ()


def test_unscored_test_part_is_replaced_and_said() -> None:
    labels = freihand_like()
    parts = split(labels, 0, scored=np.arange(46) < 40)
    assert parts.test.tolist() == [9, 19, 29, 39]
    assert len(set(labels.source[parts.validation])) == 1
    assert len(parts.validation) == 4
    assert everything(parts.train, parts.validation, parts.test) == list(range(40))
    assert parts.notes == (
        "the official test part (6 images) has no annotations",
        "scored on the official validation part (4 images), which is held out of training",
        "validated on a part held out of training (4 images)",
    )


def test_partly_scored_test_part_keeps_the_scored_rows() -> None:
    assert split(freihand_like(), 0, scored=np.arange(46) != 41).test.tolist() == [40, 42, 43, 44, 45]


def test_parts_that_are_missing_are_carved_from_training() -> None:
    labels = freihand_like()
    only_training = replace(labels, part=np.where(labels.part == "test", "train", "train"))
    parts = split(only_training, 0)
    assert (len(set(labels.source[parts.test])), len(set(labels.source[parts.validation]))) == (3, 1)
    assert everything(parts.train, parts.validation, parts.test) == list(range(46))
    assert [note.split(" (")[0] for note in parts.notes] == [
        "scored on a part held out of training",
        "validated on a part held out of training",
    ]


def test_fractions_nest_and_keep_versions_together() -> None:
    labels = table(400, source=lambda row: str(row % 100), label=lambda row: str(row % 100 % 4), subject=lambda row: "one")
    rows = np.arange(40, 400)
    shares = [0.001, 0.01, 0.1, 0.25, 0.5, 0.77, 1.0]
    taken = [fraction(rows, labels, share, seed=5) for share in shares]
    frames = [set(labels.source[part]) for part in taken]
    assert [len(group) for group in frames] == [1, 1, 10, 25, 50, 77, 100]
    for smaller, larger in pairwise(taken):
        assert set(smaller.tolist()) <= set(larger.tolist())
    for part, group in zip(taken, frames, strict=True):
        assert part.tolist() == [row for row in rows if labels.source[row] in group]  # all versions, in the rows' order
    per_class = [len({name for name in frames[4] if int(name) % 4 == number}) for number in range(4)]
    assert max(per_class) - min(per_class) <= 1
    assert fraction(rows, labels, 0.1, seed=6).tolist() != taken[2].tolist()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_impossible_fraction(share: float) -> None:
    with pytest.raises(DataError, match=r"a label fraction of .* is not possible; above 0, at most 1"):
        fraction(np.arange(10), table(10), share, 0)


def test_fraction_of_nothing() -> None:
    with pytest.raises(DataError, match="no training rows"):
        fraction(np.array([], np.int64), table(10), 0.5, 0)
