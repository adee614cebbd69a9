"""A figure's parts go in; how all figures look, and the bytes of their PDF, SVG and PNG, come out.

Groups are told apart by colour, marker, line style and hatch at once, so that a grey print keeps them apart. The first three
colours are P. Tol's "high contrast" set, which is made for grey; all are told apart with the common forms of colour blindness.
The same records give the same bytes: no dates, no random ids.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from handbench.results.figures.tips import TIPS, with_tips

WIDTH = 3.4  # inches: one column of a two-column paper
LINE = 0.1  # inches: a line of the note below a figure
NOTE_CHARACTERS = 80  # of the note's size that fit WIDTH
COLOURS = ("#004488", "#BB5566", "#DDAA33", "#000000", "#44AA99", "#AA4499", "#77AADD", "#777777")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), "--", ":", "-.")
HATCHES = ("", "////", "\\\\\\\\", "xxx", "---", "|||", "+++", "//")  # dots would make large files
STYLES = len(COLOURS)  # as many groups as can be told apart; a figure shows no more curves than this
FORMATS = ("pdf", "svg", "png")
RULES: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it, so that every machine draws the same
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,  # one subset of the font fewer in every PDF, which takes longest
    "grid.linewidth": 0.4,
    "grid.color": "#d0d0d0",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "savefig.dpi": 300,
    "image.composite_image": False,  # images keep their own pixels
}


@dataclass(frozen=True)
class Look:
    """How one group is drawn, everywhere in a figure."""

    colour: str
    marker: str
    dashes: Any
    hatch: str


def look(place: int) -> Look:
    """The look of the group at a place; groups beyond the eighth begin again."""
    place %= STYLES
    return Look(COLOURS[place], MARKERS[place], DASHES[place], HATCHES[place])


def rules() -> Any:
    """A context in which matplotlib follows RULES and nothing that a user has set."""
    settings: Any = {**mpl.rcParamsDefault, "backend": "agg", **RULES}
    return mpl.rc_context(settings)


def figure(note: str, *, height: float = 2.0, legend_lines: int = 0, compress: bool = False) -> Figure:
    """An empty figure of column width with a note below it.

    Args:
        note: what a reader needs to read the figure: protocol, n, seeds, what the whiskers are.
        height: inches for the axes and their labels; the legend's and the note's lines come on top.
        legend_lines: above the axes.
        compress: leave no room between panels of a fixed aspect.
    """
    lines = textwrap.wrap(note, NOTE_CHARACTERS)
    below = LINE * len(lines) + 0.06
    made = Figure(figsize=(WIDTH, height + 0.14 * legend_lines + below), layout="compressed" if compress else "constrained")
    FigureCanvasAgg(made)
    engine: Any = made.get_layout_engine()
    share = below / made.get_figheight()
    engine.set(rect=(0, share, 1, 1 - share), w_pad=0.03, h_pad=0.03)
    for place, line in enumerate(reversed(lines)):  # one by one: a text of several lines has ligatures whatever is set
        made.text(0.012, (0.025 + LINE * place) / made.get_figheight(), line, fontsize=5.5, color="#444444", va="bottom")
    return made


def legend_columns(labels: Sequence[str]) -> int:
    """How many of the labels fit beside each other in a legend of column width."""
    widest = max((len(label) for label in labels), default=1)
    return max(1, min(len(labels), int(66 // (widest + 9))))


def legend_lines(labels: Sequence[str]) -> int:
    """How many lines such a legend takes."""
    return -(-len(labels) // legend_columns(labels)) if labels else 0


def add_legend(made: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend above the axes, never over the data."""
    made.legend(list(handles), list(labels), loc="outside upper center", ncols=legend_columns(labels), borderpad=0.1)


def wrapped(label: str, width: int) -> str:
    """A long label on several lines, broken at spaces and after plus signs."""
    lines = textwrap.wrap(label.replace("+", "+ "), width, break_long_words=True)
    return "\n".join(lines).replace("+ ", "+")


def grid(axes: Axes, direction: str) -> None:
    """Thin lines across, along "x", "y" or "both"."""
    axes.grid(True, axis=direction)  # type: ignore[arg-type]


def tell(artist: Artist, texts: str | Sequence[str]) -> None:
    """Give an artist words that a reader of the SVG sees on hover or focus: one text, or one for each of its points."""
    figure_of: Any = artist.get_figure(root=True)
    known: dict[str, list[str]] = figure_of.__dict__.setdefault(TIPS, {})
    gid = f"tip{len(known)}"
    artist.set_gid(gid)
    known[gid] = [texts] if isinstance(texts, str) else list(texts)


def files_of(made: Figure, name: str, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """The figure as files `NAME.FORMAT`; the caller stands within `rules()`."""
    for text in made.findobj(Text):
        if hasattr(text, "set_fontfeatures"):  # matplotlib 3.11: its ligatures would be a second font in every PDF
            text.set_fontfeatures(["-liga"])
    made.draw_without_rendering()  # which lays it out; once is enough for all formats
    made.set_layout_engine(None)
    return {f"{name}.{kind}": _saved(made, name, kind) for kind in formats}


def _saved(made: Figure, name: str, kind: str) -> bytes:
    nameless: dict[str, dict[str, Any]] = {
        "pdf": {"CreationDate": None, "ModDate": None},
        "svg": {"Date": None},
        "png": {"Software": None},
    }
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        made.savefig(buffer, format=kind, metadata=nameless[kind])
    content = buffer.getvalue()
    return with_tips(content, getattr(made, TIPS, {}), name) if kind == "svg" else content
