"""Learn: packed hands in; an encoder pre-trained by the objective, or taken from where the same content lies, out."""

import functools
from dataclasses import replace
from typing import Any

import safetensors.torch
from torch import nn

from handbench import devices, training
from handbench.assembly import Part, contents, make_augmentations, make_backbone, make_objective, without_weights
from handbench.checkpoints import Stage, code_of
from handbench.configs import as_settings
from handbench.files import write_bytes
from handbench.flow.job import Job, Learned, Ready, done, rows_digest
from handbench.learn import compiling, pretrain, sampling, views
from handbench.progress import duration
from handbench.results import records

ENCODER = "encoder.safetensors"  # in the pre-training's folder; what --weights takes


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
    return Learned(learner.eval(), stage.key, tuple(summary["history"])), done(stage, reused)


def _pretrain_content(job: Job, ready: Ready) -> dict[str, Any]:
    if job.assembly.objective.resolved.target.views == 0:
        return _untrained_content(job.assembly.backbone, job.recipe.seed)
    parts: dict[str, Part | tuple[Part, ...]] = {
        "backbone": job.assembly.backbone,
        "objective": job.assembly.objective,
        "augmentations": job.assembly.augmentations,
    }
    return {
        "settings": as_settings(replace(job.recipe.pretrain, data=(), compile="auto")),
        "parts": contents(parts),
        "data": [[supply.key, supply.weight, rows_digest(supply.rows)] for supply in ready.supplies],
        "code": code_of(pretrain, sampling, views, training),
        "device": [job.runtime.device.type, devices.half_precision(job.runtime.device)],
        "seed": job.recipe.seed,
    }


def _train(job: Job, ready: Ready, learner: pretrain.Learner, stage: Stage) -> list[dict[str, float]]:
    count = job.assembly.objective.resolved.target.views
    if count == 0:
        return []
    settings, device = job.recipe.pretrain, job.runtime.device
    sampler = pretrain.sampler_of(settings, ready.supplies, job.recipe.seed)
    plan, augmentations = pretrain.plan_of(settings, sampler), make_augmentations(job.assembly)

    def maker(make: compiling.Making) -> compiling.Maker:
        return pretrain.view_maker(ready.supplies, augmentations, settings, sampler, count, make)

    eager = maker(views.make_views)
    expected = pretrain.estimate_seconds(learner, eager, plan, device)
    _announce(job, plan, expected, count)
    finish = functools.partial(
        pretrain.pretrain,
        learner,
        plan=plan,
        device=device,
        folder=stage.folder,
        checkpoint_seconds=job.runtime.checkpoint_seconds,
    )
    if not compiling.pays(settings.compile, expected, device):
        return finish(eager)
    with compiling.compiled(learner, learner.backbone, maker, device) as attempt:
        job.runtime.say(attempt.note)
        return finish(attempt.views)


def _announce(job: Job, plan: training.Plan, expected: float, views_each: int) -> None:
    """Say what begins, and how long it will take."""
    settings = job.recipe.pretrain
    job.runtime.say(
        f"pre-training {job.recipe.objective.name}, {job.recipe.backbone.name}: {plan.epochs} epochs of {plan.steps} steps of "
        f"{settings.batch} images, about {duration(expected)} on {devices.describe(job.runtime.device)}"
    )
    if plan.accumulate > 1:
        seen = pretrain.negatives(settings, views_each)
        job.runtime.say(
            f"gradients of {plan.accumulate} micro-batches of {settings.micro_batch} add up: an anchor sees {seen} negatives"
        )


def untrained(job: Job) -> Learned:
    """The same network as it was initialised, without any pre-trained weights: the baseline of every probe."""
    bare = without_weights(job.assembly.backbone)
    learner = pretrain.Learner(make_backbone(bare, job.recipe.seed), nn.Identity()).to(job.runtime.device).eval()
    return Learned(learner, Stage(job.runtime.results, "pretrain", _untrained_content(bare, job.recipe.seed)).key, ())


def _untrained_content(backbone: Part, seed: int) -> dict[str, Any]:
    return {"untrained": backbone.content, "seed": seed}
