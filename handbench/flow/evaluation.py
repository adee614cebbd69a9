"""Evaluation: a network fitted on one dataset and the test part of another in; scores that name the other dataset, out."""

from dataclasses import replace

from handbench.data import material
from handbench.data.material import Material
from handbench.errors import DataError
from handbench.flow.job import Job, Learned, Ready, baseline
from handbench.flow.learn import untrained
from handbench.flow.pose import Posed, fit, score
from handbench.settings import Source
from handbench.types import Score


def prepare_other(job: Job, ready: Ready) -> Material | None:
    """Pack the dataset of [evaluate], before any training: data that cannot be scored cost no work.

    Raises:
        DataError: one of the two datasets has no 3D joints.
    """
    opened = job.assembly.evaluated
    if opened is None:
        return None
    other = material.prepare(opened.dataset, opened.source.name, job.recipe.pretrain.view, job.runtime.device)
    for source, found in ((job.recipe.dataset, ready.labelled), (opened.source, other)):
        if not found.posed:
            raise DataError(f"[evaluate] scores 3D poses, and dataset '{source.name}' has none; name one with 3D joints")
    return other


def evaluate(job: Job, ready: Ready, other: Material | None, learned: Learned) -> Posed:
    """Score the run's network on the test part of [evaluate], with the cameras and bone lengths of that dataset.

    The network is the one that `pose` fitted; nothing is trained here.

    Returns:
        Scores named `metric@dataset`, files named likewise, and a note that says what was trained and scored on what;
        nothing where the recipe names no other dataset.
    """
    opened = job.assembly.evaluated
    if opened is None or other is None:
        return Posed()
    rows = other.split.test
    found = score(job, fit(job, ready, learned), other, rows)
    scores = found.scores
    if job.recipe.pose.protocol != "finetune":
        random = score(job, fit(job, ready, untrained(job)), other, rows)
        scores = (*scores, *baseline(list(random.scores), "random"))
    name, own = opened.source.name, job.assembly.labelled.source
    said = f"trained on {_described(own, opened.source)}, scored on {_described(opened.source, own)}: the metrics @{name}"
    return Posed(
        scores=tuple(named(entry, name) for entry in scores),
        stages=tuple(replace(stage, name="evaluate") for stage in found.stages),
        files={_file(file, name): content for file, content in (found.files or {}).items()},
        notes=(said, *(f"{name}: {note}" for note in (*other.notes, *found.notes))),
    )


def named(score: Score, dataset: str) -> Score:
    """The score under a name that says which dataset it was measured on.

    Example:
        >>> named(Score("mpjpe/constant", 90.0, "mm", 10), "freihand").metric
        'mpjpe@freihand/constant'
    """
    own, slash, beside = score.metric.partition("/")
    return replace(score, metric=f"{own}@{dataset}{slash}{beside}")


def _described(source: Source, other: Source) -> str:
    """A dataset by its name, and where both are of one name by the settings that tell it from the other."""
    if source.name != other.name:
        return source.name
    telling = {key: value for key, value in source.settings.items() if value != other.settings.get(key)}
    return f"{source.name} ({', '.join(f'{key} {value}' for key, value in telling.items())})" if telling else source.name


def _file(name: str, dataset: str) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{stem}@{dataset}{dot}{suffix}"
