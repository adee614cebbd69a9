"""A score sheet beside its numbers: nulls for what is not scored, and text of even columns."""

import json

import numpy as np
from skeletons import right_hands

from handbench.pose.metrics.freihand import FreiHAND
from handbench.pose.metrics.mmpose_2d import MMPose2D
from handbench.pose.score_sheet import JOINT_NAMES, as_text, plot, score_sheet
from handbench.types import FINGERS, Prediction, Truth

METRICS = (FreiHAND(FreiHAND.Config()), MMPose2D(MMPose2D.Config()))


def sheet(hidden: slice) -> dict[str, object]:
    true = right_hands(6)
    valid, pixels = np.ones((6, 21), bool), 100 * true[..., :2]
    valid[:, hidden] = False
    key = np.arange(6)
    predicted = Prediction(key, pixels + np.array([3, 4]), true + np.array([0, 0, 0.01]), np.ones(6, bool), 224)
    return score_sheet(METRICS, predicted, Truth(key, pixels, true, valid, valid))


def test_names_follow_the_fingers() -> None:
    assert all(JOINT_NAMES[joint].startswith(finger) for finger, joints in FINGERS.items() for joint in joints)
    assert JOINT_NAMES[4] == "thumb tip" and JOINT_NAMES[9] == "middle MCP"


def test_errors_by_part_and_curve() -> None:
    found = sheet(slice(17, 21))
    document = json.loads(json.dumps(found, allow_nan=False))
    assert list(document["joints"]) == ["freihand:epe_3d", "freihand:pa_epe", "mmpose-2d:epe_2d"]
    assert document["fingers"]["mmpose-2d:epe_2d"] == {
        "unit": "px@224",
        "values": {**dict.fromkeys(["wrist", *FINGERS], 5.0), "little": None},
    }
    np.testing.assert_allclose(list(document["joints"]["freihand:epe_3d"]["values"].values())[:17], 10.0)
    curve = document["pck"]["freihand:epe_3d"]
    assert list(document["pck"]) == ["freihand:epe_3d", "freihand:pa_epe"]
    shares = dict(zip(curve["thresholds"], curve["share"], strict=True))
    assert (shares[9.5], shares[10.5]) == (0.0, 1.0)


def test_text_has_even_columns_and_dashes_for_nothing() -> None:
    text = as_text(sheet(slice(0, 21)))
    assert "nan" not in text and "–" in text
    for table in as_text(sheet(slice(17, 21))).split("\n\n")[1:]:
        lines = table.splitlines()
        assert len({len(line) for line in lines[2:]}) == 1


def test_a_plot_without_curves_is_still_a_picture() -> None:
    assert plot({"pck": {}}).startswith(b"\x89PNG")
