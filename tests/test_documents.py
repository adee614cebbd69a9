"""What the README and its neighbours say is true: commands parse, the tree is the folders', the budgets are the recipe's."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import click
import pytest
import torch

import handbench
from handbench import cli, plugins, recipe

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def console() -> list[str]:
    """The commands typed in console blocks."""
    return [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


HANDBENCH = sorted(match[1] for line in console() if (match := re.match(r"(?:[A-Z]+=\S+ )?(handbench .*)", line)))


def context(command: click.Command, name: str, words: list[str], parent: click.Context | None = None) -> None:
    """Parse words as click would, without running anything."""
    with command.make_context(name, list(words), parent=parent) as made:
        if isinstance(command, click.Group):
            words_left = made._protected_args + made.args
            if not words_left and command.invoke_without_command:
                return
            called, subcommand, rest = command.resolve_command(made, words_left)
            assert subcommand is not None
            context(subcommand, called or "", rest, made)


@pytest.mark.parametrize("line", HANDBENCH)
def test_every_command_parses(line: str) -> None:
    context(cli.cli, "handbench", shlex.split(line)[1:])


def test_there_are_commands_and_a_wrong_one_would_be_seen() -> None:
    assert len(HANDBENCH) >= 8
    with pytest.raises(click.UsageError):
        context(cli.cli, "handbench", ["run", "--objectiv", "peclr"])
    with pytest.raises(click.UsageError):
        context(cli.cli, "handbench", ["rum"])


def test_every_inline_option_exists() -> None:
    """`--word` in running text is an option of some command."""
    text = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    mentioned = {
        option for code in re.findall(r"`([^`\n]+)`", text) if "tox" not in code for option in re.findall(r"--[a-z][a-z-]*", code)
    }
    known = {option for command in commands(cli.cli) for parameter in command.params for option in parameter.opts}
    assert mentioned
    assert mentioned <= known


def commands(command: click.Command) -> list[click.Command]:
    """A command and all below it."""
    if not isinstance(command, click.Group):
        return [command]
    made = click.Context(command)
    below = [command.get_command(made, name) for name in command.list_commands(made)]
    return [command, *(deeper for child in below if child for deeper in commands(child))]


def test_ci_runs_the_readme_s_command() -> None:
    command = next(line for line in console() if line.endswith("tox"))
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert command in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_the_tree_is_the_folders() -> None:
    drawn, folder = set(), ""
    for line in next(block for block in blocks("") if block.startswith("handbench/")).splitlines():
        name = line.split()[0]
        folder = name if line.startswith("handbench/") else folder if line.startswith("  ") else ""
        drawn.add(f"{folder}{name}" if folder and line.startswith("  ") else name)
        assert line == name or len(line.split()) > 1
    package = {f"handbench/{path.name}{'/' if path.is_dir() else ''}" for path in (ROOT / "handbench").iterdir()}
    ours = {name for name in package if not name.endswith(("__pycache__/", "__init__.py"))}
    assert {name for name in drawn if name.startswith("handbench/")} - {"handbench/"} == ours
    assert all((ROOT / name).exists() for name in drawn if name != "results/"), "results/ is there once something is published"
    ignored = {name.strip("/") for name in (ROOT / ".gitignore").read_text().split()}
    top = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - ignored
    assert {name for name in top if not name.endswith(".egg-info")} <= {name.strip("/") for name in drawn}


def budgets() -> str:
    """The README's table of budgets, made from the recipe."""
    keys = list(
        dict.fromkeys(
            f"{table}.{key}" for tables in recipe.BUDGETS.values() for table, values in tables.items() for key in values
        )
    )
    lines = [f"| | {' | '.join(f'`{name}`' for name in recipe.BUDGETS)} |", "|---" * (len(recipe.BUDGETS) + 1) + "|"]
    for key in keys:
        table, name = key.split(".")
        cells = [str(tables.get(table, {}).get(name, "all" if name == "images" else "–")) for tables in recipe.BUDGETS.values()]
        lines.append(f"| `{key}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_budgets_are_the_recipe_s() -> None:
    shown = re.search(r"<!-- budgets:.*?-->\n(.*?)<!-- end of budgets -->", README, re.DOTALL)
    assert shown
    assert shown[1].strip() == budgets(), f"the README's table of budgets should be:\n{budgets()}"


def test_the_plugin_shown_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shear.py").write_text(next(iter(blocks("python"))))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shear", raising=False)
    component = plugins.discover(["shear"]).find("augmentation", "shear")
    augmentation = component.target(component.target.Config(most=0.5))
    warps = augmentation.draw(1000, torch.Generator().manual_seed(0))
    assert warps.shape == (1000, 3, 3)
    assert 0.45 < warps[:, 0, 1].abs().max() <= 0.5
    assert tomllib.loads(next(iter(blocks("toml"))))["project"]["entry-points"]["handbench"] == {"shear": "shear"}


def test_versions_agree() -> None:
    assert f"\nversion: {handbench.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {handbench.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_built_in_names_are_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    missing = [f"{offer.kind} {offer.name}" for offer in plugins.discover().offers if f"`{offer.name}`" not in changelog]
    assert [name for name in missing if name not in ("backbone timm", "report table")] == []
