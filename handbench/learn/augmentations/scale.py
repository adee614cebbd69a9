"""Scale: a window size drawn per view in, a warp about the centre out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.geometry import scaling
from handbench.learn.augmentations.drawing import uniform


class Scale:
    """Show a window of `smallest` to `largest` times the nominal side; the content shrinks as the window grows.

    Source:
        PeCLR, "random crop": margin uniform in 0.9 to 1.5 about a nominal 1.25, so 0.72 to 1.2 times. The paper measures the
        window by the true joints, here it is the hand's box.
    """

    kind: ClassVar = "warp"

    @dataclass(frozen=True)
    class Config:
        """smallest, largest: side of the window over the nominal one, above 0."""

        smallest: float = 0.72
        largest: float = 1.2

        def __post_init__(self) -> None:
            if not 0 < self.smallest <= self.largest:
                raise ValueError(f"smallest = {self.smallest} must be above 0 and not above largest = {self.largest}")

        @classmethod
        def published(cls) -> "Scale.Config":
            """PeCLR's range."""
            return cls(smallest=0.9 / 1.25, largest=1.5 / 1.25)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Draw warps in window coordinates."""
        return scaling(1.0 / uniform(count, self.config.smallest, self.config.largest, generator))
