"""Bench step: every arm trains, and the claims are made of its rates."""

import pytest
import torch

from handbench import devices
from handbench.benchmarks import Timing, step

CPU = torch.device("cpu")


def test_every_arm_counts_its_views() -> None:
    arms = step.arms(step.Setting("tiny", ("simclr", "peclr"), 32, 4, 2, CPU))
    assert [arm.name for arm in arms] == [
        "simclr, real input",
        "simclr, synthetic",
        "peclr, real input",
        "peclr, synthetic",
        "simclr, fp32 NCHW",
    ]
    assert [arm.work() for arm in arms] == [2 * 2 * 4] * 5


def test_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"a, real input": 90.0, "a, synthetic": 100.0, "b, real input": 97.0, "b, synthetic": 98.0, "a, fp32 NCHW": 50.0}
    timings = [Timing(name, "", (rate,)) for name, rate in rates.items()]
    monkeypatch.setattr(devices, "half_precision", lambda device: True)
    on_cpu = step.claims(timings, ("a", "b"), CPU)
    assert [round(claim.value, 3) for claim in on_cpu] == [0.1, 0.01, 0.02, 2.0]
    assert [claim.verdict for claim in on_cpu] == ["", "", "", "held"]
    assert [claim.verdict for claim in step.claims(timings, ("a", "b"), torch.device("cuda"))] == ["missed", "held", "held", ""]
    monkeypatch.setattr(devices, "half_precision", lambda device: False)
    assert step.claims(timings, ("a", "b"), CPU)[-1].verdict == ""
