"""What a run is: a TOML file, a budget, options and --set in; one frozen Recipe out, and back to TOML.

Tables stand in the order of the flow. A component's table holds its name and the fields of its plugin's Config, which are checked
when the plugin is resolved; all other keys are checked here. Precedence: defaults < recipe < budget < options < --set.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from handbench.configs import as_settings, configure, parse_value, plain
from handbench.errors import RecipeError

Table = dict[str, Any]


def _positive(**values: float) -> None:
    for key, value in values.items():
        if not value > 0:
            raise ValueError(f"{key} = {value} must be above 0")


@dataclass(frozen=True)
class Choice:
    """A component by name, with settings for its Config."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A dataset to read: plugin name, the user's folder, the plugin's settings, and its weight in a mixture."""

    name: str
    root: str | None = None
    weight: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pretrain:
    """[pretrain]: the schedule of pre-training.

    Args:
        epochs: passes over the images.
        images: at most so many of the training part's images, whole frames at a time; None = all.
        view: side of a view in pixels.
        batch: images that make up one optimiser step.
        micro_batch: images the loss sees at once; None = the whole batch. Gradients accumulate over micro-batches, and
        an anchor's
            negatives come from its own micro-batch only.
        learning_rate: base rate, scaled by sqrt(batch).
        warmup: share of the steps over which the rate rises.
        weight_decay: on weights, not on biases and norm layers.
        lars: scale gradients by LARS before Adam, as the paper's code does.
        data: what to pre-train on; empty = the training part of [dataset].
    """

    epochs: int = 16
    images: int | None = None
    view: int = 64
    batch: int = 128
    micro_batch: int | None = None
    learning_rate: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 1e-6
    lars: bool = False
    data: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        _positive(epochs=self.epochs, view=self.view, batch=self.batch, learning_rate=self.learning_rate)
        if self.images is not None:
            _positive(images=self.images)
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup = {self.warmup} must be in [0, 1)")
        if self.micro_batch is not None and (self.micro_batch < 2 or self.batch % self.micro_batch):
            raise ValueError(f"micro_batch = {self.micro_batch} must divide batch = {self.batch} and be at least 2")
        if self.batch < 2:
            raise ValueError("batch must be at least 2: a contrastive loss needs another image")


@dataclass(frozen=True)
class Measure:
    """[measure]: probes of the frozen features.

    Args:
        images: at most so many training and as many held-out images.
        neighbours: k of the k-NN probe.
        turn: degrees by which images are turned to measure the latent turn.
        rotation: relative rotations to decode are drawn from ± this many degrees.
    """

    images: int = 2000
    neighbours: int = 20
    turn: float = 30.0
    rotation: float = 45.0

    def __post_init__(self) -> None:
        _positive(images=self.images, neighbours=self.neighbours, turn=self.turn, rotation=self.rotation)


@dataclass(frozen=True)
class Pose:
    """[pose]: from features to a 3D pose.

    Args:
        protocol: probe (frozen encoder, linear head), mlp (frozen encoder, two-layer head) or finetune (everything trains).
        labels: share of the labelled frames used, nested over shares.
        epochs, batch, learning_rate, weight_decay: of the head's or the whole network's training; the rate is scaled by
        sqrt(batch). convention: root and reference bone of the 2.5D pose.
    """

    protocol: Literal["probe", "mlp", "finetune"] = "probe"
    labels: float = 1.0
    epochs: int = 20
    batch: int = 128
    learning_rate: float = 4.42e-5
    weight_decay: float = 2e-4
    convention: Literal["wrist", "palm"] = "wrist"

    def __post_init__(self) -> None:
        _positive(epochs=self.epochs, batch=self.batch, learning_rate=self.learning_rate)
        if not 0 < self.labels <= 1:
            raise ValueError(f"labels = {self.labels} must be in (0, 1]")


@dataclass(frozen=True)
class Recipe:
    """A complete run."""

    dataset: Source
    seed: int = 0
    budget: str = "quick"
    device: str = "auto"
    augmentation: tuple[Choice, ...] = ()
    backbone: Choice = Choice("tiny")
    objective: Choice = Choice("peclr")
    pretrain: Pretrain = Pretrain()
    measure: Measure = Measure()
    head: Choice | None = None
    pose: Pose = Pose()
    metric: tuple[Choice, ...] = ()


# One main dial. Seconds, minutes on two CPU cores, and the paper's schedule (README's table is made from this).
BUDGETS: dict[str, Table] = {
    "smoke": {
        "backbone": {"name": "tiny"},
        "pretrain": {"epochs": 2, "images": 256, "view": 32, "batch": 64, "learning_rate": 5e-4},
        "measure": {"images": 200},
        "pose": {"epochs": 2, "batch": 32},
    },
    "quick": {
        "backbone": {"name": "tiny"},
        "pretrain": {"epochs": 8, "images": 6000, "view": 64, "batch": 64, "learning_rate": 5e-4},
        "measure": {"images": 2000},
        "pose": {"epochs": 15, "batch": 32, "learning_rate": 2e-4},
    },
    "paper": {
        "backbone": {"name": "resnet50"},
        "pretrain": {"epochs": 100, "view": 128, "batch": 2048, "micro_batch": 128, "lars": True},
        "measure": {"images": 10000},
        "pose": {"epochs": 100, "batch": 128},
    },
}
DEFAULT_NAMES = {"dataset": "synthetic", "objective": "peclr"}
PECLR_AUGMENTATIONS = ("rotate", "translate", "scale", "color_jitter")
METRICS = ("pixels", "freihand", "rotation")
TABLES = ("dataset", "augmentation", "backbone", "objective", "pretrain", "measure", "head", "pose", "metric")
SCALARS = ("seed", "budget", "device")


def build(
    path: Path | None = None,
    options: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
    augmentation: str | None = None,
    roots: Sequence[str] = (),
) -> Recipe:
    """Put a recipe together from its sources.

    Args:
        path: a TOML file, or None for the defaults.
        options: dotted keys to values, as the command line's options give them.
        assignments: `key=value` texts of --set, dotted keys, TOML values.
        augmentation: names separated by commas, in place of the recipe's.
        roots: folders of data, `ROOT` for the labelled dataset or `NAME=ROOT` for that one and every source of that name.

    Raises:
        RecipeError: unreadable file, unknown key, wrong type, or a value out of range.
    """
    tables = read(path) if path else {}
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
        names = [name.strip() for name in augmentation.split(",") if name.strip()]
        tables["augmentation"] = [kept.get(name, {"name": name}) for name in names]
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
    sources = [tables["dataset"], *_want_list(_table(tables, "pretrain").get("data", []), "pretrain.data")]
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
        augmentation=_choices(tables, "augmentation", PECLR_AUGMENTATIONS),
        backbone=_choice(tables.get("backbone", {"name": "tiny"}), "backbone"),
        objective=_choice(tables.get("objective", {"name": "peclr"}), "objective"),
        pretrain=dataclasses.replace(configure(Pretrain, pretrain, "pretrain"), data=mixture),
        measure=configure(Measure, _want_table(tables.get("measure", {}), "measure"), "measure"),
        head=_choice(tables["head"], "head") if "head" in tables else None,
        pose=configure(Pose, _want_table(tables.get("pose", {}), "pose"), "pose"),
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
    for name in ("dataset", "backbone", "objective", "head"):
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
