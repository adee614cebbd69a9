"""`handbench data`: look at a dataset, pack it ahead of a run, tidy the cache, write it in another layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from handbench.cli.options import plugin_options
from handbench.plugins import Plugins
from handbench.settings import BUDGETS


@click.group()
def data() -> None:
    """Look at datasets, pack them, and tidy the cache."""


def dataset_options(command: Callable[..., None]) -> Callable[..., None]:
    """The argument and options that say which dataset is meant, common to all verbs that open one."""
    for option in (
        plugin_options,
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the dataset; repeatable."),
        click.option(
            "--data", "root", type=click.Path(path_type=Path), metavar="ROOT", help="The dataset's folder, or CSV of boxes."
        ),
        click.argument("name", metavar="DATASET"),
    ):
        command = option(command)
    return command


@data.command()
@dataset_options
@click.option("--side", default=96, show_default=True, help="Pixels of a packed crop.")
@click.option("--workers", type=click.IntRange(1), help="Threads or processes; one a core unless given.")
def pack(name: str, root: Path | None, settings: tuple[str, ...], found: Plugins, side: int, workers: int | None) -> None:
    """Decode and crop DATASET once, so that runs read it at full speed."""
    from handbench.data.packing import pack as packed
    from handbench.files import readable

    made = packed(_open(name, root, settings, found), name, side, workers=workers)
    click.echo(f"{made.folder}: {len(made)} images of {side} x {side}, {readable(made.pixels.nbytes)}")
    for skipped in made.skipped:
        click.echo(f"skipped {skipped}")


@data.command()
@click.argument("keys", nargs=-1, metavar="[PACK]...")
@click.option("--clear", is_flag=True, help="Remove the packs named (by the beginning of their names), or all.")
@click.option("--verify", is_flag=True, help="Read the packs named, or all, and check every byte; exit 1 if one is damaged.")
def cache(keys: tuple[str, ...], clear: bool, verify: bool) -> None:
    """List what is packed and how much room it takes."""
    from handbench.data.cache import default_cache
    from handbench.files import readable

    found = default_cache()
    if clear:
        click.echo(f"{found.folder}: {readable(found.clear(keys))} freed")
    chosen = [entry for entry in found.entries() if not keys or entry.key.startswith(keys)]
    for entry in chosen:
        said = entry.manifest
        click.echo(
            f"{entry.key}  {readable(entry.size)}  " + (f"{said.get('count')} images" if said else "unfinished or damaged")
        )
    click.echo(f"{found.folder}: {readable(found.size())} of {readable(found.cap)} in use")
    if verify and [entry.key for entry in chosen if not _whole(found.folder / entry.key)]:
        raise SystemExit(1)


@data.command()
@dataset_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The picture to write, a PNG file.")
@click.option(
    "--count", default=40, show_default=True, type=click.IntRange(1, 1000), help="Samples, spread evenly over the dataset."
)
@click.option("--tile", default=160, show_default=True, type=click.IntRange(32, 1024), help="Pixels of one sample.")
@click.option("--masks", is_flag=True, help="Tint the hand masks.")
def show(
    name: str,
    root: Path | None,
    settings: tuple[str, ...],
    found: Plugins,
    out: Path,
    count: int,
    tile: int,
    masks: bool,
) -> None:
    """Draw a contact sheet of DATASET with its joints, one colour a finger."""
    from handbench.data.sheets import pick, png, sheet
    from handbench.files import write_bytes

    dataset = _open(name, root, settings, found)
    samples = pick(dataset, count)
    write_bytes(out, png(sheet(samples, dataset.context, tile, masks=masks)))
    click.echo(f"{out}: {len(samples)} of {len(dataset)} samples")


@data.command()
@dataset_options
@click.option(
    "--format", "layout", type=click.Choice(["freihand"]), default="freihand", show_default=True, help="The layout to write."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
def export(name: str, root: Path | None, settings: tuple[str, ...], found: Plugins, layout: str, out: Path) -> None:
    """Write DATASET in a layout that other people's tools read; left hands are mirrored to right ones."""
    from handbench.data.freihand_export import export_freihand

    written = export_freihand(_open(name, root, settings, found), name, out)
    click.echo(
        f"{out}: {written.training} training frames in {written.versions} version(s), {written.evaluation} evaluation images, "
        f"{layout} layout; {written.mirrored} left hands mirrored, {written.left_out} samples left out"
    )


@data.command()
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@click.option("--objective", help="Whose views: as many of each image as it wants.")
@click.option(
    "--augmentation", metavar="A,B", help="Augmentations in their order, by comma, NAME or NAME:published; '' for none."
)
@click.option("--dataset", metavar="NAME", help="The dataset.")
@click.option("--data", "roots", multiple=True, metavar="[NAME=]ROOT", help="The dataset's folder.")
@click.option("--budget", type=click.Choice(list(BUDGETS)), help="Gives the size of a view, unless it is set.")
@click.option("--seed", type=int, help="Of the draws.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any key of the recipe, e.g. pretrain.fill=black.")
@plugin_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The picture to write, a PNG file.")
@click.option("--rows", default=6, show_default=True, type=click.IntRange(1, 100), help="Samples, spread evenly.")
@click.option("--views", "count", type=click.IntRange(1, 20), help="Views of each; as many as the objective wants unless given.")
@click.option("--tile", default=160, show_default=True, type=click.IntRange(32, 1024), help="Pixels of one picture.")
def views(
    recipe: Path | None,
    augmentation: str | None,
    roots: tuple[str, ...],
    assignments: tuple[str, ...],
    found: Plugins,
    out: Path,
    rows: int,
    count: int | None,
    tile: int,
    **options: Any,
) -> None:
    """Draw what an objective sees: rows of crops and their views, with the joints moved along.

    RECIPE and the options mean what they mean to `handbench run`.
    """
    from handbench.assembly import assemble
    from handbench.files import write_bytes
    from handbench.flow.sight import views_sheet
    from handbench.recipe import build

    keys = {"objective": "objective.name", "dataset": "dataset.name", "budget": "budget", "seed": "seed"}
    given = {keys[name]: value for name, value in options.items() if value is not None}
    built = build(recipe, given, assignments, augmentation, roots)
    write_bytes(out, views_sheet(built, assemble(built, found), rows, count, tile))
    names = ", ".join(choice.name for choice in built.augmentation) or "none"
    click.echo(f"{out}: views of {built.pretrain.view} x {built.pretrain.view}; augmentations: {names}")


def _open(name: str, root: Path | None, settings: tuple[str, ...], found: Plugins) -> Any:
    """Open a dataset by its plugin, with the settings of the command line."""
    from handbench.assembly import open_source
    from handbench.settings import Source

    return open_source(found, Source(name, str(root) if root else None, settings=_parsed(settings))).dataset


def _parsed(settings: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE settings; `dataset.KEY`, as `handbench run` writes it, is understood too."""
    from handbench.configs import parse_value
    from handbench.errors import RecipeError

    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting}: has no value; write it as KEY=VALUE")
        parsed[key.removeprefix("dataset.")] = parse_value(value)
    return parsed


def _whole(folder: Path) -> bool:
    """Check every byte of a pack and say what is wrong with it."""
    from handbench.data.packs import DamagedPack, open_pack

    try:
        open_pack(folder, whole=True)
    except DamagedPack as error:
        click.echo(f"damaged: {error}")
        return False
    return True
