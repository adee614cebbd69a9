"""`handbench ablate`: a suite and what the user lays over it go in; its plan, the missing runs, and the report come out."""

import re
import sys
from pathlib import Path
from typing import Any

import click

from handbench.cli.options import plugin_options
from handbench.plugins import Plugins
from handbench.settings import BUDGETS

LOCK = ".ablate.lock"
FAILED = 1  # exit code of a suite some runs of which failed
LISTED = 40  # cells that a plan names one by one; --dry-run names all


@click.command()
@click.argument("suite")
@click.option("--budget", type=click.Choice(list(BUDGETS)), help="In place of the suite's: smoke, quick or paper.")
@click.option(
    "--data", "roots", multiple=True, metavar="NAME=ROOT", help="A dataset's folder; the suite adapts to it. Repeatable."
)
@click.option(
    "--results", type=click.Path(path_type=Path), help="Folder of the suite's runs, stages and report.  [default: runs/SUITE]"
)
@click.option("--seeds", metavar="N|A,B,…", help="How many seeds, 0 to N-1, or which ones (`7,` is seed 7 alone).")
@click.option("--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any key of all recipes; fixes an axis of that name."
)
@click.option("--only", multiple=True, metavar="AXIS=VALUE", help="Run these cells of the grid only; repeatable.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the plan; do nothing.")
@click.option("--report/--no-report", "with_report", default=True, help="Whether to end in the report.")
@plugin_options
@click.option(
    "--checkpoint-seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, help="How often to save the state."
)
def ablate(suite: str, results: Path | None, dry_run: bool, found: Plugins, **options: Any) -> None:
    """Run what is missing of SUITE, a built-in's or plugin's name or a TOML file, and report it.

    What was finished is never run again: interrupt it anywhere and repeat the command. A run that fails is recorded and shown,
    the others go on, and the exit code is 1.
    """
    ablation = _ablation(suite, results, found, options)
    plan = ablation.plan(_pairs("--only", options["only"]))
    if dry_run:
        ablation.check(plan)
        _show(plan, ablation.forecast(plan), ablation.device, listed=sys.maxsize)
        return
    with _locked(ablation.folder):
        if plan.missing:
            ablation.check(plan)
            seconds = ablation.forecast(plan)
            _show(plan, seconds, ablation.device, LISTED)
            ablation.run(plan, seconds)
        else:
            click.echo(f"suite {plan.suite.name}: all {len(plan.chosen)} runs are done", err=True)
            ablation.settle(plan)
        if options["with_report"]:
            _report(ablation.folder, found)
    _end(ablation)


def _ablation(name: str, results: Path | None, found: Plugins, options: dict[str, Any]) -> Any:
    """The suite with what the user lays over it."""
    from handbench.suite import Given
    from handbench.suites import load
    from handbench.suites.ablation import Ablation

    roots = _pairs("--data", options["roots"])
    given = Given(options["budget"], roots, _seeds(options["seeds"]), options["assignments"], options["device"])
    suite = load(name, found, tuple(roots))
    folder = results or Path("runs") / suite.name
    return Ablation(suite, given, found, folder, lambda line: click.echo(line, err=True), options["checkpoint_seconds"])


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` texts by name; raises RecipeError for one of another form."""
    from handbench.errors import RecipeError

    pairs = dict(text.partition("=")[::2] for text in texts)
    for name, value in pairs.items():
        if not name or not value:
            example = "freihand=FOLDER" if option == "--data" else "objective=peclr"
            raise RecipeError(f"{option} {name}{value} is not of the form NAME=VALUE, e.g. {option} {example}")
    return pairs


def _seeds(text: str | None) -> tuple[int, ...]:
    """`3` is 0, 1, 2; `3,` is 3; `1,5` is 1 and 5; raises RecipeError for anything else."""
    from handbench.errors import RecipeError

    if text is None:
        return ()
    if not re.fullmatch(r"\d+(,\d+)*,?", text) or text == "0":
        raise RecipeError(f"--seeds {text} must be a number of seeds from 1 on, or seeds separated by commas, e.g. 3 or 0,1,5")
    if "," not in text:
        return tuple(range(int(text)))
    return tuple(dict.fromkeys(int(word) for word in text.split(",") if word))


def _show(plan: Any, seconds: dict[str, float], device: Any, listed: int) -> None:
    """The plan: what is to be done, what is shared, what is done already, and about how long it takes."""
    from handbench import devices
    from handbench.progress import duration

    missing, done = plan.missing, sum(item.run is not None for item in plan.planned)
    chosen = [item for item in plan.planned if item.cell.name in plan.chosen]
    left_out = f", {len(plan.planned) - len(chosen)} left out by --only" if len(chosen) < len(plan.planned) else ""
    click.echo(click.style(f"suite {plan.suite.name}: {plan.suite.title}", bold=True), err=True)
    for note in plan.notes:
        click.echo(f"note: {note}", err=True)
    for item in chosen[:listed]:
        click.echo(f"  {item.cell.name}  {f'done: {item.run}' if item.run else 'to do'}", err=True)
    if len(chosen) > listed:
        click.echo(f"  … {len(chosen) - listed} more", err=True)
    click.echo(f"runs: {len(plan.planned)}; {done} done, {len(missing)} to do{left_out}", err=True)
    users = [item.pretraining for item in plan.planned if item.pretraining]
    click.echo(
        f"pre-trainings: {len(set(users))} for {len(users)} runs; {len(plan.trained)} done, {len(plan.to_train)} to do", err=True
    )
    if missing:
        total = duration(sum(seconds.values()))
        click.echo(
            f"time: about {total} on {devices.describe(device)}, by one measured step of each network, plus packing", err=True
        )


def _report(folder: Path, found: Plugins) -> None:
    """Make the report anew where what it is made from has changed."""
    from handbench.cli.report import make

    if any(folder.glob("*/run.json")):
        make(folder, found)


def _end(ablation: Any) -> None:
    """Name the failures once more, and say so by the exit code."""
    if not ablation.failed:
        return
    count = len(ablation.failed)
    runs = "1 run" if count == 1 else f"{count} runs"
    click.echo(f"{runs} failed; the tracebacks lie in {ablation.folder / 'failures'}:", err=True)
    for name, line in ablation.failed.items():
        click.echo(f"  {name}: {line.splitlines()[0]}", err=True)
    click.echo("the same command tries them again", err=True)
    sys.exit(FAILED)


def _locked(folder: Path) -> Any:
    """A lock that goes with the process, so that two commands don't write one folder."""
    import contextlib

    import filelock

    from handbench.errors import ResultsError
    from handbench.files import ensure_writable

    ensure_writable(folder)
    stack = contextlib.ExitStack()
    try:
        stack.enter_context(filelock.FileLock(folder / LOCK, timeout=0))
    except filelock.Timeout:
        raise ResultsError(
            f"{folder}: another handbench ablate is at work here; wait for it, or give another --results"
        ) from None
    return stack
