"""`handbench export`: a finished run in; its encoder for other people's code, with a model card, out."""

from pathlib import Path

import click


@click.command()
@click.argument("run", metavar="RUN_DIR", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for encoder.safetensors and README.md.")
@click.option("--finetuned", is_flag=True, help="The encoder after fine-tuning, not after pre-training.")
def export(run: Path, out: Path, finetuned: bool) -> None:
    """Write a run's encoder as encoder.safetensors, in timm's own names, with a model card.

    timm.create_model(NAME, num_classes=0, checkpoint_path=…) loads it, and so does `handbench run --weights`.
    """
    from handbench.flow.export import export as work

    for path in work(run, out, finetuned=finetuned):
        click.echo(path)
