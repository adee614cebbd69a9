"""Built-in heads: features to a 2.5D pose."""

from collections.abc import Mapping

from handbench.hookspecs import Lazy, Offer, hookimpl


@hookimpl
def handbench_heads() -> Mapping[str, Offer]:
    """Offer one linear map and a two-layer perceptron."""
    return {
        "linear": Lazy("handbench.pose.heads.linear:Linear", "one linear map; on frozen features it is solved in closed form"),
        "mlp": Lazy("handbench.pose.heads.mlp:MLP", "two layers with batch norm and ReLU between"),
    }
