"""`handbench score`: a prediction file and its truth go in; scores by the protocols asked for come out."""

import json
from pathlib import Path
from typing import Any

import click

from handbench.cli.options import plugin_options
from handbench.plugins import Plugins

DEFAULTS = {"freihand": ("freihand", "rotation"), "ho3d": ("ho3d", "rotation"), "npz": ("freihand", "rotation")}


@click.command()
@click.argument("predicted", metavar="PRED", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    required=True,
    type=click.Path(path_type=Path),
    help="evaluation_xyz.json (or its folder), or an .npz where PRED is one.",
)
@click.option("--vertices", type=click.Path(path_type=Path), help="True vertices; evaluation_verts.json beside the truth if any.")
@click.option("--layout", type=click.Choice(["freihand", "ho3d", "npz"]), help="Of both files; recognised unless given.")
@click.option(
    "--protocol",
    "names",
    multiple=True,
    metavar="P",
    help="Whose definitions; repeatable. The layout's own and rotation unless given.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="P.KEY=VALUE", help="A setting of a protocol, e.g. rhd.start=20; repeatable."
)
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone, in full precision.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="PNG", help="Draw the share of joints within each distance.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Also write the JSON to this file.")
def score(
    predicted: Path,
    truth: Path,
    vertices: Path | None,
    layout: Any,
    names: tuple[str, ...],
    settings: tuple[str, ...],
    found: Plugins,
    as_json: bool,
    plot: Path | None,
    out: Path | None,
) -> None:
    """Score PRED, a prediction file of any method, against the truth.

    PRED is FreiHAND's pred.json or a .zip of it, HO-3D's submission, or an .npz with joints_3d. What looks wrong (units, a
    mirror, the joint order) is said on stderr, and the file is scored as it is.
    """
    from handbench import files
    from handbench.pose import score_sheet
    from handbench.pose.plausibility import doubts
    from handbench.pose.submissions import read_submission

    submission = read_submission(predicted, truth, layout, vertices)
    metrics = _metrics(names or DEFAULTS[submission.layout], settings, found)
    sheet = score_sheet.score_sheet(metrics, submission.prediction, submission.truth)
    warnings = [*doubts(submission.prediction.joints_3d, _true_joints(submission.truth)), *_unscored(sheet)]
    document = {
        "prediction": str(predicted),
        "truth": str(truth),
        "layout": submission.layout,
        "hands": len(submission.truth.key),
        "notes": list(submission.notes),
        "warnings": warnings,
        **sheet,
    }
    if plot:
        files.write_bytes(plot, score_sheet.plot(document))
    if out:
        files.write_json(out, document)
    for kind in ("notes", "warnings"):
        for line in document[kind]:
            click.echo(f"{kind.removesuffix('s')}: {line}", err=True)
    click.echo(json.dumps(document, indent=2, allow_nan=False) if as_json else score_sheet.as_text(document))


def _metrics(names: tuple[str, ...], settings: tuple[str, ...], found: Plugins) -> list[Any]:
    """The protocols by name, each once, with their settings."""
    from handbench.configs import configure
    from handbench.errors import RecipeError

    given = _parsed(settings)
    strangers = sorted(given.keys() - set(names))
    if strangers:
        raise RecipeError(f"--set names '{strangers[0]}', which is not scored; score it with --protocol {strangers[0]}")
    classes = [(name, found.find("metric", name).target) for name in dict.fromkeys(names)]
    return [target(configure(target.Config, given.get(name, {}), name)) for name, target in classes]


def _parsed(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """`--set P.KEY=VALUE` as tables by protocol."""
    from handbench.configs import parse_value
    from handbench.errors import RecipeError

    tables: dict[str, dict[str, Any]] = {}
    for text in settings:
        place, equals, value = text.partition("=")
        name, dot, key = place.removeprefix("metric.").partition(".")
        if not (equals and dot and key):
            raise RecipeError(f"--set {text} is not P.KEY=VALUE, e.g. --set rhd.start=20")
        tables.setdefault(name.strip(), {})[key.strip()] = parse_value(value.strip())
    return tables


def _true_joints(truth: Any) -> Any:
    """Joints with NaN where they are not valid, so that no doubt rests on them."""
    import numpy as np

    return np.where(truth.valid[..., None], truth.joints_3d, np.nan)


def _unscored(sheet: dict[str, Any]) -> list[str]:
    """Protocols that had nothing to score."""
    counts: dict[str, int] = {}
    for one in sheet["scores"]:
        counts[one["protocol"]] = max(counts.get(one["protocol"], 0), one["count"])
    return [
        f"{name}: no hand could be scored; do the files hold the points it needs (pixels, vertices, a valid wrist)?"
        for name, count in counts.items()
        if not count
    ]
