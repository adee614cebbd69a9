"""Settings to dataclasses and back: types are checked, mistakes are named with where they stand."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from handbench.configs import as_settings, coerce, configure, parse_value
from handbench.errors import RecipeError


@dataclass(frozen=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Sample:
    rate: float = 0.5
    name: str | None = None
    mode: Literal["a", "b", 3] = "a"
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[str, float] = ("x", 1.0)
    place: Path = Path("here")
    table: dict[str, Any] = field(default_factory=dict)
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"rate = {self.rate} must not be negative")


def test_values_are_taken_as_toml_gives_them() -> None:
    made = configure(
        Sample, {"rate": 2, "name": "n", "mode": 3, "sizes": [4], "pair": ["y", 2], "place": "there", "table": {"k": 1}}, "t"
    )
    assert made == Sample(2.0, "n", 3, (4,), ("y", 2.0), Path("there"), {"k": 1}) and isinstance(made.rate, float)


def test_round_trip() -> None:
    assert as_settings(Sample()) == {
        "rate": 0.5,
        "mode": "a",
        "sizes": [1, 2],
        "pair": ["x", 1.0],
        "place": "here",
        "table": {},
        "inner": {"depth": 1},
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rat": 1}, r"'rat' is not a key of \[t\]; did you mean 'rate'"),
        ({"rate": "fast"}, "t.rate = 'fast' is a str; a float is wanted"),
        ({"rate": True}, "t.rate = True is a bool"),
        ({"name": 3}, "t.name = 3 is a int; a str is wanted"),
        ({"mode": "c"}, r"t.mode = 'c' is not allowed \(a, b, 3\)|did you mean"),
        ({"mode": True}, "t.mode = True is not allowed"),
        ({"sizes": [1, "2"]}, r"t.sizes\[1\] = '2' is a str"),
        ({"sizes": 3}, "t.sizes = 3 is a int; a list or tuple is wanted"),
        ({"pair": ["y"]}, "has 1 values; 2 are wanted"),
        ({"rate": -1}, r"\[t\] is not valid: rate = -1.0 must not be negative"),
    ],
)
def test_mistakes(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        configure(Sample, settings, "t")


def test_words_of_set_are_toml_or_text() -> None:
    assert [parse_value(text) for text in ("1", "1.5", "true", '"1"', "resnet18", "[1, 'a']", "a = b")] == [
        1,
        1.5,
        True,
        "1",
        "resnet18",
        [1, "a"],
        "a = b",
    ]


def test_none_stands_for_none_only_where_it_may() -> None:
    assert coerce(None, str | None, "x") is None
    with pytest.raises(RecipeError):
        coerce(None, int, "x")
