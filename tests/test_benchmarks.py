"""Benchmarks: arms take turns, rates are items over seconds, and the table says what it must. No test here reads a real clock."""

from handbench.benchmarks import Arm, as_document, interleave, markdown

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
    assert "| two | 2 | 2 to 3 | 0.33 | 5, missed | does two |" in text
