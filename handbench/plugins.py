"""Plugin discovery: built-ins, entry points and named modules go in; components by kind and name come out.

All three take the same way through pluggy. A plugin that cannot be imported or does not fit the hooks is set aside with
its reason, so that only what needs it fails.
"""

import contextlib
import difflib
import importlib
import importlib.metadata
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from handbench import __version__, hookspecs
from handbench.errors import PluginError, unknown
from handbench.hookspecs import Family, Lazy, Offer

PROJECT = "handbench"
KINDS = ("dataset", "augmentation", "backbone", "objective", "head", "metric", "report")
BUILTINS = (
    "handbench.data.datasets",
    "handbench.learn.augmentations",
    "handbench.learn.backbones",
    "handbench.learn.objectives",
    "handbench.pose.heads",
    "handbench.pose.metrics",
    "handbench.results.reports",
    "handbench.suites",
)


@dataclass(frozen=True)
class Component:
    """One name of one kind, and where it came from."""

    kind: str
    name: str
    offer: Offer
    plugin: str
    distribution: str

    @property
    def summary(self) -> str:
        """One line: the offer's own, or the first line of the class's docstring when the class was given."""
        if isinstance(self.offer, Lazy | Family):
            return self.offer.summary
        doc = self.offer.__doc__ if isinstance(self.offer, type) else None
        return (doc or "").strip().splitlines()[0] if doc and doc.strip() else ""

    def load(self) -> type[Any]:
        """Import the class; raises PluginError naming the plugin when that fails."""
        if isinstance(self.offer, type):
            return self.offer
        target = self.offer if isinstance(self.offer, str) else self.offer.target
        loaded = self._import(target)
        if not isinstance(loaded, type) or not hasattr(loaded, "Config"):
            raise PluginError(f"{self.kind} '{self.name}' of {self.distribution}: {target} is not a class with a nested Config")
        return loaded

    def family_names(self) -> list[str]:
        """The names a Family builds; empty for a single class."""
        return list(self._import(self.offer.names)()) if isinstance(self.offer, Family) else []

    def _import(self, target: str) -> Any:
        module, colon, attribute = target.partition(":")
        if not colon:
            raise PluginError(f"{self.kind} '{self.name}' of {self.distribution}: '{target}' is not of the form 'module:Class'")
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout belongs to the command: JSON may be read from it
                return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # whatever a plugin's module raises is the plugin's failure, not ours
            raise PluginError(f"{self.kind} '{self.name}' of {self.distribution} cannot be imported: {_reason(error)}") from error


@dataclass(frozen=True)
class SuiteOffer:
    """A suite that a plugin offers: the path of its TOML file, or its text."""

    name: str
    source: Path | str
    plugin: str
    distribution: str

    @property
    def text(self) -> str:
        """The document; raises PluginError naming the plugin when its file cannot be read."""
        try:
            return self.source.read_text(encoding="utf-8") if isinstance(self.source, Path) else self.source
        except (OSError, UnicodeDecodeError) as error:
            raise PluginError(f"suite '{self.name}' of {self.distribution} cannot be read: {_reason(error)}") from error


@dataclass(frozen=True)
class Resolved:
    """A component chosen by name: its class, and the settings its name implies (a Family's model name)."""

    component: Component
    target: type[Any]
    implied: Mapping[str, Any]


@dataclass(frozen=True)
class Broken:
    """A plugin that was set aside."""

    plugin: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"plugin '{self.plugin}' of {self.distribution} is left out: {self.reason}"


@dataclass(frozen=True)
class Plugins:
    """Everything that was discovered.

    Args:
        offers, suites: what can be used.
        broken: plugins that were set aside.
        noise: a line for each plugin that printed while it was imported.
    """

    offers: tuple[Component, ...]
    broken: tuple[Broken, ...]
    suites: tuple[SuiteOffer, ...] = ()
    noise: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """All that is wrong, one line each; nothing that needs none of it is harmed."""
        return [*map(str, self.broken), *self.clashes(), *self.noise]

    def of_kind(self, kind: str) -> list[Component]:
        """The components of one kind in the order of their names."""
        return sorted((offer for offer in self.offers if offer.kind == kind), key=lambda offer: (offer.name, offer.plugin))

    def find(self, kind: str, name: str) -> Resolved:
        """Resolve a name, first among the names offered, then among those that families build.

        Raises:
            PluginError: unknown (with the nearest names), offered twice, or not importable.
        """
        named = [offer for offer in self.of_kind(kind) if offer.name == name]
        if len(named) > 1:
            both = " and ".join(f"{offer.plugin} ({offer.distribution})" for offer in named)
            raise PluginError(f"{kind} '{name}' is offered by {both}; uninstall one or narrow HANDBENCH_PLUGINS")
        if named:
            return Resolved(named[0], named[0].load(), {})
        for offer in self.of_kind(kind):
            if isinstance(offer.offer, Family) and name in offer.family_names():
                return Resolved(offer, offer.load(), {offer.offer.field: name})
        raise PluginError(self._unknown(kind, name))

    def find_suite(self, name: str) -> SuiteOffer:
        """Resolve a suite's name; raises PluginError when it is unknown, with the nearest names, or offered twice."""
        named = [offer for offer in self.suites if offer.name == name]
        if len(named) > 1:
            both = " and ".join(f"{offer.plugin} ({offer.distribution})" for offer in named)
            raise PluginError(f"suite '{name}' is offered by {both}; uninstall one or narrow HANDBENCH_PLUGINS")
        if not named:
            raise PluginError(
                f"{unknown('suite', name, [offer.name for offer in self.suites])}; or give a suite's file, NAME.toml"
            )
        return named[0]

    def clashes(self) -> list[str]:
        """One line for each name that several plugins offer."""
        seen: dict[tuple[str, str], list[Component | SuiteOffer]] = {}
        for offer in self.offers:
            seen.setdefault((offer.kind, offer.name), []).append(offer)
        for suite in self.suites:
            seen.setdefault(("suite", suite.name), []).append(suite)
        return [
            f"{kind} '{name}' is offered by {' and '.join(offer.distribution for offer in same)}"
            for (kind, name), same in seen.items()
            if len(same) > 1
        ]

    def _unknown(self, kind: str, name: str) -> str:
        own = [offer.name for offer in self.of_kind(kind)]
        members = [member for offer in self.of_kind(kind) for member in offer.family_names()]
        near = difflib.get_close_matches(name, own + members, n=6, cutoff=0.6)
        message = unknown(kind, name, own + [member for member in near if member not in own])
        hint = "".join(f"\n{broken}" for broken in self.broken)
        return message + hint


def discover(modules: Sequence[str] = (), *, strict: bool = False) -> Plugins:
    """Find all plugins: the built-in ones, installed entry points, then the modules named.

    Args:
        modules: importable module names, as given with --plugin.
        strict: take every problem for an error.

    Raises:
        PluginError: a module named in `modules`, or a built-in one, cannot be used. Installed ones are set aside instead, unless
            strict.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    origins: dict[str, str] = {}
    for module in BUILTINS:
        _register(manager, module, importlib.import_module(module))
        origins[module] = f"{PROJECT} {__version__}"
    noise: list[str] = []
    broken = list(_register_entry_points(manager, origins, noise))
    _register_modules(manager, modules, origins, noise)
    offers, suites = [], []
    for plugin, distribution in origins.items():
        try:
            offers.extend(_offers(manager, plugin, distribution))
            suites.extend(_suites(manager, plugin, distribution))
        except Exception as error:  # a hook that raises takes its own plugin out, no other
            broken.append(Broken(plugin, distribution, _reason(error)))
    found = Plugins(tuple(offers), tuple(broken), tuple(suites), tuple(noise))
    if strict and found.problems:
        raise PluginError("--strict-plugins: " + "\n".join(found.problems))
    return found


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    """Register one plugin and refuse it whole when it implements a hook that does not exist or does not fit."""
    hash(plugin)  # pluggy keeps plugins in sets and would stumble over this one whenever it looks at another
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(_reason(error)) from error


def _register_entry_points(manager: pluggy.PluginManager, origins: dict[str, str], noise: list[str]) -> Iterator[Broken]:
    allowed = os.environ.get("HANDBENCH_PLUGINS")
    wanted = None if allowed is None else {name.strip() for name in allowed.split(",")}
    for entry in sorted(importlib.metadata.entry_points(group=PROJECT), key=lambda entry: entry.name):
        if wanted is not None and entry.name not in wanted:
            continue
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        try:
            with _heard(f"plugin '{entry.name}' of {distribution}", noise):
                plugin = entry.load()
            _register(manager, entry.name, plugin)
            origins[entry.name] = distribution
        except Exception as error:  # a broken installation must not take down what does not need it
            yield Broken(entry.name, distribution, _reason(error))


def _register_modules(manager: pluggy.PluginManager, modules: Iterable[str], origins: dict[str, str], noise: list[str]) -> None:
    if modules and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(
            0, str(Path.cwd())
        )  # a module beside the user, which `python -m` would find and the installed command would not
    for name in modules:
        try:
            with _heard(f"--plugin {name}", noise):
                plugin = importlib.import_module(name)
            _register(manager, name, plugin)
        except Exception as error:
            raise PluginError(f"--plugin {name} cannot be used: {_reason(error)}") from error
        origins[name] = f"--plugin {name}"


def _offers(manager: pluggy.PluginManager, plugin: str, distribution: str) -> list[Component]:
    return [
        Component(kind, name, offer, plugin, distribution)
        for kind in KINDS
        for mapping in _offered(manager, plugin, kind)
        for name, offer in mapping.items()
    ]


def _suites(manager: pluggy.PluginManager, plugin: str, distribution: str) -> list[SuiteOffer]:
    mappings = _offered(manager, plugin, "suite")
    return [SuiteOffer(name, source, plugin, distribution) for mapping in mappings for name, source in mapping.items()]


def _offered(manager: pluggy.PluginManager, plugin: str, kind: str) -> list[Mapping[str, Any]]:
    """What one plugin's hook of a kind returns; none or one mapping."""
    others = [other for name, other in manager.list_name_plugin() if name != plugin]
    found: list[Mapping[str, Any]] = manager.subset_hook_caller(f"handbench_{kind}s", others)()
    return found


@contextlib.contextmanager
def _heard(name: str, noise: list[str]) -> Iterator[None]:
    """Keep what an import prints away from stdout, which belongs to the command, and note that it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        yield
    if said.getvalue().strip():
        noise.append(f"{name} prints when it is imported: '{said.getvalue().strip().splitlines()[0][:80]}'")


def _reason(error: BaseException) -> str:
    """An error on one line; ours need not say their type."""
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        return f"it needs the module '{error.name}', which is not installed"
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}"
