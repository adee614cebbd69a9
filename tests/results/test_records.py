"""Records survive the disk, finished runs are never changed, and broken ones are named."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handbench.errors import ResultsError
from handbench.results import records
from handbench.results.records import (
    NewerFormat,
    Record,
    Stage,
    as_document,
    open_run,
    read_evidence,
    read_run,
    read_runs,
    write_run,
)
from handbench.types import Score

SCORES = (
    Score("knn", 81.3 + 1 / 3, "%", 400),
    Score("latent_turn", 29.9, "degrees", 400, spread=4.2, note="turned by 30 degrees"),
    Score("pa_epe", math.nan, "mm", 0, excluded=400, protocol="freihand"),
)
RECORD = Record(
    id="peclr-tiny-photos-s3-0123abcd",
    status="finished",
    key="0123abcd" * 4,
    objective="peclr",
    backbone="tiny",
    dataset="photos",
    protocol="probe",
    labels=0.1,
    budget="quick",
    seed=3,
    device="cpu",
    recipe={"seed": 3, "objective": {"name": "peclr", "temperature": 0.1 + 0.2}, "augmentation": [{"name": "rotate"}]},
    scores=SCORES,
    notes=("people may be in both parts",),
    stages=(Stage("data", "aa", 1.25), Stage("pretrain", "bb", 0.1, reused=True)),
    cost={"seconds": 12.5, "views_per_second": math.nan},
    data={"fingerprint": "ff", "counts": {"train": 10, "test": 2}, "split": "subject"},
    provenance={"handbench": "0.1.0"},
)


def test_round_trip_keeps_every_digit_and_not_a_number(tmp_path: Path) -> None:
    directory = open_run(tmp_path, RECORD.id)
    path = write_run(directory, RECORD, {"predictions.npz": b"\x00\x01", "epochs/pretrain.csv": b"loss\n"})
    back = read_run(directory)
    assert back is not None
    assert repr(back) == repr(RECORD)  # repr, because NaN equals nothing
    assert (directory / "predictions.npz").read_bytes() == b"\x00\x01"
    assert (directory / "epochs" / "pretrain.csv").read_bytes() == b"loss\n"
    json.loads(path.read_text(), parse_constant=pytest.fail)  # called on NaN and Infinity only


def test_numpy_numbers_paths_and_infinity_become_plain(tmp_path: Path) -> None:
    odd = replace(
        RECORD,
        scores=(Score("epe", math.inf, "mm", 1),),
        data={"share": np.float32(0.5), "count": np.int64(7), "root": Path("a/b"), "flag": np.True_},
    )
    write_run(tmp_path, odd)
    back = read_run(tmp_path)
    assert back is not None
    assert back.scores[0].value == math.inf
    assert back.data == {"share": 0.5, "count": 7, "root": "a/b", "flag": True}


def test_a_finished_run_is_never_changed(tmp_path: Path) -> None:
    directory = open_run(tmp_path, RECORD.id)
    path = write_run(directory, RECORD)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="never changed"):
        write_run(directory, replace(RECORD, seed=4), {"more.txt": b""})
    with pytest.raises(ResultsError, match="never changed"):
        open_run(tmp_path, RECORD.id)
    assert path.read_bytes() == before
    assert not (directory / "more.txt").exists()


def test_a_failed_run_may_be_run_again(tmp_path: Path) -> None:
    directory = open_run(tmp_path, RECORD.id)
    write_run(directory, replace(RECORD, status="failed", scores=(), notes=("out of memory",)))
    assert open_run(tmp_path, RECORD.id) == directory
    write_run(directory, RECORD)
    back = read_run(directory)
    assert back is not None
    assert back.status == "finished"


def test_run_json_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    monkeypatch.setattr(records.files, "write_bytes", lambda path, content: order.append(path.name))
    monkeypatch.setattr(records.files, "write_json", lambda path, content: order.append(path.name))
    write_run(tmp_path, RECORD, {"b": b"", "a": b""})
    assert order == ["b", "a", "run.json"]


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "run.json", "", "a/../../b"])
def test_files_stay_in_their_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultsError, match="cannot be the name"):
        write_run(tmp_path, RECORD, {name: b""})
    assert not (tmp_path / "run.json").exists()


def test_reading_many_passes_over_unfinished_runs_and_shared_stages(tmp_path: Path) -> None:
    for run_id in ("b", "a"):
        write_run(open_run(tmp_path, run_id), replace(RECORD, id=run_id))
    write_run(open_run(tmp_path / "published", "c"), replace(RECORD, id="c"))
    write_run(open_run(tmp_path / "stages", "d"), replace(RECORD, id="d"))
    (open_run(tmp_path, "unfinished") / "predictions.npz").write_bytes(b"")
    assert [record.id for record in read_runs(tmp_path)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda document: "{", "JSONDecodeError"),
        (lambda document: "[]", "TypeError"),
        (lambda document: json.dumps(document)[:-100], "JSONDecodeError"),
        (lambda document: json.dumps({key: value for key, value in document.items() if key != "format"}), "format"),
        (lambda document: json.dumps({**document, "labels": "most"}), "labels"),
        (lambda document: json.dumps({**document, "status": "fine"}), "status"),
        (lambda document: json.dumps({**document, "colour": "red"}), "colour"),
        (lambda document: json.dumps({**document, "scores": None}), "TypeError"),
        (lambda document: json.dumps({**document, "scores": [{"metric": "knn"}]}), "value"),
    ],
)
def test_a_damaged_record_is_named_and_left_out(tmp_path: Path, change, reason: str) -> None:
    write_run(open_run(tmp_path, "good"), replace(RECORD, id="good"))
    path = write_run(open_run(tmp_path, "bad"), replace(RECORD, id="bad", scores=SCORES[:1], cost={}))
    path.write_text(change(json.loads(path.read_text())))
    told: list[str] = []
    assert [record.id for record in read_runs(tmp_path, damaged=told.append)] == ["good"]
    assert len(told) == 1
    assert str(path) in told[0]
    assert reason in told[0]
    with pytest.raises(ResultsError, match=r"damaged .* run again"):
        read_run(path.parent)


def test_a_newer_format_is_an_error_for_one_and_for_many(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", RECORD)
    path.write_text(json.dumps({"format": 99, "something": "else"}))
    for read in (read_run, read_runs):
        with pytest.raises(NewerFormat, match=r"format 99 is newer .* upgrade"):
            read(path.parent)


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ResultsError, match="file"):
        open_run(tmp_path / "file", "run")


def test_documents_are_plain(tmp_path: Path) -> None:
    document = as_document(RECORD)
    assert document["scores"][1]["spread"] == 4.2
    assert math.isnan(document["scores"][2]["value"])
    assert document["stages"][1] == {"name": "pretrain", "key": "bb", "seconds": 0.1, "reused": True}


def test_evidence_holds_the_suite_its_failures_and_what_was_left_out(tmp_path: Path) -> None:
    write_run(open_run(tmp_path, "good"), replace(RECORD, id="good"))
    (tmp_path / "suite.json").write_text(json.dumps({"name": "quickstart"}))
    (tmp_path / "failures").mkdir()
    (tmp_path / "failures" / "a.json").write_text(json.dumps({"error": "out of memory"}))
    old = write_run(open_run(tmp_path, "old"), replace(RECORD, id="old"))
    old.write_text(old.read_text().replace('"format": 1', '"format": 0'))
    told: list[str] = []
    evidence = read_evidence(tmp_path, damaged=told.append)
    assert [(record["id"], record["folder"]) for record in evidence.records] == [("good", str(tmp_path / "good"))]
    assert evidence.suite == {"name": "quickstart"}
    assert evidence.failures == ({"error": "out of memory"},)
    assert evidence.excluded == tuple(told)
    assert len(told) == 1
    assert "format 0 is older" in told[0] and str(old) in told[0]


def test_a_damaged_suite_and_two_suites_are_errors(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text("[")
    with pytest.raises(ResultsError, match=r"suite.json: damaged .* handbench ablate"):
        read_evidence(tmp_path)
    (tmp_path / "suite.json").write_text("{}")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "suite.json").write_text("{}")
    with pytest.raises(ResultsError, match="several suites"):
        read_evidence(tmp_path)
