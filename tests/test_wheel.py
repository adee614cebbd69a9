"""What is installed is what stands in the checkout: modules, the hand, recipes, licences."""

import importlib.metadata
from pathlib import Path

import pytest

import handbench

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(handbench.__file__).resolve().parent


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.skipif(INSTALLED.parent == ROOT, reason="handbench is not installed but imported from the checkout")
def test_every_file_of_the_package_is_installed() -> None:
    assert files(INSTALLED) == files(ROOT / "handbench")


@pytest.mark.skipif(INSTALLED.parent == ROOT, reason="handbench is not installed but imported from the checkout")
def test_licences_are_installed() -> None:
    shipped = {path.name for path in (ROOT / "handbench").rglob("LICENSE*")} | {"LICENSE"}
    listed = {Path(name).name for name in importlib.metadata.metadata("handbench").get_all("License-File", [])}
    assert listed == shipped
