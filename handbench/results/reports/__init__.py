"""Built-in reports: records of runs to files."""

from collections.abc import Mapping

from handbench.hookspecs import Lazy, Offer, hookimpl


@hookimpl
def handbench_reports() -> Mapping[str, Offer]:
    """Offer one table, to read and to compute with."""
    return {"table": Lazy("handbench.results.reports.table:Table", "all runs in one Markdown and one CSV table")}
