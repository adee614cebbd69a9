"""Scoring together: the same numbers as alone, in any number of blocks and threads, and metrics that are not made of rows."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest

from handbench.pose import distances
from handbench.pose.alignment import SIMILARITY, Alignment
from handbench.pose.distances import Comparison, Distances, measure
from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.pixels import Pixels
from handbench.pose.metrics.rhd import RHD
from handbench.pose.metrics.rotation import Rotation
from handbench.pose.scoring import score_all
from handbench.pose.summaries import Area, Mean, Median, Share, shares_within, spread
from handbench.protocols import Metric
from handbench.streams import Draws
from handbench.types import Prediction, Score, Truth


def hands(rows: int) -> tuple[Prediction, Truth]:
    draws = Draws("scoring", rows)
    true = draws.normal(0, 0.05, (rows, 21, 3)) + np.array([0, 0, 0.6])
    predicted = true + draws.normal(0, 0.02, (rows, 21, 3))
    valid = draws.uniform(shape=(rows, 21)) < 0.9
    key = np.arange(rows)
    solvable = draws.uniform(shape=rows) < 0.9
    predicted[~solvable] = np.nan
    return (
        Prediction(key, 500 * true[..., :2] + 1, predicted, solvable, 64),
        Truth(key, 500 * true[..., :2], true, valid, valid),
    )


METRICS = (FreiHAND(FreiHAND.Config(medians=True)), Rotation(Rotation.Config()), RHD(RHD.Config()), Pixels(Pixels.Config()))


class Counting:
    """A third party's metric, without rows."""

    def score(self, prediction: Prediction, truth: Truth) -> Sequence[Score]:
        return [Score("hands", float(len(truth.key)), "", len(truth.key), 0, "counting")]


def test_together_is_one_by_one_in_the_same_order() -> None:
    pair = hands(60)
    metrics: list[Metric] = [METRICS[0], Counting(), *METRICS[1:]]
    together = score_all(metrics, *pair)
    assert together == [score for metric in metrics for score in metric.score(*pair)]
    assert [score.protocol for score in together].index("counting") == 6


def test_blocks_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = hands(53)
    whole = score_all(METRICS, *pair)
    monkeypatch.setattr(distances, "BLOCK", 7)
    for one, other in zip(whole, score_all(METRICS, *pair), strict=True):
        assert (one.metric, one.count, one.excluded) == (other.metric, other.count, other.excluded)
        assert other.value == pytest.approx(one.value, rel=1e-13)


def test_what_is_measured_keeps_its_rows() -> None:
    prediction, truth = hands(40)
    wanted = [Comparison(), Comparison(alignment=SIMILARITY), Comparison(alignment=Alignment(origin=0))]
    for comparison, measured in measure(prediction, truth, wanted).items():
        left_out = ~prediction.solvable
        if comparison.alignment.origin == 0:
            left_out |= ~truth.valid[:, 0]
        np.testing.assert_array_equal(measured.scored, ~left_out)
        np.testing.assert_array_equal(np.isfinite(measured.points), truth.valid & ~left_out[:, None])
    absolute = measure(prediction, truth, [Comparison()])[Comparison()]
    expected = np.where(truth.valid, np.linalg.norm(prediction.joints_3d - truth.joints_3d, axis=-1), np.nan)
    np.testing.assert_allclose(absolute.hands[prediction.solvable], np.nanmean(expected[prediction.solvable], 1))
    np.testing.assert_allclose(absolute.joints, np.nanmean(expected, 0))


def test_a_box_of_no_size_has_no_share() -> None:
    prediction, truth = hands(3)
    flat = truth.joints_2d.copy()
    flat[0] = 7.0
    measured = measure(prediction, dataclasses.replace(truth, joints_2d=flat), [Comparison("joints_2d", over_box=True)])
    assert [bool(flag) for found in measured.values() for flag in found.scored] == [False, True, True]


def test_what_is_not_there_is_no_silent_zero() -> None:
    with pytest.raises(ValueError, match="no vertices"):
        measure(*hands(2), [Comparison("vertices")])


TABLE = Distances(np.array([[1.0, 4.0, np.nan], [3.0, np.nan, np.nan]]))


def test_summaries_of_a_table() -> None:
    assert Mean("joints")(TABLE) == 3.0  # of 2 and 4
    assert Mean("all")(TABLE) == pytest.approx(8 / 3)
    assert Median()(TABLE) == 3.0
    assert Share(3.0)(TABLE) == 0.25  # half of the first joint, none of the second
    assert Share(3.0, strict=False)(TABLE) == 0.5
    assert spread(TABLE) == pytest.approx(np.std([2.5, 3.0], ddof=1))
    np.testing.assert_array_equal(shares_within(TABLE, np.array([1.0, 4.0])), [[0.5, 1], [0, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(shares_within(TABLE, np.array([1.0, 4.0]), strict=True)[:2], [[0, 1], [0, 0]])


def test_areas_of_a_table() -> None:
    # Thresholds 0, 2, 4: shares 0, .5, 1 of the first joint and 0, 0, 1 of the second.
    assert Area(0, 4, 3)(TABLE) == pytest.approx(((0.25 + 0.75) / 2 + (0 + 0.5) / 2) / 2)
    # Left bins 0, 2 of [0, 4), strictly: shares 0, .5 and 0, 0.
    assert Area(0, 4, 2, rule="left", strict=True)(TABLE) == pytest.approx((0.25 + 0) / 2)


@pytest.mark.parametrize("summary", [Mean("joints"), Mean("all"), Median(), Share(1.0), Area(0, 1, 5)])
@pytest.mark.parametrize("rows", [0, 2])
def test_nothing_to_summarise_is_no_number(summary: object, rows: int) -> None:
    assert callable(summary)
    assert math.isnan(summary(Distances(np.full((rows, 21), np.nan))))
