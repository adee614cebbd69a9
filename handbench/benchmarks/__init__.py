"""Speed, honestly: arms that do comparable work in; interleaved rounds, medians and ranges, as JSON and Markdown, out.

All arms run in one process, one after another within each round, so that a busy machine slows them alike; their ratio
counts.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from handbench.progress import track


@dataclass(frozen=True)
class Arm:
    """One way of doing the work.

    Args:
        name: short.
        does: what it does and leaves out, in one line.
        work: does it once; returns how many items it did.
        bar: rate it must reach, where one was promised.
    """

    name: str
    does: str
    work: Callable[[], int]
    bar: float | None = None


@dataclass(frozen=True)
class Timing:
    """The rates of one arm over all rounds, items a second."""

    name: str
    does: str
    rates: tuple[float, ...]
    bar: float | None = None

    @property
    def median(self) -> float:
        """The median round's rate."""
        return statistics.median(self.rates)


def interleave(arms: Sequence[Arm], rounds: int, clock: Callable[[], float] = time.perf_counter) -> list[Timing]:
    """Run all arms in every round and time each.

    Args:
        arms: in the order they run.
        rounds: 5 or more for figures that are published.
        clock: seconds.
    """
    rates: dict[str, list[float]] = {arm.name: [] for arm in arms}
    turns = [(number, arm) for number in range(rounds) for arm in arms]
    for _, arm in track(turns, len(turns), "measuring", "arms"):
        started = clock()
        done = arm.work()
        rates[arm.name].append(done / (clock() - started))
    return [Timing(arm.name, arm.does, tuple(rates[arm.name]), arm.bar) for arm in arms]


def as_document(title: str, unit: str, timings: Sequence[Timing], machine: dict[str, Any]) -> dict[str, Any]:
    """All that was measured, ready for JSON."""
    return {
        "title": title,
        "unit": unit,
        "machine": machine,
        "arms": [{**asdict(timing), "median": timing.median} for timing in timings],
    }


def markdown(document: dict[str, Any]) -> str:
    """A table of medians, ranges, ratios to the first arm and bars, made from the document alone."""
    first = document["arms"][0]["median"]
    lines = [
        f"# {document['title']}",
        "",
        f"{document['unit']}; median and range of {len(document['arms'][0]['rates'])} interleaved rounds.",
        _machine(document["machine"]),
        "",
        "| arm | median | range | ratio | bar | does |",
        "|---|---|---|---|---|---|",
    ]
    for arm in document["arms"]:
        spread = f"{min(arm['rates']):.0f} to {max(arm['rates']):.0f}"
        bar = "–" if arm["bar"] is None else f"{arm['bar']:.0f}, {'held' if arm['median'] >= arm['bar'] else 'missed'}"
        lines.append(f"| {arm['name']} | {arm['median']:.0f} | {spread} | {arm['median'] / first:.2f} | {bar} | {arm['does']} |")
    return "\n".join(lines) + "\n"


def _machine(machine: dict[str, Any]) -> str:
    hardware = machine["hardware"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    place = f"{hardware['device']}, {hardware['cores']} cores"
    return f"{place}; handbench {machine['handbench']}, Python {machine['python']}, {libraries}."
