"""What `handbench plugins new` writes works as it is: its own tests pass, and its component is offered."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from handbench.errors import PluginError
from handbench.plugins import discover
from handbench.scaffolds import KINDS, write_package


@pytest.mark.parametrize("kind", KINDS)
def test_package_passes_its_own_tests_and_is_offered(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_package(kind, f"my_{kind}", tmp_path)
    place = tmp_path / f"my_{kind}"
    assert {path.relative_to(place).as_posix() for path in written} == {
        "pyproject.toml",
        "README.md",
        f"my_{kind}/__init__.py",
        f"my_{kind}/{kind}.py",
        f"tests/test_my_{kind}.py",
    }
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["entry-points"]["handbench"]) == (f"my-{kind}", {f"my_{kind}": f"my_{kind}"})
    monkeypatch.syspath_prepend(str(place))
    assert f"my_{kind}" in [offer.name for offer in discover([f"my_{kind}"]).of_kind(kind)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), str(Path(__file__).parents[1])])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"], cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout and "skipped" not in done.stdout


@pytest.mark.parametrize("name", ["My", "2nd", "class", "a-b", ""])
def test_names_that_are_no_modules_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="cannot be the name of a module"):
        write_package("objective", name, tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_package("objective", "mine", tmp_path)
    with pytest.raises(PluginError, match="mine is there"):
        write_package("objective", "mine", tmp_path)
