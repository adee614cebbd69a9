"""The hooks a plugin may implement, in the order in which a run calls on them.

Each hook returns a mapping from the name a user types to the class that answers to it, best as `Lazy("module:Class", summary)`,
so that listing plugins imports no torch. A whole zoo of models behind one class is a `Family`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("handbench")
hookimpl = pluggy.HookimplMarker("handbench")


@dataclass(frozen=True)
class Lazy:
    """A class named by "module:Class", imported only when it is used; the summary is its line in `handbench plugins`."""

    target: str
    summary: str = ""


@dataclass(frozen=True)
class Family:
    """One class that builds every name its list knows, e.g. all models of timm.

    Args:
        target: "module:Class".
        names: "module:function"; the function returns the names, and is called only when no other plugin has the name.
        field: the Config field that receives the name.
        summary: the one line in `handbench plugins`.
    """

    target: str
    names: str
    field: str
    summary: str = ""


Offer = Lazy | Family | str | type[Any]


@hookspec
def handbench_datasets() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Datasets: where hands come from. Class: handbench.protocols.Dataset."""


@hookspec
def handbench_augmentations() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Augmentations: warps, colours and filters of a view. Class: handbench.protocols.Augmentation."""


@hookspec
def handbench_backbones() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Backbones: images to features. Class: handbench.protocols.Backbone."""


@hookspec
def handbench_objectives() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Objectives: what pre-training asks of the features. Class: handbench.protocols.Objective."""


@hookspec
def handbench_heads() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Heads: features to a 2.5D pose. Class: handbench.protocols.Head."""


@hookspec
def handbench_metrics() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Metrics: predicted poses against the truth. Class: handbench.protocols.Metric."""


@hookspec
def handbench_reports() -> Mapping[str, Offer]:  # type: ignore[empty-body]
    """Reports: records of runs to files. Class: handbench.protocols.Report."""


@hookspec
def handbench_suites() -> Mapping[str, Path | str]:  # type: ignore[empty-body]
    """Suites: what `handbench ablate NAME` runs; the path of a TOML file, or its text. Format: handbench.suite."""
