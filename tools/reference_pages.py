"""Hooks, commands, settings and components as the code has them in; the pages of docs/reference out. `--check` only compares."""

import argparse
import ast
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from handbench import cli, hookspecs, plugins, protocols, settings
from handbench.cli import cli as program
from handbench.configs import describe

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"
MADE = "<!-- made by tools/reference_pages.py: change the code, not this page -->"
TABLES = {
    "dataset": settings.Source,
    "pretrain": settings.Pretrain,
    "measure": settings.Measure,
    "pose": settings.Pose,
}
HOOKS = """A hook takes nothing and returns a mapping from the name that a user types to the class that answers to it. They stand
in the order in which a run calls on them."""
PROTOCOLS = """These are structural types: a class that has the members fits, and need not inherit from anything. Every class also
holds a frozen dataclass `Config`, in which every field has a default, and takes one as its first argument. Sizes that are known
only at run time come as keywords."""
RECIPES = """A recipe is a TOML file with these tables. `handbench run --set TABLE.KEY=VALUE` sets one key. What counts: defaults,
then the recipe, then the budget, then options, then `--set`."""
CHOICES = """`[objective]`, `[backbone]`, `[head]`, `[[augmentation]]` and `[[metric]]` hold a component's `name` and that
component's own settings, see [components](components.md)."""
SOURCES = """`[evaluate]` and each `[[pretrain.data]]` have the keys of `[dataset]`. All other keys of such a table are settings
of the dataset's plugin."""
WHERE = {"augmentation": "augmentation.{}"}  # every other component's settings stand right below its kind


def hooks() -> str:
    """Every hook with its signature, and what the class that answers to it must offer."""
    specs = _definitions(hookspecs)
    parts = [
        "# Hooks",
        "A plugin is a module with one or more of these functions, each marked with `hookimpl`:",
        _code("from handbench.hookspecs import Lazy, hookimpl"),
        HOOKS,
    ]
    for name in (name for name in specs if name.startswith("handbench_")):
        node = specs[name]
        parts += [f"## {name}", _code(f"def {name}() -> {ast.unparse(node.returns)}: ..."), _prose(node)]
        protocol = re.search(r"handbench\.protocols\.(\w+)", _prose(node))
        parts += [f"The class must offer what [`{protocol[1]}`](#{protocol[1].lower()}) says."] if protocol else []
    parts += ["## What a hook may return", f"`Offer` is `{_assigned('Offer')}`: a class, or where to find one."]
    parts += [_code(_source(specs[name])) for name in ("Lazy", "Family")]
    parts += [
        "## What the classes must offer",
        PROTOCOLS,
    ]
    for name, node in _definitions(protocols).items():
        parts += [f"### {name}", _code(_source(node))]
    return _page(parts)


def commands() -> str:
    """Every command with all its arguments and options."""
    parts = ["# Commands", "`handbench VERB --help` prints the same. `handbench --version` prints the version."]
    for words, command in walk(program, ("handbench",)):
        parts += [f"{'##' if len(words) == 1 else '###'} {' '.join(words)}"]
        parts += [_code(_usage(words, command), "text"), *_paragraphs(command.help or "")]
        if isinstance(command, click.Group):
            below = sorted((name, child) for name, child in _below(command))
            rows = [(f"`{name}`", _sentence(words, name, child)) for name, child in below]
            parts += [_table(("command", "what it does"), rows)]
        options = [_option(option) for option in command.params if isinstance(option, click.Option)]
        parts += [_table(("option", "value", "default", "meaning"), options)] if options else []
    return _page(parts)


def recipe_settings() -> str:
    """Every key of a recipe that is no component's own, and the budgets."""
    parts = [
        "# Settings",
        RECIPES,
        "## Top level",
        _table(
            ("key", "type", "default", "meaning"),
            [
                ("`seed`", "int", "0", "of everything random"),
                ("`budget`", " or ".join(settings.BUDGETS), "'quick'", "the one main dial, see [budgets](#budgets)"),
                ("`device`", "str", "'auto'", "`auto`, `cpu`, `cuda` or `cuda:1`"),
            ],
        ),
        CHOICES,
    ]
    for name, owner in TABLES.items():
        rows = [row for row in _settings(owner) if row[0] != "`settings`"]
        parts += [f"## [{name}]", *_about(owner), _table(("key", "type", "default", "meaning"), rows)]
    parts += [
        SOURCES,
        "## Budgets",
        "`--budget` gives these values. A dash is the default of the table above. It never replaces a backbone that you name.",
        _budgets(),
    ]
    return _page(parts)


def components() -> str:
    """Every built-in component of every kind with its settings."""
    os.environ["HANDBENCH_PLUGINS"] = ""
    found = plugins.discover()
    parts = [
        "# Components",
        "What is built in. `handbench plugins show NAME` prints the same of any plugin that you have installed.",
    ]
    for kind in plugins.KINDS:
        parts += [f"## {kind.capitalize()}s"]
        for component in found.of_kind(kind):
            rows = _settings(component.load().Config)
            where = WHERE.get(kind, kind).format(component.name)
            parts += [f"### {component.name} ({kind})", f"{_escaped(_upper(component.summary).rstrip('.'))}."]
            parts += [f"Set with `--set {where}.KEY=VALUE`.", _table(("key", "type", "default", "meaning"), rows)] if rows else []
    parts += ["## Suites", _table(("name", "title"), [(f"`{suite.name}`", _title(suite)) for suite in found.suites])]
    return _page(parts)


MAKERS: dict[str, Callable[[], str]] = {
    "hooks.md": hooks,
    "commands.md": commands,
    "settings.md": recipe_settings,
    "components.md": components,
}


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command with the words that call it, and all below it in alphabetical order."""
    yield words, command
    if isinstance(command, click.Group):
        for name, child in _below(command):
            yield from walk(child, (*words, name))


def _below(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        child = group.get_command(context, name)
        if child is not None and not child.hidden:
            yield name, child


def _usage(words: Sequence[str], command: click.Command) -> str:
    arguments = [argument for argument in command.params if isinstance(argument, click.Argument)]
    shown = [_argument(argument) for argument in arguments]
    below = ["COMMAND [ARGS]..."] if isinstance(command, click.Group) else []
    return " ".join([*words, "[OPTIONS]", *shown, *below])


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (_choices(argument.type) or str(argument.name).upper())
    many = "..." if argument.nargs == -1 and not name.endswith("...") else ""
    return f"[{name}]{many}" if not argument.required and not name.startswith("[") else f"{name}{many}"


def _option(option: click.Option) -> tuple[str, str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f"`{option.metavar or _choices(option.type) or _kind(option.type)}`".replace("|", r"\|")
    meaning, _, said = (option.help or "").partition("  [default: ")
    default = said.rstrip("]") or (str(option.default) if option.show_default and not option.is_flag else "")
    needed = " Required." if option.required else ""
    return names, value, f"`{default}`" if default else "", _escaped(meaning) + needed


def _choices(kind: click.ParamType) -> str:
    return "|".join(map(str, kind.choices)) if isinstance(kind, click.Choice) else ""


def _kind(kind: click.ParamType) -> str:
    if isinstance(kind, click.IntRange | click.FloatRange):
        least = "" if kind.min is None else f"{kind.min} "
        most = "…" if kind.max is None else f"… {kind.max}"
        return f"{least}{most}"
    return {"path": "PATH", "integer": "INTEGER", "float": "NUMBER"}.get(kind.name, "TEXT")


def _sentence(words: Sequence[str], name: str, command: click.Command) -> str:
    text = cli.VERBS[name] if len(words) == 1 else inspect.cleandoc(command.help or "").split("\n\n")[0]
    return _escaped(" ".join(text.split()))


def _settings(owner: type[Any]) -> list[tuple[str, ...]]:
    return [(f"`{one.name}`", _escaped(_type(one.type)), _escaped(one.default), _escaped(one.help)) for one in describe(owner)]


def _type(text: str) -> str:
    """A type as every version of Python should have written it: no modules, unions with a bar."""
    text = re.sub(r"\b[a-z][\w.]*\.(?=[A-Z])", "", text)
    union = re.fullmatch(r"Union\[(.+)\]", text)
    return re.sub(r", (?![^\[]*\])", " | ", union[1]) if union else re.sub(r"(?<=\S)\|(?=\S)", " | ", text)


def _budgets() -> str:
    keys = dict.fromkeys(
        (table, key) for budget in settings.BUDGETS.values() for table, values in budget.items() for key in values
    )
    rows = []
    for table, key in keys:
        shown = [budget.get(table, {}).get(key, "–") for budget in settings.BUDGETS.values()]
        rows.append((f"`{table}.{key}`", *map(str, shown)))
    return _table(("key", *(f"`{name}`" for name in settings.BUDGETS)), rows)


def _title(suite: plugins.SuiteOffer) -> str:
    from handbench.suites import title_of

    return _escaped(title_of(suite))


def _definitions(module: Any) -> dict[str, Any]:
    """Functions and classes of a module's source, by name."""
    body = ast.parse(inspect.getsource(module)).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _assigned(name: str) -> str:
    body = ast.parse(inspect.getsource(hookspecs)).body
    return next(
        ast.unparse(node.value) for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ).replace("|", "or")


def _source(node: Any) -> str:
    """A definition as it is written, without decorators."""
    module = hookspecs if node.name in vars(hookspecs) else protocols
    lines = inspect.getsource(module).splitlines()
    return "\n".join(lines[node.lineno - 1 : node.end_lineno])


def _prose(node: Any) -> str:
    """A docstring without the words that name the class."""
    return " ".join((ast.get_docstring(node) or "").split())


def _about(owner: type[Any]) -> list[str]:
    text, _, _ = inspect.cleandoc(owner.__doc__ or "").partition("Args:")
    return [_escaped(_upper(" ".join(text.partition("]:")[2].split() or text.split())))]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _paragraphs(text: str) -> list[str]:
    return [_escaped(" ".join(part.split())) for part in inspect.cleandoc(text).split("\n\n")]


def _escaped(text: str) -> str:
    """Text in which Markdown finds no mark of its own, save for code between backticks."""
    pieces = re.split(r"(`[^`]*`)", text)
    bare = (piece if piece.startswith("`") else re.sub(r"([*<>\[\]])", r"\\\1", piece) for piece in pieces)
    return "".join(bare).replace("|", r"\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(" ".join(cell.split()) for cell in row) + " |" for row in rows)])


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"


def _page(parts: Iterable[str]) -> str:
    title, *rest = parts
    return "\n\n".join([title, MADE, *rest]) + "\n"


def main() -> None:
    """Rewrite the pages, or with --check exit 1 when one would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    made = {PAGES / name: maker() for name, maker in MAKERS.items()}
    old = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in made}
    stale = [path for path, text in made.items() if text != old[path]]
    if check:
        names = ", ".join(path.name for path in stale)
        sys.exit((stale and f"docs/reference: {names} differ from the code; run python tools/reference_pages.py") or 0)
    PAGES.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
        print(f"written: {path}")


if __name__ == "__main__":
    main()
