"""Random resized crop: a part of the window drawn per view in, the warp that fills the view with it out."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.geometry import translation
from handbench.learn.augmentations.drawing import check_range, uniform


class RandomResizedCrop:
    """Show a part of the nominal window, of an area and at a place drawn uniformly; the part never leaves the window.

    The part is square unless `ratio` is above 1: what an equivariant objective undoes is then a common factor and a shift, and a
    common factor disappears in the cosine. With a ratio, PeCLR's exact mode still undoes the whole matrix, but its published
    mode, which knows no anisotropic scale, does not. A side that would be longer than the window is cut to the window's, where
    the original draws again.

    Source:
        SimCLR (Chen et al. 2020, arXiv:2002.05709), appendix A: area 0.08 to 1, aspect ratio 3/4 to 4/3, always applied.
    """

    kind: ClassVar = "warp"

    @dataclass(frozen=True)
    class Config:
        """What part is shown.

        Args:
            smallest, largest: area of the part over the window's, in [0.01, 1].
            ratio: longest side over the shorter one, in [1, 4]; its logarithm is drawn uniformly.
        """

        smallest: float = 0.08
        largest: float = 1.0
        ratio: float = 1.0

        def __post_init__(self) -> None:
            check_range(self.smallest, self.largest, 0.01, 1.0)
            if not 1 <= self.ratio <= 4:
                raise ValueError(f"ratio = {self.ratio} must be in [1, 4]")

        @classmethod
        def published(cls) -> "RandomResizedCrop.Config":
            """SimCLR's ranges, the anisotropic ones."""
            return cls(smallest=0.08, largest=1.0, ratio=4 / 3)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Draw warps in window coordinates: the part becomes [-1, 1] x [-1, 1]."""
        area = uniform(count, self.config.smallest, self.config.largest, generator)
        stretch = math.log(self.config.ratio)
        aspect = uniform(count, -stretch, stretch, generator).exp()
        width, height = (area * aspect).sqrt().clamp(max=1.0), (area / aspect).sqrt().clamp(max=1.0)
        x, y = (uniform(count, -1.0, 1.0, generator) * (1 - side) for side in (width, height))
        enlarge = torch.diag_embed(torch.stack([1 / width, 1 / height, torch.ones_like(width)], -1))
        return enlarge @ translation(-x, -y)
