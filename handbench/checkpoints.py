"""Finished stages and interrupted ones: a content key in; a folder that knows whether its work is whole out.

A stage's folder holds `checkpoint.pt` while it runs and `stage.json`, written last, once it is done: a crashed stage is never
taken for a finished one, and a finished one is never run twice.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from handbench.configs import plain
from handbench.errors import ResultsError
from handbench.files import write_json

MARKER = "stage.json"
CHECKPOINT = "checkpoint.pt"


class Stage:
    """The folder of one content-addressed piece of work.

    Args:
        results: the results folder.
        name: what the work is, e.g. "pretrain".
        content: everything the outcome depends on; its digest is the key, whatever the order of its keys.
    """

    def __init__(self, results: Path, name: str, content: Mapping[str, Any]) -> None:
        self.name = name
        self.key = digest({"stage": name, **content})
        self.folder = folder_of(results, name, self.key)

    @property
    def done(self) -> bool:
        """Whether the work was finished."""
        return (self.folder / MARKER).is_file()

    def summary(self) -> dict[str, Any]:
        """What `finish` stored; raises ResultsError when the file is damaged."""
        path = self.folder / MARKER
        try:
            stored: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path} is damaged ({error}); delete {self.folder} to do this stage again") from error
        return stored

    def finish(self, summary: Mapping[str, Any], keep: Mapping[str, Any] | None = None) -> None:
        """Store tensors in `state.pt`, then the marker; the checkpoint is dropped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if keep is not None:
            save(keep, self.folder / "state.pt")
        write_json(self.folder / MARKER, plain(summary))
        (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def state(self) -> Any:
        """The tensors that `finish` stored."""
        return load(self.folder / "state.pt")

    def run(self, work: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any] | None]]) -> tuple[dict[str, Any], bool]:
        """Do light work once, which returns its summary and tensors to keep; return the summary and whether it was reused."""
        if self.done:
            return self.summary(), True
        self.finish(*work())
        return self.summary(), False


def folder_of(results: Path, name: str, key: str) -> Path:
    """Where a stage of that name and key lies."""
    return results / "stages" / f"{name}-{key[:16]}"


def save(content: Any, path: Path) -> None:
    """Write a torch file whole or not at all; raises ResultsError when the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        partial.unlink(missing_ok=True)
        raise ResultsError(f"{path} cannot be written: {error}; free some space or name another folder with --results") from error


def load(path: Path) -> Any:
    """Read a torch file of plain values and tensors; raises ResultsError naming it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many kinds for a damaged file
        raise ResultsError(f"{path} is damaged ({type(error).__name__}); delete {path.parent} to do this stage again") from error


def digest(content: Any) -> str:
    """A hex digest of plain values that does not depend on the order of keys.

    Example:
        >>> digest({"a": 1, "b": (2, 3)}) == digest({"b": [2, 3], "a": 1})
        True
    """
    text = json.dumps(plain(content), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def code_of(*owners: object) -> str:
    """A digest of the code behind classes or modules, so that changed code makes new keys.

    What counts is the source of the module that defines each, and of the modules of the same package that it takes functions
    and classes from, and so on. What was typed at a prompt or in a notebook has no file, and counts for nothing.
    """
    modules = [owner if isinstance(owner, ModuleType) else sys.modules[getattr(owner, "__module__", "")] for owner in owners]
    found: dict[str, ModuleType] = {}
    while modules:
        module = modules.pop()
        if module.__name__ not in found:
            found[module.__name__] = module
            modules += _taken_from(module)
    files = [getattr(module, "__file__", None) for _, module in sorted(found.items())]
    sources = [Path(file).read_bytes() for file in files if file]
    return hashlib.blake2b(b"".join(sources), digest_size=10).hexdigest()


def _taken_from(module: ModuleType) -> list[ModuleType]:
    """The modules of the same package whose functions, classes or selves stand among a module's names."""
    package = module.__name__.partition(".")[0]
    names = {
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) for value in vars(module).values()
    }
    own = [str(name) for name in names if str(name).partition(".")[0] == package and name != module.__name__]
    return [sys.modules[name] for name in own if getattr(sys.modules.get(name), "__file__", None)]
