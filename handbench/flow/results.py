"""Results: all that a run found in; its directory out."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import tomli_w

from handbench import devices
from handbench.assembly import resolved
from handbench.checkpoints import digest
from handbench.flow.job import Job, Learned, Ready
from handbench.recipe import to_tables
from handbench.results import records
from handbench.results.provenance import provenance
from handbench.types import Score


def write(
    job: Job,
    ready: Ready,
    learned: Learned,
    stages: tuple[records.Stage, ...],
    scores: tuple[Score, ...],
    files: Mapping[str, bytes],
    seconds: float,
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
        notes=ready.labelled.notes,
        stages=stages,
        cost=_cost(job, learned, seconds),
        data={**ready.labelled.facts, "pretraining": ready.facts.images},
        provenance={**provenance(job.runtime.device), "components": job.assembly.distributions()},
    )
    history = pd.DataFrame(list(learned.history)).to_csv(index=False).encode()
    directory = records.open_run(job.runtime.results, identity)
    records.write_run(directory, record, {"recipe.toml": tomli_w.dumps(tables).encode(), "metrics.csv": history, **files})
    return directory


def _cost(job: Job, learned: Learned, seconds: float) -> dict[str, float]:
    """What the run took; speeds are means over the epochs of pre-training, by whichever run did it."""
    history = pd.DataFrame(list(learned.history))
    speed = {name: float(history[name].mean()) for name in ("views_per_second", "data_wait")} if len(history) else {}
    return {**speed, "peak_memory_mib": devices.peak_memory_mib(job.runtime.device), "seconds": seconds}
