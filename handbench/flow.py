"""Where the stages meet: a recipe in; data → learn → measure → pose → results, and the run's record out.

No stage knows another; what passes between them passes here. Pre-training, probes and pose are content-addressed: each
is done once, whatever run asks for it, and an interrupted one goes on from its checkpoint.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.torch
import tomli_w
import torch
from jaxtyping import Int
from torch import Tensor, nn

from handbench import devices, training
from handbench.assembly import (
    Assembly,
    Part,
    contents,
    make_augmentations,
    make_backbone,
    make_objective,
    resolved,
    without_weights,
)
from handbench.checkpoints import Stage, code_of, digest
from handbench.configs import as_settings
from handbench.data import material
from handbench.data.material import Material
from handbench.files import as_npz, ensure_writable, write_bytes
from handbench.learn import pretrain, sampling, views
from handbench.measure import probes
from handbench.pose import estimator, finetune
from handbench.progress import duration
from handbench.recipe import Recipe, to_tables
from handbench.results import records
from handbench.results.provenance import provenance
from handbench.types import Facts, Score

Rows = Int[np.ndarray, "rows"]
ENCODER = "encoder.safetensors"  # in the pre-training's folder; what --weights takes


@dataclass(frozen=True)
class Runtime:
    """Where and how a run works; nothing here changes its outcome but the device.

    Args:
        results: folder of runs and shared stages.
        device: of training.
        checkpoint_seconds: how often a long stage saves where it is.
        say: takes a line for the user.
    """

    results: Path
    device: torch.device
    checkpoint_seconds: float = 60.0
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Job:
    """One run to do: what, with which components, where."""

    recipe: Recipe
    assembly: Assembly
    runtime: Runtime


@dataclass(frozen=True)
class Ready:
    """The data of a run: the labelled set, what pre-training draws from, and what an objective may know of it."""

    labelled: Material
    supplies: tuple[pretrain.Supply, ...]
    facts: Facts


@dataclass(frozen=True)
class Learned:
    """An encoder after pre-training with its objective, the key of its content, and one row an epoch of its history."""

    learner: pretrain.Learner
    key: str
    history: tuple[Mapping[str, float], ...]


def run(job: Job) -> Path:
    """Do what a recipe asks for; what was done before is not done again.

    Returns:
        The run's directory.

    Raises:
        HandbenchError: anything the user can mend; finished stages and the last checkpoint stay.
        Interrupted: Ctrl-C.
    """
    started = time.perf_counter()
    ensure_writable(job.runtime.results)
    backbone = make_backbone(job.assembly.backbone, job.recipe.seed)  # first: weights that cannot be had cost no work
    ready = prepare(job)
    learned, pretraining = learn(job, ready, backbone)
    measured, probing, probed = measure(job, ready, learned)
    posed, fitting, predicted = pose(job, ready, learned)
    stages, files = (pretraining, probing, *fitting), {**probed, **predicted}
    return write(job, ready, learned, stages, (*measured, *posed), files, time.perf_counter() - started)


def prepare(job: Job) -> Ready:
    """Data: pack every dataset once, split them, and say which images pre-training may see."""
    view = job.recipe.pretrain.view
    labelled = material.prepare(job.assembly.labelled.dataset, job.recipe.dataset.name, view, job.runtime.device)
    for note in labelled.notes:
        job.runtime.say(f"note: {note}")
    supplies = tuple(_supplies(job, labelled))
    images = sum(len(supply.rows) for supply in supplies)
    steps = job.recipe.pretrain.epochs * (images // job.recipe.pretrain.batch)
    return Ready(labelled, supplies, Facts(len(labelled.pool.classes), labelled.posed, images, steps))


def learn(job: Job, ready: Ready, backbone: nn.Module) -> tuple[Learned, records.Stage]:
    """Pre-train, or take the encoder that the same content was pre-trained to before."""
    objective = make_objective(job.assembly.objective, backbone, ready.facts, job.recipe.seed)
    learner = pretrain.Learner(backbone, objective).to(job.runtime.device)
    stage = Stage(job.runtime.results, "pretrain", _pretrain_content(job, ready))
    reused = stage.done
    if reused:
        job.runtime.say(f"pre-training was done before: {stage.folder}")
        learner.load_state_dict(stage.state())
    else:
        history = _train(job, ready, learner, stage)
        weights = {name: value.cpu().contiguous() for name, value in backbone.state_dict().items()}
        write_bytes(stage.folder / ENCODER, safetensors.torch.save(weights))
        stage.finish({"history": history, "seconds": sum(row["seconds"] for row in history)}, learner.state_dict())
    summary = stage.summary()
    return Learned(learner.eval(), stage.key, tuple(summary["history"])), _done(stage, reused)


def measure(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, dict[str, bytes]]:
    """Probe the frozen encoder, and beside it the same network with its first, random weights."""
    scores, done, samples = _probe(job, ready, learned)
    random, _, _ = _probe(job, ready, _untrained(job))
    return scores + _baseline(random, "random"), done, {"probes.npz": samples}


def pose(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], list[records.Stage], dict[str, bytes]]:
    """Fit a head on the labelled share, lift the test hands to 3D and score them; nothing where no hand has joints.

    Probes of the random encoder stand beside probes of the learned one; fine-tuning from scratch is a run of its own
    (objective none).
    """
    if not ready.facts.posed:
        return [], [], {}
    scores, done, predictions = _fit(job, ready, learned)
    if job.recipe.pose.protocol != "finetune":
        random, _, _ = _fit(job, ready, _untrained(job))
        scores = scores + _baseline(random, "random")
    return scores, [done], {"predictions.npz": predictions}


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


def _supplies(job: Job, labelled: Material) -> Iterator[pretrain.Supply]:
    """What pre-training draws from: the labelled set's training part, or the training parts of the mixture that was named.

    An objective that reads labels trains on the labelled set, on the share whose labels the run may use.
    """
    images = job.recipe.pretrain.images
    if job.assembly.objective.resolved.target.trains_on_labels:
        rows = labelled.labelled(labelled.split.train, job.recipe.pose.labels, job.recipe.seed)
        yield _supply(labelled, labelled.at_most(rows, images), 1.0)
    elif not job.assembly.unlabelled:
        yield _supply(labelled, labelled.at_most(labelled.split.train, images), 1.0)
    for opened in () if job.assembly.objective.resolved.target.trains_on_labels else job.assembly.unlabelled:
        other = material.prepare(opened.dataset, opened.source.name, job.recipe.pretrain.view, job.runtime.device)
        yield _supply(other, other.at_most(other.split.train, images), opened.source.weight)


def _supply(source: Material, rows: Rows, weight: float) -> pretrain.Supply:
    return pretrain.Supply(rows, weight, source.pool.pack.key, source.pool.batch)


def _pretrain_content(job: Job, ready: Ready) -> dict[str, Any]:
    if job.assembly.objective.resolved.target.views == 0:
        return _untrained_content(job.assembly.backbone, job.recipe.seed)
    parts: dict[str, Part | tuple[Part, ...]] = {
        "backbone": job.assembly.backbone,
        "objective": job.assembly.objective,
        "augmentations": job.assembly.augmentations,
    }
    return {
        "settings": as_settings(replace(job.recipe.pretrain, data=())),
        "parts": contents(parts),
        "data": [[supply.key, supply.weight, _rows_digest(supply.rows)] for supply in ready.supplies],
        "code": code_of(pretrain, sampling, views, training),
        "device": [job.runtime.device.type, devices.half_precision(job.runtime.device)],
        "seed": job.recipe.seed,
    }


def _train(job: Job, ready: Ready, learner: pretrain.Learner, stage: Stage) -> list[dict[str, float]]:
    count = job.assembly.objective.resolved.target.views
    if count == 0:
        return []
    settings = job.recipe.pretrain
    sampler = pretrain.sampler_of(settings, ready.supplies, job.recipe.seed)
    plan = pretrain.plan_of(settings, sampler)
    maker = pretrain.view_maker(ready.supplies, make_augmentations(job.assembly), settings, sampler, count)
    expected = pretrain.estimate_seconds(learner, maker, plan, job.runtime.device)
    job.runtime.say(
        f"pre-training {job.recipe.objective.name}, {job.recipe.backbone.name}: {plan.epochs} epochs of {plan.steps} steps of "
        f"{settings.batch} images, about {duration(expected)} on {devices.describe(job.runtime.device)}"
    )
    if plan.accumulate > 1:
        seen = pretrain.negatives(settings, count)
        job.runtime.say(
            f"gradients of {plan.accumulate} micro-batches of {settings.micro_batch} add up: an anchor sees {seen} negatives"
        )
    return pretrain.pretrain(learner, maker, plan, job.runtime.device, stage.folder, job.runtime.checkpoint_seconds)


def _untrained(job: Job) -> Learned:
    """The same network as it was initialised, without any pre-trained weights: the baseline of every probe."""
    bare = without_weights(job.assembly.backbone)
    learner = pretrain.Learner(make_backbone(bare, job.recipe.seed), nn.Identity()).to(job.runtime.device).eval()
    return Learned(learner, Stage(job.runtime.results, "pretrain", _untrained_content(bare, job.recipe.seed)).key, ())


def _untrained_content(backbone: Part, seed: int) -> dict[str, Any]:
    return {"untrained": backbone.content, "seed": seed}


def _probe(job: Job, ready: Ready, learned: Learned) -> tuple[list[Score], records.Stage, bytes]:
    """Run the feature probes of one encoder once."""
    train, test = (
        material.some(rows, job.recipe.measure.images) for rows in (ready.labelled.split.train, ready.labelled.split.test)
    )
    content = {
        "encoder": learned.key,
        "settings": as_settings(job.recipe.measure),
        "augmentations": contents({"augmentations": job.assembly.augmentations}),
        "data": [ready.labelled.pool.pack.key, job.recipe.pretrain.view, _rows_digest(train), _rows_digest(test)],
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
    return [Score(**score) for score in summary["scores"]], _done(stage, reused), file


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
        "data": [ready.labelled.pool.pack.key, job.recipe.pretrain.view, *(_rows_digest(part) for part in rows.values())],
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
    return scores, _done(stage, reused), (stage.folder / "predictions.npz").read_bytes()


def _task(job: Job, ready: Ready, learned: Learned, rows: Mapping[str, Rows], stage: Stage) -> estimator.Task:
    """What the pose stage needs to know and to see."""
    size, seed = job.recipe.pretrain.view, job.recipe.seed
    warps = [augmentation for augmentation in make_augmentations(job.assembly) if augmentation.kind == "warp"]
    batch = min(job.recipe.pose.batch, len(rows["train"]))
    supplies = (_supply(ready.labelled, rows["train"], 1.0),)
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


def _baseline(scores: list[Score], name: str) -> list[Score]:
    """Scores of a baseline, named after it; what is itself a baseline is left out."""
    return [replace(score, metric=f"{score.metric}/{name}") for score in scores if "/" not in score.metric]


def _rows_digest(*rows: Rows) -> str:
    return digest([part.tolist() for part in rows])


def _done(stage: Stage, reused: bool) -> records.Stage:
    return records.Stage(stage.name, stage.key, float(stage.summary()["seconds"]), reused)


def _cost(job: Job, learned: Learned, seconds: float) -> dict[str, float]:
    """What the run took; speeds are means over the epochs of pre-training, by whichever run did it."""
    history = pd.DataFrame(list(learned.history))
    speed = {name: float(history[name].mean()) for name in ("views_per_second", "data_wait")} if len(history) else {}
    return {**speed, "peak_memory_mib": devices.peak_memory_mib(job.runtime.device), "seconds": seconds}
