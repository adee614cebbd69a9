"""Records of runs go in; each table of their suite as Markdown, CSV and LaTeX, and a LaTeX document of all, come out."""

from collections.abc import Mapping
from dataclasses import dataclass

from handbench.results.latex import document, latex
from handbench.results.long_table import long_csv
from handbench.results.markdown import markdown
from handbench.results.tables import compare
from handbench.types import Evidence

ALL = "all-tables"


class Comparisons:
    """The report `comparison`.

    Args:
        config: empty.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set: the suite says which tables there are."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def render(self, evidence: Evidence) -> Mapping[str, bytes]:
        """Make "tables/NAME.md", ".csv" and ".tex" for each table, and "tables/all-tables.tex", UTF-8."""
        made = compare(evidence)
        files: dict[str, str] = {}
        for table in made:
            files |= {
                f"{table.name}.md": markdown(table),
                f"{table.name}.csv": long_csv(table),
                f"{table.name}.tex": latex(table),
            }
        if made:
            files[f"{ALL}.tex"] = document([table.name for table in made])
        return {f"tables/{name}": text.encode() for name, text in files.items()}
