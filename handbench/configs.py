"""Untyped settings to frozen dataclasses: a Config class and a mapping in; a checked instance out.

Used for recipe tables and for every plugin's Config alike, so that a wrong key or type is reported in one way everywhere.
"""

import dataclasses
import difflib
import functools
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from handbench.errors import RecipeError

T = TypeVar("T")


def configure(config: type[T], settings: Mapping[str, Any], where: str) -> T:
    """Build a Config from settings.

    Args:
        config: a frozen dataclass with a default for every field that may be left out.
        settings: values as TOML gives them.
        where: the recipe table they stand in, for messages.

    Raises:
        RecipeError: unknown key (with the nearest one), wrong type, or a value the class refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    hints = _hints(config)  # type: ignore[arg-type]
    values = {}
    for key, value in settings.items():
        if key not in fields:
            raise RecipeError(_unknown_key(where, key, list(fields)))
        values[key] = coerce(value, hints[key], f"{where}.{key}")
    try:
        return config(**values)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"[{where}] is not valid: {error}") from error


@functools.cache
def _hints(config: type) -> dict[str, Any]:
    """Types of a class's fields; a report asks for those of Score once for every number of a thousand runs."""
    return typing.get_type_hints(config)


def coerce(value: Any, wanted: Any, where: str) -> Any:
    """Check a TOML value against an annotation; whole numbers pass as floats and arrays as tuples.

    Raises:
        RecipeError: naming the key, the value met and the type or choices allowed.

    Example:
        >>> coerce([1, 2], tuple[float, ...], "x"), coerce("a", typing.Literal["a", "b"], "x")
        ((1.0, 2.0), 'a')
    """
    if type(value) is wanted:
        return value
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Literal:
        return _literal(value, arguments, where)
    if origin in (typing.Union, types.UnionType):
        return _union(value, arguments, where)
    if origin is tuple:
        return _tuple(value, arguments, where)
    if origin in (dict, Mapping) or wanted is Mapping:
        return _checked(value, dict, where)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is Path and isinstance(value, str):
        return Path(value)
    return _checked(value, wanted, where)


def parse_value(text: str) -> Any:
    """Read the right-hand side of `--set key=value` as TOML; a bare word is a string.

    Example:
        >>> parse_value("0.2"), parse_value("[1, 2]"), parse_value("true"), parse_value("exact")
        (0.2, [1, 2], True, 'exact')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def as_settings(config: Any) -> dict[str, Any]:
    """The inverse of `configure`: every field of a Config as a TOML value; None fields are left out."""
    named = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {key: plain(value) for key, value in named.items() if value is not None}


def plain(value: Any) -> Any:
    """Tuples to lists, paths to strings, dataclasses to tables, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_settings(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _literal(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    if value in choices and type(value) in {type(choice) for choice in choices}:
        return value
    near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
    guess = f"; did you mean '{near[0]}'?" if near else ""
    raise RecipeError(f"{where} = {value!r} is not allowed{guess} ({', '.join(map(str, choices))})")


def _union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    options = [argument for argument in arguments if argument is not type(None)]
    for option in options:
        try:
            return coerce(value, option, where)
        except RecipeError:
            if option is options[-1]:
                raise
    raise AssertionError("a union has at least one member")


def _tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    items = _checked(value, (list, tuple), where)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(coerce(item, arguments[0], f"{where}[{place}]") for place, item in enumerate(items))
    if len(items) != len(arguments):
        raise RecipeError(f"{where} = {value!r} has {len(items)} values; {len(arguments)} are wanted")
    return tuple(coerce(item, kind, f"{where}[{place}]") for place, (item, kind) in enumerate(zip(items, arguments, strict=True)))


def _checked(value: Any, wanted: Any, where: str) -> Any:
    if wanted is Any or (isinstance(value, wanted) and not (isinstance(value, bool) and wanted in (int, float))):
        return value
    name = " or ".join(kind.__name__ for kind in wanted) if isinstance(wanted, tuple) else wanted.__name__
    raise RecipeError(f"{where} = {value!r} is a {type(value).__name__}; a {name} is wanted")


def _unknown_key(where: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    guess = f"did you mean '{near[0]}'? " if near else ""
    return f"'{key}' is not a key of [{where}]; {guess}({', '.join(known) or 'it has none'})"


@dataclass(frozen=True)
class Setting:
    """One field of a Config, for people: its name, type, default and meaning."""

    name: str
    type: str
    default: str
    help: str


def describe(config: type[Any]) -> list[Setting]:
    """The fields of a Config; their meanings are read from its docstring, `name: meaning` or `one, other: meaning`.

    Example:
        >>> from handbench.learn.backbones.tiny import Tiny
        >>> describe(Tiny.Config)
        [Setting(name='weights', type='str', default="'none'", help='none, or the path of a state dict.')]
    """
    fields = dataclasses.fields(config)
    meanings = _meanings(config.__doc__ or "", {field.name for field in fields})
    hints = typing.get_type_hints(config)
    return [Setting(field.name, _type_name(hints[field.name]), _default(field), meanings.get(field.name, "")) for field in fields]


def _meanings(text: str, names: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    current: tuple[str, ...] = ()
    for line in map(str.strip, text.splitlines()):
        said = re.fullmatch(r"(\w+(?:, \w+)*): (.+)", line)
        if said and set(said[1].split(", ")) <= names:
            current = tuple(said[1].split(", "))
            found |= dict.fromkeys(current, said[2])
        elif not line or line.endswith(":"):
            current = ()
        else:
            found |= {name: f"{found[name]} {line}" for name in current}
    return found


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "|".join(map(str, typing.get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return "(required)" if field.default is dataclasses.MISSING else repr(field.default)
