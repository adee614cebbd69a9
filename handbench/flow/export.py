"""Export: a finished run's folder in; its encoder as safetensors in timm's own names, and a model card, out."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from handbench.errors import ResultsError
from handbench.files import write_bytes, write_text
from handbench.flow.learn import ENCODER
from handbench.flow.predictors import stage_folder
from handbench.learn.backbones.weights import read_state
from handbench.pose.fitted import FILE
from handbench.results import records

TIMM = "model."  # what a timm backbone's names begin with in a run
FINETUNED = "backbone."  # and what a fine-tuned network puts before that


def export(folder: Path, out: Path, *, finetuned: bool = False) -> list[Path]:
    """Write encoder.safetensors and README.md.

    Args:
        folder: the run's directory; its stages lie beside it.
        out: where to.
        finetuned: the encoder as fine-tuning left it; else as pre-training did.

    Raises:
        ResultsError: no finished run, its stages are gone, or nothing was fine-tuned.
    """
    record = records.read_run(folder)
    if record is None:
        raise ResultsError(f"{folder} holds no finished run (no run.json); name a run's own folder, e.g. below runs/")
    if finetuned and record.protocol != "finetune":
        raise ResultsError(f"{folder} froze its encoder (protocol {record.protocol}); leave --finetuned out")
    state = _finetuned(folder, record) if finetuned else read_state(stage_folder(folder, record, "pretrain") / ENCODER)
    theirs = {name.removeprefix(TIMM): value.contiguous() for name, value in state.items()} if is_timm(state) else dict(state)
    write_bytes(out / ENCODER, safetensors.torch.save(theirs, {"format": "pt", "run": record.id}))
    write_text(out / "README.md", card(record, is_timm(state), finetuned))
    return [out / ENCODER, out / "README.md"]


def is_timm(state: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a timm model, which a run holds under one name."""
    return all(name.startswith(TIMM) for name in state)


def card(record: records.Record, timm: bool, finetuned: bool) -> str:
    """The model card: what this is, what it was trained on, what it scored, how to load it."""
    trained = "pre-trained and then fine-tuned on 3D hand pose" if finetuned else "pre-trained"
    sources = ", ".join(_sources(record))
    made_by = f"handbench {record.provenance.get('handbench', '')} (run `{record.id}`)"
    terms = sources if _start(record) == "none" else f"{sources}, and the weights it started from"
    parts = [
        f"# {record.backbone}: {record.objective} on {sources}",
        f"An image encoder for hands, {trained} by {made_by}.",
        _facts(record, sources, timm),
        "## How to load it",
        *_loading(record.backbone, timm),
        "## Scores",
        _scores(record),
        "All scores with their baselines, the recipe and the machine stand in the run's `run.json` and `recipe.toml`.",
        "## Licence",
        f"The terms of what these weights were trained on hold for them ({terms}); several hand datasets allow research only.",
    ]
    return "\n\n".join(parts) + "\n"


def _sources(record: records.Record) -> list[str]:
    mixture = [str(entry["name"]) for entry in record.recipe["pretrain"].get("data", [])]
    return list(dict.fromkeys([*mixture, record.dataset]))


def _facts(record: records.Record, sources: str, timm: bool) -> str:
    augmentations = ", ".join(entry["name"] for entry in record.recipe.get("augmentation", [])) or "none"
    view, seen = record.recipe["pretrain"]["view"], record.data.get("pretraining", "an unknown number of")
    scaled = "normalised with the model's own mean and deviation" if timm else "not normalised further"
    lines = [
        f"- Objective: {record.objective}. Augmentations: {augmentations}.",
        f"- Data: {sources}; {seen} images in pre-training, {record.labels:.0%} of the labelled frames for what came after.",
        f"- Weights at the start: {_start(record)}. Seed {record.seed}, budget {record.budget}.",
        f"- Input: RGB in [0, 1], {scaled}; {view} x {view} pixels in training.",
    ]
    return "\n".join(lines)


def _scores(record: records.Record) -> str:
    head = ["| metric | value | unit | images | excluded | protocol |", "|---|---|---|---|---|---|"]
    rows = [
        f"| {score.metric} | {score.value:.4g} | {score.unit} | {score.count} | {score.excluded} | {score.protocol} |"
        for score in record.scores
        if "/" not in score.metric
    ]
    return "\n".join([*head, *rows])


def _loading(backbone: str, timm: bool) -> list[str]:
    back = f"`handbench run --backbone {backbone} --weights {ENCODER}` takes it back."
    code = f'model = timm.create_model("{backbone}", num_classes=0, checkpoint_path="{ENCODER}")'
    return [f"```python\nimport timm\n\n{code}\n```", back] if timm else [back]


def _start(record: records.Record) -> str:
    return str(record.recipe["backbone"].get("weights", "none"))


def _finetuned(folder: Path, record: records.Record) -> dict[str, Tensor]:
    state = read_state(stage_folder(folder, record, "pose") / FILE)
    return {name.removeprefix(FINETUNED): value for name, value in state.items() if name.startswith(FINETUNED)}
