"""Datasets, heads, metrics and reports that each break one promise, for the contract to catch."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from fixtures import Drawn
from torch import Tensor

from handbench.pose.heads.linear import Linear
from handbench.pose.metrics.pixels import Pixels
from handbench.results.reports.table import Table
from handbench.types import Evidence, Prediction, Sample, Score, Truth


class Short(Linear):
    """Twenty joints."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features)[:, :20]


class Stiff(Linear):
    """Its wrist never moves."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([torch.zeros(len(features), 1, 3), super().forward(features)[:, 1:]], 1)


class Stateless(Linear):
    """Keeps its scale where no state dict finds it."""

    def __init__(self, config: Any, **sizes: Any) -> None:
        super().__init__(config, **sizes)
        self.factor = torch.rand(())

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) * self.factor


# Metrics


class Unsigned(Pixels):
    """Does not say whose definition it follows."""

    def score(self, prediction: Prediction, truth: Truth) -> list[Score]:
        return [replace(score, protocol="") for score in super().score(prediction, truth)]


class Upended(Pixels):
    """Falls when the prediction gets worse."""

    def score(self, prediction: Prediction, truth: Truth) -> list[Score]:
        return [replace(score, value=1 / (1 + score.value)) for score in super().score(prediction, truth)]


class Ordered(Pixels):
    """Weighs the first hands more."""

    def score(self, prediction: Prediction, truth: Truth) -> list[Score]:
        off = np.abs(prediction.joints_2d - truth.joints_2d).mean((1, 2)) * np.linspace(1, 2, len(truth.key))
        return [Score("epe", float(off.mean()), "px@64", len(off), protocol="own")]


class Spoiled(Pixels):
    """One hand that could not be lifted makes the whole score NaN."""

    def score(self, prediction: Prediction, truth: Truth) -> list[Score]:
        off = np.linalg.norm(prediction.joints_3d - truth.joints_3d, axis=-1).mean()
        return [Score("epe", float(1000 * off), "mm", len(truth.key), protocol="own")]


# Datasets; Drawn itself calls every other hand a left one, which it is not


class Hands(Drawn):
    """Right hands, and said to be."""

    def __init__(self, config: Any, root: Any = None) -> None:
        super().__init__(config)

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return replace(sample, side="right")


class Millimetres(Hands):
    """In millimetres."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return replace(sample, joints_3d=1000 * sample.joints_3d)


class OpenGL(Hands):
    """In OpenGL's camera frame."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return replace(sample, joints_3d=sample.joints_3d * np.array([1.0, -1, -1]))


class OffByAFinger(Hands):
    """Its fingers are named one too far."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        order = [0, *range(17, 21), *range(1, 17)]
        return replace(sample, joints_3d=sample.joints_3d[order], joints_2d=sample.joints_2d[order])


class Mirrored(Hands):
    """Left hands called right."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        joints = sample.joints_3d * np.array([-1.0, 1, 1])
        seen = joints @ sample.intrinsics.T
        return replace(sample, joints_3d=joints, joints_2d=seen[:, :2] / seen[:, 2:])


class Elsewhere(Hands):
    """Its 2D labels are those of the uncropped picture."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return replace(sample, joints_2d=sample.joints_2d + 5.0)


class Twins(Hands):
    """Two samples have one name."""

    def __getitem__(self, index: int) -> Sample:
        return replace(super().__getitem__(index), key=f"hand {index // 2}")


class Wandering(Hands):
    """Another sample at every visit."""

    visits = 0

    def __getitem__(self, index: int) -> Sample:
        Wandering.visits += 1
        return super().__getitem__((index + Wandering.visits) % len(self))


class Boundless(Hands):
    """A part that no split knows."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        object.__setattr__(sample, "part", "testing")
        return sample


class Dated(Hands):
    """A fingerprint of the clock."""

    ticks = 0

    def fingerprint(self) -> str:
        Dated.ticks += 1
        return str(Dated.ticks)


class Unpicklable(Hands):
    """Holds an open file and says that processes may have it."""

    def __init__(self, config: Any, root: Any = None) -> None:
        super().__init__(config)
        self.parallel = "processes"
        self.lock = lambda: None


# Reports


class Fickle(Table):
    """Writes the time."""

    times = 0

    def render(self, evidence: Evidence) -> dict[str, bytes]:
        Fickle.times += 1
        return {**super().render(evidence), "when.txt": str(Fickle.times).encode()}


class Straying(Table):
    """Writes beside its folder."""

    def render(self, evidence: Evidence) -> dict[str, bytes]:
        return {f"../{name}": content for name, content in super().render(evidence).items()}


class Textual(Table):
    """Gives text for bytes."""

    def render(self, evidence: Evidence) -> dict[str, Any]:
        return {name: content.decode() for name, content in super().render(evidence).items()}


class Bare(Table):
    """Stumbles where there is nothing."""

    def render(self, evidence: Evidence) -> dict[str, bytes]:
        return {"first.txt": str(evidence.records[0]["id"]).encode()}


class Trusting(Table):
    """Rounds every score to whole numbers."""

    def render(self, evidence: Evidence) -> dict[str, bytes]:
        return {"sum.txt": str([int(score["value"]) for record in evidence.records for score in record["scores"]][:0]).encode()}
