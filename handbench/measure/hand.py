"""The hand in the view: its labelled joints in; its roll, position, size and finger directions, as numbers to be decoded, out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from handbench.measure.decoding import Off, degrees_between, distance
from handbench.measure.features import Seen
from handbench.types import FINGERS, MIDDLE_MCP, WRIST


@dataclass(frozen=True)
class Quantity:
    """Something to decode.

    Args:
        values: NaN where a joint that it needs is unknown.
        off: guesses and true values -> the error of each row.
        unit: of the error.
    """

    values: Float[Tensor, "rows outputs"]
    off: Off
    unit: str


def quantities(seen: Seen) -> Mapping[str, Quantity]:
    """All quantities of the hands in views, by name."""
    pixels = f"px@{seen.size}"
    return {
        "roll": Quantity(roll(seen.joints_2d), partial(degrees_between, axes=2), "degrees"),
        "position": Quantity(position(seen.joints_2d), distance, pixels),
        "size": Quantity(size(seen.joints_2d), distance, pixels),
        "finger_direction": Quantity(finger_directions(seen.joints_3d), partial(degrees_between, axes=3), "degrees"),
    }


def roll(joints_2d: Float[Tensor, "rows 21 2"]) -> Float[Tensor, "rows 2"]:
    """Sine and cosine of the angle in the view from x to wrist -> middle MCP, counter-clockwise on the screen.

    Example:
        >>> joints = torch.zeros(1, 21, 2)
        >>> joints[0, MIDDLE_MCP, 1] = -5.0  # above the wrist
        >>> roll(joints).tolist()
        [[1.0, 0.0]]
    """
    along = functional.normalize(joints_2d[:, MIDDLE_MCP] - joints_2d[:, WRIST], dim=1)
    return torch.stack([-along[:, 1], along[:, 0]], 1)


def position(joints_2d: Float[Tensor, "rows 21 2"]) -> Float[Tensor, "rows 2"]:
    """The palm's centre, midway between wrist and middle MCP, in pixels of the view."""
    return (joints_2d[:, WRIST] + joints_2d[:, MIDDLE_MCP]) / 2


def size(joints_2d: Float[Tensor, "rows 21 2"]) -> Float[Tensor, "rows 1"]:
    """The hand's extent: the largest distance between two of its 21 joints, in pixels of the view; a turn leaves it as it is."""
    apart = (joints_2d[:, :, None] - joints_2d[:, None]).norm(dim=3)  # NaN wins the maximum: an unknown joint, an unknown extent
    extent: Tensor = apart.amax((1, 2))
    return extent[:, None]


def finger_directions(joints_3d: Float[Tensor, "rows 21 3"]) -> Float[Tensor, "rows 15"]:
    """Unit vectors from the first joint of each finger (the MCP; the thumb's CMC) to its tip, camera frame; thumb first."""
    ends = torch.tensor([(joints[0], joints[-1]) for joints in FINGERS.values()])
    return functional.normalize(joints_3d[:, ends[:, 1]] - joints_3d[:, ends[:, 0]], dim=2).flatten(1)
