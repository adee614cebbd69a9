"""The shape of the code, held: who may import whom, the order of the flow, sizes, names, and what `--help` may load."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "handbench"
STAGES = ("data", "learn", "measure", "pose", "results")
MODULES = sorted(PACKAGE.rglob("*.py"))
OWN_CODE = sorted(path for folder in ("handbench", "tests", "tools") for path in (ROOT / folder).rglob("*.py"))
BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
DISTRIBUTIONS = {"PIL": "pillow", "tomli_w": "tomli-w", "cv2": "opencv-python-headless"}
HEAVY = ("torch", "timm", "pandas", "matplotlib")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(nodes: Iterator[ast.AST] | list[ast.AST]) -> Iterator[str]:
    """Dotted names that import statements among the nodes ask for; `from a import b` may mean the module a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a module stands"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(module: ast.Module) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: all but the bodies of functions."""
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def places(names: Iterator[str]) -> set[str]:
    """The parts of handbench, stages and top-level modules, that imported names lie in."""
    return {name.split(".")[1] for name in names if name.startswith("handbench.")}


def test_there_is_something_to_hold() -> None:
    assert len(MODULES) > 20
    assert all((PACKAGE / stage / "__init__.py").exists() for stage in STAGES)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_stage_imports_itself_and_the_top_level_only(path: Path) -> None:
    place = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    asked = places(imported(ast.walk(tree(path))))
    stages, joints = asked & set(STAGES), asked & {"flow", "cli", "benchmarks"}
    if place in STAGES:
        assert stages <= {place}, f"{name_of(path)} imports another stage"
        assert not joints, f"{name_of(path)} imports what stands above the stages"
    elif place in ("cli", "__init__"):
        assert not places(imported(at_import(tree(path)))) & {*STAGES, "flow", "benchmarks"}, (
            f"{name_of(path)} must import stages inside functions"
        )
    elif place not in ("flow", "benchmarks", "testing"):
        assert not stages, f"{name_of(path)} imports a stage; only flow joins them"


def test_the_rule_sees_imports_inside_functions_and_of_packages() -> None:
    module = ast.parse(
        "import handbench.learn.views\ndef f():\n    from handbench import pose\n    from handbench.data.pool import Pool"
    )
    assert places(imported(ast.walk(module))) == {"learn", "pose", "data"}
    assert places(imported(at_import(module))) == {"learn"}


def test_the_alphabet_is_the_order_of_the_flow() -> None:
    assert list(STAGES) == sorted(STAGES)
    flow = tree(PACKAGE / "flow" / "__init__.py")
    origin: dict[str, str] = {}
    for node in flow.body:
        if isinstance(node, ast.ImportFrom):
            for alias, name in zip(node.names, imported([node]), strict=True):
                if name.startswith("handbench.flow.") and name.split(".")[2] in STAGES:
                    origin[alias.asname or alias.name] = name.split(".")[2]
    assert set(origin.values()) == set(STAGES), "flow joins all stages, one module each"
    for stage in STAGES:
        asked = places(imported(ast.walk(tree(PACKAGE / "flow" / f"{stage}.py"))))
        assert stage in asked, f"flow/{stage}.py does not use its stage"
    called = [origin[callee] for callee in calls_in_order(flow, "run") if callee in origin]
    first = list(dict.fromkeys(called))
    assert first == list(STAGES), f"flow.run calls the stages in the order {first}"


def calls_in_order(module: ast.Module, start: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Names called from a function, inner calls first, going into the module's own functions; making a value is no call."""
    functions = {node.name: node for node in module.body if isinstance(node, Function)}
    calls = [node for node in ast.walk(functions[start]) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0)):
        words = ast.unparse(call.func).split(".")
        first, last = words[0], words[-1]
        if first in functions and first not in seen:
            yield from calls_in_order(module, first, seen | {start})
        elif last[0].islower():
            yield first


@pytest.mark.parametrize("path", OWN_CODE, ids=name_of)
def test_modules_are_short_named_for_what_they_hold_and_open_with_a_sentence(path: Path) -> None:
    module = tree(path)
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{name_of(path)} has {lines} lines; split it"
    assert not BANNED & set(path.relative_to(ROOT).with_suffix("").parts), f"{name_of(path)} says nothing of what it holds"
    opening = ast.get_docstring(module)
    assert opening, f"{name_of(path)} opens without a docstring"
    assert re.search(r"[.!?:]$", opening.split("\n\n")[0].strip()), f"{name_of(path)} opens without a sentence"


@pytest.mark.parametrize("path", OWN_CODE, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            assert code_lines(node) <= 50, f"{name_of(path)}: {node.name} has {code_lines(node)} lines; split it"


def code_lines(function: Function) -> int:
    """Lines from the `def` to the end, without the docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    own = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - own


def test_every_module_can_be_imported_first() -> None:
    """Each in a process of its own, forked after the libraries were loaded, with warnings as errors."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    program = f"""
import importlib, os, sys, traceback, warnings
import numpy, pandas, PIL.Image, platformdirs, pluggy, timm, torch, tqdm
warnings.simplefilter("error")
broken = []
for name in {[name for name in names if not name.endswith("__main__")]!r}:
    with warnings.catch_warnings(action="ignore"):
        child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        broken.append(name)
sys.exit(", ".join(broken) or 0)
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["report", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = f"""
import sys
from handbench.cli import main
try:
    code = main({arguments!r})
except SystemExit as end:
    code = end.code
heavy = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"exit code {{code}}, loaded {{heavy}}" if code or heavy else 0)
"""
    outcome = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
    assert "handbench" in outcome.stdout


def test_what_is_imported_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=!~\[ ;]", requirement)[0] for requirement in declared}
    asked = {name.split(".")[0] for path in MODULES for name in imported(ast.walk(tree(path)))}
    foreign = {DISTRIBUTIONS.get(name, name) for name in asked - set(sys.stdlib_module_names) - {"handbench"}}
    assert foreign == names, "pyproject's dependencies are those that are imported, no more and no less"


def test_tests_mirror_the_stages() -> None:
    strays = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests").parts[0]
        subject = path.stem.removeprefix("test_")
        if place in (*STAGES, "cli") and subject != place:
            modules = [
                found
                for found in (PACKAGE / place).rglob("*")
                if f"{subject}_".startswith(f"{found.stem}_") and (found.suffix == ".py" or found.is_dir())
            ]
            strays += [] if modules else [name_of(path)]
    assert not strays, f"no module or folder is called as these tests say: {strays}"
