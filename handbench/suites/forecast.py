"""A recipe in; about how long its stages would take here, out: one small step of its network is measured and multiplied.

What is not measured (views, small heads, files) makes a run longer than forecast by a fifth or so; other work on
the machine, more.
"""

import time
from dataclasses import dataclass, field

import torch

from handbench import devices
from handbench.assembly import make_backbone, part
from handbench.checkpoints import digest
from handbench.settings import Recipe
from handbench.suites.ledger import Identity

IMAGES = 16  # of the step that is measured
TRAINING_SHARE = 0.75  # of a dataset's images; its split is known only once it is packed
FORWARD = 1 / 3  # of a step's time: the rest is the way back
PASSES = 6  # over the probed images: plain, turned and augmented views, of two encoders
OVERHEAD = 1.2  # views are made, weights updated


@dataclass(frozen=True)
class Seconds:
    """About how long the two halves of a run take."""

    pretraining: float
    rest: float


@dataclass
class Forecast:
    """Measures each network once.

    Args:
        identity: knows plugins and datasets.
        device: where the runs would work.
    """

    identity: Identity
    device: torch.device
    _steps: dict[str, float] = field(default_factory=dict)

    def seconds(self, recipe: Recipe) -> Seconds:
        """The forecast for one recipe, nothing of it done before; raises HandbenchError for what cannot be built."""
        objective = self.identity.plugins.find("objective", recipe.objective.name).target
        step = self._seconds_an_image(recipe)
        train = TRAINING_SHARE * len(self.identity.opened(recipe.dataset).dataset)
        limit = recipe.pretrain.images or float("inf")
        sources = recipe.pretrain.data if recipe.pretrain.data and not objective.trains_on_labels else (recipe.dataset,)
        images = sum(min(limit, TRAINING_SHARE * len(self.identity.opened(source).dataset)) for source in sources)
        share = recipe.pose.labels if objective.trains_on_labels else 1.0
        pretraining = recipe.pretrain.epochs * images * share * objective.views * step * OVERHEAD
        fitted = recipe.pose.epochs * train * recipe.pose.labels * step * OVERHEAD
        looked_at = 2 * train * recipe.pose.labels * FORWARD * step
        probing = PASSES * 2 * min(recipe.measure.images, train) * FORWARD * step
        return Seconds(pretraining, probing + (fitted if recipe.pose.protocol == "finetune" else looked_at))

    def _seconds_an_image(self, recipe: Recipe) -> float:
        """Forward and backward of one view, weights and settings aside: the better of two, after one to warm up."""
        key = digest([recipe.backbone.name, recipe.pretrain.view])
        if key not in self._steps:
            bare = part(self.identity.plugins, "backbone", type(recipe.backbone)(recipe.backbone.name))
            network = make_backbone(bare, 0).to(self.device).train()
            images = torch.rand(IMAGES, 3, recipe.pretrain.view, recipe.pretrain.view, device=self.device)
            self._steps[key] = min([self._step(network, images) for _ in range(3)][1:]) / IMAGES
        return self._steps[key]

    def _step(self, network: torch.nn.Module, images: torch.Tensor) -> float:
        devices.synchronise(self.device)
        started = time.perf_counter()
        with devices.autocast(self.device):
            output = network(images.contiguous(memory_format=torch.channels_last))
        output.float().square().mean().backward()
        devices.synchronise(self.device)
        return time.perf_counter() - started
