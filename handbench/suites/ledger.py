"""A recipe in; whether the very same run was finished before, out, without building a network or reading a pixel.

Stages are content-addressed, and computing those addresses needs data and networks. The ledger lies in front of them: from a
digest of all that a run can depend on (recipe, all source code, plugins, the data's fingerprints, weight files) to the run that
came of it. It is an index: deleting it costs time and loses nothing, and what changed in code, data or recipe is not found in it.
"""

import hashlib
import importlib.util
import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from handbench import plugins
from handbench.assembly import Opened, file_digests, open_source
from handbench.checkpoints import MARKER, digest
from handbench.files import write_json
from handbench.plugins import Component, Plugins
from handbench.recipe import to_tables
from handbench.settings import Recipe, Source

FILE = "ledger.json"
FORMAT = 1
OWN = Path(plugins.__file__).parent


class Identity:
    """Digests of recipes as they would run now, on this kind of device, with this code and these plugins.

    Args:
        plugins: what was discovered.
        device: the kind of device and its precision: all of the device that an outcome depends on.
    """

    def __init__(self, plugins: Plugins, device: str) -> None:
        self.plugins, self.device = plugins, device
        self._opened: dict[str, Opened] = {}
        self._fingerprints: dict[str, str] = {}

    @cached_property
    def code(self) -> str:
        """Of the whole source of handbench and of every package that plugins come from, with their versions."""
        foreign = [offer for offer in self.plugins.offers if offer.plugin not in plugins.BUILTINS]
        folders = {_place(offer) for offer in foreign} - {None}
        sources = [OWN, *sorted(folder for folder in folders if folder is not None)]
        versions = sorted({offer.distribution for offer in self.plugins.offers})
        return digest([versions, [_source_digest(source) for source in sources]])

    def opened(self, source: Source) -> Opened:
        """Open a dataset once, whatever number of recipes reads it; raises HandbenchError as `open_source`."""
        key = digest(source)
        if key not in self._opened:
            self._opened[key] = open_source(self.plugins, source)
        return self._opened[key]

    def run_key(self, recipe: Recipe) -> str:
        """All that a run depends on."""
        tables = {key: value for key, value in to_tables(recipe).items() if key != "device"}
        return digest({"run": tables, **self._surroundings(recipe)})

    def pretrain_key(self, recipe: Recipe) -> str | None:
        """All that the pre-training depends on, so that cells which share it have the same one; None where there is none."""
        objective = self.plugins.find("objective", recipe.objective.name).target
        if objective.views == 0:
            return None
        labelled = objective.trains_on_labels
        part = {
            "objective": recipe.objective,
            "backbone": recipe.backbone,
            "augmentation": recipe.augmentation,
            "pretrain": recipe.pretrain,
            "dataset": recipe.dataset if labelled or not recipe.pretrain.data else None,
            "labels": recipe.pose.labels if labelled else None,
            "seed": recipe.seed,
        }
        return digest({"pretrain": part, **self._surroundings(replace(recipe, evaluate=None))})

    def _surroundings(self, recipe: Recipe) -> dict[str, Any]:
        sources = [recipe.dataset, *recipe.pretrain.data, *([recipe.evaluate] if recipe.evaluate else [])]
        data = [self._fingerprint(source) for source in sources]
        return {"device": self.device, "code": self.code, "data": data, "weights": file_digests(recipe.backbone.settings)}

    def _fingerprint(self, source: Source) -> str:
        key = digest(source)
        if key not in self._fingerprints:
            self._fingerprints[key] = self.opened(source).dataset.fingerprint()
        return self._fingerprints[key]


class Ledger:
    """The ledger of one results folder.

    Args:
        folder: of the runs; the ledger is its file `ledger.json`. One that cannot be read counts as empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        stored = _read(folder / FILE)
        self._runs: dict[str, str] = stored.get("runs", {})
        self._stages: dict[str, str] = stored.get("stages", {})

    def run_of(self, key: str) -> str | None:
        """Id of the finished run of this key, None where there is none or its record is gone."""
        run = self._runs.get(key)
        return run if run and (self.folder / run / "run.json").is_file() else None

    def has_stage(self, key: str) -> bool:
        """Whether the pre-training of this key is finished."""
        return key in self._stages and (self.folder / "stages" / self._stages[key] / MARKER).is_file()

    def note_run(self, key: str, run: str) -> None:
        """Remember a finished run; what older code called it is forgotten."""
        self._runs = {**{other: name for other, name in self._runs.items() if name != run}, key: run}
        self._write()

    def note_stage(self, key: str, folder: str) -> None:
        """Remember a pre-training by its folder's name."""
        if self._stages.get(key) != folder:
            self._stages = {**{other: name for other, name in self._stages.items() if name != folder}, key: folder}
            self._write()

    def _write(self) -> None:
        write_json(self.folder / FILE, {"format": FORMAT, "runs": self._runs, "stages": self._stages})


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) and stored.get("format") == FORMAT else {}


def _place(offer: Component) -> Path | None:
    """The folder of the package, or the file of the module, that a plugin's component lies in."""
    target = offer.offer if isinstance(offer.offer, str) else getattr(offer.offer, "target", None)
    module = target.partition(":")[0] if target else getattr(offer.offer, "__module__", "")
    spec = importlib.util.find_spec(module.partition(".")[0]) if module else None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def _source_digest(place: Path) -> str:
    """Of all modules below a folder, or of one."""
    paths = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    found = hashlib.blake2b(digest_size=16)
    for path in paths:
        found.update(f"{path.relative_to(place.parent)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
