"""The built-in datasets: their names go out through the plugin hook, as a third party's would; nothing heavy is imported."""

from handbench.hookspecs import Lazy, Offer, hookimpl


@hookimpl
def handbench_datasets() -> dict[str, Offer]:
    """Datasets that ship with handbench."""
    return {
        "freihand": Lazy(f"{__name__}.freihand:FreiHand", "FreiHAND v2 in its official layout: right hands with 3D joints"),
        "photos": Lazy(f"{__name__}.photos:Photos", "a folder of photographs, or a CSV of hand boxes; no joints"),
        "synthetic": Lazy(
            f"{__name__}.synthetic.dataset:SyntheticHands", "rendered hands with exact labels; nothing to download"
        ),
        "youtube3d": Lazy(
            f"{__name__}.youtube3d:YouTube3D",
            "YouTube 3D Hands in its official layout: video frames; 2D joints with your MANO file",
        ),
    }
