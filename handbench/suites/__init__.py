"""The suites that ship with handbench, and finding any suite: a name or a path in, its document or the Suite out."""

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from handbench.errors import RecipeError
from handbench.hookspecs import hookimpl
from handbench.plugins import Plugins, SuiteOffer
from handbench.suite import Suite
from handbench.suites.reading import parse

HERE = Path(__file__).parent


@hookimpl
def handbench_suites() -> dict[str, Path]:
    """Offer the TOML files of this folder."""
    return {path.stem: path for path in sorted(HERE.glob("*.toml"))}


def load(name: str, plugins: Plugins, data: Collection[str] = ()) -> Suite:
    """Find a suite by its name, or by the path of its file, and check it.

    Args:
        name: as offered, or a path that ends in .toml.
        plugins: what was discovered.
        data: datasets that the user has a folder of.

    Raises:
        HandbenchError: an unknown name (with the nearest ones), an unreadable file, or a document that is no suite.
    """
    path = Path(name)
    if path.suffix != ".toml":
        return parse(_document(plugins.find_suite(name).text, name), name, data)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"suite {path} cannot be read: {error}") from error
    return parse(_document(text, str(path)), path.stem, data)


def title_of(offer: SuiteOffer) -> str:
    """The title in a suite's document, for lists; "" where it cannot be read."""
    try:
        return str(tomllib.loads(offer.text).get("title", ""))
    except tomllib.TOMLDecodeError:
        return ""


def _document(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"suite '{name}' is not valid TOML: {error}") from error
