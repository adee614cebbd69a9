"""What a contract is made of: a kind and a plugin's name or class in; its checks, one callable each, out."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handbench.configs import configure
from handbench.errors import PluginError
from handbench.plugins import KINDS, Plugins, discover


class Violation(AssertionError):
    """A component does not keep its kind's contract; the message says what was expected, what was met, and often why."""


@dataclass(frozen=True)
class Subject:
    """A component under test.

    Args:
        name: for messages.
        target: its class.
        settings: for its Config; what is not given keeps its default.
        root: folder of a dataset.
    """

    name: str
    target: type[Any]
    settings: dict[str, Any]
    root: Path | None = None

    def config(self, **changes: Any) -> Any:
        """Its Config, with changes."""
        return configure(self.target.Config, {**self.settings, **changes}, self.name)


@dataclass(frozen=True)
class Check:
    """One promise of a kind, bound to a component; calling it returns nothing or raises.

    Args:
        kind: of the component.
        name: of the promise, e.g. "loss_falls_on_a_toy_set".
        about: the promise in one sentence.
        subject: who must keep it.
        work: subject -> None; raises Violation, or whatever the component raises, or unittest.SkipTest where it cannot be tried.
    """

    kind: str
    name: str
    about: str
    subject: Subject
    work: Callable[[Subject], None]

    def __call__(self) -> None:
        """Hold the component to the promise."""
        self.work(self.subject)

    def __str__(self) -> str:
        return f"{self.kind}-{self.subject.name}-{self.name}"


def require(holds: object, message: str) -> None:
    """Raise a Violation with the message unless the condition holds; unlike `assert`, under `python -O` too."""
    if not holds:
        raise Violation(message)


def checks(
    kind: str,
    component: str | type[Any],
    *,
    settings: dict[str, Any] | None = None,
    root: Path | None = None,
    plugins: Plugins | None = None,
) -> list[Check]:
    """List the checks of one component, for pytest to parametrise a test with.

    Args:
        kind: dataset, augmentation, backbone, objective, head, metric or report.
        component: its name, as a recipe would call it, or its class.
        settings: for its Config.
        root: folder of a dataset; its files are copied before any is damaged.
        plugins: where names are looked up; None for all that are installed.

    Raises:
        PluginError: unknown kind or name, or a class that cannot be imported.
    """
    if kind not in KINDS:
        raise PluginError(f"kind '{kind}' is unknown; use one of {', '.join(KINDS)}")
    subject = _subject(kind, component, settings or {}, root, plugins)
    modules = [importlib.import_module(f"handbench.testing.{name}") for name in ("configs", f"{kind}s")]
    works = [work for module in modules for work in module.promises(subject)]
    return [Check(kind, work.__name__, _first_line(work), subject, work) for work in works]


def _subject(
    kind: str, component: str | type[Any], settings: dict[str, Any], root: Path | None, plugins: Plugins | None
) -> Subject:
    if isinstance(component, type):
        return Subject(component.__name__, component, settings, root)
    resolved = (plugins or discover()).find(kind, component)
    return Subject(component, resolved.target, {**resolved.implied, **settings}, root)


def _first_line(work: Callable[[Subject], None]) -> str:
    return (work.__doc__ or work.__name__).strip().splitlines()[0]
