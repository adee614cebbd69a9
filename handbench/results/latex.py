r"""Comparisons go in; LaTeX tables in the manner of booktabs come out, and a document that compiles with all of them.

A table is a snippet to \input: it needs the packages of PACKAGES. More rows than a page holds make a longtable.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handbench.results import wording
from handbench.results.comparison import Cell, Column, Comparison
from handbench.results.placing import ABSENT

PACKAGES = ("{textcomp}", "{booktabs}", "{longtable}", "{graphicx}")
PAGE_ROWS = 40
LETTERS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ")  # those that every LaTeX has without a package
MINUS = re.compile(r"(?<![\w}])-(?=\d)")
ESCAPES = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "°": r"\textdegree{}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "’": "'",
    "“": "``",
    "”": "''",
    "µ": r"\textmu{}",
    "·": r"$\cdot$",
    "α": r"$\alpha$",
    "λ": r"$\lambda$",
    "τ": r"$\tau$",
    "Δ": r"$\Delta$",
    "√": r"$\surd$",
    "\N{NO-BREAK SPACE}": "~",
}


@dataclass(frozen=True)
class Tabular:
    """One tabular: its columns' letters and heads, its rows, and rows below a rule; cells are LaTeX."""

    letters: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: Sequence[Sequence[str]] = ()


def latex(comparison: Comparison) -> str:
    """One table as a snippet: means, differences below them, and what it rests on."""
    notes = [*wording.facts(comparison), *wording.rules(comparison), *_sources(comparison)]
    needed = ", ".join("\\usepackage" + name for name in PACKAGES)
    parts = [
        f"% needs {needed}",
        *(f"% runs of {_comment(label)}: {', '.join(map(_comment, runs))}" for label, runs in wording.runs_of(comparison)),
        _float(_means(comparison), comparison.title, " ".join(escape(note) for note in notes)),
    ]
    contrasted = _differences(comparison)
    if contrasted.rows:
        parts.append(_float(contrasted, f"{comparison.title}: differences to {comparison.against}, paired by seed", ""))
    return "\n".join(parts) + "\n"


def document(names: Sequence[str]) -> str:
    """A document that inputs the tables of these names and compiles by itself."""
    packages = "\n".join(f"\\usepackage{name}" for name in PACKAGES)
    inputs = "\n".join(f"\\input{{{name}}}\n\\clearpage" for name in names)
    head = "\\documentclass{article}\n\\usepackage[a4paper,landscape,margin=15mm]{geometry}"
    return f"{head}\n{packages}\n\\begin{{document}}\n{inputs}\n\\end{{document}}\n"


def escape(text: str) -> str:
    r"""Text as LaTeX sets it; a sign that its usual fonts lack is taken apart into ones they have, or named by its number.

    Example:
        >>> print(escape("50 % of a_b ± 2°"), escape("mürbe, ﬁne, 手"))
        50 \% of a\_b $\pm$ 2\textdegree{} mürbe, fine, U+624B
    """
    return "".join(ESCAPES.get(sign, sign if ord(sign) < 0x80 or sign in LETTERS else _spelled(sign)) for sign in text)


def _spelled(sign: str) -> str:
    simple = "".join(part for part in unicodedata.normalize("NFKD", sign) if ord(part) < 0x80)
    return "".join(ESCAPES.get(part, part) for part in simple) or f"U+{ord(sign):04X}"


def _comment(text: str) -> str:
    return " ".join(text.split())


def _means(comparison: Comparison) -> Tabular:
    labels = max(1, len(comparison.heads))
    head = [*(comparison.heads or ("",)), "n", *(wording.heading(column) for column in comparison.columns)]
    rows = [
        [*map(escape, row.labels or ("all",)), escape(wording.seeds_of(row.cells)), *map(_cell, row.cells, comparison.columns)]
        for row in comparison.rows
    ]
    below = [
        [escape(f"{row.label} [{place}]"), *[""] * labels, *map(_quoted, row.values, comparison.columns)]
        for place, row in enumerate(comparison.published, 1)
    ]
    return Tabular("l" * labels + "r" * (len(head) - labels), [escape(word) for word in head], rows, below)


def _cell(cell: Cell | None, column: Column) -> str:
    if cell is None:
        return r"\emph{missing}"
    if not cell.n:
        return r"\emph{not a number}"
    text = _number(wording.spread(cell, column))
    mean = f"\\textbf{{\\boldmath {text}}}" if cell.bold else text
    interval = _number(wording.both_ends(cell, column))
    return f"{mean} {{\\footnotesize {interval}}}" if interval else mean


def _quoted(value: float | None, column: Column) -> str:
    return escape(ABSENT) if value is None else _number(wording.number(value, column.decimals))


def _number(text: str) -> str:
    """Numbers with true minus signs; what a hyphen joins stays joined."""
    return MINUS.sub("$-$", escape(text))


def _differences(comparison: Comparison) -> Tabular:
    rows = [
        [
            escape(wording.heading(one.column)),
            *map(escape, one.labels),
            _number(wording.number(one.difference.mean, one.column.decimals, sign=True)),
            _number(wording.both_ends(one.difference, one.column, sign=True)),
            _number(wording.effect(one.difference)),
            escape(wording.p_value(one.difference, one.column)),
            escape(wording.improvement(one.difference)),
            str(one.difference.n),
        ]
        for one in wording.differences(comparison)
    ]
    head = ["metric", *comparison.heads, "difference", "95 % interval", "effect size", "p", "improvement", "pairs"]
    return Tabular("l" * (1 + len(comparison.heads)) + "r" * 6, [escape(word) for word in head], rows)


def _float(table: Tabular, title: str, notes: str) -> str:
    """A float that is scaled down where it is wider than the text, or a longtable where it is longer than a page."""
    caption = f"\\caption{{{escape(title)}}}"
    top = f"\\toprule\n{_line(table.head)}\n\\midrule"
    body = "\n".join(_line(row) for row in table.rows)
    if table.below:
        body += "\n\\midrule\n" + "\n".join(_line(row) for row in table.below)
    boxed = f"\\noindent\\begin{{minipage}}{{\\linewidth}}\\footnotesize {notes}\\end{{minipage}}"
    said = f"\\par\\smallskip\n{boxed}\n" if notes else ""
    if len(table.rows) > PAGE_ROWS:
        heads = f"{caption}\\\\\n{top}\n\\endfirsthead\n{top}\n\\endhead"
        long = f"\\begin{{longtable}}{{{table.letters}}}\n{heads}\n{body}\n\\bottomrule\n\\end{{longtable}}"
        return f"{{\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n{long}\n{said}}}"
    tabular = f"\\begin{{tabular}}{{{table.letters}}}\n{top}\n{body}\n\\bottomrule\n\\end{{tabular}}"
    fitted = f"\\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n{tabular}}}"
    return f"\\begin{{table}}[htbp]\n\\centering\n{caption}\n{fitted}\n{said}\\end{{table}}"


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _sources(comparison: Comparison) -> list[str]:
    return [f"[{place}] {row.source}" for place, row in enumerate(comparison.published, 1)]
