"""Clean pictures go in; pictures with a little blur and grain come out, as a camera's sensor gives them (uint8)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.transfer import tensor
from handbench.streams import Draws

COLUMNS = 8
TILE = 256


@dataclass(frozen=True)
class Sensors:
    """Blur (weight taken from each pixel), grain (deviation), and where in the tile of grain each image starts."""

    blur: Float[Tensor, "batch"]
    grain: Float[Tensor, "batch"]
    start: Int[Tensor, "batch 2"]


def draw_sensors(columns: Columns) -> Sensors:
    """Draw the blur and grain of images."""
    blur, grain, start = columns.uniform(0.1, 0.7), columns.uniform(0.0, 0.012), columns.choice(TILE, (2,))
    return Sensors(tensor(blur), tensor(grain), torch.from_numpy(start))


def develop(
    picture: Float[Tensor, "batch large large 3"], sensors: Sensors, antialias: int
) -> UInt8[Tensor, "batch side side 3"]:
    """Average the samples of each pixel, blur, add grain, round."""
    image = picture.permute(0, 3, 1, 2).contiguous()
    image = avg_pool2d(image, antialias) if antialias > 1 else image
    image = _blurred(image, sensors.blur).permute(0, 2, 3, 1)
    side = torch.arange(image.shape[1], device=image.device)
    rows, columns = ((sensors.start[:, axis, None] + side) % TILE for axis in range(2))
    grain = grain_tile().to(image.device)[rows[:, :, None], columns[:, None, :]]
    noisy = image + grain * sensors.grain[:, None, None, None]
    return (noisy.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


@cache
def grain_tile() -> Float[Tensor, "256 256 3"]:
    """Normal noise that all images cut theirs from."""
    return tensor(np.clip(Draws("synthetic", "grain").normal(shape=(TILE, TILE, 3)), -3, 3))


def _blurred(image: Float[Tensor, "batch 3 side side"], blur: Float[Tensor, "batch"]) -> Float[Tensor, "batch 3 side side"]:
    """Three taps down and across, written out: a convolution's rounding could depend on the batch."""
    side = blur[:, None, None, None] / 4
    across = pad(image, (1, 1, 0, 0), mode="replicate")
    image = image * (1 - 2 * side) + (across[..., :-2] + across[..., 2:]) * side
    down = pad(image, (0, 0, 1, 1), mode="replicate")
    return image * (1 - 2 * side) + (down[..., :-2, :] + down[..., 2:, :]) * side
