"""A suite goes in; it is run once undisturbed, and once killed at random moments and repeated; whether both end alike comes out.

    python tools/kill_and_repeat.py SUITE FOLDER [--kills 10] [--seed 0] [-- OPTIONS OF handbench ablate]

Each attempt is a fork of a process that has imported all and finds its data packed, so that the moments fall into the work. An
attempt that ends before its moment is no kill: what it left is compared, and a new folder begun, until all kills were done.
Alike: the same runs with the same scores and notes, the same suite.json and the same tables. Exit code 1 where something differs.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import handbench.flow  # imported here once, for all forks
from handbench.cli import main
from handbench.cli.report import make
from handbench.plugins import discover

assert handbench.flow


def attempt(suite: str, folder: Path, options: Sequence[str], kill_after: float | None) -> int | None:
    """Run the suite in a fork; its exit code, or None where it was killed."""
    child = os.fork()
    if child == 0:
        _work(suite, folder, options)
    deadline = time.monotonic() + kill_after if kill_after is not None else None
    while deadline is None or time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG if deadline is not None else 0)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _work(suite: str, folder: Path, options: Sequence[str]) -> None:
    """What a fork does: the command, with a cache beside its folder; its output goes to a file."""
    code = 70
    try:
        os.environ["HANDBENCH_CACHE"] = str(folder.parent / "cache")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            main(["ablate", suite, "--results", str(folder / "runs"), "--checkpoint-seconds", "0", "--no-report", *options])
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def outcome(folder: Path) -> dict[str, Any]:
    """What must be alike: scores and notes of every run, the suite, the tables."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "runs").glob("*/run.json")):
        record = json.loads(path.read_text())
        found[path.parent.name] = [record["key"], record["scores"], record["notes"]]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        make(folder / "runs", discover(), names=("comparison",))
    for path in (folder / "runs" / "suite.json", *sorted((folder / "runs" / "tables").iterdir())):
        found[path.name] = path.read_bytes()
    return found


def finished(folder: Path) -> dict[Path, int]:
    """The finished runs and stages, each with the time of the file that says so."""
    return {path: path.stat().st_mtime_ns for name in ("run.json", "stage.json") for path in folder.rglob(name)}


def check(suite: str, folder: Path, kills: int, seed: int, options: Sequence[str]) -> list[str]:
    """Run, kill, repeat and compare; what went wrong, empty where nothing did."""
    for name in ("packing", "undisturbed"):
        started = time.monotonic()
        if attempt(suite, folder / name, options, None) != 0:
            return [f"the undisturbed run failed: {folder / name / 'log.txt'}"]
    took, moments = time.monotonic() - started, random.Random(seed)
    print(f"undisturbed: {took:.1f} s")
    expected, wrong, killed, number = outcome(folder / "undisturbed"), [], 0, 0
    while True:
        number += 1
        place, code = folder / f"killed-{number}", None
        while code is None:
            moment = moments.uniform(0.05, took) if killed < kills else None
            before = finished(place)
            code = attempt(suite, place, options, moment)
            after = finished(place)
            killed += code is None
            if code is None:
                print(f"killed after {moment:.2f} s: {len(after)} runs and stages finished")
            wrong += [f"done again: {path}" for path, when in before.items() if after.get(path) != when]
        if code != 0:
            return [*wrong, f"the repeated run failed: {place / 'log.txt'}"]
        seen = outcome(place)
        wrong += [f"differs: {place / name}" for name in sorted({*expected, *seen}) if expected.get(name) != seen.get(name)]
        if killed == kills:
            return wrong


def command() -> None:
    """Read the command line; print what is wrong and leave with 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("suite")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    words = sys.argv[1:]
    place = words.index("--") if "--" in words else len(words)
    given, options = parser.parse_args(words[:place]), words[place + 1 :]
    torch.set_num_threads(1)  # bit-exact repetition is promised at one and the same thread count
    wrong = check(given.suite, given.folder, given.kills, given.seed, options)
    print("\n".join(wrong) or "the killed suite ended as the undisturbed one")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    command()
