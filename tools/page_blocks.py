"""The text of a documentation page in; its blocks and commands, and whether what was printed is what is shown, out.

What a block is, by its language:
    console  `$ command` lines, run one after the other; what stands below a command is what it prints, if anything is shown.
    toml     a first line `# NAME` makes it the file NAME in the page's folder.
    python   likewise; without a name it is executed, and a `text` block right below it is what it prints.
    text     output, or a drawing: nothing to run.
A block below a line `*Not run here: REASON.*` is not run; its commands are parsed all the same.

Printed and shown lines are the same when they differ only in spaces, in numbers with a decimal point, and in keys of 8 or more
hexadecimal digits. `…` stands for anything within a line, and for any number of lines when it stands alone. A command that
shows a line starting with `error:` must fail, and so must `plugins check` that shows BROKEN; any other must not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

LANGUAGES = ("console", "toml", "python", "text")
EXCUSE = r"(?:^\*Not run here: (?P<reason>[^*]+)\*\n\n?)?"
FENCE = re.compile(EXCUSE + r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.(?:py|toml))\n")
TOKEN = re.compile(r"(…|[-+]?\d+\.\d+(?:e[-+]?\d+)?|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b|\s+)")
NUMBER = r"(?:[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan)"


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        language: what stands behind the fence.
        text: between the fences.
        start, end: of the text within the page.
        reason: why it is not run; empty where it is.
        follows: whether nothing but space stands between it and the block above.
    """

    language: str
    text: str
    start: int
    end: int
    reason: str
    follows: bool

    @property
    def file(self) -> str:
        """The name it is written under; empty for none."""
        named = NAMED.match(self.text) if self.language in ("python", "toml") else None
        return named[1] if named else ""


@dataclass(frozen=True)
class Step:
    """A command, and the lines shown below it."""

    command: str
    shown: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether it must end with an exit code other than 0."""
        return any(line.startswith("error:") or line.strip().startswith("BROKEN") for line in self.shown)


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page's text."""
    found, last = [], -1
    for match in FENCE.finditer(page):
        follows = last >= 0 and not page[last : match.start()].strip()
        found.append(
            Block(match["language"], match["text"], match.start("text"), match.end("text"), match["reason"] or "", follows)
        )
        last = match.end()
    return found


def steps(text: str) -> list[Step]:
    """The commands of a console block, a line each, with what is shown below them."""
    found: list[tuple[str, list[str]]] = []
    for line in text.rstrip().splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line.rstrip())
    return [Step(command, tuple("\n".join(shown).rstrip().splitlines())) for command, shown in found]


def matched(shown: Sequence[str], printed: Sequence[str]) -> list[str | None] | None:
    """The printed line that each shown line stands for, None for `…`; None altogether where they do not match.

    Example:
        >>> matched(["a 1.5", "…", "z"], ["a  2.25", "b", "c", "z"])
        ['a  2.25', None, 'z']
        >>> matched(["a 1"], ["a 2"]) is None
        True
    """
    if not shown:
        return [] if not printed else None
    if shown[0].strip() == "…":
        for skipped in range(len(printed) + 1):
            rest = matched(shown[1:], printed[skipped:])
            if rest is not None:
                return [None, *rest]
        return None
    if not printed or not _line(shown[0]).fullmatch(printed[0].strip()):
        return None
    rest = matched(shown[1:], printed[1:])
    return None if rest is None else [printed[0], *rest]


def _line(shown: str) -> re.Pattern[str]:
    parts = TOKEN.split(shown.strip())
    return re.compile("".join(_part(part, place % 2 == 1) for place, part in enumerate(parts)))


def _part(part: str, special: bool) -> str:
    if not special:
        return re.escape(part)
    if part == "…":
        return ".*"
    if part.isspace():
        return r"\s+"
    return NUMBER if "." in part else "[0-9a-f]+"


def refreshed(shown: Sequence[str], printed: Sequence[str]) -> list[str]:
    """The lines to show: those printed, but where the page left something out, it stays out."""
    found = matched(shown, printed)
    if found is None:
        return list(printed)
    return [old if new is None or "…" in old else new for old, new in zip(shown, found, strict=True)]
