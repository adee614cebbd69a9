"""What passes through a run: the job, its data, and the encoder it learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from handbench.assembly import Assembly
from handbench.checkpoints import Stage, digest
from handbench.data.material import Material
from handbench.learn import pretrain
from handbench.results import records
from handbench.settings import Recipe
from handbench.types import Facts, Score

Rows = Int[np.ndarray, "_"]  # lists of rows that meet in one call differ in length


@dataclass(frozen=True)
class Runtime:
    """Where and how a run works; nothing here changes its outcome but the device.

    Args:
        results: folder of runs and shared stages.
        device: of training.
        checkpoint_seconds: how often a long stage saves where it is.
        say: takes a line for the user.
        note: is told of each stage when it is done.
    """

    results: Path
    device: torch.device
    checkpoint_seconds: float = 60.0
    say: Callable[[str], None] = print
    note: Callable[[records.Stage], None] = lambda _: None


@dataclass(frozen=True)
class Job:
    """One run to do: what, with which components, where."""

    recipe: Recipe
    assembly: Assembly
    runtime: Runtime


@dataclass(frozen=True)
class Ready:
    """The data of a run: the labelled set, what pre-training draws from, what an objective may know of it, and its seconds."""

    labelled: Material
    supplies: tuple[pretrain.Supply, ...]
    facts: Facts
    seconds: float = 0.0


@dataclass(frozen=True)
class Learned:
    """An encoder after pre-training with its objective, the key of its content, and one row an epoch of its history."""

    learner: pretrain.Learner
    key: str
    history: tuple[Mapping[str, float], ...]


def rows_digest(*rows: Rows) -> str:
    """What stands for sets of rows in a stage's content."""
    return digest([part.tolist() for part in rows])


def done(stage: Stage, reused: bool) -> records.Stage:
    """The record of a stage that is finished."""
    return records.Stage(stage.name, stage.key, float(stage.summary()["seconds"]), reused)


def baseline(scores: list[Score], name: str) -> list[Score]:
    """Scores of a baseline, named after it; what is itself a baseline is left out."""
    return [replace(score, metric=f"{score.metric}/{name}") for score in scores if "/" not in score.metric]
