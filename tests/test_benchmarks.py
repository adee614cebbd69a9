"""Benchmarks: arms take turns, rates are items over seconds, and the table says what it must. No test here reads a real clock."""

import pytest

from handbench.benchmarks import Arm, Claim, Timing, as_document, interleave, markdown, ratio

MACHINE = {
    "hardware": {"device": "a processor, 2 threads, fp32", "cores": 2},
    "libraries": {"torch": "2.9"},
    "handbench": "0.1",
    "python": "3.11",
}


def measured() -> tuple[list[str], list]:
    """Two arms on a clock that moves by 1 s for the first and 2 s for the second, a second longer every round."""
    order: list[str] = []
    now = [0.0]

    def arm(name: str, seconds: float, bar: float | None) -> Arm:
        def work() -> int:
            order.append(name)
            now[0] += seconds * (1 + len(order) // 2)
            return 12

        return Arm(name, f"does {name}", work, bar)

    return order, interleave([arm("one", 1.0, 5.0), arm("two", 2.0, 5.0)], 3, clock=lambda: now[0])


def test_arms_take_turns() -> None:
    assert measured()[0] == ["one", "two"] * 3


def test_rates_and_medians() -> None:
    first, second = measured()[1]
    assert first.rates == (12.0, 6.0, 4.0) and first.median == 6.0
    assert second.rates == (3.0, 2.0, 1.5) and second.median == 2.0


def test_the_table_says_unit_rounds_machine_ratio_and_bar() -> None:
    text = markdown(as_document("bench x", "images a second", measured()[1], MACHINE))
    assert (
        "images a second; median and range of 3 interleaved rounds.\na processor, 2 threads, fp32, 2 cores; handbench 0.1" in text
    )
    assert "| one | 6 | 4 to 12 | 1.00 | 5, held | does one |" in text
    assert "| two | 2 | 1.5 to 3 | 0.33 | 5, missed | does two |" in text


def test_a_warm_up_turn_is_told_apart() -> None:
    now, order = [0.0], []

    def work() -> int:
        now[0] += 7.0 if not order else 2.0
        order.append(1)
        return 4

    (timing,) = interleave([Arm("one", "does one", work, notes={"extra MiB": 12.34})], 2, clock=lambda: now[0], warm=True)
    assert timing.warmup == 7.0 and timing.rates == (2.0, 2.0) and len(order) == 3
    text = markdown(as_document("bench x", "images a second", [timing], MACHINE))
    assert "| arm | median | range | ratio | bar | extra MiB | warm-up, s | does |\n|---|---|---|---|---|---|---|---|\n" in text
    assert "| one | 2 | 2 to 2 | 1.00 | – | 12.3 | 7 | does one |" in text


def test_ratios_are_taken_within_rounds() -> None:
    slowing = [Timing("one", "", (8.0, 4.0, 2.0)), Timing("two", "", (4.0, 1.0, 1.0))]
    assert ratio(slowing, "one", "two") == 2.0


@pytest.mark.parametrize(
    ("claim", "line"),
    [
        (Claim("faster, times", 3.46, 3.5), "- faster, times: 3.46 (at least 3.5): missed"),
        (Claim("faster, times", 3.5, 3.5), "- faster, times: 3.5 (at least 3.5): held"),
        (Claim("error", 2e-11, 1e-6, less_is_better=True), "- error: 2e-11 (at most 1e-06): held"),
        (Claim("share", 0.06, 0.05, less_is_better=True), "- share: 0.06 (at most 0.05): missed"),
        (Claim("told", 1.5), "- told: 1.5"),
    ],
)
def test_claims_are_judged_and_told(claim: Claim, line: str) -> None:
    text = markdown(as_document("bench x", "images a second", measured()[1], MACHINE, [claim]))
    assert text.endswith(f"\n\n{line}\n")
