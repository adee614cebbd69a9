"""What every report promises: records in; files by name out, the same for the same records."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handbench.results.records import Record, Stage, as_document
from handbench.testing.contract import Subject, require
from handbench.types import Evidence, Score

HOSTILE = '<script>alert("x")</script> & | % _ \\ "quoted"'


def nothing_is_no_error(subject: Subject) -> None:
    """A folder without runs gives files, or none, but no error."""
    _files(subject, Evidence(Path(), ()))


def files_are_bytes_below_its_folder(subject: Subject) -> None:
    """Files are bytes under relative names."""
    for name, content in _files(subject, _evidence()).items():
        place = Path(name)
        below = name and not place.is_absolute() and ".." not in place.parts
        require(below, f"{subject.name}: the file name '{name}' does not stay below the report's folder")
        require(isinstance(content, bytes), f"{subject.name}: {name} is {type(content).__name__}, expected bytes")


def same_records_same_bytes(subject: Subject) -> None:
    """The same records give the same bytes, whatever their order; otherwise nobody could check a published table."""
    evidence = _evidence()
    turned = Evidence(evidence.folder, tuple(reversed(evidence.records)))
    one, same, other = (_files(subject, value) for value in (evidence, evidence, turned))
    changed = sorted(name for name in {*one, *same, *other} if not one.get(name) == same.get(name) == other.get(name))
    require(not changed, f"{subject.name}: {', '.join(changed)} differ between two renderings of the same records")


def odd_records_are_no_error(subject: Subject) -> None:
    """Scores that are not numbers, names full of markup, and a failed run are shown or left out, not stumbled over."""
    odd = as_document(_record("odd", 3, math.nan, note=HOSTILE))
    failed = {**as_document(_record("failed", 4, 1.0)), "status": "failed", "scores": (), "notes": (HOSTILE,)}
    _files(subject, Evidence(Path(), (*_evidence().records, {**odd, "folder": "odd"}, {**failed, "folder": "failed"})))


def _files(subject: Subject, evidence: Evidence) -> dict[str, bytes]:
    return dict(subject.target(subject.config()).render(evidence))


def _evidence() -> Evidence:
    values = {("peclr", 0): 8.1, ("peclr", 1): 8.3, ("simclr", 0): 9.2, ("simclr", 1): 9.9}
    runs = [_record(objective, seed, value) for (objective, seed), value in values.items()]
    return Evidence(Path(), tuple({**as_document(run), "folder": f"nowhere/{run.id}"} for run in runs))


def _record(objective: str, seed: int, value: float, note: str = "") -> Record:
    recipe: dict[str, Any] = {"seed": seed, "objective": {"name": objective}, "pose": {"labels": 1.0}}
    return Record(
        id=f"{objective}-tiny-synthetic-s{seed}-0000000{seed}",
        status="finished",
        key=f"{objective}{seed}",
        objective=objective,
        backbone="tiny",
        dataset="synthetic",
        protocol="probe",
        labels=1.0,
        budget="smoke",
        seed=seed,
        device="cpu",
        recipe=recipe,
        scores=(Score("epe_2d", value, "px@64", 100, protocol="pixels", spread=2.0, note=note), Score("auc", 0.5, "", 100)),
        notes=(note,) if note else (),
        stages=(Stage("pretrain", "k", 10.0), Stage("pose", "k", 1.0)),
        cost={"seconds": 11.0, "views_per_second": 500.0},
        data={"fingerprint": "f"},
        provenance={"handbench": "0"},
        created="2026-01-01T00:00:00+00:00",
    )


def promises(_: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them."""
    return (nothing_is_no_error, files_are_bytes_below_its_folder, same_records_same_bytes, odd_records_are_no_error)
