"""`handbench bench`: measured speed, all arms interleaved in one run, written as JSON and Markdown."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def bench() -> None:
    """Measure speed on this machine: all arms interleaved, median and range."""


def common_options(command: Command) -> Command:
    """--rounds, --device and --out, which every benchmark has."""
    command = click.option(
        "--out", type=click.Path(path_type=Path), default=Path("results/bench"), show_default=True, help="Folder of the files."
    )(command)
    command = click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to work.")(command)
    rounds = click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds; 5 or more to publish.")
    return rounds(command)


@bench.command()
@common_options
@click.option("--images", default=3000, show_default=True, type=click.IntRange(16), help="Images a round at 64 px; half at 128.")
def data(rounds: int, images: int, device: str, out: Path) -> None:
    """Render synthetic hands straight into a pack: images a second by size and domain, start of the workers included."""
    from handbench import devices
    from handbench.benchmarks import interleave
    from handbench.benchmarks.data import arms

    where = devices.choose(device)
    timings = interleave(arms(images, where), rounds)
    _publish("bench data: rendering synthetic hands", "images a second", timings, where, out / "data")


@bench.command()
@common_options
@click.option("--sizes", metavar="N,N", help="Pairs in a batch, separated by commas.  [default: 128 to 8192]")
def loss(rounds: int, sizes: str | None, device: str, out: Path) -> None:
    """Four ways to write NT-Xent, forward and backward: losses a second, and the memory each takes beside its input."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # before torch is loaded: its profiler reports GPUs that are not there
    from handbench import devices
    from handbench.benchmarks import interleave
    from handbench.benchmarks.loss import SIZES, arms, claims

    where = devices.choose(device)
    chosen = _numbers(sizes) if sizes else SIZES
    timings = interleave(arms(chosen, where), rounds, warm=True)
    _publish("bench loss: NT-Xent of 128 numbers a view", "losses a second", timings, where, out / "loss", claims(timings))


@bench.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds; 5 or more to publish.")
@click.option("--hands", default=100_000, show_default=True, type=click.IntRange(1), help="Hands in memory.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results/bench"), show_default=True, help="Folder of the files."
)
def metrics(rounds: int, hands: int, out: Path) -> None:
    """Score hands by freihand and rotation on the CPU, together, one by one, and in a loop: hands a second."""
    import torch

    from handbench.benchmarks import interleave
    from handbench.benchmarks.metrics import arms, claims

    timings = interleave(arms(hands), rounds, warm=True)
    title = "bench metrics: freihand and rotation"
    _publish(title, "hands a second", timings, torch.device("cpu"), out / "metrics", claims(timings))


@bench.command()
@common_options
@click.option("--data", "folder", type=click.Path(path_type=Path, exists=True), help="A folder of images; else rendered hands.")
@click.option("--images", default=512, show_default=True, type=click.IntRange(16), help="JPEGs of 224 px that are read.")
@click.option("--view", default=128, show_default=True, type=click.IntRange(16), help="Side of a view in pixels.")
@click.option("--batch", default=128, show_default=True, type=click.IntRange(2), help="Images in a batch.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes that read, in every arm.")
def pipeline(rounds: int, folder: Path | None, images: int, view: int, batch: int, workers: int, device: str, out: Path) -> None:
    """Two views of every image, from the pool and from JPEGs, to normalised batches; beside other people's pipelines."""
    import tempfile

    # Before torch is loaded: its OpenMP threads spin for milliseconds after each small task, on the core that images need.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from handbench import devices
    from handbench.benchmarks import interleave
    from handbench.benchmarks.pipeline import Setting, arms, claims

    where = devices.choose(device)
    with tempfile.TemporaryDirectory() as scratch:
        made = arms(Setting(Path(scratch), images, view, batch, workers, where), folder)
        timings = interleave(made, rounds, warm=True)
    waiting = os.environ["OMP_WAIT_POLICY"].lower()
    title = f"bench pipeline: two views of {view} px from JPEGs of 224 px, OMP_WAIT_POLICY={waiting}"
    _publish(title, "views a second", timings, where, out / "pipeline", claims(timings, view))


@bench.command()
@common_options
@click.option("--backbone", default="resnet18", show_default=True, help="tiny, or any timm model by its name.")
@click.option("--view", default=128, show_default=True, type=click.IntRange(16), help="Side of a view in pixels.")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(2), help="Images in a step; each has two views.")
@click.option("--steps", default=3, show_default=True, type=click.IntRange(1), help="Steps a round.")
@click.option("--objectives", default="simclr,peclr", show_default=True, metavar="A,B", help="The first is the others' measure.")
@click.option("--compile", "compiled", is_flag=True, help="An arm with torch.compile more.")
def step(
    rounds: int, backbone: str, view: int, batch: int, steps: int, objectives: str, compiled: bool, device: str, out: Path
) -> None:
    """Whole training steps with real input and with tensors made once: views a second, and the share spent waiting for data."""
    from handbench import devices
    from handbench.benchmarks import interleave
    from handbench.benchmarks.step import Setting, arms, claims

    where = devices.choose(device)
    names = tuple(name.strip() for name in objectives.split(",") if name.strip())
    timings = interleave(arms(Setting(backbone, names, view, batch, steps, where, compiled)), rounds, warm=True)
    title = f"bench step: {backbone}, {view} px, {batch} images a step"
    _publish(title, "views a second", timings, where, out / f"step-{backbone}", claims(timings, names, where))


def _numbers(text: str) -> tuple[int, ...]:
    """Whole numbers above 1, separated by commas."""
    from handbench.errors import RecipeError

    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and int(word) > 1 for word in words):
        raise RecipeError(f"--sizes {text}: is no list of whole numbers above 1; write it as 128,2048")
    return tuple(int(word) for word in words)


def _publish(title: str, unit: str, timings: Any, device: Any, place: Path, claims: Any = ()) -> None:
    """Write NAME.json and the NAME.md made from it, and print the table."""
    from handbench import files
    from handbench.benchmarks import as_document, markdown
    from handbench.results.provenance import provenance

    document = as_document(title, unit, timings, provenance(device), claims)
    files.write_json(place.with_suffix(".json"), document)
    files.write_text(place.with_suffix(".md"), markdown(document))
    click.echo(markdown(document))
    click.echo(f"Written: {place.with_suffix('.json')}, {place.with_suffix('.md')}", err=True)
