"""The terminal's table: every score beside its baselines, with unit, count and exclusions."""

import math

from handbench.results.records import Record
from handbench.results.scoreboard import scoreboard
from handbench.types import Score


def record() -> Record:
    scores = (
        Score("epe_3d", 12.3456, "mm", 90, excluded=10, protocol="freihand", spread=3.0),
        Score("epe_3d/random", 80.0, "mm", 88, excluded=12, protocol="freihand"),
        Score("epe_3d/constant", math.nan, "mm", 0, excluded=100, protocol="freihand"),
        Score("auc", 0.12345, "", 90, protocol="freihand"),
        Score("latent_turn", 29.5, "degrees", 100, spread=4.0, note="image turned by 30°"),
    )
    return Record(
        "peclr-tiny-x-s3",
        "finished",
        "k",
        "peclr",
        "tiny",
        "x",
        "probe",
        1.0,
        "quick",
        3,
        "cpu",
        {},
        scores,
        ("people may leak",),
    )


def test_rows_columns_and_notes() -> None:
    head, columns, *rows = scoreboard(record()).splitlines()
    assert head == "peclr, tiny, x, seed 3, budget quick, cpu"
    assert columns.split() == [
        "metric",
        "value",
        "±",
        "spread",
        "random",
        "encoder",
        "constant",
        "unit",
        "n",
        "excluded",
        "protocol",
    ]
    assert rows[0].split() == ["epe_3d", "12.35", "3.00", "80.00", "-", "mm", "90", "10", "freihand"]
    assert rows[1].split() == ["auc", "0.123", "90", "0", "freihand"]
    assert rows[3:] == ["note: people may leak", "note: latent_turn: image turned by 30°"]


def test_columns_line_up() -> None:
    _, columns, first, second, *_ = scoreboard(record()).splitlines()
    place = columns.index("protocol")
    assert first[place:] == second[place:] == "freihand"
