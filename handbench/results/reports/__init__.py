"""Built-in reports: records of runs to files."""

from collections.abc import Mapping

from handbench.hookspecs import Lazy, Offer, hookimpl


@hookimpl
def handbench_reports() -> Mapping[str, Offer]:
    """Offer the tables of a suite, and one of all runs."""
    return {
        "comparison": Lazy(
            "handbench.results.reports.comparison:Comparisons", "means and paired differences: Markdown, CSV, LaTeX"
        ),
        "figures": Lazy("handbench.results.reports.figures:Figures", "the suite's figures as PDF, SVG and PNG"),
        "page": Lazy("handbench.results.reports.page:Page", "one self-contained HTML page, and the figures as files"),
        "table": Lazy("handbench.results.reports.table:Table", "all runs in one Markdown and one CSV table"),
    }
