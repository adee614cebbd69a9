"""`handbench report`: the records below a folder go in; tables, figures and a page come out, on the screen and as files."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from handbench.cli.options import plugin_options
from handbench.plugins import Plugins

DEFAULT = ("comparison", "table", "page")
CHECKED = {"comparison": "tables", "table": "table.md"}  # reports whose bytes do not hang on drawing libraries -> their trace
PARQUET = "results.parquet"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the files go; DIRECTORY itself unless given.")
@click.option("--report", "names", multiple=True, metavar="NAME", help="Which report; repeatable; tables and page unless given.")
@plugin_options
@click.option("--parquet", is_flag=True, help="Also write every score as results.parquet (needs the extra 'parquet').")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a table differs from what the records give.")
def report(directory: Path, out: Path | None, names: tuple[str, ...], found: Plugins, parquet: bool, check: bool) -> None:
    """Make tables, figures and a page of all runs below DIRECTORY."""
    if check:
        _check(directory, out, names, found)
    else:
        make(directory, found, out, names, parquet=parquet)


def make(directory: Path, found: Plugins, out: Path | None = None, names: Sequence[str] = (), *, parquet: bool = False) -> bool:
    """Make reports, but those whose files are there and would come out the same.

    Args:
        directory: with the runs.
        found: where reports are looked up.
        out: where the files go; `directory` unless given.
        names: of reports; those of DEFAULT that there are unless given.
        parquet: also write all scores as Parquet.

    Returns:
        Whether anything was made.

    Raises:
        ResultsError: there is nothing to report, or the files must not go there.
        PluginError: an unknown report.
    """
    from handbench.results.freshness import made_of, read_made, source_of, write_made

    target = _target(directory, out)
    offers = _offers(names, found)
    sources = {name: source_of(directory, offered) for name, offered in offers.items()}
    before = read_made(target)
    stale = [
        name for name in offers if name not in before or before[name].source != sources[name] or not before[name].lies_in(target)
    ]
    if stale:
        contents = _render(directory, stale, found)
        known = dict(before)
        for name in stale:
            known[name] = made_of(sources[name], contents[name])
            _write(contents[name], target, set(before[name].files if name in before else ()))
        write_made(target, known)
    for name in sorted(offers.keys() - set(stale)):
        click.echo(f"{name}: nothing has changed, {len(before[name].files)} files in {target} stand", err=True)
    if parquet:
        _write_parquet(directory, target / PARQUET)
    return bool(stale)


def _offers(names: Sequence[str], found: Plugins) -> dict[str, str]:
    """The reports to make -> where their class is; raises PluginError for an unknown one."""
    offered = {component.name: component for component in found.of_kind("report")}
    chosen = {name: offered.get(name) for name in names or [name for name in DEFAULT if name in offered]}
    return {
        name: _place_of(component.offer if component else found.find("report", name).target) for name, component in chosen.items()
    }


def _place_of(offer: Any) -> str:
    """Where the class of an offer is, as "module:Class", whatever the offer's form."""
    if isinstance(offer, type):
        return f"{offer.__module__}:{offer.__qualname__}"
    return str(getattr(offer, "target", offer))


def _render(directory: Path, names: Sequence[str], found: Plugins) -> dict[str, Mapping[str, bytes]]:
    """Let each report make its files; raises ResultsError where there is nothing to report."""
    from handbench.configs import configure
    from handbench.errors import ResultsError
    from handbench.results.records import read_evidence

    chosen = [(name, found.find("report", name).target) for name in names]
    if not directory.is_dir():
        raise ResultsError(f"{directory} is not a folder; give the folder that runs were written to, e.g. runs")
    evidence = read_evidence(directory, damaged=lambda line: click.echo(line, err=True))
    if not any(record["status"] == "finished" for record in evidence.records):
        raise ResultsError(f"{directory} holds no finished run; make one with: handbench run --results {directory}")
    return {name: target(configure(target.Config, {}, name)).render(evidence) for name, target in chosen}


def _target(directory: Path, out: Path | None) -> Path:
    """Where the files go; a finished run's own directory is never written to."""
    from handbench.errors import ResultsError
    from handbench.results.layout import RUN_FILE

    target = out or directory
    if (target / RUN_FILE).exists():
        raise ResultsError(
            f"{target} is a run, and a finished run is never changed; give its parent folder, or another with --out"
        )
    return target


def _write(contents: Mapping[str, bytes], target: Path, before: set[str]) -> None:
    """Write a report's files, take away those it has no more, and show its tables."""
    from handbench import files

    for name, content in contents.items():
        files.write_bytes(target / name, content)
        if name.startswith("tables/") and name.endswith(".md"):
            click.echo(content.decode())
    for name in before - contents.keys():
        (target / name).unlink(missing_ok=True)
    click.echo("Written: " + ", ".join(str(target / name) for name in contents), err=True)


def _write_parquet(directory: Path, path: Path) -> None:
    from handbench.files import write_bytes
    from handbench.results.tidy import load, parquet

    write_bytes(path, parquet(load(directory)))
    click.echo(f"Written: {path}", err=True)


def _check(directory: Path, out: Path | None, names: Sequence[str], found: Plugins) -> None:
    """Compare with what lies on the disk; without names, the reports of tables that lie there."""
    target = _target(directory, out)
    asked = names or [name for name, trace in CHECKED.items() if (target / trace).exists()] or list(CHECKED)
    contents = {name: content for made in _render(directory, asked, found).values() for name, content in made.items()}
    stale = [name for name, content in contents.items() if not _same(target / name, content)]
    for name in stale:
        click.echo(f"{target / name} differs from what the records give; make it anew with: handbench report {target}", err=True)
    if stale:
        sys.exit(1)
    click.echo(f"{', '.join(str(target / name) for name in contents)}: as the records give")


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
