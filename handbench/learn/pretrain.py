"""Pre-training: packed hands, augmentations and an objective in; a trained encoder and its history out."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from handbench.learn.compiling import rehearse
from handbench.learn.sampling import Sampler, micro_batch
from handbench.learn.views import concatenate, generator_of, make_views
from handbench.optimisation import scaled_rate
from handbench.protocols import Augmentation
from handbench.settings import Pretrain
from handbench.training import Plan, Row, Task, train
from handbench.types import Batch, Views

AHEAD = 3  # micro-batches that supplies are told of in advance


@dataclass(frozen=True)
class Supply:
    """One dataset's part in pre-training.

    Args:
        rows: rows of the pack that may be seen.
        weight: in the mixture.
        key: of the pack.
        batch: rows -> images and targets on the device.
        ahead: takes rows that will be asked for soon; None where that is of no use.
    """

    rows: Int[np.ndarray, "rows"]
    weight: float
    key: str
    batch: Callable[[Int[np.ndarray, "chosen"]], Batch]
    ahead: Callable[[Int[np.ndarray, "chosen"]], None] | None = None


class Learner(nn.Module):
    """Encoder and objective together: what is trained, saved and resumed."""

    def __init__(self, backbone: nn.Module, objective: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.objective = objective

    def forward(self, views: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The objective's loss."""
        loss, monitors = self.objective(self.backbone, views)
        return loss, monitors


def plan_of(settings: Pretrain, sampler: Sampler) -> Plan:
    """The schedule that [pretrain] asks for over the sampler's steps."""
    return Plan(
        epochs=settings.epochs,
        steps=sampler.steps,
        rate=scaled_rate(settings.learning_rate, settings.batch),
        seed=sampler.seed,
        accumulate=settings.batch // (settings.micro_batch or settings.batch),
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        lars=settings.lars,
    )


def sampler_of(settings: Pretrain, supplies: Sequence[Supply], seed: int) -> Sampler:
    """The sampler over all supplies; raises DataError when they hold fewer images than a batch."""
    return Sampler(
        tuple(len(supply.rows) for supply in supplies), tuple(supply.weight for supply in supplies), settings.batch, seed
    )


def view_maker(
    supplies: Sequence[Supply],
    augmentations: Sequence[Augmentation],
    settings: Pretrain,
    sampler: Sampler,
    count: int,
    make: Callable[..., Views] = make_views,
) -> Callable[[int, int, int], Views]:
    """A function from (epoch, step, micro-batch) to views, without state; it tells the supplies what it will ask for next.

    Args:
        supplies: what is drawn from.
        augmentations: in their order.
        settings: [pretrain] of the recipe.
        sampler: over the supplies.
        count: views of each image.
        make: makes them; `make_views`, or the same compiled.
    """
    parts = settings.batch // (settings.micro_batch or settings.batch)

    def rows_at(place: int) -> list[Int[np.ndarray, "_"]]:
        step, part = divmod(place, parts)
        chosen = micro_batch(sampler.rows(*divmod(step, sampler.steps)), part, parts)
        return [supply.rows[rows] for supply, rows in zip(supplies, chosen, strict=True)]

    def views(epoch: int, step: int, part: int) -> Views:
        place = (epoch * sampler.steps + step) * parts + part
        batches = [supply.batch(rows) for supply, rows in zip(supplies, rows_at(place), strict=True) if len(rows)]
        for following in range(place + 1, min(place + 1 + AHEAD, settings.epochs * sampler.steps * parts)):
            for supply, rows in zip(supplies, rows_at(following), strict=True):
                if supply.ahead is not None and len(rows):
                    supply.ahead(rows)
        generator = generator_of(batches[0], sampler.seed, "views", epoch, step, part)
        return concatenate([make(batch, augmentations, count, settings.view, generator, settings.fill) for batch in batches])

    return views


def pretrain(
    learner: Learner,
    views: Callable[[int, int, int], Views],
    plan: Plan,
    device: torch.device,
    folder: Path,
    checkpoint_seconds: float,
) -> list[Row]:
    """Train encoder and objective in place; goes on from a checkpoint in the folder."""
    task = Task(learner.train(), views, learner, "pre-training")
    return train(task, plan, device, folder, checkpoint_seconds=checkpoint_seconds)


def estimate_seconds(learner: Learner, views: Callable[[int, int, int], Views], plan: Plan, device: torch.device) -> float:
    """Measure one micro-batch forward and backward on a copy, after one to warm up, and multiply by the plan.

    The copy leaves the learner's weights and batch statistics as they are, so that a run is the same with and without
    the estimate.
    """
    trial = copy.deepcopy(learner).train()
    seconds = [rehearse(trial, views, device) for _ in range(2)]
    return min(seconds) * plan.accumulate * plan.steps * plan.epochs


def negatives(settings: Pretrain, views: int) -> int:
    """How many negatives an anchor of a contrastive objective sees: those of its own micro-batch."""
    return views * (settings.micro_batch or settings.batch) - 2
