"""A recipe and the plugins in; its components, resolved, configured and checked before any work, out."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from handbench.checkpoints import code_of
from handbench.configs import as_settings, configure
from handbench.errors import RecipeError, unknown
from handbench.plugins import Plugins, Resolved
from handbench.protocols import Augmentation, Dataset
from handbench.settings import Choice, Recipe, Source
from handbench.streams import seed_of
from handbench.types import Facts

PRESETS = ("published",)  # class methods of an augmentation's Config
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
        content = {"name": self.name, "settings": settings, "code": code_of(self.resolved.target), "from": component.distribution}
        files = file_digests(settings)
        return {**content, "files": files} if files else content


@dataclass(frozen=True)
class Opened:
    """A dataset that is ready to be packed, its source with every setting of its Config, and the distribution it came from."""

    source: Source
    dataset: Dataset
    distribution: str


@dataclass(frozen=True)
class Assembly:
    """All components of a run."""

    labelled: Opened
    unlabelled: tuple[Opened, ...]
    evaluated: Opened | None
    augmentations: tuple[Part, ...]
    backbone: Part
    objective: Part
    head: Part
    metrics: tuple[Part, ...]

    def distributions(self) -> list[str]:
        """Where the parts came from."""
        parts = (*self.augmentations, self.backbone, self.objective, self.head, *self.metrics)
        opened = (self.labelled, *self.unlabelled, *((self.evaluated,) if self.evaluated else ()))
        return sorted({part.resolved.component.distribution for part in parts} | {data.distribution for data in opened})


def assemble(recipe: Recipe, plugins: Plugins, opened: Callable[[Source], Opened] | None = None) -> Assembly:
    """Resolve every name of a recipe.

    Args:
        recipe: complete.
        plugins: what was discovered.
        opened: opens a dataset, where several runs share it; None for `open_source`.

    Raises:
        HandbenchError: an unknown name, key or value, a plugin that cannot be used, or data that cannot be opened.
    """
    head = recipe.head or Choice(HEAD_OF[recipe.pose.protocol])
    opened = opened or functools.partial(open_source, plugins)
    return Assembly(
        backbone=part(plugins, "backbone", recipe.backbone),
        objective=part(plugins, "objective", recipe.objective),
        augmentations=tuple(augmentation(plugins, choice) for choice in recipe.augmentation),
        head=part(plugins, "head", head),
        metrics=tuple(part(plugins, "metric", choice) for choice in recipe.metric),
        labelled=opened(recipe.dataset),
        unlabelled=tuple(opened(source) for source in recipe.pretrain.data),
        evaluated=opened(recipe.evaluate) if recipe.evaluate else None,
    )


def part(plugins: Plugins, kind: str, choice: Choice) -> Part:
    """Resolve one component and check its settings against its Config."""
    resolved = plugins.find(kind, choice.name)
    return Part(choice.name, resolved, configure(resolved.target.Config, {**resolved.implied, **choice.settings}, kind))


def augmentation(plugins: Plugins, choice: Choice) -> Part:
    """Resolve an augmentation; settings beside its `preset` go over the preset's.

    Raises:
        RecipeError: a preset that it does not have, or a filter that says it moves pixels.
    """
    target = plugins.find("augmentation", choice.name).target
    settings = dict(choice.settings)
    preset = settings.pop("preset", None)
    if preset is not None:
        settings = {**_preset(target.Config, choice.name, preset), **settings}
    if getattr(target, "kind", None) == "filter" and getattr(target, "moves", False):
        raise RecipeError(
            f"augmentation '{choice.name}' is a filter that moves pixels, and joints, camera and warp would stay behind: "
            f"pixels are moved once, by warps; give it kind = 'warp' and a method draw"
        )
    return part(plugins, "augmentation", Choice(choice.name, settings))


def _preset(config: type[Any], name: str, preset: str) -> dict[str, Any]:
    """The fields of a preset: the Config that its class method of that name returns."""
    if preset not in PRESETS:
        raise RecipeError(f"augmentation '{name}': {unknown('preset', str(preset), PRESETS)}")
    made = getattr(config, preset, None)
    if made is None:
        raise RecipeError(f"augmentation '{name}' has no preset '{preset}'; give it settings of its own")
    try:
        return dict(vars(made()))
    except ValueError as error:
        raise RecipeError(f"augmentation '{name}' has no preset '{preset}': {error}") from error


def open_source(plugins: Plugins, source: Source) -> Opened:
    """Open a dataset by its plugin."""
    opened = part(plugins, "dataset", Choice(source.name, source.settings))
    complete = replace(source, settings=as_settings(opened.config))
    dataset = opened.make(root=Path(source.root) if source.root else None)
    return Opened(complete, dataset, opened.resolved.component.distribution)


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
        evaluate=assembly.evaluated.source if assembly.evaluated else None,
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


def file_digests(settings: Mapping[str, Any]) -> list[str]:
    """What the files hold that a component's settings name: weights may be written anew under the same name."""
    found = []
    for value in settings.values():
        if isinstance(value, str) and len(value) < 4096 and Path(value).is_file():
            with Path(value).open("rb") as file:
                found.append(hashlib.file_digest(file, "blake2b").hexdigest())
    return found


def contents(parts: Mapping[str, Part | tuple[Part, ...]]) -> dict[str, Any]:
    """The content of several parts by name, for a stage's key."""
    return {
        name: [item.content for item in value] if isinstance(value, tuple) else value.content for name, value in parts.items()
    }
