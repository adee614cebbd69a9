"""`handbench plugins`: what is installed of every kind; one component in full; its contract checked; a new package begun."""

import sys
from pathlib import Path
from unittest import SkipTest

import click

from handbench.cli.options import plugin_options
from handbench.errors import PluginError, unknown
from handbench.plugins import KINDS, Component, Plugins
from handbench.scaffolds import KINDS as NEW_KINDS
from handbench.scaffolds import write_package


@click.group(invoke_without_command=True)
@plugin_options
@click.pass_context
def plugins(context: click.Context, found: Plugins) -> None:
    """List every component of every kind: name, one-line summary, distribution."""
    context.obj = found
    if context.invoked_subcommand is None:
        _list(found)


@plugins.command()
@click.argument("name")
@click.pass_obj
def show(found: Plugins, name: str) -> None:
    """Show one component: summary, origin, paper, and every setting with its type, default and meaning."""
    for place, (component, implied) in enumerate(_named(found, name)):
        click.echo(("\n" if place else "") + _in_full(component, name, implied))


@plugins.command()
@click.argument("name")
@click.option("--data", "root", type=click.Path(path_type=Path), help="A dataset's folder; damaged files are tried on a copy.")
@click.pass_obj
def check(found: Plugins, name: str, root: Path | None) -> None:
    """Hold a component, or all of a package NAME, to its kind's contract; exit 1 when a promise is broken."""
    owned = [offer for offer in found.offers if name in (offer.plugin, offer.distribution.split()[0])]
    subjects = [(offer, offer.name) for offer in owned] or [(component, name) for component, _ in _named(found, name)]
    broken = sum(_check(found, component, called, root) for component, called in subjects)
    if broken:
        click.echo(f"{broken} promises are broken", err=True)
        sys.exit(1)


@plugins.command()
@click.argument("kind", type=click.Choice(NEW_KINDS))
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where; here unless given.")
def new(kind: str, name: str, out: Path) -> None:
    """Write a package with a working plugin of its own, ready to be changed: pyproject.toml, module, test, README."""
    for path in write_package(kind, name, out):
        click.echo(path)
    click.echo(f"\nNext: pip install -e {out / name}, then: handbench plugins check {name}", err=True)


def _list(found: Plugins) -> None:
    from handbench.suites import title_of

    names = [*(offer.name for offer in found.offers), *(suite.name for suite in found.suites)]
    width = max(map(len, names))
    for kind in KINDS:
        click.echo(click.style(f"{kind}s", bold=True))
        for offer in found.of_kind(kind):
            click.echo(f"  {offer.name:<{width}}  {offer.summary or '(no summary)'}  [{offer.distribution}]")
    click.echo(click.style("suites", bold=True))
    for suite in sorted(found.suites, key=lambda offer: offer.name):
        click.echo(f"  {suite.name:<{width}}  {title_of(suite)}  [{suite.distribution}]")


def _named(found: Plugins, name: str) -> list[tuple[Component, dict[str, object]]]:
    """Every component that answers to a name, of whatever kind, with the settings that the name implies."""
    offers: list[tuple[Component, dict[str, object]]] = [(offer, {}) for offer in found.offers if offer.name == name]
    if not offers:
        builders = [offer for offer in found.offers if name in offer.family_names()]
        offers = [(offer, dict(found.find(offer.kind, name).implied)) for offer in builders]
    if not offers:
        raise PluginError(unknown("plugin", name, {offer.name for offer in found.offers}))
    return offers


def _in_full(component: Component, name: str, implied: dict[str, object]) -> str:
    import inspect

    from handbench.configs import describe

    owner = component.load()
    about, _, _ = inspect.cleandoc(owner.__doc__ or "").partition("Source:")
    lines = [f"{component.kind} {name}: {component.summary}", "", about.strip(), ""]
    lines += [f"class   {owner.__module__}:{owner.__qualname__}", f"file    {inspect.getsourcefile(owner)}"]
    lines += [f"from    {component.distribution}", *(f"paper   {paper}" for paper in _papers(owner))]
    rows = [(row.name, row.type, str(implied.get(row.name, row.default)), row.help) for row in describe(owner.Config)]
    if rows:
        place = f"augmentation.{name}" if component.kind == "augmentation" else component.kind
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines += ["", f"settings (--set {place}.NAME=VALUE)"]
        for words in rows:
            columns = [word.ljust(width) for word, width in zip(words, (*widths, 0), strict=True)]
            lines.append(f"  {'  '.join(columns)}".rstrip())
    return "\n".join(lines)


def _papers(owner: type) -> list[str]:
    """What a class, or else its module, names under `Source:`, a line a paragraph."""
    import inspect

    for text in (owner.__doc__, sys.modules[owner.__module__].__doc__):
        _, found, rest = inspect.cleandoc(text or "").partition("Source:")
        if found:
            return [" ".join(rest.strip().split("\n\n")[0].split())]
    return []


def _check(found: Plugins, component: Component, name: str, root: Path | None) -> int:
    """Run the contract of one component and print each promise; returns how many are broken."""
    from handbench.testing import checks

    click.echo(click.style(f"{component.kind} {name}", bold=True) + f"  [{component.distribution}]")
    broken = 0
    for promise in checks(component.kind, name, root=root if component.kind == "dataset" else None, plugins=found):
        try:
            promise()
        except SkipTest as reason:
            click.echo(f"  skipped  {promise.about}  ({reason})")
        except Exception as error:  # whatever a component raises breaks its promise
            broken += 1
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            click.echo(click.style("  BROKEN", fg="red") + f"   {promise.about}\n           {said}")
        else:
            click.echo(f"  kept     {promise.about}")
    return broken
