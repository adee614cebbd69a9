"""What a plugin of each kind must offer. No logic here: structural types only, so a plugin need not import handbench.

Every class also holds a frozen dataclass `Config` (its hyper-parameters, each with a default) and takes one as its first
argument; sizes known only at run time come as keywords.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handbench.types import Evidence, Prediction, Sample, Score, Truth, Views

Picture = UInt8[np.ndarray, "height width 3"]
ByteChange = Callable[[Picture, int], None]  # changes an image, RGB, in place; the number says which of the drawn ones it is


@runtime_checkable
class HasConfig(Protocol):
    """A plugin class: its hyper-parameters sit beside it."""

    Config: ClassVar[type[Any]]


@runtime_checkable
class Dataset(Protocol):
    """A fixed list of hands in images: `Class(config, root=path or None)`.

    Attributes:
        context: side of the packed crop over the side of the nominal window; above 1 where the source has pixels beyond
            the hand's window, exactly 1 where the whole image is the window.
        parallel: how packing may call it from several workers at once.
        notes: optional; lines that a reader of the scores must know, e.g. how many frames are missing.
    """

    @property
    def context(self) -> float: ...

    @property
    def parallel(self) -> Literal["threads", "processes", "none"]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """The sample at index; raises UnreadableSample for one that cannot be read, DataError when the whole set is wrong."""
        ...

    def samples(self, indices: Sequence[int]) -> Sequence[Sample | Exception]:
        """Several samples at once, an UnreadableSample standing where one failed; for datasets that gain from batches."""
        ...

    def fingerprint(self) -> str:
        """A digest that changes with the data and only then; cheap, so it reads names and sizes, not pixels."""
        ...


@runtime_checkable
class Augmentation(Protocol):
    """One random change of a view: `Class(config)`; `kind` says which of the three methods of drawing it has.

    Draws come from the generator and lie on its device, that of training: `torch.rand(count, generator=generator,
    device=generator.device)`. A Config may offer the class method `published()`: the ranges of its paper, which a user asks
    for with `preset = "published"` or `NAME:published`.

    warp    `draw(count, generator) -> (count, 3, 3)`, in window coordinates: the view is [-1, 1] x [-1, 1], x right, y down;
            the matrix takes a point of the content before to its place after.
    colour  `draw(count, generator) -> (count, 3, 4)`, on RGB in [0, 1].
    filter  `apply(images, generator) -> images`, each in its place: what moves pixels is a warp. Images are RGB in [0, 1], a
            batch of its own that may be changed in place.
    """

    kind: ClassVar[Literal["warp", "colour", "filter"]]


@runtime_checkable
class Warp(Protocol):
    kind: ClassVar[Literal["warp", "colour", "filter"]]

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]: ...


@runtime_checkable
class Colour(Protocol):
    kind: ClassVar[Literal["warp", "colour", "filter"]]

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 4"]: ...


@runtime_checkable
class Filter(Protocol):
    """A filter may state `moves = False`; one that states True is refused."""

    kind: ClassVar[Literal["warp", "colour", "filter"]]

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]: ...


@runtime_checkable
class Bytewise(Protocol):
    """What a filter that changes pixels one by one may offer too: the same change, drawn alike, of one image in bytes.

    On a CPU it is made while the samples are still bytes in the core's own memory, which takes half the time.
    """

    def in_bytes(self, count: int, generator: torch.Generator) -> ByteChange: ...


@runtime_checkable
class Backbone(Protocol):
    """An nn.Module from RGB images in [0, 1] to features: `Class(config)`. It normalises its input itself."""

    width: int

    def __call__(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch width"]: ...


@runtime_checkable
class Objective(Protocol):
    """An nn.Module that owns its projector, teacher or queue: `Class(config, backbone=…, facts=…)`.

    Attributes:
        views: how many views of each image it wants; 0 means that there is nothing to train.
        trains_on_labels: whether it reads targets.
        symmetry: optional; "invariant" or "equivariant" to the views' warps, which the contract then measures.
    """

    views: ClassVar[int]
    trains_on_labels: ClassVar[bool]

    def __call__(self, backbone: torch.nn.Module, views: Views) -> tuple[Float[Tensor, ""], Mapping[str, Tensor]]:
        """The loss and named monitors (detached scalars)."""
        ...

    def project(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch points 2"] | None:
        """The projection read as points, for objectives that have one."""
        ...


@runtime_checkable
class Head(Protocol):
    """An nn.Module from features to 2.5D: `Class(config, width=…)`.

    Returns (batch, 21, 3): u, v in [-1, 1] about the view's centre, then root-relative depth in reference-bone lengths.
    """

    def __call__(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch 21 3"]: ...


@runtime_checkable
class Metric(Protocol):
    """Scores of predicted poses under one stated protocol: `Class(config)`."""

    def score(self, prediction: Prediction, truth: Truth) -> Sequence[Score]: ...


@runtime_checkable
class Report(Protocol):
    """A view of many runs: `Class(config)`; records in, files out."""

    def render(self, evidence: Evidence) -> Mapping[str, bytes]:
        """Files by name, below the report's folder."""
        ...
