"""Speed, honestly: arms that do comparable work in; interleaved rounds, medians and ranges, as JSON and Markdown, out.

All arms run in one process, one after another within each round, so that a busy machine slows them alike; their ratio
counts.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
        notes: what else was measured of it, by column: memory, difference to a reference.
    """

    name: str
    does: str
    work: Callable[[], int]
    bar: float | None = None
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """The rates of one arm over all rounds, items a second, and the seconds of its first, uncounted turn, if it had one."""

    name: str
    does: str
    rates: tuple[float, ...]
    bar: float | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    warmup: float | None = None

    @property
    def median(self) -> float:
        """The median round's rate."""
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Claim:
    """A promise, and what was measured: it holds where the value reaches the bar, or stays below it where less is better."""

    text: str
    value: float
    bar: float | None = None
    less_is_better: bool = False

    @property
    def verdict(self) -> str:
        """held, missed, or nothing where there is no bar."""
        if self.bar is None:
            return ""
        held = self.value <= self.bar if self.less_is_better else self.value >= self.bar
        return "held" if held else "missed"


def interleave(
    arms: Sequence[Arm], rounds: int, clock: Callable[[], float] = time.perf_counter, warm: bool = False
) -> list[Timing]:
    """Run all arms in every round and time each.

    Args:
        arms: in the order they run.
        rounds: 5 or more for figures that are published.
        clock: seconds.
        warm: give every arm one turn before that is told apart: workers start, kernels compile, caches fill.
    """
    rates: dict[str, list[float]] = {arm.name: [] for arm in arms}
    warmups: dict[str, float] = {}
    turns = [(number, arm) for number in range(-1 if warm else 0, rounds) for arm in arms]
    for number, arm in track(turns, len(turns), "measuring", "arms"):
        started = clock()
        done = arm.work()
        seconds = clock() - started
        if number < 0:
            warmups[arm.name] = seconds
        else:
            rates[arm.name].append(done / seconds)
    return [Timing(arm.name, arm.does, tuple(rates[arm.name]), arm.bar, arm.notes, warmups.get(arm.name)) for arm in arms]


def ratio(timings: Sequence[Timing], name: str, over: str) -> float:
    """How many times as fast one arm is as another: the median over the rounds, since both met the same machine in each."""
    rates = {timing.name: timing.rates for timing in timings}
    return statistics.median(one / other for one, other in zip(rates[name], rates[over], strict=True))


def as_document(
    title: str, unit: str, timings: Sequence[Timing], machine: dict[str, Any], claims: Sequence[Claim] = ()
) -> dict[str, Any]:
    """All that was measured, ready for JSON."""
    return {
        "title": title,
        "unit": unit,
        "machine": machine,
        "arms": [{**asdict(timing), "median": timing.median} for timing in timings],
        "claims": [{**asdict(claim), "verdict": claim.verdict} for claim in claims],
    }


def markdown(document: dict[str, Any]) -> str:
    """A table of medians, ranges, ratios to the first arm, bars and notes, and a list of claims, made from the document alone."""
    arms = document["arms"]
    columns = list(dict.fromkeys(name for arm in arms for name in arm.get("notes", {})))
    warmed = any(arm.get("warmup") is not None for arm in arms)
    head = ["arm", "median", "range", "ratio", "bar", *columns, *(["warm-up, s"] if warmed else []), "does"]
    lines = [
        f"# {document['title']}",
        "",
        f"{document['unit']}; median and range of {len(arms[0]['rates'])} interleaved rounds.",
        _machine(document["machine"]),
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
    ]
    for arm in arms:
        notes = [_number(arm.get("notes", {}).get(name)) for name in columns]
        warmup = [_number(arm.get("warmup"))] if warmed else []
        cells = [*_timed(arm, arms[0]["median"]), *notes, *warmup, arm["does"]]
        lines.append(f"| {' | '.join(cells)} |")
    claims = [_claim(claim) for claim in document.get("claims", ())]
    return "\n".join([*lines, *(["", *claims] if claims else [])]) + "\n"


def _timed(arm: Mapping[str, Any], first: float) -> list[str]:
    """Name, median, range, ratio to the first arm, and bar."""
    spread = f"{_rate(min(arm['rates']))} to {_rate(max(arm['rates']))}"
    bar = "–" if arm["bar"] is None else f"{arm['bar']:.0f}, {'held' if arm['median'] >= arm['bar'] else 'missed'}"
    return [arm["name"], _rate(arm["median"]), spread, f"{arm['median'] / first:.2f}", bar]


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.2g}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _claim(claim: Mapping[str, Any]) -> str:
    bar = "" if claim["bar"] is None else f" ({'at most' if claim['less_is_better'] else 'at least'} {claim['bar']:g})"
    verdict = f": {claim['verdict']}" if claim["verdict"] else ""
    return f"- {claim['text']}: {claim['value']:.3g}{bar}{verdict}"


def _machine(machine: dict[str, Any]) -> str:
    hardware = machine["hardware"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    place = f"{hardware['device']}, {hardware['cores']} cores"
    return f"{place}; handbench {machine['handbench']}, Python {machine['python']}, {libraries}."
