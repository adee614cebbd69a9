"""The runs of a figure go in; the line below it, which says protocol, n, seeds, data, device and version, comes out."""

from collections.abc import Sequence
from typing import Any

from handbench.results.figures.run_files import Run
from handbench.results.figures.selection import Group, score_of
from handbench.results.placing import WORDS


def note(shown: Sequence[Group], meaning: str, metric: str = "", *, posed: bool = True) -> str:
    """Say under which conditions the numbers of a figure were found.

    Args:
        shown: the groups in the figure.
        meaning: what its marks are, e.g. "bars: mean over seeds".
        metric: whose definition and sample count are said, where it is a score.
        posed: whether it matters how a pose was read from the features.
    """
    runs = [run for group in shown for run in group.runs]
    parts = [meaning, _data(runs), _protocols(runs) if posed else "", seeds(shown)]
    scores = [score for run in runs if metric and (score := score_of(run, metric))]
    if scores:
        parts.append(f"n = {_span([int(score['count']) for score in scores])} test images{_excluded(scores)}")
        parts.append(_definitions(scores))
    parts.append(
        f"budget {'/'.join(_all(run['budget'] for run in runs))}, {'/'.join(_all(run['device'] for run in runs)).upper()}"
    )
    parts.append(f"handbench {'/'.join(_all(run['provenance'].get('handbench', '?') for run in runs))}")
    return ". ".join(_capital(part) for part in parts if part) + "."


def seeds(shown: Sequence[Group]) -> str:
    """How many seeds stand behind each mean."""
    counts = [len({run["seed"] for run in group.runs}) for group in shown]
    most = max(counts)
    if most == 1:
        return "1 seed each: no ranking is claimed"
    return f"{_span(counts)} seeds each"


def _data(runs: Sequence[Run]) -> str:
    names = _all(_data_name(run) for run in runs)
    return f"data: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"


def _data_name(run: Run) -> str:
    domain = run["recipe"].get("dataset", {}).get("domain", "")
    return f"{run['dataset']} {domain}".strip()


def _protocols(runs: Sequence[Run]) -> str:
    shares = sorted({float(run["labels"]) for run in runs})
    labels = f"{100 * shares[0]:g} %" if len(shares) == 1 else f"{100 * shares[0]:g} to {100 * shares[-1]:g} %"
    protocols = _all(WORDS.get(run["protocol"], run["protocol"]) for run in runs)
    return f"{' / '.join(protocols)}, {labels} of the labels"


def _definitions(scores: Sequence[Any]) -> str:
    names = _all(score["protocol"] for score in scores if score["protocol"])
    return f"definition: {', '.join(names)}" if names else ""


def _excluded(scores: Sequence[Any]) -> str:
    total = sum(int(score["excluded"]) for score in scores)
    return f" ({total} excluded over all runs)" if total else ""


def _span(counts: Sequence[int]) -> str:
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"


def _all(words: Any) -> list[str]:
    return sorted({str(name) for name in words})


def _capital(text: str) -> str:
    return text if text.startswith(("n = ", "handbench", "R²")) else text[:1].upper() + text[1:]
