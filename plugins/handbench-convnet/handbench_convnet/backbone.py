"""A plain convolutional encoder: RGB images in [0, 1] in, one vector of features an image out."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

GROUPS = 8


class ConvNet(nn.Module):
    """Five 3x3 convolutions, each halving the side, with group norm and ReLU; mean pool at the end.

    Source:
        Wu and He, "Group Normalization", ECCV 2018, for the normalisation that ignores the batch.
    """

    @dataclass(frozen=True)
    class Config:
        """Size.

        Args:
            width: features at the end; the stages have an eighth of it, a quarter, half, and twice all of it. A multiple of 64.
        """

        width: int = 256

        def __post_init__(self) -> None:
            if self.width < 64 or self.width % 64:
                raise ValueError(f"width = {self.width} must be a multiple of 64")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.width = config.width
        channels = [3, *(config.width // share for share in (8, 4, 2, 1, 1))]
        self.stages = nn.Sequential(*(_stage(before, after) for before, after in pairwise(channels)))

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to features (batch, self.width); the input is centred here, not outside."""
        return self.stages(2 * images - 1).mean((2, 3))


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.GroupNorm(GROUPS, after), nn.ReLU(inplace=True))
