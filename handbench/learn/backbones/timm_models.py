"""Any timm model as a backbone: its name in, an encoder from images to pooled features out.

Source:
    Wightman, PyTorch Image Models (timm), https://github.com/huggingface/pytorch-image-models.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from jaxtyping import Float
from timm.data.config import resolve_data_config
from torch import Tensor, nn

from handbench.errors import RecipeError
from handbench.learn.backbones.weights import load_weights
from handbench.normalising import normalised


@functools.cache  # asking timm takes 70 ms, and a suite asks once a run
def model_names() -> list[str]:
    """All model names timm knows, with and without a pre-trained tag."""
    return [*timm.list_models(), *timm.list_pretrained()]


class TimmModel(nn.Module):
    """A timm model without its classifier; the input is normalised with the model's own mean and deviation."""

    @dataclass(frozen=True)
    class Config:
        """Which model, and where its weights come from.

        Args:
            model: timm's name.
            weights: none, imagenet (through timm's hub download) or the path of a state dict.
        """

        model: str = "resnet18"
        weights: str = "none"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.model = _create(config.model, pretrained=config.weights == "imagenet")
        if config.weights not in ("none", "imagenet"):
            load_weights(self.model, Path(config.weights))
        # Some models (MobileNetV3) pass pooled features through one more layer, which num_features does not count.
        self.width = int(getattr(self.model, "head_hidden_size", self.model.num_features))  # type: ignore[arg-type]
        settings = resolve_data_config({}, model=self.model)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(settings[name]), persistent=False)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
        """Map RGB in [0, 1] to features."""
        features: Tensor = self.model(normalised(images, self.get_buffer("mean"), self.get_buffer("std")))
        return features


def _create(name: str, *, pretrained: bool) -> nn.Module:
    """Build the model for views of any size; a download that fails is the user's to mend."""
    try:
        return _build(name, pretrained=pretrained)
    except (OSError, RuntimeError, ValueError) as error:
        if not pretrained:
            raise RecipeError(f"backbone '{name}' cannot be built: {error}") from error
        raise RecipeError(
            f"ImageNet weights of '{name}' cannot be fetched ({type(error).__name__}): check the network, or download the "
            f"model's file on another machine and give --weights PATH, or start from --weights none"
        ) from error


def _build(name: str, *, pretrained: bool) -> nn.Module:
    """Transformers take views of another size by a switch that convolutions do not know and do not need."""
    model: nn.Module
    try:
        model = timm.create_model(name, pretrained=pretrained, num_classes=0, dynamic_img_size=True)
    except TypeError:
        model = timm.create_model(name, pretrained=pretrained, num_classes=0)
    return model
