"""Pose: an encoder and labelled hands in; fitted heads, lifted test hands and their scores out."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace

from handbench import training
from handbench.assembly import contents, make_augmentations
from handbench.checkpoints import Stage, code_of
from handbench.configs import as_settings
from handbench.files import write_bytes
from handbench.flow.data import supply
from handbench.flow.job import Job, Learned, Ready, Rows, baseline, done, rows_digest
from handbench.flow.learn import untrained
from handbench.learn import pretrain, sampling, views
from handbench.pose import estimator, finetune
from handbench.results import records
from handbench.types import Score


def pose(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], list[records.Stage], dict[str, bytes]]:
    """Fit a head on the labelled share, lift the test hands to 3D and score them; nothing where no hand has joints.

    Probes of the random encoder stand beside probes of the learned one; fine-tuning from scratch is a run of its own
    (objective none).
    """
    if not ready.facts.posed:
        return [], [], {}
    scores, done, predictions = _fit(job, ready, learned)
    if job.recipe.pose.protocol != "finetune":
        random, _, _ = _fit(job, ready, untrained(job))
        scores = scores + baseline(random, "random")
    return scores, [done], {"predictions.npz": predictions}


def _fit(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, bytes]:
    """Fit and score a head once for one encoder."""
    labels, split = ready.labelled.labels, ready.labelled.split
    train = ready.labelled.labelled(split.train, job.recipe.pose.labels, job.recipe.seed)
    rows = {"train": train, "validation": split.validation[labels.posed[split.validation]], "test": split.test}
    content = {
        "encoder": learned.key,
        "settings": as_settings(job.recipe.pose),
        "parts": contents(
            {"head": job.assembly.head, "metrics": job.assembly.metrics, "augmentations": job.assembly.augmentations}
        ),
        "data": [ready.labelled.pool.pack.key, job.recipe.pretrain.view, *(rows_digest(part) for part in rows.values())],
        "code": code_of(estimator, finetune, views, training),
        "seed": job.recipe.seed,
    }
    stage = Stage(job.runtime.results, "pose", content)
    reused = stage.done
    if not reused:
        started = time.perf_counter()
        predictions, scores = estimator.estimate(_task(job, ready, learned, rows, stage))
        write_bytes(stage.folder / "predictions.npz", predictions)
        stage.finish({"scores": [asdict(score) for score in scores], "seconds": time.perf_counter() - started})
    scores = [Score(**score) for score in stage.summary()["scores"]]
    return scores, done(stage, reused), (stage.folder / "predictions.npz").read_bytes()


def _task(job: Job, ready: Ready, learned: Learned, rows: Mapping[str, Rows], stage: Stage) -> estimator.Task:
    """What the pose stage needs to know and to see."""
    size, seed = job.recipe.pretrain.view, job.recipe.seed
    warps = [augmentation for augmentation in make_augmentations(job.assembly) if augmentation.kind == "warp"]
    batch = min(job.recipe.pose.batch, len(rows["train"]))
    supplies = (supply(ready.labelled, rows["train"], 1.0),)
    sampler = sampling.Sampler((len(rows["train"]),), (1.0,), batch, seed)
    settings = replace(job.recipe.pretrain, batch=batch, micro_batch=None, view=size)
    return estimator.Task(
        encoder=learned.learner.backbone,
        head_class=job.assembly.head.resolved.target,
        head_config=job.assembly.head.config,
        metrics=tuple(part.make() for part in job.assembly.metrics),
        settings=job.recipe.pose,
        plain=lambda part: views.plain_batches(ready.labelled.pool.batch, rows[part], size),
        augmented=pretrain.view_maker(supplies, warps, settings, sampler, count=1),
        steps=sampler.steps,
        labels=ready.labelled.labels.take(rows["test"]),
        size=size,
        seed=seed,
        device=job.runtime.device,
        folder=stage.folder,
        checkpoint_seconds=job.runtime.checkpoint_seconds,
    )
