"""Made-up runs of a suite, as records and as folders with all the files that figures and pages draw from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handbench.files import as_npz

THRESHOLDS = [float(at) for at in range(0, 51, 5)]
OFFSETS = {"none": 4.0, "simclr": 2.0, "peclr": 0.0}  # of the error in mm


def score(metric: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    plain = {"count": 400, "excluded": 0, "protocol": "freihand" if unit == "mm" else "", "spread": None, "note": ""}
    return {"metric": metric, "value": value, "unit": unit, **plain, **more}


def run(objective: str = "peclr", seed: int = 0, labels: float = 1.0, **more: Any) -> dict[str, Any]:
    """A record as report plugins receive it; `settings` go to the objective's table of the recipe."""
    settings = more.pop("settings", {})
    error = 25.0 + OFFSETS.get(objective, 1.0) + 0.1 * seed + 5 * (1 - labels)
    recipe = {
        "seed": seed,
        "dataset": {"name": "synthetic", "domain": "lab"},
        "augmentation": [{"name": "rotate"}, {"name": "scale"}],
        "backbone": {"name": "tiny"},
        "objective": {"name": objective, **settings},
        "pose": {"protocol": "probe", "labels": labels},
    }
    plain: dict[str, Any] = {
        "id": f"{objective}-s{seed}-{100 * labels:g}",
        "status": "finished",
        "objective": objective,
        "backbone": "tiny",
        "dataset": "synthetic",
        "protocol": "probe",
        "labels": labels,
        "budget": "quick",
        "seed": seed,
        "device": "cpu",
        "recipe": recipe,
        "scores": [
            score("pa_epe", error, "mm"),
            score("pa_epe/random", 40.0 + seed, "mm"),
            score("latent_turn", 28.0, "degrees"),
        ],
        "notes": ["people may leak"],
        "stages": [
            {"name": "pretrain", "key": f"{objective}{seed}", "seconds": 100.0 + seed, "reused": False},
            {"name": "pose", "key": f"{objective}{seed}{labels}", "seconds": 20.0, "reused": False},
        ],
        "cost": {"seconds": 120.0},
        "data": {"fingerprint": "f0", "test": 400},
        "provenance": {"handbench": "0.1.0", "hardware": {"threads": 1}},
        "created": f"2026-01-0{1 + seed}T00:00:00+00:00",
        "format": 1,
    }
    return {**plain, **more}


def with_files(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with a folder that holds its curves, history, decoded warps and examples."""
    own = folder / f"run-{len(list(folder.glob('run-*')))}"
    own.mkdir(parents=True)
    error = record["scores"][0]["value"]
    share = [min(1.0, at / (2 * error)) for at in THRESHOLDS]
    curves = {
        "pck": {"pa_epe": {"thresholds": THRESHOLDS, "unit": "mm", "share": share}},
        "joints": {"pa_epe": [error + joint for joint in range(21)]},
    }
    (own / "curves.json").write_text(json.dumps(curves))
    if record["objective"] != "none":
        (own / "metrics.csv").write_text("epoch,loss\n" + "".join(f"{at},{5 - at + record['seed']}\n" for at in range(3)))
    random = np.random.default_rng(record["seed"])
    true = random.uniform(-45, 45, 60)
    decoded = true + random.normal(0, 5, 60)
    (own / "equivariance.npz").write_bytes(as_npz(rotation_true=true, rotation_decoded=decoded, key=np.arange(60).astype(str)))
    (own / "examples.npz").write_bytes(as_npz(**examples(random)))
    return {**record, "folder": str(own)}


def examples(random: np.random.Generator, each: int = 6) -> dict[str, Any]:
    """The best and the worst of made-up predictions in images of noise."""
    count, side = 2 * each, 32
    true = random.uniform(4, side - 4, (count, 21, 2)).astype(np.float32)
    far = np.repeat([1.0, 6.0], each)
    return {
        "images": random.integers(0, 256, (count, side, side, 3), np.uint8),
        "true": true,
        "predicted": (true + far[:, None, None]).astype(np.float32),
        "valid": np.ones((count, 21), bool),
        "error": far * 2**0.5,
        "key": np.array([f"image {row}" for row in range(count)]),
        "rank": np.array(["best"] * each + ["worst"] * each),
    }
