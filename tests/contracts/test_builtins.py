"""Every built-in component keeps its kind's contract, the one that third parties run on theirs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import write_freihand, write_photos

from handbench.hookspecs import Family
from handbench.plugins import BUILTINS, KINDS, discover
from handbench.testing import Check, checks

FOUND = discover()
SETTINGS = {"synthetic": {"images": 10, "validation": 2, "test": 4, "size": 64}}
ROOTED = ("freihand", "photos", "youtube3d")


def every() -> Iterator[Check]:
    """The checks of all built-ins but the datasets that read a folder."""
    for kind in KINDS:
        for offer in FOUND.of_kind(kind):
            if offer.plugin in BUILTINS and offer.name not in ROOTED:
                name = "resnet18" if isinstance(offer.offer, Family) else offer.name
                yield from checks(kind, name, settings=SETTINGS.get(name), plugins=FOUND)


@pytest.mark.parametrize("check", list(every()), ids=str)
def test_contract(check: Check) -> None:
    check()


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("roots")
    return {"freihand": write_freihand(folder / "freihand", unique=4, evaluation=2), "photos": write_photos(folder / "photos")}


@pytest.mark.parametrize("name", ["freihand", "photos"])
def test_contract_of_datasets_in_folders(name: str, roots: dict[str, Path]) -> None:
    for check in checks("dataset", name, root=roots[name], plugins=FOUND):
        check()
