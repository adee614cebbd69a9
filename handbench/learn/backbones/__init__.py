"""The backbones that ship with handbench: one of our own, and every model of timm by its name."""

from handbench.hookspecs import Family, Lazy, hookimpl


@hookimpl
def handbench_backbones() -> dict[str, Lazy | Family]:
    """Offer the built-in backbones."""
    here = "handbench.learn.backbones"
    return {
        "tiny": Lazy(f"{here}.tiny:Tiny", "25 MMAC at 64 px: minutes on a CPU"),
        "timm": Family(
            f"{here}.timm_models:TimmModel",
            names=f"{here}.timm_models:model_names",
            field="model",
            summary="every model of timm by its own name, e.g. resnet18, resnet152, convnext_tiny, vit_small_patch16_224",
        ),
    }
