"""The pages of docs/ in; their code blocks, run top to bottom, out. `--refresh` writes what they print back into the pages.

What a block is, and what counts as the same output, is said in page_blocks.py. handbench runs within this process, so that torch
is loaded once. `pip install FOLDER` writes what pip would leave of a folder's entry points into a folder of the page's own, and
needs no network.
"""

import argparse
import contextlib
import importlib
import io
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from page_blocks import Block, Step, blocks, matched, refreshed, steps

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GENERATED = "reference"
VARIABLE = re.compile(r"[A-Z_]+=\S*")
INTERPRETED = {"python": (), "pytest": ("-m", "pytest", "-p", "no:cacheprovider")}  # command -> what the interpreter is given


class Mismatch(AssertionError):
    """A page says something else than what happens."""


def pages() -> list[Path]:
    """The pages that people write, in the order of their names."""
    return sorted(path for path in DOCS.rglob("*.md") if GENERATED not in path.relative_to(DOCS).parts)


@dataclass
class Session:
    """One page being run: its folder, what it installed, and the names its Python blocks left.

    Args:
        folder: where its commands run.
        cache: of packed data.
        say: told what each command took.
    """

    folder: Path
    cache: Path
    say: Callable[[str], object] = lambda _: None
    names: dict[str, Any] = field(default_factory=dict)
    installed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """distribution -> its entry points"""
    exported: dict[str, str] = field(default_factory=dict)

    @property
    def site(self) -> Path:
        """Where what pip would write lies."""
        return self.folder.parent / f"{self.folder.name}-site"

    def command(self, line: str) -> tuple[int, str]:
        """Run a command; its exit code, and what it printed."""
        words = shlex.split(line)
        given = dict(word.partition("=")[::2] for word in _leading(words))
        words = [found for word in words[len(given) :] for found in self._expanded(word)]
        with _environment({**self._variables(), **given}):
            if words[0] == "export":
                self.exported |= dict(word.partition("=")[::2] for word in words[1:])
                return 0, ""
            if words[0] == "handbench":
                _forget(self.folder)
                return _within(words[1:])
            if words[:2] in (["pip", "install"], ["pip", "uninstall"]):
                return self._pip(words[1], [word for word in words[2:] if not word.startswith("-")])
            if words[0] in INTERPRETED:
                words = [sys.executable, *INTERPRETED[words[0]], *words[1:]]
            done = subprocess.run(
                words, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False
            )
            return done.returncode, done.stdout

    def _expanded(self, word: str) -> list[str]:
        """The paths that a word with `*` stands for, as a shell has them."""
        found = sorted(str(path.relative_to(self.folder)) for path in self.folder.glob(word)) if "*" in word else []
        return found or [word]

    def python(self, text: str) -> str:
        """Execute a block among the names of those before it; what it printed."""
        with _captured() as said, _environment(self._variables()):
            exec(compile(text, "page", "exec"), self.names)
        return said.getvalue()

    def write(self, block: Block) -> None:
        """Make the file that a block names."""
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _variables(self) -> Mapping[str, str]:
        plugins = ",".join(name for names in self.installed.values() for name in names)
        paths = os.pathsep.join([str(self.site), *self._sources(), str(ROOT)])
        return {
            "HANDBENCH_CACHE": str(self.cache),
            "HANDBENCH_PLUGINS": plugins,
            "PYTHONPATH": paths,
            "COLUMNS": "110",
            **self.exported,
        }

    def _sources(self) -> list[str]:
        return [path.read_text() for path in sorted(self.site.glob("*.dist-info/source"))]

    def _pip(self, verb: str, words: Sequence[str]) -> tuple[int, str]:
        for word in words:
            if verb == "uninstall":
                del self.installed[word]
                (place,) = self.site.glob(f"{word.replace('-', '_')}-*.dist-info")
                sys.path.remove((place / "source").read_text())
                shutil.rmtree(place)
            else:
                self._install(self.folder / word)
        importlib.invalidate_caches()
        return 0, ""

    def _install(self, folder: Path) -> None:
        """Leave what an editable installation leaves: the folder on the path, metadata, entry points."""
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        place = self.site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        place.mkdir(parents=True)
        entries = project["entry-points"]["handbench"]
        lines = "\n".join(f"{name} = {target}" for name, target in entries.items())
        (place / "entry_points.txt").write_text(f"[handbench]\n{lines}\n")
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
        (place / "source").write_text(str(folder))
        sys.path[:0] = [str(folder), *([] if str(self.site) in sys.path else [str(self.site)])]
        self.installed[project["name"]] = tuple(entries)


def run(page: Path, session: Session, *, refresh: bool = False) -> str:
    """Run all blocks of a page.

    Args:
        page: the file.
        session: where.
        refresh: take what is printed into the page instead of comparing.

    Returns:
        The page's text, with new output when refreshed.

    Raises:
        Mismatch: a command ended otherwise, or printed something else, than the page shows.
    """
    text = page.read_text(encoding="utf-8")
    found, changes = blocks(text), []
    with _left_as_found(session.folder):
        for place, block in enumerate(found):
            if block.reason or block.language == "text":
                continue
            if block.file:
                session.write(block)
            elif block.language == "console":
                new = "".join(_step(page, session, step, refresh) for step in steps(block.text))
                changes.append((block.start, block.end, new))
            elif block.language == "python":
                printed = session.python(block.text).rstrip().splitlines()
                below = found[place + 1] if place + 1 < len(found) else None
                if below and below.language == "text" and below.follows:
                    lines = _compared(page, block.text, below.text.splitlines(), printed, refresh)
                    changes.append((below.start, below.end, "".join(f"{line}\n" for line in lines)))
    for start, end, new in reversed(changes):
        text = text[:start] + new + text[end:]
    return text


def _step(page: Path, session: Session, step: Step, refresh: bool) -> str:
    started = time.monotonic()
    code, output = session.command(step.command)
    session.say(f"{time.monotonic() - started:6.1f} s  {step.command}")
    printed = [line.rstrip() for line in output.rstrip().splitlines()]
    if (code != 0) != step.fails and not (refresh and step.shown):
        raise Mismatch(f"{page.name}: `{step.command}` ended with exit code {code}:\n{output}")
    lines = _compared(page, step.command, step.shown, printed, refresh) if step.shown else []
    return "".join(f"{line}\n" for line in [f"$ {step.command}", *lines])


def _compared(page: Path, what: str, shown: Sequence[str], printed: Sequence[str], refresh: bool) -> Sequence[str]:
    if refresh:
        return refreshed(shown, printed)
    if matched(shown, printed) is None:
        expected, met = "\n".join(shown), "\n".join(printed)
        raise Mismatch(f"{page.name}: `{what}` should print\n{expected}\n\nand prints\n{met}")
    return shown


def _leading(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if not VARIABLE.fullmatch(word):
            return
        yield word


def _within(words: Sequence[str]) -> tuple[int, str]:
    """Run handbench in this process, as its own would: nobody else's log handlers, no modules of another page."""
    from handbench.cli import main

    handlers, logging.root.handlers = logging.root.handlers, []
    code: object = 0
    with _captured() as said:
        try:
            main(words)
        except SystemExit as end:
            code = end.code
        finally:
            logging.root.handlers = handlers
    return (code if isinstance(code, int) else int(code is not None)), said.getvalue()


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _left_as_found(folder: Path) -> Iterator[None]:
    """Work in a folder, and forget its modules and places to import from afterwards."""
    before, path = Path.cwd(), list(sys.path)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "plugins").exists():  # pages are read in a clone
        (folder / "plugins").symlink_to(ROOT / "plugins")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        _forget(folder)


def _forget(folder: Path) -> None:
    """Let go of what was imported from a page's folder, so that it is read anew."""
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]
    importlib.invalidate_caches()


def main() -> None:
    """Run the pages named, or all; exit 1 at the first that says something else than what happens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--refresh", action="store_true", help="write what is printed into the pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for page in options.pages or pages():
            session = Session(Path(scratch) / page.stem, Path(scratch) / f"{page.stem}-cache", print)
            try:
                text = run(page.resolve(), session, refresh=options.refresh)
            except Mismatch as problem:
                sys.exit(str(problem))
            if options.refresh:
                page.write_text(text, encoding="utf-8")
            print(f"{page.name}: {'refreshed' if options.refresh else 'as shown'}")


if __name__ == "__main__":
    main()
