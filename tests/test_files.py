"""Files are whole or not there, and what cannot be written is said before any work."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from handbench import files
from handbench.errors import DataError, ResultsError


def test_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "run.json"
    files.write_text(target, "old")
    files.write_json(target, {"ä": [1, 2.5, None]})
    assert json.loads(target.read_text(encoding="utf-8")) == {"ä": [1, 2.5, None]}
    assert [path.name for path in target.parent.iterdir()] == ["run.json"]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "run.json"
    files.write_text(target, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match=r"run\.json: cannot be written \(No space left on device\)"):
        files.write_text(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_new_files_can_be_read_by_others(tmp_path: Path) -> None:
    files.write_text(tmp_path / "shared", "x")
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    assert (tmp_path / "shared").stat().st_mode == ordinary.stat().st_mode


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"file/runs: cannot be written .*choose another folder"):
        files.ensure_writable(tmp_path / "file" / "runs")


def test_space_is_compared_with_the_disk_of_the_nearest_folder(tmp_path: Path) -> None:
    files.ensure_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(DataError, match=r"1000000\.0 GB are needed and .* free"):
        files.ensure_space(tmp_path / "not" / "yet", 10**15, DataError)


def test_arrays_as_npz() -> None:
    with np.load(io.BytesIO(files.as_npz(numbers=[1.5, 2.0], names=np.array(["a", "b"])))) as kept:
        assert kept["numbers"].tolist() == [1.5, 2.0] and kept["names"].tolist() == ["a", "b"]
