"""What every test shares: run-time checks of types and shapes, one thread, a device, and no trace of the user's own set-up."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

# Before anything of handbench is imported: from here on every signature and every shape is checked when it is called.
# The numeric tower lets an int stand for a float, as mypy and PEP 484 do.
install_import_hook("handbench", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

os.environ["HANDBENCH_PLUGINS"] = ""
os.environ.setdefault("MPLBACKEND", "agg")
torch.set_num_threads(1)  # the tests' tensors are too small to share; and results at one thread count are bit for bit


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the same tests run on a GPU: `pytest --device cuda`."""
    parser.addoption("--device", default="cpu", help="where tensors of device tests live: cpu (default), cuda, cuda:1 …")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs CUDA where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device named on the command line."""
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches and plugins of the user out of the tests."""
    monkeypatch.setenv("HANDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HANDBENCH_PLUGINS", "")
