"""Measure: a frozen encoder in; what can be read from its features, beside a random encoder's, out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from handbench.assembly import contents, make_augmentations
from handbench.checkpoints import Stage, code_of
from handbench.configs import as_settings
from handbench.data import material
from handbench.files import as_npz
from handbench.flow.job import Job, Learned, Ready, Rows, baseline, done, rows_digest
from handbench.flow.learn import untrained
from handbench.geometry import move
from handbench.learn import views
from handbench.measure import probes, sights
from handbench.results import records
from handbench.types import Score, Views


def measure(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, dict[str, bytes]]:
    """Probe the frozen encoder, and beside it the same network with its first, random weights."""
    scores, done, files = _probe(job, ready, learned)
    random, _, _ = _probe(job, ready, untrained(job))
    return scores + baseline(random, "random"), done, files


def _probe(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, dict[str, bytes]]:
    """Run the feature probes of one encoder once."""
    train, test = (
        material.some(rows, job.recipe.measure.images) for rows in (ready.labelled.split.train, ready.labelled.split.test)
    )
    content = {
        "encoder": learned.key,
        "settings": as_settings(job.recipe.measure),
        "augmentations": contents({"augmentations": job.assembly.augmentations}),
        "data": [ready.labelled.pool.pack.key, rows_digest(train), rows_digest(test)],
        "views": [job.recipe.pretrain.view, job.recipe.pretrain.fill],
        "code": code_of(probes, views),
        "seed": job.recipe.seed,
    }

    def work() -> tuple[dict[str, Any], dict[str, Any]]:
        started = time.perf_counter()
        found = probes.probe(_subject(job, ready, learned), _material(ready, train, test), job.recipe.measure, job.recipe.seed)
        summary = {"scores": [asdict(score) for score in found.scores], "seconds": time.perf_counter() - started}
        return summary, {"row": torch.from_numpy(test), "samples": dict(found.samples), "pairs": dict(found.pairs)}

    stage = Stage(job.runtime.results, "measure", content)
    summary, reused = stage.run(work)
    scores = [Score(**score) for score in summary["scores"]]
    return scores, done(stage, reused), _files(stage.state(), ready.labelled.labels.key)


def _files(kept: dict[str, Any], keys: Shaped[np.ndarray, "rows"]) -> dict[str, bytes]:
    """What each held-out image scored, and the true and decoded warps of those of which all were decoded."""
    samples, pairs = ({name: values.numpy() for name, values in kept[part].items()} for part in ("samples", "pairs"))
    key = keys[kept["row"].numpy()]
    files = {"probes.npz": as_npz(key=key, **samples)}
    if pairs:
        whole = np.all([np.isfinite(values) for values in pairs.values()], axis=0)
        files["equivariance.npz"] = as_npz(key=key[whole], **{name: values[whole] for name, values in pairs.items()})
    return files


def _material(ready: Ready, train: Rows, test: Rows) -> sights.Material:
    """What the probes may know of the images."""
    labels = ready.labelled.labels
    posed = (np.isfinite(labels.joints_2d).all(-1) & labels.valid).any(-1)
    _, source = np.unique(np.where(labels.source == "", labels.key, labels.source), return_inverse=True)
    return sights.Material(
        train,
        test,
        train_classes=ready.labelled.pool.batch(train).targets.classes.cpu(),
        test_classes=ready.labelled.pool.batch(test).targets.classes.cpu(),
        train_posed=torch.from_numpy(posed[train]),
        test_posed=torch.from_numpy(posed[test]),
        test_sources=torch.from_numpy(source[test]),
    )


def _subject(job: Job, ready: Ready, learned: Learned) -> sights.Subject:
    """The encoder, and how the probes look at images with it."""
    batch_of, augmentations = ready.labelled.pool.batch, make_augmentations(job.assembly)
    size, fill = job.recipe.pretrain.view, job.recipe.pretrain.fill
    projection: Callable[[Tensor], Tensor | None] | None = getattr(learned.learner.objective, "project", None)

    def project(features: Tensor) -> Tensor | None:
        return projection(features.to(job.runtime.device)) if projection else None

    def plain(rows: Rows, turns: Tensor | None) -> Iterator[Views]:
        return views.plain_batches(batch_of, rows, size, turns, fill)

    def augmented(rows: Rows, view: int) -> Iterator[Views]:
        key = (job.recipe.seed, "retrieval", view)
        return views.augmented_batches(batch_of, rows, size, augmentations, *key, fill=fill)

    act = getattr(learned.learner.objective, "act", move)  # an objective may declare how its points follow a warp
    return sights.Subject(learned.learner.backbone, project, plain, augmented, act)
