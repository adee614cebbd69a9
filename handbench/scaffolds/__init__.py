"""The packages that `handbench plugins new` writes: a kind and a name in; a folder with a plugin that works out.

Templates lie beside this module, one folder a kind; `$module`, `$Class` and `$distribution` stand for names.
"""

import keyword
import re
from importlib import resources
from pathlib import Path
from string import Template

from handbench.errors import PluginError

KINDS = ("backbone", "dataset", "objective")


def write_package(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a package that offers one component.

    Args:
        kind: backbone, dataset or objective.
        name: a word of small letters, digits and underscores; of the component, its module and the folder.
        folder: where the package's own folder is made.

    Returns:
        The files.

    Raises:
        PluginError: the name cannot be a module's, or the folder is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise PluginError(f"'{name}' cannot be the name of a module; use small letters, digits and _, e.g. my_{kind}")
    place = folder / name
    if place.exists():
        raise PluginError(f"{place} is there; choose another name, or another folder with --out")
    from handbench.files import write_text  # NumPy comes with it, which a list of plugins need not wait for

    words = {"module": name, "Class": "".join(word.title() for word in name.split("_")), "distribution": name.replace("_", "-")}
    written = []
    for source, target in _files(kind, name):
        text = Template(source.read_text(encoding="utf-8")).substitute(words, kind=kind)
        write_text(place / target, text)
        written.append(place / target)
    return written


def _files(kind: str, name: str) -> list[tuple[resources.abc.Traversable, str]]:
    here = resources.files(__name__)
    return [
        (here / "pyproject.toml.in", "pyproject.toml"),
        (here / "README.md.in", "README.md"),
        (here / kind / "init.py.in", f"{name}/__init__.py"),
        (here / kind / "module.py.in", f"{name}/{kind}.py"),
        (here / kind / "test.py.in", f"tests/test_{name}.py"),
    ]
