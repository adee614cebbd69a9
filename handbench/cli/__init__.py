"""The command line: one module a verb, loaded when the verb is used, so that help stays instant."""

import importlib
import sys
from collections.abc import Sequence

import click

from handbench import __version__
from handbench.errors import HandbenchError, Interrupted, unknown

VERBS = {
    "ablate": "Run what is missing of a suite of runs, and report it.",
    "bench": "Measure speed on this machine: all arms interleaved, median and range.",
    "data": "Look at datasets, pack them, and tidy the cache.",
    "export": "Write a run's encoder for timm, with a model card.",
    "plugins": "List every component of every kind and where it came from.",
    "predict": "Predict hands in images: a submission, a table, overlays.",
    "report": "Make tables of all runs below a folder.",
    "run": "Pre-train an encoder, freeze or fine-tune it, and score it.",
    "score": "Score prediction files of other methods by the official definitions.",
}


class Verbs(click.Group):
    """Knows its verbs' names and summaries without importing them."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs in alphabetical order."""
        return sorted(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a verb's module."""
        if name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(f"handbench.cli.{name}"), name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs from their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which verb was probably meant."""
        if args and args[0] not in VERBS:
            raise click.UsageError(unknown("command", args[0], VERBS))
        return super().resolve_command(context, args)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="handbench")
def cli() -> None:
    """Say which pre-training objective, backbone and augmentations give the best hand pose, with the evidence."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; the user's mistakes are one line and exit code 2, bugs keep their traceback."""
    try:
        code = cli.main(list(arguments) if arguments is not None else None, prog_name="handbench", standalone_mode=False)
        sys.exit(code)  # of click's Exit, which comes back as a value; commands themselves return nothing
    except click.Abort:
        click.echo("stopped; run the same command again to go on", err=True)
        sys.exit(Interrupted.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Interrupted as stop:
        click.echo(str(stop), err=True)
        sys.exit(stop.exit_code)
    except HandbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
