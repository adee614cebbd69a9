"""Evidence goes in; the figures that its suite asks for, or that its records can fill, and why others are left out, come out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure

from handbench.configs import configure
from handbench.results.figures import selection, style
from handbench.results.figures.bars import bars
from handbench.results.figures.cost import cost
from handbench.results.figures.curves import labels, pck, training
from handbench.results.figures.equivariance import equivariance
from handbench.results.figures.examples import examples
from handbench.results.figures.joints import joints
from handbench.results.figures.run_files import Run, Undrawable
from handbench.suite import FigureSpec
from handbench.types import Evidence

FOLDER = "figures"
KINDS: Mapping[str, Callable[[Evidence, FigureSpec], Figure]] = {
    "bars": bars,
    "labels": labels,
    "pck": pck,
    "cost": cost,
    "training": training,
    "equivariance": equivariance,
    "joints": joints,
    "examples": examples,
}
SCORED = ("bars", "labels", "cost")
ONE_SHARE = ("pck", "cost", "joints", "examples")  # drawn for the largest share of labels; "labels" shows the others
ROWS = ("objective", "backbone", "pose.protocol", "pose.labels")
# Where no suite says what to draw.
TITLES = {
    "bars": "Mean by setting, with 95 % intervals",
    "labels": "Label efficiency",
    "pck": "Share of correct keypoints",
    "cost": "Accuracy against cost",
    "training": "Pre-training",
    "equivariance": "Rotation, true against decoded",
    "joints": "Error by joint",
    "examples": "Best and worst predictions",
}


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Args:
        name: of its files, without folder and ending.
        kind: of its specification.
        title: for the page.
        files: by name below the report's folder.
        runs: ids behind it.
    """

    name: str
    kind: str
    title: str
    files: Mapping[str, bytes]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """All figures of a report, and by title why one is left out."""

    drawings: tuple[Drawing, ...]
    left_out: Mapping[str, str]


def gallery(evidence: Evidence, formats: Sequence[str] = style.FORMATS) -> Gallery:
    """Draw what the suite lists, or else one figure of each kind; runs that must not mix get a figure each."""
    drawings: list[Drawing] = []
    left_out: dict[str, str] = {}
    evidence = selection.members(evidence)
    with style.rules():
        for spec in specs(evidence):
            try:
                drawings += _drawings(evidence, spec, formats)
            except Undrawable as reason:
                left_out[spec.title or spec.name] = str(reason)
    return Gallery(tuple(drawings), left_out)


def specs(evidence: Evidence) -> list[FigureSpec]:
    """The suite's figures, or one of each kind."""
    if evidence.suite is not None and evidence.suite.get("figures"):
        return [configure(FigureSpec, dict(figure), "figure") for figure in evidence.suite["figures"]]
    shares = {float(run["labels"]) for run in evidence.records}
    full = {"pose.labels": max(shares)} if len(shares) > 1 else {}
    wheres = {kind: full if kind in ONE_SHARE else {} for kind in KINDS}
    return [FigureSpec(kind, TITLES[kind], kind, rows=ROWS, where=wheres[kind]) for kind in KINDS]  # type: ignore[arg-type]


def _drawings(evidence: Evidence, spec: FigureSpec, formats: Sequence[str]) -> Iterator[Drawing]:
    runs = selection.chosen(evidence, spec)
    metric = selection.metric_for(runs, spec) if spec.kind in SCORED else ""
    reasons, count = [], 0
    for telling, lot in selection.lots(runs, spec, metric):
        name = _plain(f"{spec.name}-{telling}" if telling else spec.name)
        try:
            drawing = _draw(replace(evidence, records=tuple(lot)), spec, name, formats)
        except Undrawable as reason:
            reasons.append(f"{telling}: {reason}" if telling else str(reason))
            continue
        count += 1
        yield replace(drawing, title=f"{spec.title}: {telling}") if telling else drawing
    if not count:
        raise Undrawable("; ".join(dict.fromkeys(reasons)))


def _draw(evidence: Evidence, spec: FigureSpec, name: str, formats: Sequence[str]) -> Drawing:
    made = KINDS[spec.kind](evidence, spec)
    files = {f"{FOLDER}/{file}": content for file, content in style.files_of(made, name, formats).items()}
    return Drawing(name, spec.kind, spec.title, files, tuple(_ids(evidence.records)))


def _ids(runs: Sequence[Run]) -> list[str]:
    return sorted(str(run["id"]) for run in runs)


def _plain(text: Any) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in str(text))
