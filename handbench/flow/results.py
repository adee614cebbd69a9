"""Results: all that a run found in; its directory out."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w

from handbench import devices, training
from handbench.assembly import resolved
from handbench.checkpoints import digest, folder_of
from handbench.flow.job import Job, Learned, Ready
from handbench.recipe import to_tables
from handbench.results import records
from handbench.results.provenance import provenance
from handbench.types import Score

SPEEDS = ("views_per_second", "data_wait")


def write(
    job: Job,
    ready: Ready,
    learned: Learned,
    stages: tuple[records.Stage, ...],
    scores: tuple[Score, ...],
    files: Mapping[str, bytes],
    seconds: float,
    notes: tuple[str, ...] = (),
) -> Path:
    """Results: write the run's directory, unless the same run stands there finished."""
    key = digest([stage.key for stage in stages])
    names = (job.recipe.objective.name, job.recipe.backbone.name, job.recipe.dataset.name)
    identity = f"{'-'.join(names)}-s{job.recipe.seed}-{key[:8]}"
    if records.read_run(job.runtime.results / identity):
        job.runtime.say(f"this run was finished before: {job.runtime.results / identity}")
        return job.runtime.results / identity
    tables = to_tables(resolved(job.recipe, job.assembly))
    record = records.Record(
        id=identity,
        status="finished",
        key=key,
        objective=names[0],
        backbone=names[1],
        dataset=names[2],
        protocol=job.recipe.pose.protocol if ready.facts.posed else "features",
        labels=job.recipe.pose.labels,
        budget=job.recipe.budget,
        seed=job.recipe.seed,
        device=job.runtime.device.type,
        recipe=tables,
        scores=scores,
        notes=(*ready.labelled.notes, *notes),
        stages=stages,
        cost=_cost(job, ready, learned, stages, seconds),
        data={**ready.labelled.facts, "pretraining": ready.facts.images},
        provenance={**provenance(job.runtime.device), "components": job.assembly.distributions()},
    )
    history = pd.DataFrame(list(learned.history)).to_csv(index=False).encode()
    directory = records.open_run(job.runtime.results, identity)
    records.write_run(directory, record, {"recipe.toml": tomli_w.dumps(tables).encode(), "metrics.csv": history, **files})
    return directory


def _cost(job: Job, ready: Ready, learned: Learned, stages: Sequence[records.Stage], seconds: float) -> dict[str, float]:
    """What the run took.

    Speeds are means over the epochs of pre-training, else of fine-tuning, by whichever run did it; NaN where no encoder was
    trained. The seconds of a stage are those of its making, whenever that was; those of data include packing only when it was
    done now.
    """
    history = list(learned.history) or [row for stage in stages for row in _history(job, stage)]
    speeds = {name: float(np.mean([row[name] for row in history])) if history else math.nan for name in SPEEDS}
    spans = {f"seconds_{name}": 0.0 for name in ("data", *(stage.name for stage in stages))}
    spans["seconds_data"] = ready.seconds
    for stage in stages:
        spans[f"seconds_{stage.name}"] += stage.seconds
    return {**speeds, "peak_memory_mib": devices.peak_memory_mib(job.runtime.device), "seconds": seconds, **spans}


def _history(job: Job, stage: records.Stage) -> list[dict[str, float]]:
    """The rows of a stage's training, where it trained a network."""
    path = folder_of(job.runtime.results, stage.name, stage.key) / training.HISTORY
    rows: list[dict[str, float]] = json.loads(path.read_text()) if path.is_file() else []
    return rows
