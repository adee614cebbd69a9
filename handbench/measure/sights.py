"""Sights: an encoder and the images to probe it on in; every kind of view of them, looked at once for all probes, out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from handbench.geometry import move
from handbench.measure.features import Seen, look
from handbench.settings import Measure
from handbench.streams import Draws
from handbench.types import Views

Rows = Int[np.ndarray, "rows"]
Part = Literal["train", "test"]
Act = Callable[[Float[Tensor, "rows 3 3"], Float[Tensor, "rows points 2"]], Float[Tensor, "rows points 2"]]


@dataclass(frozen=True)
class Subject:
    """What is probed, and how to look at images with it.

    Args:
        encoder: frozen.
        project: features -> the projection's points; None where the objective has none.
        plain: rows, and a warp in window coordinates for each or None -> batches of one view an image.
        augmented: rows, number of the view -> batches of views under the objective's augmentations.
        act: the group action that the projection should follow: warps in window coordinates, points -> points moved.
    """

    encoder: nn.Module
    project: Callable[[Tensor], Tensor | None]
    plain: Callable[[Rows, Float[Tensor, "rows 3 3"] | None], Iterable[Views]]
    augmented: Callable[[Rows, int], Iterable[Views]]
    act: Act = move


@dataclass(frozen=True)
class Material:
    """Which images are looked at, and what is known of them.

    Args:
        train, test: rows.
        train_classes, test_classes: -1 for none.
        train_posed, test_posed: whether joints are labelled.
        test_sources: the number of the photograph that an image shows; two images of one photograph have the same pose.
    """

    train: Int[np.ndarray, "train"]
    test: Int[np.ndarray, "test"]
    train_classes: Int[Tensor, "train"]
    test_classes: Int[Tensor, "test"]
    train_posed: Bool[Tensor, "train"]
    test_posed: Bool[Tensor, "test"]
    test_sources: Int[Tensor, "test"]


class Sights:
    """The views of a subject's images. Each kind is looked at when it is first asked for, and kept.

    Args:
        subject, material: what is probed on which images.
        settings: [measure] of the recipe.
        seed: of the probes' own draws.

    Attributes:
        passes: how many views the encoder has seen.
    """

    def __init__(self, subject: Subject, material: Material, settings: Measure, seed: int) -> None:
        self.subject = subject
        self.material = material
        self.settings = settings
        self.seed = seed
        self.passes = 0
        self._kept: dict[tuple[str | int, ...], Seen] = {}

    def rows(self, part: Part) -> Rows:
        """The images of a part."""
        return self.material.train if part == "train" else self.material.test

    def some(self, part: Part) -> Int[np.ndarray, "chosen"]:
        """Places of at most `settings.pairs` images of a part, ascending, the same for every seed and encoder."""
        return np.sort(Draws("pairs", part).permutation(len(self.rows(part)))[: self.settings.pairs])

    def plain(self, part: Part) -> Seen:
        """The nominal windows of a part's images."""
        return self._once(("plain", part), lambda: self.subject.plain(self.rows(part), None))

    def augmented(self, view: int) -> Seen:
        """One augmented view of each held-out image."""
        return self._once(("augmented", view), lambda: self.subject.augmented(self.material.test, view))

    def warped(self, name: str, rows: Rows, warps: Float[Tensor, "rows 3 3"]) -> Seen:
        """Windows moved by warps in window coordinates; the name stands for these rows and warps."""
        return self._once(("warped", name), lambda: self.subject.plain(rows, warps))

    @torch.inference_mode()
    def project(self, seen: Seen) -> Float[Tensor, "rows points 2"] | None:
        """The projection of features, on the CPU; None where the objective has none."""
        points = self.subject.project(seen.features)
        return None if points is None else points.float().cpu()

    def _once(self, key: tuple[str | int, ...], views: Callable[[], Iterable[Views]]) -> Seen:
        if key not in self._kept:
            self._kept[key] = look(self.subject.encoder, views())
            self.passes += len(self._kept[key])
        return self._kept[key]
