"""A recipe and the plugins in; its components, resolved, configured and checked before any work, out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from handbench.checkpoints import code_of
from handbench.configs import as_settings, configure
from handbench.plugins import Plugins, Resolved
from handbench.protocols import Augmentation, Dataset
from handbench.settings import Choice, Recipe, Source
from handbench.streams import seed_of
from handbench.types import Facts

HEAD_OF = {"probe": "linear", "mlp": "mlp", "finetune": "linear"}


@dataclass(frozen=True)
class Part:
    """One component of a run: its class and its checked Config.

    Args:
        name: as the user wrote it, e.g. "resnet152".
        config: of `resolved.target`.
    """

    name: str
    resolved: Resolved
    config: Any

    def make(self, **sizes: Any) -> Any:
        """Build it with its run-time sizes."""
        return self.resolved.target(self.config, **sizes)

    @property
    def choice(self) -> Choice:
        """The component as a recipe would name it, with every setting."""
        return Choice(self.name, as_settings(self.config))

    @property
    def content(self) -> dict[str, Any]:
        """All that its work depends on: name, settings, source code and distribution."""
        component = self.resolved.component
        settings = as_settings(self.config)
        return {"name": self.name, "settings": settings, "code": code_of(self.resolved.target), "from": component.distribution}


@dataclass(frozen=True)
class Opened:
    """A dataset that is ready to be packed, and its source with every setting of its Config."""

    source: Source
    dataset: Dataset


@dataclass(frozen=True)
class Assembly:
    """All components of a run."""

    labelled: Opened
    unlabelled: tuple[Opened, ...]
    augmentations: tuple[Part, ...]
    backbone: Part
    objective: Part
    head: Part
    metrics: tuple[Part, ...]

    def distributions(self) -> list[str]:
        """Where the parts came from."""
        parts = (*self.augmentations, self.backbone, self.objective, self.head, *self.metrics)
        return sorted({part.resolved.component.distribution for part in parts})


def assemble(recipe: Recipe, plugins: Plugins) -> Assembly:
    """Resolve every name of a recipe.

    Raises:
        HandbenchError: an unknown name, key or value, a plugin that cannot be used, or data that cannot be opened.
    """
    head = recipe.head or Choice(HEAD_OF[recipe.pose.protocol])
    return Assembly(
        backbone=part(plugins, "backbone", recipe.backbone),
        objective=part(plugins, "objective", recipe.objective),
        augmentations=tuple(part(plugins, "augmentation", choice) for choice in recipe.augmentation),
        head=part(plugins, "head", head),
        metrics=tuple(part(plugins, "metric", choice) for choice in recipe.metric),
        labelled=open_source(plugins, recipe.dataset),
        unlabelled=tuple(open_source(plugins, source) for source in recipe.pretrain.data),
    )


def part(plugins: Plugins, kind: str, choice: Choice) -> Part:
    """Resolve one component and check its settings against its Config."""
    resolved = plugins.find(kind, choice.name)
    return Part(choice.name, resolved, configure(resolved.target.Config, {**resolved.implied, **choice.settings}, kind))


def open_source(plugins: Plugins, source: Source) -> Opened:
    """Open a dataset by its plugin."""
    opened = part(plugins, "dataset", Choice(source.name, source.settings))
    complete = replace(source, settings=as_settings(opened.config))
    return Opened(complete, opened.make(root=Path(source.root) if source.root else None))


def resolved(recipe: Recipe, assembly: Assembly) -> Recipe:
    """The recipe with every setting of every component written out, so that a record does not lean on defaults."""
    return replace(
        recipe,
        dataset=assembly.labelled.source,
        pretrain=replace(recipe.pretrain, data=tuple(opened.source for opened in assembly.unlabelled)),
        augmentation=tuple(part.choice for part in assembly.augmentations),
        backbone=assembly.backbone.choice,
        objective=assembly.objective.choice,
        head=assembly.head.choice,
        metric=tuple(part.choice for part in assembly.metrics),
    )


def make_augmentations(assembly: Assembly) -> list[Augmentation]:
    """Build the augmentations in their order."""
    return [part.make() for part in assembly.augmentations]


def make_backbone(part: Part, seed: int) -> nn.Module:
    """Build the encoder with the seed's first weights, channels last; raises RecipeError for weights that cannot be had."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(seed, "backbone"))
        backbone: nn.Module = part.make()
    return backbone.to(memory_format=torch.channels_last)


def without_weights(part: Part) -> Part:
    """The same backbone without pre-trained weights, for the random baseline."""
    return replace(part, config=replace(part.config, weights="none")) if hasattr(part.config, "weights") else part


def make_objective(part: Part, backbone: nn.Module, facts: Facts, seed: int) -> nn.Module:
    """Build the objective with the seed's first weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(seed, "objective"))
        objective: nn.Module = part.make(backbone=backbone, facts=facts)
    return objective


def contents(parts: Mapping[str, Part | tuple[Part, ...]]) -> dict[str, Any]:
    """The content of several parts by name, for a stage's key."""
    return {
        name: [item.content for item in value] if isinstance(value, tuple) else value.content for name, value in parts.items()
    }
