"""`handbench predict`: pictures and a network in; hands as a submission, a table and overlays out."""

from pathlib import Path

import click

from handbench.cli.options import plugin_options
from handbench.plugins import Plugins


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("--run", "run", type=click.Path(path_type=Path), help="A finished run's folder, whose network predicts.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A released PeCLR checkpoint, e.g. rn50_peclr_yt3d-fh_pt_fh_ft.pth."
)
@click.option("--scale", metavar="METRES|JSON", help="Length of the bone middle MCP - middle PIP, for all or one an image.")
@click.option("--camera", metavar="FX,FY,CX,CY", help="The images' camera in pixels.")
@click.option("--side", type=click.Choice(["right", "left"]), default="right", show_default=True, help="Which hands are shown.")
@click.option(
    "--passes", type=click.IntRange(1, 2), default=2, show_default=True, help="2 crops again about the joints found (--run)."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for what is found.")
@click.option("--overlays", type=click.IntRange(0), default=0, show_default=True, help="Draw the hand into so many images.")
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Images at a time.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where to compute.")
@plugin_options
def predict(
    source: Path,
    run: Path | None,
    weights: Path | None,
    scale: str | None,
    camera: str | None,
    side: str,
    passes: int,
    out: Path,
    overlays: int,
    batch: int,
    device: str,
    found: Plugins,
) -> None:
    """Predict the hand in every image of INPUT: FreiHAND's folder, any folder of images, or one image.

    FreiHAND's evaluation set gives pred.json and pred.zip for its leaderboard; every input gives predictions.npz, predictions.csv
    and about.json, which says what camera and unit they have.
    """
    if (run is None) == (weights is None):
        raise click.UsageError("give one of --run FOLDER and --weights FILE: the network that is to predict")
    from handbench import devices
    from handbench.data import pictures
    from handbench.flow import predictors
    from handbench.flow.predict import Request
    from handbench.flow.predict import predict as work

    seen = pictures.find(source)
    seen = pictures.with_scales(seen, scale) if scale is not None else seen
    seen = pictures.with_camera(seen, camera) if camera is not None else seen
    place, left = devices.choose(device), side == "left"
    if run is not None:
        predictor = predictors.from_run(run, found, place, passes=passes, left=left)
    else:
        assert weights is not None
        predictor = predictors.from_weights(weights, place, left=left)
    for path in work(Request(seen, predictor, out, overlays, batch, lambda line: click.echo(line, err=True))):
        click.echo(path)
