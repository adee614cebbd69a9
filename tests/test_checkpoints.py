"""Stages: keys follow content, finished is finished, and damage is named."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from handbench import checkpoints, training
from handbench.checkpoints import Stage, code_of, digest, load, save
from handbench.errors import ResultsError
from handbench.learn.objectives.peclr import PeCLR
from handbench.learn.objectives.simclr import SimCLR


def test_keys_follow_the_content_and_not_its_order(tmp_path: Path) -> None:
    one = Stage(tmp_path, "pretrain", {"a": 1, "b": {"c": [1, 2], "d": None}})
    same = Stage(tmp_path, "pretrain", {"b": {"c": (1, 2)}, "a": 1})
    others = [Stage(tmp_path, "pretrain", {"a": 2, "b": {"c": [1, 2]}}), Stage(tmp_path, "measure", {"a": 1, "b": {"c": [1, 2]}})]
    assert one.key == same.key and one.key not in {other.key for other in others}


def test_a_stage_is_done_when_its_marker_is_written_and_not_before(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "pretrain", {"x": 1})
    save({"w": torch.ones(2)}, stage.folder / "checkpoint.pt")
    assert not stage.done
    stage.finish({"seconds": 1.5}, {"w": torch.full((2,), 3.0)})
    assert stage.done and stage.summary() == {"seconds": 1.5} and torch.equal(stage.state()["w"], torch.full((2,), 3.0))
    assert not (stage.folder / "checkpoint.pt").exists()


def test_light_work_is_done_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def work() -> tuple[dict[str, Any], None]:
        calls.append(1)
        return {"answer": 42}, None

    for reused in (False, True):
        assert Stage(tmp_path, "measure", {"x": 1}).run(work) == ({"answer": 42}, reused)
    assert len(calls) == 1


def test_work_that_fails_is_not_remembered_as_done(tmp_path: Path) -> None:
    def work() -> tuple[dict[str, Any], None]:
        raise RuntimeError("half-way")

    stage = Stage(tmp_path, "measure", {"x": 1})
    with pytest.raises(RuntimeError):
        stage.run(work)
    assert not stage.done


def test_damage_is_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "measure", {"x": 1})
    stage.finish({"answer": 1})
    (stage.folder / "stage.json").write_text("{")
    with pytest.raises(ResultsError, match=r"stage.json is damaged .* delete"):
        stage.summary()
    (tmp_path / "x.pt").write_bytes(b"no")
    with pytest.raises(ResultsError, match=r"x.pt is damaged"):
        load(tmp_path / "x.pt")


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save([1], tmp_path / "x.pt")

    def full(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(ResultsError, match="No space left on device"):
        save([2], tmp_path / "x.pt")
    assert load(tmp_path / "x.pt") == [1] and [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_digest_tells_numbers_from_text() -> None:
    assert digest([1]) != digest(["1"]) and digest({"a": None}) == digest({})


def test_code_counts_with_what_it_is_built_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_under_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "below.py").write_text("def used():\n    return 1\n")
    (package / "apart.py").write_text("def unused():\n    return 1\n")
    (package / "above.py").write_text("from package_under_test.below import used\n\n\nclass Owner:\n    work = used\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from package_under_test.above import Owner  # type: ignore[import-not-found]

    before = code_of(Owner)
    (package / "apart.py").write_text("def unused():\n    return 2\n")
    assert code_of(Owner) == before
    (package / "below.py").write_text("def used():\n    return 2\n")
    assert code_of(Owner) != before
    for name in [name for name in sys.modules if name.startswith("package_under_test")]:
        del sys.modules[name]


def test_code_of_objectives_and_modules_differs() -> None:
    assert len({code_of(PeCLR), code_of(SimCLR), code_of(training), code_of(PeCLR, training)}) == 4
