"""Counts of finished items in, a bar with rate and time left out on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5.0

Item = TypeVar("Item")


class Progress:
    """How far one long step is; use it as a context manager.

    Args:
        total: items in all; None where nobody knows.
        label: what is being done, e.g. "packing photos".
        unit: what is counted, in the plural, e.g. "images".
        done: items that were finished before this run started; they don't count for the rate.
    """

    def __init__(self, total: int | None, label: str, unit: str, done: int = 0) -> None:
        self.total, self.label, self.unit, self.done = total, label, unit, done
        self._started_at, self._started = done, time.monotonic()
        self._last_line = self._started
        self._closed = False
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=label, unit=f" {unit}", initial=done, dynamic_ncols=True, file=sys.stderr)

    def advance(self, count: int = 1) -> None:
        """Count more finished items."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._line(self._state())

    def note(self, text: str) -> None:
        """Say something without spoiling the bar."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            self._line(f"{self.label}: {text}")

    def status(self, text: str) -> None:
        """Put a short text, e.g. the current loss, behind the bar; it is not worth a line of its own elsewhere."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)

    def close(self) -> None:
        """End the bar, or print the last line; only the first call counts."""
        if self._bar is not None:
            self._bar.close()
        elif self.done != self._started_at and not self._closed:
            self._line(f"{self._state(left=False)} in {duration(time.monotonic() - self._started)}")
        self._closed = True

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _state(self, left: bool = True) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (self.done - self._started_at) / seconds
        share = f"/{self.total} {self.unit} ({self.done / self.total:.0%})" if self.total else f" {self.unit}"
        ahead = f", {duration((self.total - self.done) / rate)} left" if left and self.total and rate > 0 else ""
        return f"{self.label}: {self.done}{share}, {rate:.3g} {self.unit}/s{ahead}"

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def track(iterable: Iterable[Item], total: int | None, label: str, unit: str) -> Iterator[Item]:
    """Pass items on and show how far it is.

    Args:
        iterable: the items.
        total: how many there are; None where nobody knows.
        label: what is being done.
        unit: what is counted, in the plural.
    """
    with Progress(total, label, unit) as progress:
        for item in iterable:
            yield item
            progress.advance()


def duration(seconds: float) -> str:
    """A span of time as people say it.

    Example:
        >>> duration(0.25), duration(42), duration(200), duration(7500)
        ('0.2 s', '42 s', '3 min 20 s', '2 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
