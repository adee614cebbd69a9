"""Pose: an encoder and labelled hands in; a fitted network, lifted test hands and their scores out.

Fitting is one stage and scoring another, so that one network is scored on any material without being fitted again.
"""

import copy
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import UInt8

from handbench import training
from handbench.assembly import contents, make_augmentations
from handbench.checkpoints import Stage, code_of
from handbench.configs import as_settings
from handbench.data.material import Material
from handbench.files import as_npz, write_bytes
from handbench.flow.data import supply
from handbench.flow.job import Job, Learned, Ready, Rows, baseline, done, rows_digest
from handbench.flow.learn import untrained
from handbench.learn import pretrain, sampling, views
from handbench.pose import analysis, estimator, finetune, fitted
from handbench.pose.fitted import Fitted, Window
from handbench.results import records
from handbench.types import Score

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Posed:
    """What the pose stage adds to a run's record."""

    scores: tuple[Score, ...] = ()
    stages: tuple[records.Stage, ...] = ()
    files: Mapping[str, bytes] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """A fitted network: the stage that made it, whether that was done before, and the network itself when it is asked for."""

    stage: Stage
    reused: bool
    get: Callable[[], Fitted]


def pose(job: Job, ready: Ready, learned: Learned) -> Posed:
    """Fit a head on the labelled share, lift the test hands to 3D and score them; nothing where no hand has joints.

    Probes of the random encoder stand beside probes of the learned one; fine-tuning from scratch is a run of its own
    (objective none).
    """
    if not ready.facts.posed:
        return Posed()
    network = fit(job, ready, learned)
    found = score(job, network, ready.labelled, ready.labelled.split.test)
    scores = found.scores
    if job.recipe.pose.protocol != "finetune":
        random = score(job, fit(job, ready, untrained(job)), ready.labelled, ready.labelled.split.test)
        scores = (*scores, *baseline(list(random.scores), "random"))
    notes = (*network.stage.summary()["notes"], *found.notes)
    return replace(found, scores=scores, stages=(done(network.stage, network.reused), *found.stages), notes=notes)


def fit(job: Job, ready: Ready, learned: Learned) -> Network:
    """Fit a network for one encoder, or find the one that the same content was fitted to before."""
    labels, split = ready.labelled.labels, ready.labelled.split
    train = ready.labelled.labelled(split.train, job.recipe.pose.labels, job.recipe.seed)
    rows = {"train": train, "validation": split.validation[labels.posed[split.validation]]}
    content = {
        "encoder": learned.key,
        "settings": as_settings(replace(job.recipe.pose, scale="given")),  # which scale is scoring's affair
        "parts": contents({"head": job.assembly.head, "augmentations": job.assembly.augmentations}),
        "data": [ready.labelled.pool.pack.key, *(rows_digest(part) for part in rows.values())],
        "views": [job.recipe.pretrain.view, job.recipe.pretrain.fill],
        "code": code_of(estimator, finetune, views, training),
        "seed": job.recipe.seed,
    }
    stage = Stage(job.runtime.results, "pose", content)
    if stage.done:
        return Network(stage, True, functools.cache(lambda: _read(job, learned, stage)))
    started = time.perf_counter()
    made = estimator.fit(_task(job, ready, learned, rows, stage))
    write_bytes(stage.folder / fitted.FILE, fitted.as_file(made, with_encoder=job.recipe.pose.protocol == "finetune"))
    notes = [made.note] if made.note else []
    stage.finish({"encoder": learned.key, "notes": notes, "seconds": time.perf_counter() - started})
    return Network(stage, False, lambda: made)


def score(job: Job, network: Network, material: Material, rows: Rows) -> Posed:
    """Lift and score hands of a dataset, the run's own or another, once."""
    content = {
        "network": network.stage.key,
        "scale": job.recipe.pose.scale,
        "parts": contents({"metrics": job.assembly.metrics}),
        "data": [material.pool.pack.key, rows_digest(rows)],
        "views": [job.recipe.pretrain.view, job.recipe.pretrain.fill],
        "code": code_of(analysis, estimator, views),
    }
    stage = Stage(job.runtime.results, "score", content)
    reused = stage.done
    if not reused:
        _score(job, network.get(), material, rows, stage)
    summary = stage.summary()
    scores = tuple(Score(**entry) for entry in summary["scores"])
    files = {name: (stage.folder / name).read_bytes() for name in summary["files"]}
    return Posed(scores, (done(stage, reused),), files, tuple(summary["notes"]))


def _score(job: Job, network: Fitted, material: Material, rows: Rows, stage: Stage) -> None:
    started = time.perf_counter()
    size, labels = network.window.size, material.labels.take(rows)
    held = estimator.Held(labels, views.plain_batches(material.pool.batch, rows, size, fill=job.recipe.pretrain.fill))
    metrics = [part.make() for part in job.assembly.metrics]
    found = estimator.assess(network, held, job.recipe.pose, metrics, job.runtime.device)

    def images(chosen: Rows) -> UInt8[np.ndarray, "chosen side side 3"]:
        seen = views.plain_views(material.pool.batch(rows[chosen]), size, fill=job.recipe.pretrain.fill).images[0]
        return np.asarray((seen * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())

    known = {name: values for name, values in vars(found.prediction).items() if values is not None}
    files = {PREDICTIONS: as_npz(**known), **analysis.analyse(found.prediction, found.truth, labels, images)}
    for name, content in files.items():
        write_bytes(stage.folder / name, content)
    scores = [asdict(entry) for entry in found.scores]
    seconds = time.perf_counter() - started
    stage.finish({"scores": scores, "notes": list(found.notes), "files": list(files), "seconds": seconds})


def _read(job: Job, learned: Learned, stage: Stage) -> Fitted:
    """The network that the stage kept, about a copy of the encoder: a fine-tuned one has weights of its own."""
    head, encoder = job.assembly.head, copy.deepcopy(learned.learner.backbone)
    return fitted.read(stage.folder / fitted.FILE, encoder, head.resolved.target, head.config)


def _task(job: Job, ready: Ready, learned: Learned, rows: Mapping[str, Rows], stage: Stage) -> estimator.Task:
    """What fitting needs to know and to see."""
    size, seed = job.recipe.pretrain.view, job.recipe.seed
    warps = [augmentation for augmentation in make_augmentations(job.assembly) if augmentation.kind == "warp"]
    batch = min(job.recipe.pose.batch, len(rows["train"]))
    supplies = (supply(ready.labelled, rows["train"], 1.0),)
    sampler = sampling.Sampler((len(rows["train"]),), (1.0,), batch, seed)
    settings = replace(job.recipe.pretrain, epochs=job.recipe.pose.epochs, batch=batch, micro_batch=None, view=size)
    return estimator.Task(
        encoder=learned.learner.backbone,
        head_class=job.assembly.head.resolved.target,
        head_config=job.assembly.head.config,
        settings=job.recipe.pose,
        plain=lambda part: views.plain_batches(ready.labelled.pool.batch, rows[part], size, fill=job.recipe.pretrain.fill),
        augmented=pretrain.view_maker(supplies, warps, settings, sampler, count=1),
        steps=sampler.steps,
        window=Window(size, ready.labelled.pool.pack.context),
        seed=seed,
        device=job.runtime.device,
        folder=stage.folder,
        checkpoint_seconds=job.runtime.checkpoint_seconds,
    )
