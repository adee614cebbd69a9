"""Cut-out: a box and a grey drawn per view in; images with the box painted over out."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from handbench.learn.augmentations.drawing import chance, change_drawn, check_probability, check_range, uniform

IMAGE_OVER_WINDOW = 224 / 128  # FreiHAND's image over the window of its hands: what the paper's shares are of, and ours
REACH = 0.8  # the hand's share of the nominal window, whose margin about the hand's box is 1.25


class CutOut:
    """Paint a box in one grey over the hand; its height, width, centre and grey are drawn each for themselves, uniformly.

    The centre lies anywhere in the middle 80 % of the view, where the hand is. The paper takes a random joint, which reads
    labels.

    Source:
        PeCLR, "cut-out": probability 0.5, height and width U(0, 0.16) of the whole image's, cut before the hand's window is. Its
        code swaps x and y of the centre and never takes the last joint. The preset makes 0.16 of a FreiHAND image 0.28 of
        the view, and has neither defect.
    """

    kind: ClassVar = "filter"
    moves: ClassVar = False

    @dataclass(frozen=True)
    class Config:
        """How large, how often.

        Args:
            smallest, largest: the box's sides over the view's, in [0, 1].
            probability: of a view being changed at all.
        """

        smallest: float = 0.0
        largest: float = 0.28
        probability: float = 0.5

        def __post_init__(self) -> None:
            check_range(self.smallest, self.largest, 0.0, 1.0)
            check_probability(self.probability)

        @classmethod
        def published(cls) -> "CutOut.Config":
            """PeCLR's range as a share of the view."""
            return cls(smallest=0.0, largest=0.16 * IMAGE_OVER_WINDOW, probability=0.5)

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch 3 height width"]:
        """Paint over the drawn images."""
        config, count = self.config, len(images)
        drawn = chance(count, config.probability, generator)
        margin = (1 - REACH) / 2
        inside = []
        for axis in (2, 3):
            side = uniform(count, config.smallest, config.largest, generator)
            centre = uniform(count, margin, 1 - margin, generator)
            inside.append(_within(images.shape[axis], centre, side))
        box = inside[0][:, None, :, None] * inside[1][:, None, None, :]
        grey = uniform(count, 0.0, 1.0, generator)[:, None, None, None]
        return change_drawn(images, drawn, lambda some, rows: torch.lerp(some, grey[rows], box[rows]))


def _within(pixels: int, centre: Float[Tensor, "batch"], side: Float[Tensor, "batch"]) -> Float[Tensor, "batch pixels"]:
    """1 for pixels whose own centre lies in the box, along one axis, else 0; places and sides over the view's."""
    places = (torch.arange(pixels, device=centre.device) + 0.5) / pixels
    return ((places - centre[:, None]).abs() * 2 <= side[:, None]).float()
