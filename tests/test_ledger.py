"""The ledger: what is the same run is found, and whatever changed is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures import write_photos

from handbench.errors import DataError
from handbench.plugins import discover
from handbench.recipe import build
from handbench.settings import Recipe
from handbench.suites import ledger
from handbench.suites.ledger import Identity, Ledger


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", people=2)


def recipe(photos: Path, *assignments: str, **options: Any) -> Recipe:
    return build(
        options={"budget": "smoke", "dataset.name": "photos", "dataset.root": str(photos), **options}, assignments=assignments
    )


def keys(photos: Path, *assignments: str, device: str = "cpu", **options: Any) -> tuple[str, str | None]:
    identity, made = Identity(discover(), device), recipe(photos, *assignments, **options)
    return identity.run_key(made), identity.pretrain_key(made)


def test_the_same_recipe_has_the_same_keys(photos: Path) -> None:
    assert keys(photos) == keys(photos) == keys(photos, "device=cpu"), "the word for a device is not the device"


@pytest.mark.parametrize("change", ["seed=1", "objective.temperature=0.2", "pretrain.epochs=3", "backbone.name=resnet18"])
def test_a_changed_recipe_is_another_run_with_a_pre_training_of_its_own(photos: Path, change: str) -> None:
    assert all(one != other for one, other in zip(keys(photos), keys(photos, change), strict=True))


@pytest.mark.parametrize("change", ["pose.labels=0.5", "pose.protocol=mlp", "measure.turn=20", "head.name=mlp"])
def test_what_comes_after_pre_training_leaves_it_as_it_is(photos: Path, change: str) -> None:
    (run, pretraining), (other_run, other_pretraining) = keys(photos), keys(photos, change)
    assert run != other_run and pretraining == other_pretraining


def test_labels_are_part_of_a_pre_training_that_reads_them(photos: Path) -> None:
    supervised = {"objective.name": "supervised"}
    assert keys(photos, **supervised)[1] != keys(photos, "pose.labels=0.5", **supervised)[1]
    assert keys(photos, **{"objective.name": "none"})[1] is None


def test_changed_data_device_code_and_plugins_are_not_taken_for_done(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(photos)
    assert keys(photos, device="cuda") != before
    next(photos.rglob("*.jpg")).unlink()
    fewer = keys(photos)
    assert fewer[0] != before[0] and fewer[1] != before[1]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "module.py").write_text("x = 1")
    monkeypatch.setattr(ledger, "OWN", tmp_path / "own")
    other = keys(photos)
    (tmp_path / "own" / "module.py").write_text("x = 2")
    assert len({fewer[0], other[0], keys(photos)[0]}) == 3


def test_a_plugin_s_own_modules_count_even_those_not_loaded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "ledger_plugin"
    package.mkdir()
    hook = "from handbench.hookspecs import Lazy, hookimpl\n@hookimpl\ndef handbench_heads():\n"
    (package / "__init__.py").write_text(hook + "    return {'mine': Lazy('ledger_plugin.head:Head', 'a head')}\n")
    (package / "head.py").write_text("class Head: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def key() -> str:
        return Identity(discover(("ledger_plugin",)), "cpu").run_key(recipe(photos))

    first = key()
    assert first != keys(photos)[0]
    (package / "head.py").write_text("class Head: 'changed'\n")
    assert key() != first


def test_weights_count_by_what_the_file_holds(photos: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"one")
    first = keys(photos, f"backbone.weights={weights}")
    weights.write_bytes(b"two")
    second = keys(photos, f"backbone.weights={weights}")
    assert first[0] != second[0] and first[1] != second[1]


def test_a_dataset_is_opened_once(photos: Path) -> None:
    identity = Identity(discover(), "cpu")
    source = recipe(photos).dataset
    assert identity.opened(source) is identity.opened(replace(source))
    with pytest.raises(DataError):
        identity.opened(replace(source, root=str(photos / "nowhere")))


def test_only_what_lies_on_the_disk_is_done(tmp_path: Path) -> None:
    kept = Ledger(tmp_path)
    assert kept.run_of("k") is None and not kept.has_stage("s")
    kept.note_run("k", "run-1")
    kept.note_stage("s", "pretrain-1")
    assert Ledger(tmp_path).run_of("k") is None and not Ledger(tmp_path).has_stage("s")
    for path in (tmp_path / "run-1" / "run.json", tmp_path / "stages" / "pretrain-1" / "stage.json"):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    assert Ledger(tmp_path).run_of("k") == "run-1" and Ledger(tmp_path).has_stage("s")
    Ledger(tmp_path).note_run("newer code", "run-1")
    assert Ledger(tmp_path).run_of("k") is None and Ledger(tmp_path).run_of("newer code") == "run-1"


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99, "runs": {"k": "run-1"}}'])
def test_a_damaged_or_newer_ledger_counts_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "run.json").write_text("{}")
    (tmp_path / "ledger.json").write_text(content)
    assert Ledger(tmp_path).run_of("k") is None
