"""The Rendered Hand Pose Dataset for handbench."""

from handbench.hookspecs import Lazy, hookimpl


@hookimpl
def handbench_datasets() -> dict[str, Lazy]:
    """Offer the dataset."""
    return {
        "rhd": Lazy(f"{__name__}.dataset:RHD", "Rendered Hand Pose Dataset in its official layout: one of two rendered hands")
    }
