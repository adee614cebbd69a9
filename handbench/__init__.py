"""handbench: which pre-training objective, backbone and augmentations give the best hand pose, with the evidence."""

from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def load_results(folder: Path | str) -> Any:
    """All runs below a folder as a pandas DataFrame, one row a run and score.

    Its columns are those of `handbench.results.tidy.COLUMNS` and `ORIGIN`, each with a line that says what it holds.

    Example:
        scores = handbench.load_results("runs")
        scores[scores.metric == "pa_mpjpe"].groupby("objective").value.describe()

    Raises:
        ResultsError: the folder is missing or holds no finished run, a record is of a newer format, or several suites share it.
    """
    from handbench.results.tidy import load

    return load(folder)
