"""Standardising: features in; the same with zero mean and unit deviation a channel, near-dead channels tamed, out."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

NEAR_DEAD = 1e-2


@dataclass(frozen=True)
class Standardiser:
    """The mean and the divisor of each channel, learned on training features.

    Random encoders hold channels that hardly move; divided by their own deviation they would be noise of full size. So no
    channel is divided by less than `NEAR_DEAD` of the largest deviation, and features that do not move at all become 0.

    Args:
        mean, deviation: float64; the deviation is that of all rows (divided by n), floored.
    """

    mean: Float[Tensor, "width"]
    deviation: Float[Tensor, "width"]

    @classmethod
    def of(cls, features: Float[Tensor, "rows width"]) -> "Standardiser":
        """Learn mean and deviation, in float64.

        Example:
            >>> import torch
            >>> scale = Standardiser.of(torch.tensor([[0.0, 0.0], [2.0, 2.0**-30]]))
            >>> scale.mean.tolist(), scale.deviation.tolist()
            ([1.0, 4.656612873077393e-10], [1.0, 0.01])
        """
        wide = features.double()
        deviation = wide.std(0, correction=0)
        largest = float(deviation.max())
        return cls(wide.mean(0), deviation.clamp(min=NEAR_DEAD * largest if largest > 0 else 1.0))

    def __call__(self, features: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Standardise features, training or held-out, in their own precision."""
        mean, deviation = self.mean.to(features), self.deviation.to(features)
        return (features - mean) / deviation
