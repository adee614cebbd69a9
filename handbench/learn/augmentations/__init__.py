"""The augmentations that ship with handbench, by name."""

from handbench.hookspecs import Lazy, hookimpl


@hookimpl
def handbench_augmentations() -> dict[str, Lazy]:
    """Offer the built-in augmentations."""
    here = "handbench.learn.augmentations"
    return {
        "color_jitter": Lazy(
            f"{here}.color_jitter:ColorJitter", "colour: brightness, contrast, saturation and hue as one matrix"
        ),
        "rotate": Lazy(f"{here}.rotate:Rotate", "warp: turn about the window's centre"),
        "scale": Lazy(f"{here}.scale:Scale", "warp: a larger or smaller window about the same centre"),
        "translate": Lazy(f"{here}.translate:Translate", "warp: shift the window"),
    }
