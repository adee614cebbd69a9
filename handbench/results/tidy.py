"""Records of runs go in; a tidy table, one row a run and score, comes out: what every report starts from."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

BASELINES = {"random": "random encoder", "constant": "constant answer"}
# A baseline does not depend on what the encoder was trained for; it does on the size of a view.
TRAINING_KEYS = re.compile(r"objective\..*|pretrain\.(?!view).*|backbone\.weights")

Run = Mapping[str, Any]
Frame = Any  # pandas ships no types

SETTINGS = ("objective", "backbone", "protocol", "labels", "budget", "device", "version")
COLUMNS = (
    *("run", "objective", "backbone", "dataset", "data", "protocol", "labels", "budget", "seed", "device", "version"),
    *("metric", "value", "unit", "spread", "count", "excluded", "definition", "note", "recipe"),
)


def tidy(records: Sequence[Run]) -> Frame:
    """Put the scores of finished runs in a table of fixed order.

    Args:
        records: runs as `handbench.results.records.as_document` gives them; failed ones are passed over.

    Returns:
        Columns as in COLUMNS. `data` is the dataset's fingerprint; `protocol` is the run's (probe, mlp, finetune), `definition`
        the score's (freihand …); `version` is handbench's; `recipe` is equal for runs that differ in nothing but seed, machine
        and place of the data. Rows are ordered by dataset, data, settings, recipe, seed and run; a run's scores keep their order.
    """
    rows = [_row(record, score) for record in records if record["status"] == "finished" for score in record["scores"]]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["dataset", "data", *SETTINGS, "recipe", "seed", "run"], kind="stable", ignore_index=True)


def with_baselines_as_rows(scores: Frame) -> Frame:
    """Give scores called `metric/kind` the metric's name and the kind as their objective, behind all true objectives.

    Runs of several objectives share their baselines: equal ones become one, which names the first run and counts the others.
    """
    names = scores.metric.str.partition("/")
    kinds = names[2]
    moved = scores.assign(
        metric=names[0], objective=scores.objective.where(kinds == "", kinds.map(lambda kind: BASELINES.get(kind, kind)))
    )
    own, baselines = moved[kinds == ""], moved[kinds != ""]
    if baselines.empty:
        return own
    recipes = [
        json.dumps({key: word for key, word in json.loads(text).items() if not TRAINING_KEYS.fullmatch(key)})
        for text in baselines.recipe
    ]
    same = [name for name in COLUMNS if name != "run"]
    once = baselines.assign(recipe=recipes).groupby(same, sort=False, dropna=False, as_index=False).run.agg(_first_and_count)
    order = ["objective", *SETTINGS, "recipe", "seed", "run"]
    return pd.concat([own, once.sort_values(order, kind="stable")], ignore_index=True)


def flatten(recipe: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested tables as dotted keys and one word each.

    Example:
        >>> flatten({"seed": 0, "head": {"size": 5}, "augmentation": [{"name": "rotate", "degrees": 45}, {"name": "scale"}]})
        {'seed': '0', 'head.size': '5', 'augmentation': 'rotate degrees=45, scale'}
    """
    flat: dict[str, str] = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = _word(value)
    return flat


def experiment(recipe: Mapping[str, Any]) -> dict[str, str]:
    """What two runs must share to be repetitions of each other: the recipe without seed, device and place of the data."""
    return {key: word for key, word in flatten(recipe).items() if key not in ("seed", "device") and not key.endswith("root")}


def data_of(record: Run) -> str:
    """The fingerprint of what a run was scored on; the same name may stand for different photographs."""
    return str(record["data"].get("fingerprint", ""))


def _row(record: Run, score: Mapping[str, Any]) -> dict[str, Any]:
    same = {name: record[name] for name in ("objective", "backbone", "dataset", "protocol", "labels", "budget", "seed", "device")}
    number = {name: score[name] for name in ("metric", "value", "unit", "spread", "count", "excluded", "note")}
    return {
        "run": record["id"],
        "data": data_of(record),
        **same,
        "version": record["provenance"].get("handbench", ""),
        **number,
        "definition": score["protocol"],
        "recipe": json.dumps(experiment(record["recipe"]), sort_keys=True),
    }


def _first_and_count(runs: Frame) -> str:
    return str(runs.iloc[0]) + (f" and {len(runs) - 1} more" if len(runs) > 1 else "")


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_word(item) for item in value)
    if isinstance(value, Mapping):
        rest = (f"{key}={_word(item)}" for key, item in value.items() if key not in ("name", "root"))
        return " ".join([str(value.get("name", "")), *rest]).strip()
    return str(value)
