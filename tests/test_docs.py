"""The documentation is true: every block runs and prints what its page shows, and the reference pages are what the code says."""

import inspect
import itertools
import re
import shlex
from pathlib import Path

import click
import doc_pages
import pytest
import reference_pages
from click.testing import CliRunner
from doc_pages import Session, pages
from page_blocks import LANGUAGES, Block, Step, blocks, matched, refreshed, steps

from handbench import cli, hookspecs

DOCS = doc_pages.DOCS
PAGES = {page.relative_to(DOCS).as_posix(): page for page in pages()}
MOST_EXCUSED = 10  # blocks that need a network, other people's data, or hours


def words_of(block: Block) -> list[list[str]]:
    """The words of each handbench command in a console block, variables before it left out."""
    commands = [shlex.split(step.command) for step in steps(block.text)] if block.language == "console" else []
    typed = [[*itertools.dropwhile(doc_pages.VARIABLE.fullmatch, words)] for words in commands]
    return [words[1:] for words in typed if words[0] == "handbench"]


def parse(command: click.Command, name: str, words: list[str], parent: click.Context | None = None) -> None:
    """Parse words as click would, without running anything."""
    with command.make_context(name, list(words), parent=parent) as made:
        below = made._protected_args + made.args if isinstance(command, click.Group) else []
        if isinstance(command, click.Group) and below:
            called, subcommand, rest = command.resolve_command(made, below)
            assert subcommand is not None
            parse(subcommand, called or "", rest, made)


@pytest.mark.parametrize("name", PAGES)
def test_every_block_runs_and_prints_what_is_shown(name: str, tmp_path: Path) -> None:
    doc_pages.run(PAGES[name], Session(tmp_path / Path(name).stem, tmp_path / "cache"))


@pytest.mark.parametrize("name", PAGES)
def test_blocks_are_of_known_kinds_and_their_commands_parse(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    found = [block for block in blocks(text) if block.language in LANGUAGES]
    directives = len(re.findall(r"^```\{toctree\}$", text, re.MULTILINE))
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * (len(found) + directives), "a fence that no test reads"
    for words in (words for block in found for words in words_of(block)):
        parse(cli.cli, "handbench", words)


def test_few_blocks_are_excused() -> None:
    excused = [(name, block.reason) for name, page in PAGES.items() for block in blocks(page.read_text()) if block.reason]
    assert 1 <= len(excused) <= MOST_EXCUSED, excused


def test_a_wrong_option_would_be_seen() -> None:
    with pytest.raises(click.UsageError):
        parse(cli.cli, "handbench", words_of(Block("console", "$ X=1 handbench run --objectiv peclr\n", 0, 0, "", False))[0])


def test_every_option_in_running_text_exists() -> None:
    known = {option for _, command in reference_pages.walk(cli.cli, ()) for one in command.params for option in one.opts}
    for name, page in PAGES.items():
        prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        said = {option for code in re.findall(r"`([^`\n]+)`", prose) for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", code)}
        assert said <= known | {"--option"}, f"{name} speaks of {sorted(said - known)}"


def test_the_reference_pages_are_what_the_code_says() -> None:
    stale = [name for name, make in reference_pages.MAKERS.items() if (reference_pages.PAGES / name).read_text() != make()]
    assert not stale, f"docs/reference: {stale} differ from the code; run python tools/reference_pages.py"
    assert {path.name for path in reference_pages.PAGES.glob("*.md")} == set(reference_pages.MAKERS)


def hooks() -> dict[str, object]:
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("handbench_")}


def test_every_hook_is_there_with_its_exact_signature() -> None:
    page = (reference_pages.PAGES / "hooks.md").read_text(encoding="utf-8")
    assert len(hooks()) >= 8
    for name, hook in hooks().items():
        assert list(inspect.signature(hook).parameters) == [], f"{name} has parameters; the page's sentence about them is wrong"
        answer = re.search(rf"def {name}\(\) -> (.+?):", inspect.getsource(hook))
        assert answer
        assert f"def {name}() -> {answer[1]}: ..." in page, f"{name} is missing, or has another signature"


def test_a_changed_signature_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    source = inspect.getsource(hookspecs).replace(
        "def handbench_heads() -> Mapping[str, Offer]", "def handbench_heads() -> list[Offer]"
    )
    monkeypatch.setattr(reference_pages.inspect, "getsource", lambda module: source)
    assert "def handbench_heads() -> list[Offer]: ..." in reference_pages.hooks()


def test_every_command_and_option_is_there() -> None:
    page = (reference_pages.PAGES / "commands.md").read_text(encoding="utf-8")
    commands = dict(reference_pages.walk(cli.cli, ("handbench",)))
    assert {words[1] for words in commands if len(words) > 1} == set(cli.VERBS)
    sections = dict(re.findall(r"^#+ (handbench.*?)\n(.*?)(?=^#+ handbench|\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == [" ".join(words) for words in commands]
    for words, command in commands.items():
        for option in (option for one in command.params if isinstance(one, click.Option) for option in one.opts):
            assert f"`{option}`" in sections[" ".join(words)], f"{' '.join(words)} {option} is missing"


def test_the_help_says_what_the_page_says() -> None:
    page = (reference_pages.PAGES / "commands.md").read_text(encoding="utf-8")
    printed = " ".join(CliRunner().invoke(cli.cli, ["score", "--help"]).output.split())
    for sentence in ("Whose definitions; repeatable.", "Print JSON alone, in full precision."):
        assert sentence in printed
        assert sentence in page


def test_readers_are_told_the_rules_of_matching() -> None:
    assert "`…` stands for what was left out" in (DOCS / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a 1.5 px", "a   2.25 px", True),
        ("a 1.5 px", "a 2.25 mm", False),
        ("n 12", "n 13", False),
        ("x -0.5", "x 3", True),
        ("x 0.5", "x nan", True),
        ("run a-s0-01234567", "run a-s0-abcdef01", True),
        ("run a-s0-01234567", "run b-s0-abcdef01", False),
        ("about … on …", "about 3 s on a machine", True),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nz", True),
        ("a\n…\nz", "b\nz", False),
        ("a", "a\nb", False),
        ("a\nb", "a", False),
        ("a.b", "axb", False),
    ],
)
def test_what_counts_as_the_same(shown: str, printed: str, same: bool) -> None:
    assert (matched(shown.splitlines(), printed.splitlines()) is not None) is same


def test_a_refreshed_block_leaves_out_what_was_left_out() -> None:
    assert refreshed(["a 1.0", "…", "z …"], ["a 2.0", "b", "z 7"]) == ["a 2.0", "…", "z …"]
    assert refreshed(["a 1.0", "b"], ["a 2.0", "c"]) == ["a 2.0", "c"]


PAGE = """
```toml
# one.toml
x = 1
```

```console
$ cat one.toml
# one.toml
x = 1
```

*Not run here: it would fail.*

```console
$ false
```

```python
print("two", 0.5)
```

```text
two 0.25
```
"""


def test_a_page_is_run_in_one_folder_and_a_wrong_one_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    session = Session(tmp_path / "work", tmp_path)
    assert doc_pages.run(page, session) == PAGE
    assert "two 0.5\n```" in doc_pages.run(page, session, refresh=True)
    page.write_text(PAGE.replace("two 0.25", "three 0.25"))
    with pytest.raises(doc_pages.Mismatch, match="three"):
        doc_pages.run(page, session)
    page.write_text(PAGE.replace("*Not run here: it would fail.*\n", ""))
    with pytest.raises(doc_pages.Mismatch, match="exit code 1"):
        doc_pages.run(page, session)


def test_a_command_that_shows_an_error_must_fail() -> None:
    assert Step("handbench run", ("error: no such thing",)).fails
    assert Step("handbench plugins check x", ("  BROKEN   a promise",)).fails
    assert not Step("handbench run", ("no error",)).fails
