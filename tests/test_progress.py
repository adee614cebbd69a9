"""A bar for people, lines for logs, and the same items either way."""

import io
import sys

import pytest

from handbench import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_items_pass_through_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(iter("abc"), 3, "reading", "letters")) == ["a", "b", "c"]
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("reading: 3/3 letters (100%), ")


def test_lines_appear_every_few_seconds_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.Progress(100, "packing", "images", done=20) as bar:
        for _ in range(4):
            clock[0] += 2.0
            bar.advance(10)
        bar.note("skipped one")
    assert capsys.readouterr().err.splitlines() == [
        "packing: 50/100 images (50%), 5 images/s, 10 s left",  # 30 images in 6 s; the 20 done before don't count
        "packing: skipped one",
        "packing: 60/100 images (60%), 5 images/s in 8.0 s",
    ]


def test_nothing_done_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.Progress(None, "packing", "images")
    bar.close()
    bar.close()
    assert capsys.readouterr().err == ""


def test_terminal_gets_a_bar_that_closes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Progress(4, "packing", "images") as bar:
        bar.advance(4)
        bar.note("skipped one")
        bar.status("loss 0.5")
    bar.close()
    assert "packing: 100%" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert "skipped one\n" in terminal.getvalue()
