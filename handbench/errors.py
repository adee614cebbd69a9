"""The one family of errors that are the user's to mend: printed without a traceback, exit code 2."""

import difflib
from collections.abc import Iterable


class HandbenchError(Exception):
    """A mistake outside the program; the message says what is wrong, the value met, what is allowed and what to do."""

    exit_code = 2


class RecipeError(HandbenchError):
    """A recipe, option or budget that cannot be run as written."""


class PluginError(HandbenchError):
    """A plugin that is missing, broken, or in conflict with another."""


class DataError(HandbenchError):
    """A dataset that cannot be read, packed or split."""


class UnreadableSample(DataError):
    """One image or annotation of many that cannot be read; packing names it, counts it and goes on.

    Args:
        name: the file or key, as the user would look for it.
        reason: what is wrong with it, without the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnreadableSample"], tuple[str, str]]:
        return UnreadableSample, (self.name, self.reason)


class ResultsError(HandbenchError):
    """A results folder that cannot be written or read."""


class Interrupted(HandbenchError):
    """Stopped by the user; what was done is saved and the message says how to go on."""

    exit_code = 130


def unknown(kind: str, name: str, known: Iterable[str], *, shown: int = 12) -> str:
    """Say that a name is unknown, with the nearest known ones.

    Example:
        >>> unknown("objective", "pecrl", ["peclr", "simclr", "supervised"])
        "objective 'pecrl' is unknown; did you mean 'peclr'? (peclr, simclr, supervised)"
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"; did you mean '{near[0]}'?" if near else "; known are"
    listed = near_first(name, names)[:shown]
    more = f", … {len(names) - shown} more" if len(names) > shown else ""
    return f"{kind} '{name}' is unknown{guess} ({', '.join(listed)}{more})"


def near_first(name: str, names: list[str]) -> list[str]:
    """Keep short lists in alphabetical order; put the names nearest to `name` first in long ones."""
    if len(names) <= 12:
        return names
    near = difflib.get_close_matches(name, names, n=8, cutoff=0.5)
    return near + [other for other in names if other not in near]
