"""Evidence goes in; one HTML page that needs nothing else, and the figures as files, come out.

The page loads nothing: style, script, figures and data stand in it, and its content policy forbids the rest. All text from
records is escaped, by the template where it is set and by the script, which sets text and never markup.
"""

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2

from handbench import __version__
from handbench.results.figures.gallery import Drawing, Gallery, gallery
from handbench.results.reports.page_runs import payload
from handbench.results.reports.page_tables import section
from handbench.results.tables import NO_CLAIM, compare
from handbench.types import Evidence

INLINE = 2_000_000  # bytes of figures within the page; further ones are linked
NAMED = 60  # runs named below a figure


@dataclass(frozen=True)
class Shown:
    """A figure as the template sets it; `instead` says where it is when its drawing is not in the page."""

    name: str
    title: str
    svg: str
    instead: str
    files: tuple[str, ...]
    runs: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Failure:
    """A run that failed."""

    name: str
    error: str
    facts: str
    traceback: str


class Page:
    """The report `page`.

    Args:
        config: empty.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set: one page for everybody."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def render(self, evidence: Evidence) -> Mapping[str, bytes]:
        """Make "page.html", UTF-8, and "figures/NAME.pdf", ".svg" and ".png"."""
        ordered = tuple(sorted(evidence.records, key=lambda record: (record["id"], record["created"])))
        evidence = evidence if ordered == evidence.records else replace(evidence, records=ordered)
        drawn = gallery(evidence)
        files = {name: content for drawing in drawn.drawings for name, content in drawing.files.items()}
        return {"page.html": _page(evidence, drawn).encode(), **files}


def _page(evidence: Evidence, drawn: Gallery) -> str:
    assets = importlib.resources.files("handbench.results.reports") / "page_assets"
    texts = {name: (assets / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")}
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        texts["page.html"]
    )
    suite = evidence.suite or {}
    data = payload(evidence.records)
    return template.render(
        title=suite.get("title") or suite.get("name") or "Runs",
        about=suite.get("about", ""),
        version=__version__,
        summary=_summary(evidence),
        notice="" if suite.get("claims", True) else NO_CLAIM,
        tables=[section(comparison) for comparison in compare(evidence)],
        figures=_shown(drawn.drawings),
        left_out=drawn.left_out,
        excluded=evidence.excluded,
        thumbnails=_chosen(data["examples"]),
        failures=_failures(evidence),
        data=_embedded(data),
        style=texts["page.css"],
        script=texts["page.js"],
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(texts["page.js"].encode()).digest()).decode(),
    )


def _summary(evidence: Evidence) -> str:
    """How many runs, on what."""
    finished = [record for record in evidence.records if record["status"] == "finished"]
    datasets = sorted({str(record["dataset"]) for record in finished})
    versions = sorted({str(record["provenance"].get("handbench", "?")) for record in finished})
    devices = sorted({str(record["device"]) for record in finished})
    seeds = sorted({int(record["seed"]) for record in finished})
    parts = [f"{len(finished)} finished run{'' if len(finished) == 1 else 's'}"]
    parts += [f"data: {', '.join(datasets)}", f"seeds: {', '.join(map(str, seeds))}"] if finished else []
    parts += [f"device: {', '.join(devices)}", f"handbench {', '.join(versions)}"] if finished else []
    return "; ".join(parts) + "."


def _shown(drawings: Sequence[Drawing]) -> list[Shown]:
    """Figures with their drawings as long as there is room; examples stand in the page as its own pictures."""
    room, shown = INLINE, []
    for drawing in drawings:
        svg = next(content for name, content in drawing.files.items() if name.endswith(".svg"))
        inline = drawing.kind != "examples" and len(svg) <= room
        room -= len(svg) if inline else 0
        instead = (
            "The pictures stand below; the figure is a file of its own."
            if drawing.kind == "examples"
            else "A file of its own: this page has no room left for it."
        )
        named, more = drawing.runs[:NAMED], max(0, len(drawing.runs) - NAMED)
        body = svg[svg.index(b"<svg") :].decode() if inline else ""
        shown.append(Shown(drawing.name, drawing.title, body, instead, tuple(drawing.files), named, more))
    return shown


def _chosen(examples: Mapping[str, Sequence[Any]]) -> str:
    """What the pictures are a choice of; empty where there are none."""
    if not examples:
        return ""
    pictures = sum(map(len, examples.values()))
    runs = f"{len(examples)} run{'' if len(examples) == 1 else 's'}"
    return f"{pictures} pictures of {runs} were chosen; each run's folder holds its own."


def _failures(evidence: Evidence) -> list[Failure]:
    """Failed runs of the suite, and failed records."""
    found = [
        Failure(
            _cell(document),
            str(document.get("error", "unknown error")),
            str(document.get("when", "")),
            str(document.get("traceback", "")),
        )
        for document in evidence.failures
    ]
    failed = [record for record in evidence.records if record["status"] == "failed"]
    return found + [
        Failure(str(record["id"]), "; ".join(record["notes"]), str(record.get("created", "")), "") for record in failed
    ]


def _cell(document: Mapping[str, Any]) -> str:
    """The cell of a failure in words."""
    cell = document.get("cell", {})
    values = [f"{axis} {value}" for axis, value in cell.get("values", {}).items()]
    return ", ".join([*values, f"seed {cell.get('seed', '?')}"])


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
