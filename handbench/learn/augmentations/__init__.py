"""The augmentations that ship with handbench, by name."""

from handbench.hookspecs import Lazy, hookimpl


@hookimpl
def handbench_augmentations() -> dict[str, Lazy]:
    """Offer the built-in augmentations."""
    here = "handbench.learn.augmentations"
    return {
        "color_drop": Lazy(f"{here}.color_drop:ColorDrop", "colour: grey"),
        "color_jitter": Lazy(
            f"{here}.color_jitter:ColorJitter", "colour: brightness, contrast, saturation and hue as one matrix"
        ),
        "cut_out": Lazy(f"{here}.cut_out:CutOut", "filter: a grey box over the hand"),
        "flip": Lazy(f"{here}.flip:Flip", "warp: mirror left and right"),
        "gaussian_blur": Lazy(f"{here}.gaussian_blur:GaussianBlur", "filter: blur"),
        "gaussian_noise": Lazy(f"{here}.gaussian_noise:GaussianNoise", "filter: noise on every value"),
        "hsv_jitter": Lazy(
            f"{here}.hsv_jitter:HsvJitter", "filter: PeCLR's own colour jitter, factors on hue, saturation and value"
        ),
        "random_resized_crop": Lazy(f"{here}.random_resized_crop:RandomResizedCrop", "warp: a part of the window, SimCLR's crop"),
        "rotate": Lazy(f"{here}.rotate:Rotate", "warp: turn about the window's centre"),
        "scale": Lazy(f"{here}.scale:Scale", "warp: a larger or smaller window about the same centre"),
        "sobel": Lazy(f"{here}.sobel:Sobel", "filter: edges in place of the image"),
        "solarize": Lazy(f"{here}.solarize:Solarize", "filter: bright values inverted"),
        "translate": Lazy(f"{here}.translate:Translate", "warp: shift the window"),
    }
