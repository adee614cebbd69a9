"""Measure: a frozen encoder in; what can be read from its features, beside a random encoder's, out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from handbench.assembly import contents, make_augmentations
from handbench.checkpoints import Stage, code_of
from handbench.configs import as_settings
from handbench.data import material
from handbench.files import as_npz
from handbench.flow.job import Job, Learned, Ready, Rows, baseline, done, rows_digest
from handbench.flow.learn import untrained
from handbench.learn import views
from handbench.measure import probes
from handbench.results import records
from handbench.types import Score


def measure(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, dict[str, bytes]]:
    """Probe the frozen encoder, and beside it the same network with its first, random weights."""
    scores, done, samples = _probe(job, ready, learned)
    random, _, _ = _probe(job, ready, untrained(job))
    return scores + baseline(random, "random"), done, {"probes.npz": samples}


def _probe(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, bytes]:
    """Run the feature probes of one encoder once."""
    train, test = (
        material.some(rows, job.recipe.measure.images) for rows in (ready.labelled.split.train, ready.labelled.split.test)
    )
    content = {
        "encoder": learned.key,
        "settings": as_settings(job.recipe.measure),
        "augmentations": contents({"augmentations": job.assembly.augmentations}),
        "data": [ready.labelled.pool.pack.key, job.recipe.pretrain.view, rows_digest(train), rows_digest(test)],
        "code": code_of(probes, views),
        "seed": job.recipe.seed,
    }

    def work() -> tuple[dict[str, Any], dict[str, Tensor]]:
        started = time.perf_counter()
        classes = [ready.labelled.pool.batch(rows).targets.classes.cpu() for rows in (train, test)]
        looked_at = probes.Material(train, test, *classes)
        found = probes.probe(_subject(job, ready, learned), looked_at, job.recipe.measure, job.recipe.seed)
        summary = {"scores": [asdict(score) for score in found.scores], "seconds": time.perf_counter() - started}
        return summary, {"row": torch.from_numpy(test), **found.samples}

    stage = Stage(job.runtime.results, "measure", content)
    summary, reused = stage.run(work)
    samples = {name: values.numpy() for name, values in stage.state().items()}
    file = as_npz(key=ready.labelled.labels.key[samples.pop("row")], **samples)  # what each held-out image scored
    return [Score(**score) for score in summary["scores"]], done(stage, reused), file


def _subject(job: Job, ready: Ready, learned: Learned) -> probes.Subject:
    """The encoder, and how the probes look at images with it."""
    batch_of, size, augmentations = ready.labelled.pool.batch, job.recipe.pretrain.view, make_augmentations(job.assembly)
    projection: Callable[[Tensor], Tensor | None] | None = getattr(learned.learner.objective, "project", None)

    def project(features: Tensor) -> Tensor | None:
        return projection(features.to(job.runtime.device)) if projection else None

    def plain(rows: Rows, turns: Tensor | None) -> Iterator[Tensor]:
        return (seen.flat for seen in views.plain_batches(batch_of, rows, size, turns))

    def augmented(rows: Rows, view: int) -> Iterator[Tensor]:
        return (
            seen.flat for seen in views.augmented_batches(batch_of, rows, size, augmentations, job.recipe.seed, "retrieval", view)
        )

    return probes.Subject(learned.learner.backbone, project, plain, augmented)
