"""`handbench run`: a recipe, options and --set in; a finished run, its table on the screen and its place out."""

import logging
from pathlib import Path
from typing import Any

import click

from handbench.cli.options import plugin_options
from handbench.plugins import Plugins
from handbench.recipe import build
from handbench.settings import BUDGETS, Recipe

OPTIONS = {  # option -> recipe key
    "objective": "objective.name",
    "backbone": "backbone.name",
    "weights": "backbone.weights",
    "dataset": "dataset.name",
    "protocol": "pose.protocol",
    "labels": "pose.labels",
    "head": "head.name",
    "evaluate": "evaluate.name",
    "budget": "budget",
    "seed": "seed",
    "device": "device",
}


@click.command()
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@click.option("--objective", help="What pre-training asks for: peclr, simclr, supervised, none, …")
@click.option("--backbone", help="tiny, or any timm model by its name.")
@click.option("--weights", metavar="none|imagenet|PATH", help="What the backbone starts from.")
@click.option("--dataset", metavar="NAME", help="The labelled dataset.")
@click.option(
    "--data", "roots", multiple=True, metavar="[NAME=]ROOT", help="A dataset's folder; NAME=ROOT for another than --dataset."
)
@click.option(
    "--augmentation", metavar="A,B", help="Augmentations in their order, by comma, NAME or NAME:published; '' for none."
)
@click.option("--protocol", type=click.Choice(["probe", "mlp", "finetune"]), help="How poses are read from the encoder.")
@click.option("--labels", type=float, metavar="SHARE", help="Share of the labelled frames used, above 0 to 1.")
@click.option("--evaluate", metavar="NAME", help="Also score the test part of this dataset.")
@click.option("--head", metavar="NAME", help="The head; linear or mlp by the protocol unless given.")
@click.option(
    "--budget", type=click.Choice(list(BUDGETS)), help="smoke: seconds; quick: minutes on 2 cores; paper: the paper's schedule."
)
@click.option("--seed", type=int, help="Of everything random.")
@click.option("--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs and stages."
)
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any key of the recipe, e.g. objective.temperature=0.2."
)
@plugin_options
@click.option(
    "--checkpoint-seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, help="How often to save the state."
)
@click.option("--dry-run", is_flag=True, help="Check everything and print the resolved recipe; do nothing.")
def run(
    recipe: Path | None,
    roots: tuple[str, ...],
    augmentation: str | None,
    results: Path,
    assignments: tuple[str, ...],
    found: Plugins,
    checkpoint_seconds: float,
    dry_run: bool,
    **options: Any,
) -> None:
    """Pre-train an encoder on hand images, freeze or fine-tune it, score it on held-out ones, and record the run.

    RECIPE is a TOML file; options override it, and --set overrides options.
    """
    given = {OPTIONS[name]: value for name, value in options.items() if value is not None}
    built = build(recipe, given, assignments, augmentation, roots)
    if dry_run:
        _show(built, found)
        return
    _run(built, found, results, checkpoint_seconds)


def _show(recipe: Recipe, found: Plugins) -> None:
    import tomli_w

    from handbench.assembly import assemble, resolved
    from handbench.recipe import to_tables

    complete = resolved(recipe, assemble(recipe, found))
    click.echo(tomli_w.dumps(to_tables(complete)), nl=False)


def _run(recipe: Recipe, found: Plugins, results: Path, checkpoint_seconds: float) -> None:
    from handbench import devices
    from handbench.assembly import assemble
    from handbench.flow import Job, Runtime, run

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("handbench").setLevel(logging.INFO)  # where images are drawn from, on stderr
    runtime = Runtime(results, devices.choose(recipe.device), checkpoint_seconds, lambda line: click.echo(line, err=True))
    directory = run(Job(recipe, assemble(recipe, found), runtime))
    _print_scores(directory)


def _print_scores(directory: Path) -> None:
    """The run's scores as a table: value, spread, and what a random encoder and a constant answer score."""
    from handbench.results.records import read_run
    from handbench.results.scoreboard import scoreboard

    record = read_run(directory)
    assert record is not None
    click.echo(scoreboard(record))
    click.echo(f"record: {directory / 'run.json'}")
