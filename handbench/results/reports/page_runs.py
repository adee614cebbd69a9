"""The records of runs go in; one compact table of plain values, from which the page draws its rows and details, comes out.

What many runs share is said once: definitions of scores, notes, provenance, data, and the recipe of the first run, from which
each other one tells its differences.
"""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from handbench.results.directions import METRICS, decimals_of, metric_of
from handbench.results.figures.examples import ARRAYS, FILE
from handbench.results.figures.run_files import Run, arrays_of
from handbench.results.placing import WORDS
from handbench.results.tidy import flatten

FIELDS = ("objective", "backbone", "dataset", "protocol", "labels", "budget", "seed", "device")
WORDS_OF_SCORES = ("metric", "unit", "protocol", "note")
COLUMNS = 14  # of numbers in the table of runs; a run's details hold all
THUMBNAILS = 40  # in the whole page
LARGEST = 128  # pixels of a thumbnail's side


class Interned:
    """A list in which each value stands once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str | tuple[str, ...], int] = {}

    def place(self, value: Any) -> int:
        """Where the value stands."""
        key = value if isinstance(value, tuple) else json.dumps(value, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def payload(records: Sequence[Run]) -> dict[str, Any]:
    """All that the page's script knows: strict JSON, no NaN."""
    scores, notes, provenance, data = Interned(), Interned(), Interned(), Interned()
    columns = _columns(records)
    base = flatten(records[0]["recipe"]) if records else {}
    runs = []
    for record in records:
        own = flatten(record["recipe"])
        values = {_key(score): score["value"] for score in record["scores"]}
        runs.append(
            {
                "id": str(record["id"]),
                "status": str(record["status"]),
                "created": str(record.get("created", "")),
                "f": [_field(record, name) for name in FIELDS],
                "v": [_plain(values.get(key)) for key in columns],
                "s": [_score(score, scores) for score in record["scores"]],
                "n": [notes.place(str(note)) for note in record.get("notes", ())],
                "r": {key: own.get(key) for key in sorted({*base, *own}) if base.get(key) != own.get(key)},
                "t": [_stage(stage) for stage in record.get("stages", ())],
                "c": _plain(record.get("cost", {})),
                "d": data.place(_plain(record.get("data", {}))),
                "p": provenance.place(_plain(record.get("provenance", {}))),
            }
        )
    shared = {
        "scores": [_about(words) for words in scores.values],
        "notes": notes.values,
        "provenance": provenance.values,
        "data": data.values,
    }
    heads = [{"label": _heading(key), "decimals": decimals_of(key[1])} for key in columns]
    return {"fields": list(FIELDS), "columns": heads, "recipe": base, "runs": runs, **shared, "examples": thumbnails(records)}


def thumbnails(records: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """The best and worst predictions of a few runs, at most THUMBNAILS: one seed of each setting first, then others."""
    settings: dict[str, list[Run]] = {}
    for record in records:
        settings.setdefault(json.dumps([record[name] for name in FIELDS if name != "seed"]), []).append(record)
    waiting = [
        group[turn]
        for turn in range(max(map(len, settings.values()), default=0))
        for group in settings.values()
        if turn < len(group)
    ]
    each = max(4, min(10, THUMBNAILS // max(1, len(settings))))
    found: dict[str, list[dict[str, Any]]] = {}
    left = THUMBNAILS
    for record in waiting:
        if left < 2:
            break
        made = _examples(record, min(each, left) // 2)
        if made:
            found[str(record["id"])] = made
            left -= len(made)
    return found


def _examples(record: Run, each: int) -> list[dict[str, Any]]:
    """Some of the best and some of the worst."""
    arrays = arrays_of(record, FILE, ARRAYS)
    if not arrays:
        return []
    ranks = [str(rank) for rank in arrays["rank"]]
    rows = [row for rank in ("best", "worst") for row in [at for at, own in enumerate(ranks) if own == rank][:each]]
    return [_example({name: arrays[name][row] for name in arrays}) for row in rows]


def _example(one: Mapping[str, Any]) -> dict[str, Any]:
    side = int(one["images"].shape[0])
    picture = Image.fromarray(one["images"])
    picture.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    known = one["valid"].astype(bool)
    return {
        "image": "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(),
        "side": side,
        "predicted": [_point(point, True) for point in one["predicted"]],
        "true": [_point(point, bool(valid)) for point, valid in zip(one["true"], known, strict=True)],
        "error": round(float(one["error"]), 2),
        "key": str(one["key"]),
        "rank": str(one["rank"]),
    }


def _point(point: Any, known: bool) -> list[float] | None:
    return [round(float(value), 1) for value in point] if known and np.isfinite(point).all() else None


def _columns(records: Sequence[Run]) -> list[tuple[str, str, str]]:
    """Metric, unit and definition of the columns: known metrics first, in their usual order."""
    found = {_key(score): None for record in records for score in record["scores"] if "/" not in score["metric"]}
    order = list(METRICS)
    known = sorted(found, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key))
    return known[:COLUMNS]


def _key(score: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(score["metric"]), str(score["unit"]), str(score["protocol"])


def _heading(key: tuple[str, str, str]) -> str:
    arrow = {"lower": " ↓", "higher": " ↑", "": ""}[metric_of(key[0]).better]
    return f"{metric_of(key[0]).label}{f' ({key[1]})' if key[1] else ''}{arrow}"


def _field(record: Run, name: str) -> Any:
    if name == "labels":
        return f"{100 * float(record['labels']):g} %"
    return WORDS.get(record[name], record[name]) if name == "protocol" else _plain(record[name])


def _score(score: Mapping[str, Any], known: Interned) -> list[Any]:
    place = known.place(tuple(str(score[name]) for name in WORDS_OF_SCORES))
    return [place, _plain(score["value"]), int(score["count"]), int(score["excluded"]), _plain(score["spread"])]


def _about(words: tuple[str, ...]) -> dict[str, Any]:
    """What the page knows of a kind of score."""
    named = dict(zip(WORDS_OF_SCORES, words, strict=True))
    return {**named, "label": metric_of(named["metric"]).label, "decimals": decimals_of(named["unit"])}


def _stage(stage: Mapping[str, Any]) -> list[Any]:
    return [str(stage["name"]), str(stage["key"])[:12], _plain(stage["seconds"]), bool(stage["reused"])]


def _plain(value: Any) -> Any:
    """Values for strict JSON; numbers with the digits a reader needs."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
