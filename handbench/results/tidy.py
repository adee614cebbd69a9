"""Records of runs go in; a tidy table, one row a run and score, comes out: what every report starts from."""

import importlib.util
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from handbench.errors import ResultsError
from handbench.results.records import read_evidence

BASELINES = {"random": "random encoder", "constant": "constant answer"}
# A baseline does not depend on what the encoder was trained for; it does on the size of a view.
TRAINING_KEYS = re.compile(r"objective\..*|pretrain\.(?!view).*|backbone\.weights")

Run = Mapping[str, Any]
Frame = Any  # pandas ships no types

SETTINGS = ("objective", "backbone", "protocol", "labels", "budget", "device", "version")
COLUMNS = {
    "run": "id of the run, the name of its folder",
    "objective": "what pre-training asked for",
    "backbone": "the encoder",
    "dataset": "the labelled dataset",
    "data": "fingerprint of what the run was scored on; equal only for equal data",
    "protocol": "how poses were read: `probe`, `mlp`, `finetune`, or `features` where there are none",
    "labels": "share of the labelled frames used, above 0 to 1",
    "budget": "`smoke`, `quick` or `paper`",
    "seed": "of everything random",
    "device": "`cpu` or `cuda`",
    "version": "handbench's",
    "metric": "name of the score; `metric/random` and `metric/constant` are its baselines",
    "value": "the score, in `unit`",
    "unit": "`mm`, `px@64` (pixels of a view of 64), `%`, `degrees`, or nothing for a bare ratio",
    "spread": "standard deviation over samples, in `unit`",
    "count": "samples the value was computed on",
    "excluded": "samples that could not be scored",
    "definition": "whose definition of the metric",
    "note": "what else a reader must know",
    "recipe": "every setting as JSON, without seed, device and place of the data: equal for repetitions",
}
ORIGIN = {
    "created": "when the run ended, UTC",
    "seconds": "what it took, stages that were found finished left out",
    "folder": "the run's own directory",
}


def load(folder: Path | str) -> Frame:
    """Read all runs below a folder: what `handbench.load_results` gives.

    Returns:
        One row a run and score, ordered as `tidy` does; columns as in COLUMNS and ORIGIN.

    Raises:
        ResultsError: the folder is missing or holds no finished run, a record is of a newer format, or several suites share it.
    """
    root = Path(folder)
    evidence = read_evidence(root)
    if not any(record["status"] == "finished" for record in evidence.records):
        raise ResultsError(f"{root} holds no finished run; make one with: handbench run --results {root}")
    return tidy(evidence.records, (*COLUMNS, *ORIGIN))


def parquet(scores: Frame) -> bytes:
    """A table as the bytes of a Parquet file.

    Raises:
        ResultsError: pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise ResultsError("Parquet needs pyarrow; install it with: pip install 'handbench[parquet]'")
    buffer = io.BytesIO()
    scores.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def tidy(records: Sequence[Run], columns: Sequence[str] = tuple(COLUMNS)) -> Frame:
    """Put the scores of finished runs in a table of fixed order.

    Args:
        records: runs as `handbench.results.records.as_document` gives them; failed ones are passed over.
        columns: of COLUMNS and ORIGIN.

    Returns:
        Rows ordered by dataset, data, settings, recipe, seed and run; a run's scores keep their order.
    """
    rows = [row for record in records if record["status"] == "finished" for row in _rows(record)]
    table = pd.DataFrame(rows, columns=list(columns))
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
    untrained = {
        text: json.dumps({key: word for key, word in json.loads(text).items() if not TRAINING_KEYS.fullmatch(key)})
        for text in baselines.recipe.unique()
    }
    same = [name for name in COLUMNS if name != "run"]
    once = (
        baselines.assign(recipe=baselines.recipe.map(untrained))
        .groupby(same, sort=False, dropna=False, as_index=False)
        .run.agg(_first_and_count)
    )
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


def _rows(record: Run) -> Iterator[dict[str, Any]]:
    own = {name: record[name] for name in ("objective", "backbone", "dataset", "protocol", "labels", "budget", "seed", "device")}
    own |= {
        "run": record["id"],
        "data": data_of(record),
        "version": record["provenance"].get("handbench", ""),
        "recipe": json.dumps(experiment(record["recipe"]), sort_keys=True),
        "created": record.get("created", ""),
        "seconds": record.get("cost", {}).get("seconds", math.nan),
        "folder": record.get("folder", ""),
    }
    for score in record["scores"]:
        number = {name: score[name] for name in ("metric", "value", "unit", "spread", "count", "excluded", "note")}
        yield {**own, **number, "definition": score["protocol"]}


def _first_and_count(runs: Frame) -> str:
    return str(runs.iloc[0]) + (f" and {len(runs) - 1} more" if len(runs) > 1 else "")


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_word(item) for item in value)
    if isinstance(value, Mapping):
        rest = (f"{key}={_word(item)}" for key, item in value.items() if key not in ("name", "root"))
        return " ".join([str(value.get("name", "")), *rest]).strip()
    return str(value)
