"""Evidence and a figure's specification go in; the groups of runs it shows, their scores and the words for them come out.

Runs of one group differ in nothing but the seed: where the specification's rows leave more open, what differs becomes a row too,
so that no mean is ever taken over different experiments.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handbench.results.directions import METRICS, decimals_of, metric_of
from handbench.results.figures.run_files import Run, Undrawable
from handbench.results.placing import head_of, plain, rank_of, read_axis, word_of
from handbench.results.statistics import mean_interval
from handbench.results.tidy import data_of, experiment
from handbench.suite import FigureSpec
from handbench.types import Evidence

PREFERRED = ("pa_epe", "pa_mpjpe", "mpjpe", "epe_3d", "epe_2d", "linear_accuracy", "knn_accuracy")


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Args:
        words: axis -> its value as people write it, of the axes that differ between the groups.
        label: these together.
        runs: ordered by seed.
        place: among all groups, those that are not shown too, so that a group looks the same in every figure.
    """

    words: Mapping[str, str]
    label: str
    runs: tuple[Run, ...]
    place: int = 0


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval by Student's t; both ends are NaN for a single seed."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]


def members(evidence: Evidence) -> Evidence:
    """The evidence as figures are drawn from it: the suite's own runs alone, with what is asked of each run many times.

    Each run gets its settings as "words", and the values by which its suite knows it as "axes".
    """
    told = tuple({**run, "words": experiment(run["recipe"])} for run in evidence.records)
    if evidence.suite is not None:
        known = {cell["run"]: cell.get("values", {}) for cell in evidence.suite.get("cells", ()) if cell.get("run")}
        told = tuple({**run, "axes": known[run["id"]]} for run in told if run["id"] in known)
    return replace(evidence, records=told)


def chosen(evidence: Evidence, spec: FigureSpec) -> list[Run]:
    """Finished runs that the specification asks for.

    Raises:
        Undrawable: there are none.
    """
    runs = [run for run in evidence.records if run["status"] == "finished" and _matches(run, spec.where)]
    if not runs:
        wanted = ", ".join(f"{axis} = {plain(value)}" for axis, value in spec.where.items())
        raise Undrawable(f"no finished run has {wanted}" if wanted else "no run is finished")
    return runs


def groups(evidence: Evidence, runs: Sequence[Run], rows: Sequence[str], apart_from: Sequence[str] = ()) -> list[Group]:
    """Put runs that repeat each other together, in the order of the suite's axes or else baselines first, then by value.

    Args:
        evidence: gives the order.
        runs: to be grouped.
        rows: axes that tell groups apart; what else differs is added.
        apart_from: axes, or tables of the recipe, that may differ within a group: the figure draws along them, or what it shows
            does not depend on them.
    """
    rows = [axis for axis in rows if not _under(axis, apart_from)]
    telling = _telling(runs, rows, apart_from)
    axes = [*(axis for axis in rows if axis not in telling), *telling]
    found: dict[str, tuple[list[Any], list[Run]]] = {}
    for run in runs:
        values = [_value_apart(run, axis) if axis in telling else axis_value(run, axis) for axis in axes]
        found.setdefault(json.dumps(values), (values, []))[1].append(run)
    orders = (evidence.suite or {}).get("axes", {})
    ordered = sorted(found.values(), key=lambda group: _place(axes, group[0], orders))
    differ = [place for place in range(len(axes)) if len({json.dumps(values[place]) for values, _ in ordered}) > 1]
    shown = differ or list(range(len(axes)))[:1]
    return [
        Group(
            {axes[at]: word(axes[at], values[at]) for at in shown},
            _label([(axes[at], values[at]) for at in shown]),
            _newest(group, apart_from),
            place,
        )
        for place, (values, group) in enumerate(ordered)
    ]


def best_first(shown: Sequence[Group], metric: str) -> list[Group]:
    """Groups ordered by their mean, best first; those of a metric without a better side keep their order."""
    side = {"lower": 1.0, "higher": -1.0, "": 0.0}[metric_of(metric.rpartition(":")[2]).better]
    return sorted(shown, key=lambda group: side * float(np.mean(values_of(group, metric) or [math.inf * (side or 1)])))


def only(found: Sequence[Group], wanted: Callable[[Run], bool]) -> list[Group]:
    """The groups with the runs that are wanted."""
    kept = [replace(group, runs=tuple(run for run in group.runs if wanted(run))) for group in found]
    return [group for group in kept if group.runs]


def places(shown: Sequence[Group], most: int) -> list[int]:
    """Which look each group has: its place among all groups or, where there are more than looks, its place here."""
    own = [group.place for group in shown]
    return own if max(own, default=0) < most else list(range(len(own)))


def axis_value(run: Run, axis: str) -> Any:
    """A run's value on an axis: as its suite knows it, or else as its recipe or record has it."""
    found = run.get("axes", {}).get(axis)
    if found is None:
        found = read_axis(run, axis)
    return plain(run.get(axis) if found is None else found)


def word(axis: str, value: Any) -> str:
    """A value on an axis as people write it.

    Example:
        >>> word("pose.labels", 0.1), word("pose.protocol", "mlp"), word("augmentation", "rotate+color_jitter")
        ('10 % labels', 'frozen, MLP', 'rotate+color jitter')
    """
    text = word_of(axis, value).replace("_", " ")
    return f"{text} labels" if axis == "pose.labels" else f"no {axis}" if text == "none" and axis == "augmentation" else text


def metric_for(runs: Sequence[Run], spec: FigureSpec, preferred: Sequence[str] = PREFERRED) -> str:
    """The metric to draw: the specification's, or the first preferred one that a run has.

    Raises:
        Undrawable: no run has it.
    """
    known = {score["metric"] for run in runs for score in run["scores"]}
    name = spec.metric or next((name for name in preferred if name in known), "")
    if name.rpartition(":")[2] not in known:
        raise Undrawable(f"no run has a score '{name}'" if name else "no run has a score to draw")
    return name


def score_of(run: Run, metric: str) -> Mapping[str, Any] | None:
    """The run's score of a metric, `protocol:metric` where two protocols have one of that name; None without a finite one."""
    definition, _, name = metric.rpartition(":")
    for score in run["scores"]:
        if score["metric"] == name and definition in ("", score["protocol"]):
            return score if math.isfinite(score["value"]) else None
    return None


def values_of(group: Group, metric: str) -> list[float]:
    """One value a run, of those that have one."""
    return [float(score["value"]) for run in group.runs if (score := score_of(run, metric))]


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval.

    Example:
        >>> found = estimate([1.0, 2.0, 3.0])
        >>> found.mean, round(found.low, 3), round(found.high, 3)
        (2.0, -0.484, 4.484)
    """
    low, high = mean_interval(np.asarray(values, np.float64))
    return Estimate(float(np.mean(values)), low, high, tuple(values))


def metric_label(runs: Sequence[Run], metric: str) -> str:
    """The metric with its unit and, where one is, the better side, for an axis."""
    name = metric.rpartition(":")[2]
    unit = next((score["unit"] for run in runs if (score := score_of(run, metric))), "")
    side = {"lower": ", lower is better", "higher": ", higher is better", "": ""}[metric_of(name).better]
    label = METRICS[name].label if name in METRICS else name.replace("_", " ")
    return f"{label} ({unit}){side}" if unit else f"{label}{side}"


def number(value: float, unit: str) -> str:
    """A value with the decimals of its unit."""
    return f"{value:.{decimals_of(unit)}f}"


def unit_of(runs: Sequence[Run], metric: str) -> str:
    """The unit of a metric in the first run that has it."""
    return next((str(score["unit"]) for run in runs if (score := score_of(run, metric))), "")


def lots(runs: Sequence[Run], spec: FigureSpec, metric: str = "") -> list[tuple[str, list[Run]]]:
    """Runs whose numbers may stand in one figure, each lot with the word that tells it from the others.

    Data, budgets, kinds of device and units never mix, unless they are what the rows tell apart.
    """
    found: dict[tuple[str, ...], list[Run]] = {}
    runs = [run for run in runs if not metric or score_of(run, metric)]
    by_data = not any(axis.partition(".")[0] in ("dataset", "evaluate") for axis in spec.rows)
    for run in runs:
        data = (run["dataset"], data_of(run)[:6]) if by_data else ("", "")
        found.setdefault((*data, _once(spec, run, "budget"), _once(spec, run, "device"), unit_of([run], metric)), []).append(run)
    keys = sorted(found)
    telling = [place for place in range(5) if len({key[place] for key in keys}) > 1]
    named = [place for place in telling if place != 1 or len({key[0] for key in keys}) < len({key[:2] for key in keys})]
    return [("-".join(key[place] for place in named if key[place]), found[key]) for key in keys]


def _once(spec: FigureSpec, run: Run, field: str) -> str:
    return "" if field in spec.rows else str(run[field])


def _matches(run: Run, where: Mapping[str, Any]) -> bool:
    return all(axis_value(run, axis) == plain(wanted) for axis, wanted in where.items())


def _newest(runs: Sequence[Run], apart_from: Sequence[str]) -> tuple[Run, ...]:
    """One run a seed, and a value on the axes the figure draws along: the one that ended last; ordered by seed."""
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (str(run.get("created", "")), run["id"])):
        newest[json.dumps([run["seed"], *(axis_value(run, axis) for axis in apart_from if "." in axis)])] = run
    return tuple(sorted(newest.values(), key=lambda run: (run["seed"], run["id"])))


def _telling(runs: Sequence[Run], rows: Sequence[str], apart_from: Sequence[str]) -> list[str]:
    """Recipe keys that differ between runs which agree on the rows."""
    known: dict[str, list[Mapping[str, str]]] = {}
    for run in runs:
        values = json.dumps([axis_value(run, axis) for axis in rows])
        known.setdefault(values, []).append(_words(run))
    telling: dict[str, None] = {}
    for recipes in known.values():
        keys = {key: None for recipe in recipes for key in recipe if not _under(key, apart_from)}
        telling |= {key: None for key in keys if len({recipe.get(key) for recipe in recipes}) > 1}
    return sorted(telling)


def _words(run: Run) -> Mapping[str, str]:
    words: Mapping[str, str] | None = run.get("words")
    return experiment(run["recipe"]) if words is None else words


def _under(axis: str, tables: Sequence[str]) -> bool:
    return any(axis == table or axis.startswith(f"{table}.") for table in tables)


def _value_apart(run: Run, axis: str) -> Any:
    """A value that tells experiments apart: of a list of components also their settings, not their names alone."""
    value = axis_value(run, axis)
    return _words(run).get(axis, value) if isinstance(value, list) or axis == "augmentation" else value


def _place(axes: Sequence[str], values: Sequence[Any], orders: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Sorts as the suite lists its axes' values; what it does not list comes after: fewer parts before more, then by value."""
    places: list[Any] = []
    for axis, value in zip(axes, values, strict=True):
        given = [plain(known) for known in orders.get(axis, ())]
        places.append((0 if value in given else 1 + str(value).count("+"), *rank_of(value, given)))
    return places


def _label(shown: Sequence[tuple[str, Any]]) -> str:
    plain = ("objective", "backbone", "augmentation", "protocol", "pose.protocol", "dataset", "budget", "labels", "pose.labels")
    words = []
    for axis, value in shown:
        name = "" if axis in plain and len(shown) < 4 else f"{head_of(axis).rpartition('.')[2].replace('_', ' ')} "
        words.append(("" if axis.endswith("labels") else name) + word(axis, value))
    return ", ".join(words)
