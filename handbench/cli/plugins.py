"""`handbench plugins`: nothing goes in; every component of every kind comes out, with its summary and origin."""

import click


@click.command()
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="Also take plugins from this module; repeatable.")
def plugins(modules: tuple[str, ...]) -> None:
    """List every component of every kind: name, one-line summary, distribution."""
    from handbench.plugins import KINDS, discover

    found = discover(modules)
    width = max(len(offer.name) for offer in found.offers)
    for kind in KINDS:
        click.echo(click.style(f"{kind}s", bold=True))
        for offer in found.of_kind(kind):
            click.echo(f"  {offer.name:<{width}}  {offer.summary or '(no summary)'}  [{offer.distribution}]")
    for problem in (*found.broken, *found.clashes()):
        click.echo(f"warning: {problem}", err=True)
