"""Every metric that handbench computes has a name for people and, where it has one, a better side."""

import re
from pathlib import Path

from handbench.results.directions import FEATURES, METRICS, decimals_of, metric_of

PACKAGE = Path(__file__).resolve().parents[2] / "handbench"


def test_baselines_and_other_data_are_read_as_the_metric() -> None:
    assert metric_of("pa_auc@wild").better == "higher"
    assert metric_of("mpjpe/random").better == "lower"
    assert metric_of("mpjpe@wild/random").label == "MPJPE on wild, random encoder"
    assert (metric_of("epe_3d_median").label, metric_of("epe_3d_median").better) == ("3D EPE, median", "lower")
    assert (metric_of("new_metric").label, metric_of("new_metric").better) == ("new_metric", "")


def test_errors_go_down_and_shares_of_hits_up() -> None:
    for name, metric in METRICS.items():
        if re.search(r"epe|mpjpe|_error$", name):
            assert metric.better == "lower", name
        if re.search(r"auc|accuracy|_r2$|top1", name):
            assert metric.better == "higher", name


def test_the_metrics_of_the_built_in_protocols_are_known() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "pose" / "metrics").glob("*.py"))
    named = set(re.findall(r'"((?:pa_|root_|root_bone_)?(?:epe|auc|mpjpe)(?:_[23]d)?)"', text))
    assert len(named) > 5
    assert named <= METRICS.keys(), f"results/directions.py does not know {sorted(named - METRICS.keys())}"
    assert not named & FEATURES


def test_decimals_follow_the_unit() -> None:
    assert [decimals_of(unit) for unit in ("mm", "px@128", "%", "degrees", "", "log")] == [2, 2, 1, 1, 3, 3]
