"""Features: a frozen encoder and batches of images in; one matrix of features out, with near-dead channels tamed."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@torch.inference_mode()
def extract(encoder: nn.Module, images: Iterable[Float[Tensor, "_ 3 height width"]]) -> Float[Tensor, "rows channels"]:
    """Run a frozen encoder in evaluation mode, fp32; returns features on the CPU."""
    was_training = encoder.training
    encoder.eval()
    features = [encoder(batch).float().flatten(1).cpu() for batch in images]
    encoder.train(was_training)
    return torch.cat(features)


@dataclass(frozen=True)
class Standardiser:
    """Zero mean and unit deviation per channel, learned on training features.

    A random network's near-dead channels would be blown up to noise of full size, so no channel is divided by less than
    1 % of the largest deviation.
    """

    mean: Float[Tensor, "width"]
    deviation: Float[Tensor, "width"]

    @classmethod
    def of(cls, features: Float[Tensor, "rows width"]) -> "Standardiser":
        """Learn mean and deviation."""
        deviation = features.std(0, correction=0)
        floor = (0.01 * deviation.max()).clamp(min=1e-12)
        return cls(features.mean(0), deviation.clamp(min=floor))

    def __call__(self, features: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Standardise features, training or held-out."""
        return (features - self.mean) / self.deviation
