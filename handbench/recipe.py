"""What a run is: a TOML file, a budget, options and --set in; one frozen Recipe out, and back to TOML.

Tables stand in the order of the flow. A component's table holds its name and the fields of its plugin's Config, which are checked
when the plugin is resolved; all other keys are checked here. Precedence: defaults < recipe < budget < options < --set.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handbench.configs import as_settings, configure, parse_value, plain
from handbench.errors import RecipeError
from handbench.settings import BUDGETS, Choice, Measure, Pose, Pretrain, Recipe, Source, Table

DEFAULT_NAMES = {"dataset": "synthetic", "objective": "peclr"}
PECLR_AUGMENTATIONS = ("rotate", "translate", "scale", "color_jitter")
METRICS = ("pixels", "freihand", "rotation")
TABLES = ("dataset", "augmentation", "backbone", "objective", "pretrain", "measure", "head", "pose", "evaluate", "metric")
SCALARS = ("seed", "budget", "device")


def build(
    path: Path | None = None,
    options: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
    augmentation: str | None = None,
    roots: Sequence[str] = (),
    tables: Table | None = None,
) -> Recipe:
    """Put a recipe together from its sources.

    Args:
        path: a TOML file, or None for the defaults.
        options: dotted keys to values, as the command line's options give them.
        assignments: `key=value` texts of --set, dotted keys, TOML values.
        augmentation: names separated by commas, each with `:preset` if it is to have one, in place of the recipe's.
        roots: folders of data, `ROOT` for the labelled dataset or `NAME=ROOT` for that one and every source of that name.
        tables: a recipe's tables in place of a file's; they are filled in.

    Raises:
        RecipeError: unreadable file, unknown key, wrong type, or a value out of range.
    """
    tables = read(path) if path else {} if tables is None else tables
    given = dict(options or {})
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set {text} is not of the form key=value, e.g. objective.temperature=0.2")
        given[key.strip()] = parse_value(value.strip())
    budget = given.get("budget", tables.get("budget", "quick"))
    if budget not in BUDGETS:
        raise RecipeError(f"budget '{budget}' is unknown; use one of {', '.join(BUDGETS)}")
    for table, name in DEFAULT_NAMES.items():
        _table(tables, table).setdefault("name", name)
    _apply_budget(tables, BUDGETS[budget], over="budget" in given)
    if augmentation is not None:
        kept = {entry.get("name"): entry for entry in tables.get("augmentation", []) if isinstance(entry, dict)}
        entries = [entry.strip().partition(":") for entry in augmentation.split(",") if entry.strip()]
        tables["augmentation"] = [
            {**kept.get(name, {"name": name}), **({"preset": preset} if colon else {})} for name, colon, preset in entries
        ]
    for key, value in given.items():
        assign(tables, key, value)
    for text in roots:
        _set_root(tables, text)
    return from_tables(tables)


def _set_root(tables: Table, text: str) -> None:
    """Give the datasets that `NAME=ROOT` or `ROOT` means their folder; raises RecipeError when there is none of that name."""
    name, equals, root = text.partition("=")
    if not equals or "/" in name:  # a folder's own name may hold an equals sign
        name, root = tables["dataset"]["name"], text
    sources = [
        tables["dataset"],
        *_want_list(_table(tables, "pretrain").get("data", []), "pretrain.data"),
        tables.get("evaluate"),
    ]
    meant = [source for source in sources if isinstance(source, dict) and source.get("name") == name]
    if not meant:
        known = ", ".join(str(source.get("name")) for source in sources if isinstance(source, dict))
        raise RecipeError(
            f"--data {text}: the run has no dataset '{name}' ({known}); name it with --dataset or under [[pretrain.data]]"
        )
    for source in meant:
        source["root"] = root


def _apply_budget(tables: Table, budget: Mapping[str, Table], *, over: bool) -> None:
    """Lay a budget over the recipe when the user asked for it by option, under it when it is the recipe's own or the default.

    A backbone that was named is never replaced.
    """
    for name, values in budget.items():
        table = _table(tables, name)
        if name == "backbone" or not over:
            values = {
                key: value for key, value in values.items() if key not in table and not (name == "backbone" and "name" in table)
            }
        table.update(values)


def read(path: Path) -> Table:
    """Read a recipe file; raises RecipeError naming the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {path} is not valid TOML: {error}") from error


def assign(tables: Table, key: str, value: Any) -> None:
    """Set a dotted key; `augmentation.rotate.degrees` reaches into the entry of that name."""
    *path, last = key.split(".")
    place: Any = tables
    for name in path:
        place = _entry(place, name, key) if isinstance(place, list) else _table(place, name, key)
    if isinstance(place, list):
        raise RecipeError(f"--set {key}: name the augmentation and its field, e.g. augmentation.rotate.degrees=90")
    if last == "name" and place.get("name") != value:
        place.clear()  # another component's settings do not carry over
    place[last] = value


def from_tables(tables: Mapping[str, Any]) -> Recipe:
    """Check tables and turn them into a Recipe; raises RecipeError."""
    unknown = [key for key in tables if key not in TABLES + SCALARS]
    if unknown:
        configure(Recipe, {unknown[0]: None}, "recipe")
    dataset = dict(_want_table(tables.get("dataset", {}), "dataset"))
    pretrain = dict(_want_table(tables.get("pretrain", {}), "pretrain"))
    mixture = tuple(_source(entry, "pretrain.data") for entry in _want_list(pretrain.pop("data", []), "pretrain.data"))
    scalars = configure(Scalars, {key: tables[key] for key in SCALARS if key in tables}, "recipe")
    return Recipe(
        dataset=_source(dataset, "dataset"),
        **dataclasses.asdict(scalars),
        augmentation=_once(_choices(tables, "augmentation", PECLR_AUGMENTATIONS)),
        backbone=_choice(tables.get("backbone", {"name": "tiny"}), "backbone"),
        objective=_choice(tables.get("objective", {"name": "peclr"}), "objective"),
        pretrain=dataclasses.replace(configure(Pretrain, pretrain, "pretrain"), data=mixture),
        measure=configure(Measure, _want_table(tables.get("measure", {}), "measure"), "measure"),
        head=_choice(tables["head"], "head") if "head" in tables else None,
        pose=configure(Pose, _want_table(tables.get("pose", {}), "pose"), "pose"),
        evaluate=_source(dict(_want_table(tables["evaluate"], "evaluate")), "evaluate") if "evaluate" in tables else None,
        metric=_choices(tables, "metric", METRICS),
    )


@dataclass(frozen=True)
class Scalars:
    """The recipe's keys outside any table."""

    seed: int = 0
    budget: str = "quick"
    device: str = "auto"


def to_tables(recipe: Recipe) -> Table:
    """The inverse of `from_tables`, ready for TOML."""
    tables = as_settings(recipe)
    for name in ("dataset", "backbone", "objective", "head", "evaluate"):
        if name in tables:
            tables[name] = _flat(tables[name])
    for name in ("augmentation", "metric"):
        tables[name] = [_flat(entry) for entry in tables[name]]
    tables["pretrain"]["data"] = [_flat(entry) for entry in tables["pretrain"]["data"]]
    return {key: tables[key] for key in (*SCALARS, *TABLES) if key in tables}


def _flat(entry: Mapping[str, Any]) -> Table:
    return {**{key: value for key, value in entry.items() if key != "settings"}, **plain(entry.get("settings", {}))}


def _choices(tables: Mapping[str, Any], where: str, default: Sequence[str]) -> tuple[Choice, ...]:
    entries = tables.get(where, [{"name": name} for name in default])
    return tuple(_choice(entry, where) for entry in _want_list(entries, where))


def _once(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Augmentations, each named at most once: settings are reached by name, and two draws of one kind are one wider draw."""
    names = [choice.name for choice in choices]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"augmentation '{name}' is named {names.count(name)} times; name it once, with the range you want")
    return choices


def _choice(entry: Any, where: str) -> Choice:
    settings = dict(_want_table(entry, where))
    if not isinstance(settings.get("name"), str):
        raise RecipeError(f'[{where}] needs a name, e.g. name = "{"rotate" if where == "augmentation" else "peclr"}"')
    return Choice(settings.pop("name"), settings)


def _source(entry: Any, where: str) -> Source:
    settings = dict(_want_table(entry, where))
    own: Table = {key: settings.pop(key) for key in ("name", "root", "weight") if key in settings}
    if "name" not in own:
        raise RecipeError(f'[{where}] needs a name, e.g. name = "photos"')
    source = configure(Source, own, where)
    if source.weight <= 0:
        raise RecipeError(f"{where}.weight = {source.weight} must be above 0")
    return dataclasses.replace(source, settings=settings)


def _table(place: Any, name: str, key: str | None = None) -> Any:
    value = place.setdefault(name, [{"name": word} for word in PECLR_AUGMENTATIONS] if name == "augmentation" else {})
    if not isinstance(value, dict | list):
        raise RecipeError(f"'{name}' in '{key or name}' is a value, not a table")
    return value


def _entry(entries: Iterable[Any], name: str, key: str) -> Table:
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    raise RecipeError(f"--set {key}: the recipe lists no '{name}' ({', '.join(str(entry.get('name')) for entry in entries)})")


def _want_table(value: Any, where: str) -> Table:
    if not isinstance(value, dict):
        raise RecipeError(f"{where} = {value!r} must be a table, [{where}]")
    return value


def _want_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise RecipeError(f"{where} = {value!r} must be an array of tables, [[{where}]]")
    return value
