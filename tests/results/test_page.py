"""The page stands alone, says what the records say, and works: sorting, filtering, a run's details, in a real browser."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import Page as Tab
from browser import address_of, browser
from evidence import run, score, with_files

from handbench.results.reports import page as pages
from handbench.results.reports.figures import Figures
from handbench.results.reports.page import Page
from handbench.results.reports.page_runs import THUMBNAILS, payload, thumbnails
from handbench.types import Evidence

HOSTILE = """</script><script>window.hurt = 1</script>"><img src=x onerror="window.hurt = 1">'&lt;"""
FIGURES = [
    {"name": "training", "title": "Pre-training", "kind": "training"},
    {"name": "dots", "title": "Dots", "kind": "equivariance"},
]


def suite(records: tuple[dict[str, Any], ...], **more: Any) -> dict[str, Any]:
    """A suite of these runs that draws little, because drawing takes longest."""
    cells = [{"values": {"objective": one["objective"]}, "seed": one["seed"], "run": one["id"]} for one in records]
    plain = {
        "name": "mine",
        "title": "A suite",
        "about": "What it is.",
        "claims": False,
        "seeds": [0, 1],
        "axes": {},
        "published": [],
    }
    return {**plain, "cells": cells, "tables": [], "figures": FIGURES, **more}


def evidence_of(folder: Path, *records: dict[str, Any], **more: Any) -> Evidence:
    filed = tuple(with_files(folder, record) for record in records)
    return Evidence(folder, filed, suite(records, **more.pop("suite", {})), **more)


def html(evidence: Evidence) -> str:
    return Page(Page.Config()).render(evidence)["page.html"].decode()


class Reader(HTMLParser):
    """The elements of a page, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


RUNS = tuple(run(name, seed) for name in ("none", "simclr", "peclr") for seed in (0, 1))


def test_the_page_asks_for_nothing_else(tmp_path: Path) -> None:
    files = Page(Page.Config()).render(evidence_of(tmp_path, *RUNS))
    assert sorted(files) == sorted(
        ["page.html", *(f"figures/{name}.{kind}" for name in ("dots", "training") for kind in ("pdf", "png", "svg"))]
    )
    found = Reader(files["page.html"].decode())
    for tag, attributes in found.elements:
        assert tag not in ("link", "iframe", "object", "embed")
        source = attributes.get("src") or ""
        assert source == "" or source.startswith("data:")
        assert not any(name.startswith("on") for name in attributes), f"{tag} has a handler the policy would block"
        address = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert address.startswith("#") or address in files, address
    (policy,) = [attributes["content"] for tag, attributes in found.elements if attributes.get("http-equiv")]
    script = files["page.html"].decode().rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_the_same_records_give_the_same_page_and_figures_of_their_own(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, *RUNS, suite={"figures": FIGURES[:1]})
    files = Page(Page.Config()).render(evidence)
    assert files == Page(Page.Config()).render(evidence)
    assert Figures(Figures.Config()).render(evidence) == {name: content for name, content in files.items() if name != "page.html"}


def test_text_from_records_is_text(tmp_path: Path) -> None:
    bad = run(id=HOSTILE, notes=[HOSTILE], objective=HOSTILE, scores=[score("pa_epe", 20.0, "mm", note=HOSTILE)])
    failure = {"cell": {"values": {"objective": HOSTILE}, "seed": 0}, "error": HOSTILE, "traceback": HOSTILE}
    text = html(evidence_of(tmp_path, bad, suite={"title": HOSTILE, "about": HOSTILE}, failures=(failure,), excluded=(HOSTILE,)))
    found = Reader(text)
    assert [attributes for tag, attributes in found.elements if tag == "img"] == []
    assert [attributes for tag, attributes in found.elements if tag == "script"] == [
        {"type": "application/json", "id": "data"},
        {},
    ]
    assert text.count("window.hurt") > 5
    data = json.loads(next(word for word in found.words if word.startswith('{"fields"')))
    assert data["runs"][0]["id"] == HOSTILE and data["notes"] == [HOSTILE]


def test_what_failed_what_is_left_out_and_what_others_published_is_said(tmp_path: Path) -> None:
    table = {"name": "main", "title": "Main table", "rows": ["objective"], "metrics": ["pa_epe"], "published": True}
    failure = {"cell": {"values": {"objective": "byol"}, "seed": 3}, "error": "ValueError: no", "traceback": "Traceback: line 7"}
    text = html(
        Evidence(tmp_path, RUNS, suite(RUNS, tables=[table]), (failure,), ("run x is damaged",)),
    )
    words = " ".join(Reader(text).words)
    for said in (
        "Main table",
        "Traceback: line 7",
        "objective byol, seed 3",
        "ValueError: no",
        "run x is damaged",
        "How to read:",
    ):
        assert said in words
    assert "Pre-training : no run has a metrics.csv" in re.sub(r"\s+", " ", words).replace("Pre-training:", "Pre-training :")
    assert "This suite is not made to carry a claim" in words
    assert f'href="#run={RUNS[0]["id"]}"' in text


def test_no_records_and_no_suite_give_a_page() -> None:
    assert "0 finished runs." in html(Evidence(Path(), ()))


def test_at_most_forty_pictures_of_all_settings(tmp_path: Path) -> None:
    records = [with_files(tmp_path, run(f"o{number}", seed)) for number in range(9) for seed in range(2)]
    found = thumbnails(records)
    assert 0 < sum(map(len, found.values())) <= THUMBNAILS
    assert list(found) == [f"o{number}-s0-100" for number in range(9)] + ["o0-s1-100"]
    ranks = [one["rank"] for one in found["o0-s0-100"]]
    assert ranks == ["best", "best", "worst", "worst"]
    one = found["o0-s0-100"][0]
    assert one["side"] == 32 and len(one["true"]) == 21 and one["image"].startswith("data:image/jpeg;base64,")


def test_joints_without_a_label_are_not_drawn() -> None:
    assert pages.payload([run()])["examples"] == {}


def test_a_thousand_runs_are_a_small_table() -> None:
    scores = [score(f"metric_{number}", 1 / (1 + number), "mm") for number in range(25)]
    records = [run(f"o{seed % 7}", seed, id=f"r{seed}", scores=scores, notes=["the same note"]) for seed in range(1000)]
    data = payload(records)
    assert len(json.dumps(data, allow_nan=False)) < 2_500_000
    assert len(data["notes"]) == len(data["provenance"]) == len(data["data"]) == 1
    assert len(data["scores"]) == 25 and len(data["columns"]) == 14
    assert data["runs"][3]["r"] == {"objective.name": "o3", "seed": "3"}
    assert data["runs"][0]["s"][2][1] == 0.333333


def test_what_is_no_number_is_null() -> None:
    data = payload([run(scores=[score("pa_epe", float("nan"), "mm", spread=float("inf"))], cost={"data_wait": float("nan")})])
    assert data["runs"][0]["v"] == [None] and data["runs"][0]["s"][0][1:] == [None, 400, 0, None]
    assert data["runs"][0]["c"] == {"data_wait": None}


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as found:
        yield found


@pytest.fixture
def shown(tab: Tab, tmp_path: Path) -> Tab:
    """A tab with a page of 120 runs, one of which would do harm if it could."""
    many = [run(f"o{seed % 3}", seed, id=f"run {seed:03d}") for seed in range(119)]
    evidence = evidence_of(tmp_path, *many[:4])
    records = (*evidence.records, *many[4:], run("peclr", 5, id=HOSTILE, notes=[HOSTILE]))
    path = tmp_path / "page.html"
    path.write_text(html(Evidence(tmp_path, records, suite(records, figures=FIGURES[:1]))))
    tab.events.clear()
    tab.open(address_of(path), width=360)
    return tab


def rows(tab: Tab) -> list[str]:
    found: list[str] = tab.run("[...document.querySelectorAll('#run-table tbody tr')].map((row) => row.cells[0].textContent)")
    return found


def test_the_page_works_in_a_browser(shown: Tab) -> None:
    assert shown.run("document.documentElement.scrollWidth <= innerWidth"), "a narrow window scrolls sideways"
    assert len(rows(shown)) == 100 and rows(shown)[1] == "run 000"
    _sort(shown)
    _filter(shown)
    _details(shown)
    _tips(shown)
    assert shown.run("typeof window.hurt") == "undefined"
    assert shown.complaints() == []
    assert len(shown.requests()) == 1, shown.requests()


def _sort(tab: Tab) -> None:
    """With the keyboard alone: the heading is a button."""
    head = "document.querySelector('#run-table th:nth-child(8)')"
    assert tab.run(f"{head}.textContent") == "seed"
    tab.run(f"{head}.firstElementChild.focus()")
    tab.press("Enter", 13)
    assert tab.run(f"{head}.getAttribute('aria-sort')") == "ascending" and rows(tab)[:2] == ["run 000", "run 001"]
    tab.press("Enter", 13)
    assert tab.run(f"{head}.getAttribute('aria-sort')") == "descending" and rows(tab)[0] == "run 118"
    first = "document.querySelector('table.sortable')"
    before = tab.run(f"[...{first}.tBodies[0].rows].map((row) => row.cells[0].textContent)")
    tab.run(f"{first}.querySelector('th button').click(), {first}.querySelector('th button').click()")
    assert tab.run(f"[...{first}.tBodies[0].rows].map((row) => row.cells[0].textContent)") == sorted(before, reverse=True)


def _filter(tab: Tab) -> None:
    tab.run("words.value = 'O1 run'; words.dispatchEvent(new Event('input'))")
    assert tab.run("document.getElementById('count').textContent") == "40 of 120 runs"
    assert set(tab.run("[...document.querySelectorAll('#run-table tbody tr')].map((row) => row.cells[1].textContent)")) == {"o1"}
    tab.run("words.value = ''; words.dispatchEvent(new Event('input'))")
    tab.run(
        "{ const menu = document.querySelector('#menus select'); menu.value = 'peclr'; menu.dispatchEvent(new Event('change')); }"
    )
    assert rows(tab) == [HOSTILE]
    tab.run("{ const menu = document.querySelector('#menus select'); menu.value = ''; menu.dispatchEvent(new Event('change')); }")
    tab.run("document.getElementById('more').click()")
    assert len(rows(tab)) == 120


def _details(tab: Tab) -> None:
    tab.run("[...document.querySelectorAll('button.open')].find((button) => button.textContent === 'run 002').focus()")
    tab.press("Enter", 13)
    tab.until("document.getElementById('run').open")
    words = tab.run("document.getElementById('run-body').textContent")
    assert all(part in words for part in ("people may leak", "PA-EPE", "objective.name = o2", "pretrain", "f0", "0.1.0"))
    assert tab.run("document.querySelectorAll('#run-body .thumb img').length") > 0
    assert tab.run("[...document.querySelectorAll('#run-body img')].every((image) => image.naturalWidth > 0)")
    tab.press("Escape", 27)
    tab.until("!document.getElementById('run').open")
    tab.until("location.hash === ''")
    assert tab.run("document.activeElement.textContent") == "run 002"
    tab.run(f"location.hash = 'run=' + encodeURIComponent({json.dumps(HOSTILE)})")
    tab.until("document.getElementById('run').open")
    assert tab.run("document.getElementById('run-title').textContent") == HOSTILE
    assert tab.run("document.querySelectorAll('#run-body script').length") == 0
    tab.run("document.getElementById('close').click()")


def _tips(tab: Tab) -> None:
    """The arrow keys walk through a figure's points."""
    tab.run("document.querySelector('.drawing svg').focus()")
    tab.press("ArrowRight", 39)
    first = tab.run("document.getElementById('tip').textContent")
    tab.press("ArrowRight", 39)
    assert "epoch 1" in first and "epoch 2" in tab.run("document.getElementById('tip').textContent")
    assert not tab.run("document.getElementById('tip').hidden")
    tab.press("Escape", 27)
    assert tab.run("document.getElementById('tip').hidden")


def test_wide_dark_and_printed_pages_fit(shown: Tab) -> None:
    address = shown.run("location.href")
    shown.open(address, width=1400, scheme="dark")
    assert shown.run("document.documentElement.scrollWidth <= innerWidth")
    dark, light = "rgb(22, 24, 27)", "rgb(255, 255, 255)"
    assert shown.run("getComputedStyle(document.body).backgroundColor") == dark
    shown.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert shown.run("getComputedStyle(document.body).backgroundColor") == light
    assert shown.run("getComputedStyle(document.querySelector('.filters')).display") == "none"
    shown.call("Emulation.setEmulatedMedia", media="")
    assert shown.complaints() == []
