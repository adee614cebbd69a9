"""Data: the recipe's datasets in; packed, split and ready to be drawn from, with what pre-training may see, out."""

import time
from collections.abc import Iterator

from handbench import devices
from handbench.data import material
from handbench.data.material import Material
from handbench.flow.job import Job, Ready, Rows
from handbench.learn.pretrain import Supply
from handbench.types import Facts


def prepare(job: Job) -> Ready:
    """Data: pack every dataset once, split them, and say which images pre-training may see."""
    started = time.perf_counter()
    devices.forget_peak_memory(job.runtime.device)
    view = job.recipe.pretrain.view
    labelled = material.prepare(job.assembly.labelled.dataset, job.recipe.dataset.name, view, job.runtime.device)
    for note in labelled.notes:
        job.runtime.say(f"note: {note}")
    supplies = tuple(_supplies(job, labelled))
    images = sum(len(supply.rows) for supply in supplies)
    steps = job.recipe.pretrain.epochs * (images // job.recipe.pretrain.batch)
    facts = Facts(len(labelled.pool.classes), labelled.posed, images, steps)
    return Ready(labelled, supplies, facts, time.perf_counter() - started)


def _supplies(job: Job, labelled: Material) -> Iterator[Supply]:
    """What pre-training draws from: the labelled set's training part, or the training parts of the mixture that was named.

    An objective that reads labels trains on the labelled set, on the share whose labels the run may use.
    """
    images = job.recipe.pretrain.images
    if job.assembly.objective.resolved.target.trains_on_labels:
        rows = labelled.labelled(labelled.split.train, job.recipe.pose.labels, job.recipe.seed)
        yield supply(labelled, labelled.at_most(rows, images), 1.0)
    elif not job.assembly.unlabelled:
        yield supply(labelled, labelled.at_most(labelled.split.train, images), 1.0)
    for opened in () if job.assembly.objective.resolved.target.trains_on_labels else job.assembly.unlabelled:
        other = material.prepare(opened.dataset, opened.source.name, job.recipe.pretrain.view, job.runtime.device)
        yield supply(other, other.at_most(other.split.train, images), opened.source.weight)


def supply(source: Material, rows: Rows, weight: float) -> Supply:
    """Rows of one dataset as a part of what is trained on."""
    return Supply(rows, weight, source.pool.pack.key, source.pool.batch, source.pool.ahead)
