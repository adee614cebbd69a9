"""A results folder and a report's files go in; whether the report would come out the same, and need not be made, comes out.

Nothing heavy is imported and no record is parsed: names, sizes and times of the runs' files are compared, and the bytes of the
small ones.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from handbench import __version__, files
from handbench.results.layout import FAILURES, REPORT_FILE, RUN_FILE, SHARED_STAGES, SUITE_FILE

CODE = Path(__file__).resolve().parent
LIBRARIES = ("numpy", "pandas", "scipy", "matplotlib", "pillow")


@dataclass(frozen=True)
class Made:
    """A report as it was made.

    Args:
        source: digest of what it was made from.
        files: name -> digest of the file's bytes.
    """

    source: str
    files: Mapping[str, str]

    def lies_in(self, folder: Path) -> bool:
        """Whether all its files are there as they were made."""
        return all(_digest_of(folder / name) == digest for name, digest in self.files.items())


def source_of(directory: Path, target: str) -> str:
    """Digest of a folder's evidence and of the code that reports on it.

    Args:
        directory: that the report is about.
        target: "module:Class" of the report; the module's file counts when it is not handbench's own.
    """
    digest = hashlib.sha256(f"{__version__} {target} {[_version(name) for name in LIBRARIES]}\n".encode())
    for path in _evidence(directory):
        facts = path.stat()
        digest.update(f"{path.relative_to(directory)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
        if path.suffix == ".json":
            digest.update(path.read_bytes())
    for path in sorted([*(path for path in CODE.rglob("*") if path.suffix not in ("", ".pyc")), *_module(target)]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def read_made(folder: Path) -> dict[str, Made]:
    """The reports whose files lie in a folder, by name; none where nothing is known of them."""
    try:
        document = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        return {name: Made(str(made["source"]), dict(made["files"])) for name, made in document.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # never made, or by another version: then it is made anew


def write_made(folder: Path, made: Mapping[str, Made]) -> None:
    """Remember what was made; raises ResultsError where the folder cannot be written."""
    files.write_json(folder / REPORT_FILE, {name: asdict(one) for name, one in sorted(made.items())})


def made_of(source: str, contents: Mapping[str, bytes]) -> Made:
    """What to remember of a report's files."""
    return Made(source, {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})


def _evidence(directory: Path) -> Iterator[Path]:
    """The files of runs, the suite's and its failures'; a report's own files are not among them."""
    for folder, below, names in os.walk(directory):
        below[:] = sorted(set(below) - {SHARED_STAGES})
        of_runs = RUN_FILE in names or Path(folder).name == FAILURES
        yield from (Path(folder) / name for name in sorted(names) if of_runs or name == SUITE_FILE)


def _module(target: str) -> Iterator[Path]:
    found = importlib.util.find_spec(target.partition(":")[0])
    if found is not None and found.origin is not None and Path(found.origin).is_file():
        yield Path(found.origin)


def _digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
