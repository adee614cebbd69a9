"""One record in; its scores as a table for the terminal, each beside what a random encoder and a constant answer score, out."""

import math

from handbench.results.records import Record
from handbench.types import Score

COLUMNS = ("metric", "value", "± spread", "random encoder", "constant", "unit", "n", "excluded", "protocol")


def scoreboard(record: Record) -> str:
    """Lay out a record's scores.

    Returns:
        Text with a line above that says objective, backbone, dataset, seed and device, and the notes below.
    """
    by_name = {score.metric: score for score in record.scores}
    rows = [_row(score, by_name) for score in record.scores if "/" not in score.metric]
    widths = [max(len(row[place]) for row in (COLUMNS, *rows)) for place in range(len(COLUMNS))]
    lines = [
        "  ".join(_cell(text, width, place) for place, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in (COLUMNS, *rows)
    ]
    head = f"{record.objective}, {record.backbone}, {record.dataset}, seed {record.seed}, budget {record.budget}, {record.device}"
    notes = [f"note: {note}" for note in (*record.notes, *_score_notes(record))]
    return "\n".join([head, *lines, *notes])


def _row(score: Score, by_name: dict[str, Score]) -> tuple[str, ...]:
    baselines = (
        _number(by_name[name].value) if (name := f"{score.metric}/{kind}") in by_name else "" for kind in ("random", "constant")
    )
    spread = "" if score.spread is None else _number(score.spread)
    return (
        score.metric,
        _number(score.value),
        spread,
        *baselines,
        score.unit,
        str(score.count),
        str(score.excluded),
        score.protocol,
    )


def _cell(text: str, width: int, place: int) -> str:
    return text.rjust(width) if 1 <= place <= 4 or place in (6, 7) else text.ljust(width)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def _score_notes(record: Record) -> list[str]:
    return [f"{score.metric}: {score.note}" for score in record.scores if score.note and "/" not in score.metric]
