"""A small encoder for handbench: the hook alone, so that listing plugins imports no torch."""

from handbench.hookspecs import Lazy, hookimpl


@hookimpl
def handbench_backbones() -> dict[str, Lazy]:
    """Offer the encoder."""
    return {"convnet": Lazy(f"{__name__}.backbone:ConvNet", "five strided convolutions with group norm")}
