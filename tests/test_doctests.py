"""The examples in the docstrings run and give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import handbench

MODULES = sorted(found.name for found in pkgutil.walk_packages(handbench.__path__, "handbench."))


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0, f"{outcome.failed} of {outcome.attempted} examples of {name} fail; their output is above"


def test_there_are_examples() -> None:
    geometry = doctest.DocTestFinder().find(importlib.import_module("handbench.geometry"))
    assert any(found.examples for found in geometry)
