"""Options that several verbs share: which plugins there are, and what is said of those that have something wrong."""

import functools
from collections.abc import Callable
from typing import Any

import click

from handbench.plugins import Plugins, discover

Command = Callable[..., Any]


def plugin_options(command: Command) -> Command:
    """Add --plugin and --strict-plugins; the command receives what was discovered as `found`, after warnings on stderr."""

    @click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="Also take plugins from this module; repeatable.")
    @click.option("--strict-plugins", "strict", is_flag=True, help="Take every problem with an installed plugin for an error.")
    @functools.wraps(command)
    def with_plugins(*arguments: Any, modules: tuple[str, ...], strict: bool, **options: Any) -> Any:
        return command(*arguments, found=look_for(modules, strict), **options)

    return with_plugins


def look_for(modules: tuple[str, ...], strict: bool) -> Plugins:
    """Discover all plugins and warn of problems; what does not need a broken one goes on."""
    found = discover(modules, strict=strict)
    for problem in found.problems:
        click.echo(f"warning: {problem}", err=True)
    return found
