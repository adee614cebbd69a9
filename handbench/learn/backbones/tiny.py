"""A small residual encoder: images in, 192 features out; about 25 million multiply-adds at 64 pixels."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from handbench.errors import RecipeError
from handbench.learn.backbones.weights import load_weights


class Tiny(nn.Module):
    """A 3x3 stem of 24 channels and three residual stages of 48, 96 and 192, each halving the side; mean pool at the end."""

    @dataclass(frozen=True)
    class Config:
        """weights: none, or the path of a state dict."""

        weights: str = "none"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.width = 192
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(Stage(24, 48), Stage(48, 96), Stage(96, 192))
        if config.weights == "imagenet":
            raise RecipeError(
                "backbone 'tiny' has no ImageNet weights; use --weights none, a PATH, or a timm model such as resnet18"
            )
        if config.weights != "none":
            load_weights(self, Path(config.weights))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
        """Map RGB in [0, 1] to features."""
        features: Tensor = self.stages(self.stem((images - 0.5) * 4.0)).mean((2, 3))
        return features


class Stage(nn.Module):
    """One residual block of two 3x3 convolutions, the first with stride 2."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width_out, 3, 2, 1, bias=False)
        self.norm_first = nn.BatchNorm2d(width_out)
        self.second = nn.Conv2d(width_out, width_out, 3, 1, 1, bias=False)
        self.norm_second = nn.BatchNorm2d(width_out)
        self.shortcut = nn.Conv2d(width_in, width_out, 1, 2, bias=False)
        self.norm_shortcut = nn.BatchNorm2d(width_out)

    def forward(self, images: Tensor) -> Tensor:
        """Halve the side and widen."""
        inner = self.norm_second(self.second(functional.relu(self.norm_first(self.first(images)), inplace=True)))
        return functional.relu(inner + self.norm_shortcut(self.shortcut(images)), inplace=True)


def _multiply_adds(side: int) -> int:
    """Count the convolutions' multiply-adds.

    Example:
        >>> round(_multiply_adds(64) / 1e6)
        25
    """
    model, count = Tiny(Tiny.Config()), 0

    def add(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, nn.Conv2d)
        count += output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(add) for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    model.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return count
