"""Cells of a suite and a results folder in; what is done, what is shared and what is missing, out; nothing is written here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handbench.checkpoints import digest
from handbench.errors import ResultsError
from handbench.suite import Cell, Given, Suite, seeds_needed

SUITE_FILE = "suite.json"
FAILURES = "failures"


@dataclass(frozen=True)
class Planned:
    """One cell as it stands.

    Args:
        cell: of the suite.
        key: of the run, in the ledger.
        pretraining: of its pre-training; None where it has none.
        run: id of the finished run.
    """

    cell: Cell
    key: str
    pretraining: str | None
    run: str | None


@dataclass(frozen=True)
class Plan:
    """What a suite comes to in a folder.

    Args:
        planned: all cells, in the order in which they are run.
        chosen: names of the cells that --only leaves.
        trained: keys of the pre-trainings that are finished.
    """

    suite: Suite
    given: Given
    folder: Path
    planned: tuple[Planned, ...]
    chosen: frozenset[str]
    trained: frozenset[str]

    @property
    def missing(self) -> tuple[Planned, ...]:
        """The chosen cells without a finished run."""
        return tuple(item for item in self.planned if item.run is None and item.cell.name in self.chosen)

    @property
    def to_train(self) -> tuple[str, ...]:
        """Pre-trainings to do, each once."""
        wanted = (item.pretraining for item in self.missing)
        return tuple(dict.fromkeys(key for key in wanted if key is not None and key not in self.trained))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know before they are made: too few seeds for any claim."""
        seeds = len({item.cell.seed for item in self.planned})
        least, smallest = seeds_needed(1), 2.0 ** (1 - seeds)
        if seeds >= least:
            return ()
        few = (
            f"{seeds} seed{'s' if seeds > 1 else ''}: the smallest exact p is {smallest:.2g}, so no difference can be significant"
        )
        return (f"{few}; {least} are the least for one comparison, {seeds_needed(6)} for six (--seeds)",)

    @property
    def options(self) -> dict[str, Any]:
        """What the user laid over the suite and must not change within a folder."""
        given = self.given
        return {"budget": given.budget, "data": dict(sorted(given.roots.items())), "set": sorted(given.assignments)}


def check_folder(folder: Path, plan: Plan) -> None:
    """Raise ResultsError where the folder belongs to another suite, or to this one with other settings."""
    stored = read_suite(folder)
    if stored is None:
        return
    if stored.get("name") != plan.suite.name:
        raise ResultsError(
            f"{folder} holds the suite '{stored.get('name')}'; '{plan.suite.name}' needs a folder of its own: give --results"
        )
    before = stored.get("options", {})
    for name, value in json.loads(json.dumps(plan.options)).items():
        if before.get(name) != value:
            raise ResultsError(
                f"{folder} holds the suite '{plan.suite.name}' with {name} = {before.get(name)}, not {value}, and a table "
                "must not mix the two: repeat the options it was started with, or give another folder with --results"
            )


def read_suite(folder: Path) -> dict[str, Any] | None:
    """The suite of a folder, None where there is none; raises ResultsError where its file is damaged."""
    path = folder / SUITE_FILE
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} is damaged ({error}); remove it, and the same command writes it anew") from error
    return stored


def select(cells: tuple[Cell, ...], only: Mapping[str, str], suite: str) -> tuple[Cell, ...]:
    """The cells that have all of the given values; raises ResultsError for an axis or value that no cell has."""
    for axis, wanted in only.items():
        known = {str(_value(cell, axis)) for cell in cells if axis in cell.values or axis == "seed"}
        if wanted not in known:
            axes = sorted({axis for cell in cells for axis in cell.values} | {"seed"})
            what = f"axis {axis} has no value {wanted} ({', '.join(sorted(known))})" if known else f"axes are {', '.join(axes)}"
            raise ResultsError(f"--only {axis}={wanted}: suite '{suite}': {what}")
    return tuple(cell for cell in cells if all(str(_value(cell, axis)) == wanted for axis, wanted in only.items()))


def short(name: str) -> str:
    """A cell's name as a file's: long ones are cut and told apart by a digest."""
    return name if len(name) <= 120 else f"{name[:100]}-{digest(name)[:12]}"


def _value(cell: Cell, axis: str) -> Any:
    return cell.seed if axis == "seed" else cell.values.get(axis)
