"""A suite and a results folder in; what of it is done and what is missing, and then the missing runs, one by one, out.

One failed run doesn't stop the others: its traceback goes to failures/CELL.json, and it is tried again next time. Killed anywhere
and started again, the suite goes on: stages are content-addressed, `suite.json` and the ledger are written whole or not at all,
and both can be made again from the runs.
"""

import contextlib
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handbench import devices
from handbench.assembly import assemble
from handbench.errors import HandbenchError, Interrupted
from handbench.files import ensure_writable, write_json
from handbench.plugins import Plugins
from handbench.progress import duration
from handbench.suite import Cell, Given, Suite, document_of
from handbench.suites.forecast import Forecast
from handbench.suites.ledger import Identity, Ledger
from handbench.suites.planning import FAILURES, SUITE_FILE, Plan, Planned, check_folder, read_suite, select, short


@dataclass
class Ablation:
    """A suite at work in a folder.

    Args:
        suite: what is to be run.
        given: what the user laid over it.
        plugins: what was discovered.
        folder: of the runs.
        say: takes a line for the user.
        checkpoint_seconds: how often a long stage saves where it is.
    """

    suite: Suite
    given: Given
    plugins: Plugins
    folder: Path
    say: Callable[[str], None] = print
    checkpoint_seconds: float = 60.0
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = devices.choose(self.given.device or self.suite.recipe.get("device", "auto"))
        kind = f"{self.device.type}{', bf16' if devices.half_precision(self.device) else ''}"
        self.identity = Identity(self.plugins, kind)
        self.ledger = Ledger(self.folder)

    def plan(self, only: Mapping[str, str] | None = None) -> Plan:
        """Expand the grid and look up what is done; nothing is written and no network built.

        Raises:
            HandbenchError: cells that make no recipe, an --only that names no axis or value, data that cannot be opened, or
                a folder that belongs to another suite or to other settings of this one.
        """
        cells = self.suite.cells(self.given)
        planned = tuple(self._planned(cell) for cell in cells)
        keys = {item.pretraining for item in planned if item.pretraining is not None}
        trained = frozenset(key for key in keys if self.ledger.has_stage(key))
        chosen = frozenset(cell.name for cell in select(cells, only or {}, self.suite.name))
        plan = Plan(self.suite, self.given, self.folder, planned, chosen, trained)
        check_folder(self.folder, plan)
        return plan

    def _planned(self, cell: Cell) -> Planned:
        try:
            key = self.identity.run_key(cell.recipe)
            return Planned(cell, key, self.identity.pretrain_key(cell.recipe), self.ledger.run_of(key))
        except HandbenchError as error:
            raise HandbenchError(f"suite '{self.suite.name}', {cell.name}: {error}") from error

    def check(self, plan: Plan) -> None:
        """Resolve and configure every component of the missing runs, so that a slip of the pen costs no hours.

        Raises:
            HandbenchError: naming suite and cell.
        """
        for item in plan.missing:
            try:
                assemble(item.cell.recipe, self.plugins, self.identity.opened)
            except HandbenchError as error:
                raise HandbenchError(f"suite '{self.suite.name}', {item.cell.name}: {error}") from error

    def forecast(self, plan: Plan) -> dict[str, float]:
        """About how many seconds each missing run takes, by cell; a shared pre-training counts where it comes first."""
        ahead, seconds = Forecast(self.identity, self.device), {}
        waiting = set(plan.to_train)
        for item in plan.missing:
            found = ahead.seconds(item.cell.recipe)
            seconds[item.cell.name] = found.rest + (found.pretraining if item.pretraining in waiting else 0.0)
            waiting.discard(item.pretraining or "")
        return seconds

    def run(self, plan: Plan, seconds: Mapping[str, float]) -> None:
        """Do the missing runs; what fails is recorded, in `failed` and on disk, and the others go on.

        Raises:
            Interrupted: Ctrl-C; all that is finished stays, and the message says how to go on.
            ResultsError: the folder cannot be written.
        """
        ensure_writable(self.folder)
        runs = {item.cell.name: item.run for item in plan.planned if item.run is not None}
        self._write_suite(plan, runs)
        for number, item in enumerate(plan.missing, 1):
            left = sum(seconds.get(other.cell.name, 0.0) for other in plan.missing[number - 1 :])
            ahead = f", about {duration(left)} to go" if left else ""
            self.say(f"[{number}/{len(plan.missing)}] {item.cell.name}{ahead}")
            run = self._run(item)
            if run is not None:
                runs[item.cell.name] = run
                self._write_suite(plan, runs)

    def settle(self, plan: Plan) -> None:
        """Bring `suite.json` and the failures up to what is done, where nothing is to be run."""
        self._write_suite(plan, {item.cell.name: item.run for item in plan.planned if item.run is not None})

    def _run(self, item: Planned) -> str | None:
        """One run; its id, or None where it failed."""
        path = self.folder / FAILURES / f"{short(item.cell.name)}.json"
        try:
            run = self._flow(item)
        except Interrupted as stop:
            raise Interrupted(f"{stop}\nthe suite stops here: {self._go_on()}") from stop
        except KeyboardInterrupt as stop:
            raise Interrupted(f"stopped; {self._go_on()}") from stop
        except Exception as error:  # whatever went wrong in one run, the others can still be done
            self._fail(item.cell, error, path)
            return None
        self.ledger.note_run(item.key, run)
        path.unlink(missing_ok=True)
        return run

    def _go_on(self) -> str:
        return "nothing finished is lost, and the same command goes on from here"

    def _flow(self, item: Planned) -> str:
        from handbench.flow import Job, Runtime, run

        def note(stage: Any) -> None:
            if stage.name == "pretrain" and item.pretraining is not None:
                self.ledger.note_stage(item.pretraining, f"{stage.name}-{stage.key[:16]}")

        runtime = Runtime(self.folder, self.device, self.checkpoint_seconds, self.say, note)
        return run(Job(item.cell.recipe, assemble(item.cell.recipe, self.plugins, self.identity.opened), runtime)).name

    def _fail(self, cell: Cell, error: Exception, path: Path) -> None:
        text = "".join(traceback.format_exception(error))
        line = f"{type(error).__name__}: {error}"
        self.failed[cell.name] = line
        own = isinstance(error, HandbenchError)
        self.say(f"failed: {cell.name}: {error}" if own else f"failed: {cell.name}: {line}\n{text}")
        document = {
            "cell": {"values": dict(cell.values), "seed": cell.seed},
            "error": line,
            "traceback": text,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(path, document)

    def _write_suite(self, plan: Plan, runs: Mapping[str, str]) -> None:
        cells = [item.cell for item in plan.planned]
        document = document_of(plan.suite, cells, runs, plan.options)
        if read_suite(self.folder) != json.loads(json.dumps(document)):
            write_json(self.folder / SUITE_FILE, document)
        self._forget_failures(plan, runs)

    def _forget_failures(self, plan: Plan, runs: Mapping[str, str]) -> None:
        """A failure stands only as long as its cell is of the suite and has no run."""
        standing = {f"{short(item.cell.name)}.json" for item in plan.planned if item.cell.name not in runs}
        for path in (self.folder / FAILURES).glob("*.json"):
            if path.name not in standing:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or never made
            (self.folder / FAILURES).rmdir()
