"""A finished run goes in; one directory with its files and `run.json` comes out, and the records of many are read back.

`run.json` is the truth and is written last and atomically: a directory without it is a run that did not end. A finished run is
never written again. JSON here is strict: NaN is null, and infinity, which no score should be, is the text "inf" or "-inf".
"""

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from handbench import files
from handbench.configs import configure
from handbench.errors import RecipeError, ResultsError
from handbench.results import layout
from handbench.types import Evidence, Score

FORMAT = 1
RUN_FILE = layout.RUN_FILE

Status = Literal["finished", "failed"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Args:
        name: data, pretrain, measure, pose …
        key: its content address.
        seconds: wall-clock of its making, whenever that was.
        reused: whether it was found finished.
    """

    name: str
    key: str
    seconds: float
    reused: bool = False


@dataclass(frozen=True)
class Record:
    """Everything that is known of one run.

    Args:
        id: the directory's name, `<objective>-<backbone>-<dataset>-s<seed>-<key8>`.
        status: whether it ended; a failed run says why in `notes` and has no scores.
        key: content address of the whole run.
        objective, backbone, dataset, protocol: the components' names; protocol is probe, mlp or finetune.
        labels: share of the labelled frames used, in (0, 1].
        budget: smoke, quick or paper.
        seed: of everything random.
        device: cpu or cuda.
        recipe: resolved, as its TOML tables.
        scores: the results.
        notes: what a reader must know, e.g. that people may leak between the parts.
        stages: in the order of the flow.
        cost: views_per_second, data_wait (share), peak_memory_mib, seconds, and seconds_<stage> of each stage.
        data: fingerprint, count of each part, split unit.
        provenance: see `handbench.results.provenance`.
        created: when the run ended, ISO 8601 in UTC.
        format: version of this layout.
    """

    id: str
    status: Status
    key: str
    objective: str
    backbone: str
    dataset: str
    protocol: str
    labels: float
    budget: str
    seed: int
    device: str
    recipe: Mapping[str, Any]
    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    format: int = FORMAT


def as_document(record: Record) -> dict[str, Any]:
    """The record as nested plain values, as report plugins receive it; NaN stays NaN."""
    scores, stages = tuple(dict(vars(score)) for score in record.scores), tuple(dict(vars(stage)) for stage in record.stages)
    return {**vars(record), "scores": scores, "stages": stages}  # as asdict, which copies every setting, in a tenth of its time


def open_run(results: Path, run_id: str) -> Path:
    """Make the directory of a run, or find the one that an interrupted or failed run left.

    Raises:
        ResultsError: the folder cannot be written, or the run is finished already.
    """
    directory = results / run_id
    files.ensure_writable(directory)
    _refuse_finished(directory)
    return directory


def write_run(directory: Path, record: Record, contents: Mapping[str, bytes] | None = None) -> Path:
    """Write a run's files and then, as the sign that all is there, `run.json`.

    Args:
        directory: from `open_run`.
        record: the truth about the run.
        contents: further files by their name below the directory, e.g. "predictions.npz".

    Returns:
        The path of run.json.

    Raises:
        ResultsError: the run is finished already, a file name leaves the directory, or the disk refuses.
    """
    _refuse_finished(directory)
    for name, content in (contents or {}).items():
        files.write_bytes(directory / _below(name), content)
    path = directory / RUN_FILE
    files.write_json(path, _strict(as_document(record)))
    return path


def read_run(directory: Path) -> Record | None:
    """The record in a run's directory, or None where the run did not end.

    Raises:
        ResultsError: run.json is damaged, of an older format, or was written by a newer handbench.
    """
    path = directory / RUN_FILE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] > FORMAT:
            raise NewerFormat(path, document["format"])
        if document["format"] < FORMAT:
            older = f"{path}: format {document['format']} is older than this handbench reads ({FORMAT})"
            raise ResultsError(f"{older}; report it with the version that wrote it, or remove its folder and run again")
        return _record(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecipeError) as error:
        raise ResultsError(f"{path}: damaged ({_brief(error)}); restore it, or remove its folder and run again") from error


def read_runs(root: Path, damaged: Callable[[str], None] = log.warning) -> list[Record]:
    """All records below a folder, ordered by id; runs that did not end are passed over.

    Args:
        root: a results folder, or one that holds several.
        damaged: told of each record that cannot be read, which is left out.

    Raises:
        ResultsError: a record was written by a newer handbench: tables without it would be wrong without a sign.
    """
    return [record for _, record in _readable_runs(root, damaged)]


def read_evidence(root: Path, damaged: Callable[[str], None] = log.warning) -> Evidence:
    """All that lies below a folder, as report plugins receive it.

    Raises:
        ResultsError: as `read_runs`; or several suites lie below the folder, whose runs do not belong in the same tables.
    """
    excluded: list[str] = []

    def exclude(line: str) -> None:
        excluded.append(line)
        damaged(line)

    found = _readable_runs(root, exclude)
    records = tuple({**as_document(record), "folder": str(directory)} for directory, record in found)
    suite, failures = _suite(root)
    return Evidence(root, records, suite, failures, tuple(excluded))


def _suite(root: Path) -> tuple[dict[str, Any] | None, tuple[dict[str, Any], ...]]:
    """The suite that the runs below a folder belong to, and its failures."""
    found = list(_files(root, layout.SUITE_FILE))
    if len(found) > 1:
        folders = ", ".join(str(path.parent) for path in found)
        raise ResultsError(f"{root} holds several suites, whose runs do not share tables; give the folder of one: {folders}")
    if not found:
        return None, ()
    return _document(found[0]), tuple(_document(path) for path in sorted((found[0].parent / layout.FAILURES).glob("*.json")))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("not a table")
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: damaged ({_brief(error)}); repeat the command that made it: handbench ablate") from error
    return document


class NewerFormat(ResultsError):
    """A record that this handbench is too old to read."""

    def __init__(self, path: Path, met: Any) -> None:
        super().__init__(f"{path}: format {met} is newer than this handbench reads (up to {FORMAT}); upgrade handbench")


def _readable_runs(root: Path, damaged: Callable[[str], None]) -> list[tuple[Path, Record]]:
    found = []
    for path in _files(root, RUN_FILE):
        try:
            record = read_run(path.parent)
        except NewerFormat:
            raise
        except ResultsError as error:
            damaged(str(error))
            continue
        if record is not None:
            found.append((path.parent, record))
    return sorted(found, key=lambda run: (run[1].id, run[1].created))


def _files(root: Path, name: str) -> Iterator[Path]:
    """Files of a name below a folder, in order; shared stages, which may be many and large, are not looked into."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(set(below) - {layout.SHARED_STAGES})
        if name in names:
            yield Path(folder) / name


def _refuse_finished(directory: Path) -> None:
    record = read_run(directory)
    if record is not None and record.status == "finished":
        raise ResultsError(f"{directory} holds a finished run, which is never changed; remove the folder to run it again")


def _below(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.name in ("", RUN_FILE):
        raise ResultsError(f"'{name}' cannot be the name of a run's file; use a relative name other than {RUN_FILE}")
    return path


def _record(document: Mapping[str, Any]) -> Record:
    """Check a document of a known format key by key and type by type, and turn it into a Record."""
    values = dict(document)
    values["scores"] = tuple(configure(Score, _numbers(score, "value", "spread"), "scores") for score in document["scores"])
    values["stages"] = tuple(configure(Stage, _numbers(stage, "seconds"), "stages") for stage in document["stages"])
    values["cost"] = _numbers(document["cost"], *document["cost"])
    return configure(Record, values, "run")


def _numbers(table: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The table with the named values as floats again; a spread of null is one that does not exist, not NaN."""
    return {
        name: _number(value) if name in names and not (name == "spread" and value is None) else value
        for name, value in table.items()
    }


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _strict(value: Any) -> Any:
    """Values as strict JSON has them; floats keep every digit."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic):
        return _strict(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return str(value) if isinstance(value, Path) else value


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
