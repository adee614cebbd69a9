"""VICReg for handbench: the hook alone, so that listing plugins imports no torch."""

from handbench.hookspecs import Lazy, hookimpl


@hookimpl
def handbench_objectives() -> dict[str, Lazy]:
    """Offer VICReg."""
    return {
        "vicreg": Lazy(
            f"{__name__}.objective:VICReg", "views agree, dimensions vary and are uncorrelated; Bardes et al., ICLR 2022"
        )
    }
