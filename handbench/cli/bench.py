"""`handbench bench`: measured speed, all arms interleaved in one run, written as JSON and Markdown."""

from pathlib import Path
from typing import Any

import click

BARS = {64: 150.0, 128: 60.0}  # rendered and packed images a second on 2 cores without anti-aliasing


@click.group()
def bench() -> None:
    """Measure speed on this machine: all arms interleaved, median and range."""


@bench.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds; 5 or more to publish.")
@click.option("--images", default=3000, show_default=True, type=click.IntRange(16), help="Images a round at 64 px; half at 128.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to render.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results/bench"), show_default=True, help="Folder of the files."
)
def data(rounds: int, images: int, device: str, out: Path) -> None:
    """Render synthetic hands straight into a pack: images a second by size and domain, start of the workers included."""
    from handbench import devices
    from handbench.benchmarks import Arm, interleave

    where = devices.choose(device)
    arms = []
    for domain, size, share in (("lab", 64, 1), ("lab", 128, 2), ("wild", 64, 1)):
        count = images // share
        bar = BARS[size] if domain == "lab" and where.type == "cpu" else None
        does = f"{count} images rendered and packed with their labels, start of the workers included; no anti-aliasing"
        arms.append(Arm(f"{domain} {size} px", does, _packer(domain, size, count, where.type), bar))
    _publish("bench data: rendering synthetic hands", "images a second", interleave(arms, rounds), where, out / "data")


def _packer(domain: str, size: int, count: int, device: str) -> Any:
    """Work that renders and packs a dataset of `count` images into a cache of its own."""
    import tempfile

    from handbench.data.cache import Cache
    from handbench.data.datasets.synthetic.dataset import SyntheticHands
    from handbench.data.packing import pack

    hands = SyntheticHands.Config(domain=domain, images=count - 2, validation=1, test=1, size=size, device=device)

    def work() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return len(pack(SyntheticHands(hands), "synthetic", size, Cache(Path(folder), 10**10)))

    return work


def _publish(title: str, unit: str, timings: Any, device: Any, place: Path) -> None:
    """Write NAME.json and the NAME.md made from it, and print the table."""
    from handbench import files
    from handbench.benchmarks import as_document, markdown
    from handbench.results.provenance import provenance

    document = as_document(title, unit, timings, provenance(device))
    files.write_json(place.with_suffix(".json"), document)
    files.write_text(place.with_suffix(".md"), markdown(document))
    click.echo(markdown(document))
    click.echo(f"Written: {place.with_suffix('.json')}, {place.with_suffix('.md')}", err=True)
