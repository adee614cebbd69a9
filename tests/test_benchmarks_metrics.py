"""Bench metrics: its loop is what the metrics compute, and its claims follow from rates. No real clock is read."""

import json
from pathlib import Path

import numpy as np
import pytest

from handbench.benchmarks import Timing
from handbench.benchmarks.metrics import HANDS, LOOPED, arms, both_errors, claims, random_hands
from handbench.cli import main
from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.rotation import Rotation


def test_the_loop_takes_the_same_errors() -> None:
    prediction, truth = random_hands(20)
    looped = np.array([both_errors(*pair) for pair in zip(prediction.joints_3d, truth.joints_3d, strict=True)])
    metrics = (FreiHAND(FreiHAND.Config()), Rotation(Rotation.Config()))
    batched = {score.metric: score.value for metric in metrics for score in metric.score(prediction, truth)}
    names = ("epe_3d", "pa_epe", "mpjpe", "pa_mpjpe")
    for name, value in zip(names, 1000 * looped.mean(0), strict=True):
        assert batched[name] == pytest.approx(value, rel=1e-6)  # FreiHAND's 1e-8 is not in the loop


def test_arms_say_how_many_hands_they_scored() -> None:
    assert [arm.work() for arm in arms(2 * LOOPED)] == [2, 2 * LOOPED, 2 * LOOPED]


def test_claims_follow_from_the_rates() -> None:
    timings = [
        Timing("hand by hand", "", (10.0, 10.0)),
        Timing("one by one", "", (HANDS / 4,) * 2),
        Timing("together", "", (HANDS,) * 2),
    ]
    seconds, over_one, over_loop = claims(timings)
    assert (seconds.value, seconds.verdict) == (1.0, "held")
    assert (over_one.value, over_loop.value) == (4.0, HANDS / 10)


def test_the_command_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", "metrics", "--hands", "100", "--rounds", "1", "--out", str(tmp_path)])
    assert not end.value.code
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert [arm["name"] for arm in document["arms"]] == ["hand by hand", "one by one", "together"]
    assert len(document["claims"]) == 3 and (tmp_path / "metrics.md").read_text() in capsys.readouterr().out
