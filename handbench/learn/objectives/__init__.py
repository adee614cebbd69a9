"""The pre-training objectives that ship with handbench, one paper a module."""

from handbench.hookspecs import Lazy, hookimpl


@hookimpl
def handbench_objectives() -> dict[str, Lazy]:
    """Offer the built-in objectives."""
    here = "handbench.learn.objectives"
    return {
        "none": Lazy(f"{here}.none:NoPretraining", "no pre-training: the encoder starts as initialised"),
        "peclr": Lazy(
            f"{here}.peclr:PeCLR", "equivariant: NT-Xent on projections with the view's warp undone (Spurr et al. 2021)"
        ),
        "simclr": Lazy(f"{here}.simclr:SimCLR", "invariant: NT-Xent on projections (Chen et al. 2020)"),
        "supervised": Lazy(f"{here}.supervised:Supervised", "supervised: class labels or 2.5D poses of the training part"),
    }
