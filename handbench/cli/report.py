"""`handbench report`: the records below a folder go in; tables come out, on the screen and as files."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the files go; DIRECTORY itself unless given.")
@click.option("--report", "names", multiple=True, default=("table",), show_default=True, help="Which report; repeatable.")
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="Also take plugins from this module; repeatable.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file differs from what the records give.")
def report(directory: Path, out: Path | None, names: tuple[str, ...], modules: tuple[str, ...], check: bool) -> None:
    """Make tables of all runs below DIRECTORY."""
    contents = _render(directory, names, modules)
    target = _target(directory, out)
    if check:
        _check(contents, target)
        return
    _write(contents, target)


def _render(directory: Path, names: tuple[str, ...], modules: tuple[str, ...]) -> dict[str, bytes]:
    """Let each report make its files; raises ResultsError where there is nothing to report."""
    from handbench.configs import configure
    from handbench.errors import ResultsError
    from handbench.plugins import discover
    from handbench.results.records import read_evidence

    plugins = discover(modules)
    chosen = [(name, plugins.find("report", name).target) for name in names]
    if not directory.is_dir():
        raise ResultsError(f"{directory} is not a folder; give the folder that runs were written to, e.g. runs")
    evidence = read_evidence(directory, damaged=lambda line: click.echo(line, err=True))
    if not evidence.records:
        raise ResultsError(f"{directory} holds no finished run; make one with: handbench run --results {directory}")
    contents: dict[str, bytes] = {}
    for name, target in chosen:
        contents |= target(configure(target.Config, {}, name)).render(evidence)
    return contents


def _target(directory: Path, out: Path | None) -> Path:
    """Where the files go; a finished run's own directory is never written to."""
    from handbench.errors import ResultsError
    from handbench.results.records import RUN_FILE

    target = out or directory
    if (target / RUN_FILE).exists():
        raise ResultsError(
            f"{target} is a run, and a finished run is never changed; give its parent folder, or another with --out"
        )
    return target


def _write(contents: Mapping[str, bytes], target: Path) -> None:
    from handbench import files

    for name, content in contents.items():
        files.write_bytes(target / name, content)
        if name.endswith(".md"):
            click.echo(content.decode())
    click.echo("Written: " + ", ".join(str(target / name) for name in contents), err=True)


def _check(contents: Mapping[str, bytes], target: Path) -> None:
    """Compare with what lies on the disk."""
    stale = [name for name, content in contents.items() if not _same(target / name, content)]
    for name in stale:
        click.echo(f"{target / name} differs from what the records give; make it anew with: handbench report {target}", err=True)
    if stale:
        sys.exit(1)
    click.echo(f"{', '.join(str(target / name) for name in contents)}: as the records give")


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
