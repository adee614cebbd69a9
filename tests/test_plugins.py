"""Plugins: three ways in, one way through, and nobody's failure is another's."""

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from handbench import plugins
from handbench.errors import PluginError
from handbench.hookspecs import Family, Lazy, hookimpl
from handbench.plugins import BUILTINS, KINDS, discover


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a plugin module and give its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def write(source: str, name: str = "plugin_under_test") -> str:
        (tmp_path / f"{name}.py").write_text("from handbench.hookspecs import Family, Lazy, hookimpl\n" + source)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def offering(kind: str, name: str) -> str:
    return f"@hookimpl\ndef handbench_{kind}s():\n    return {{'{name}': Lazy('m:C', 'a summary')}}\n"


def test_built_ins_offer_something_of_every_kind() -> None:
    found = discover()
    assert {offer.kind for offer in found.offers} == set(KINDS) and not found.broken and not found.clashes()
    assert all(offer.summary for offer in found.offers) and {offer.plugin for offer in (*found.offers, *found.suites)} == set(
        BUILTINS
    )


def test_every_built_in_can_be_loaded() -> None:
    for offer in discover().offers:
        assert hasattr(offer.load(), "Config"), offer.name


def test_a_module_named_on_the_command_line_is_found(module: Any) -> None:
    found = discover((module(offering("objective", "mine")),))
    (mine,) = [offer for offer in found.offers if offer.name == "mine"]
    assert (mine.kind, mine.summary, mine.distribution) == ("objective", "a summary", "--plugin plugin_under_test")


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(PluginError, match=r"objective 'pecrl' is unknown; did you mean 'peclr'"):
        discover().find("objective", "pecrl")


def test_a_family_is_asked_only_for_names_nobody_else_has() -> None:
    resolved = discover().find("backbone", "resnet152")
    assert resolved.implied == {"model": "resnet152"} and resolved.target.__name__ == "TimmModel"
    assert discover().find("backbone", "tiny").implied == {}
    with pytest.raises(
        PluginError, match=r"'resnet51' is unknown; did you mean 'resnet50'|'resnet51' is unknown; did you mean 'resnet5"
    ):
        discover().find("backbone", "resnet51")


def test_two_plugins_with_one_name_are_both_named(module: Any) -> None:
    found = discover((module(offering("objective", "peclr")),))
    with pytest.raises(PluginError, match=r"objective 'peclr' is offered by .*handbench.* and plugin_under_test"):
        found.find("objective", "peclr")
    assert found.find("objective", "simclr").target.__name__ == "SimCLR"
    assert len(found.clashes()) == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('no such wheel')", "ImportError: no such wheel"),
        ("@hookimpl\ndef handbench_objectivs():\n    return {}\n", "unknown hook 'handbench_objectivs'"),
        ("@hookimpl\ndef handbench_objectives(extra):\n    return {}\n", "Argument(s) {'extra'} are declared"),
    ],
)
def test_a_plugin_that_was_asked_for_and_does_not_fit_is_an_error(module: Any, source: str, reason: str) -> None:
    with pytest.raises(PluginError, match=r"--plugin plugin_under_test cannot be used") as caught:
        discover((module(source),))
    assert reason in str(caught.value)


class Entry:
    """An installed entry point."""

    def __init__(self, name: str, loaded: Any) -> None:
        self.name, self.value, self._loaded = name, f"{name}:x", loaded
        self.dist = types.SimpleNamespace(name=f"handbench-{name}", version="1.2")

    def load(self) -> Any:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


def plugin_object(**hooks: Any) -> Any:
    holder = types.ModuleType("installed")
    vars(holder).update({name: hookimpl(function) for name, function in hooks.items()})
    return holder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(*entries: Entry) -> None:
        monkeypatch.delenv("HANDBENCH_PLUGINS", raising=False)
        monkeypatch.setattr(plugins.importlib.metadata, "entry_points", lambda group: list(entries))

    return install


def test_installed_plugins_are_isolated(installed: Any) -> None:
    def broken_hook() -> Any:
        raise RuntimeError("no licence file")

    good = Entry("good", plugin_object(handbench_objectives=lambda: {"vicreg": Lazy("m:C", "s")}))
    installed(
        good,
        Entry("raises", ValueError("bad import")),
        Entry("misspelt", plugin_object(handbench_objectifs=lambda: {"x": Lazy("m:C")})),
        Entry("hook", plugin_object(handbench_datasets=broken_hook)),
        Entry("unhashable", types.SimpleNamespace(handbench_heads=hookimpl(lambda: {"x": Lazy("m:C")}))),
    )
    found = discover()
    assert "vicreg" in {offer.name for offer in found.offers}
    reasons = {broken.plugin: str(broken) for broken in found.broken}
    assert set(reasons) == {"raises", "misspelt", "hook", "unhashable"}
    assert "handbench-raises 1.2" in reasons["raises"] and "bad import" in reasons["raises"]
    assert "no licence file" in reasons["hook"] and "handbench_objectifs" in reasons["misspelt"]
    assert found.find("objective", "peclr").target.__name__ == "PeCLR"
    with pytest.raises(PluginError, match=r"handbench-raises"):
        found.find("objective", "nothing")


class Printing(Entry):
    """Says something while it is imported."""

    def load(self) -> Any:
        sys.stdout.write("Hello from my plugin!\n")
        return super().load()


def test_every_problem_is_named_with_its_distribution_and_fatal_only_when_strict(
    installed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def signed(extra: int) -> dict:
        return {}

    installed(
        Printing("loud", plugin_object(handbench_heads=lambda: {"loud_head": Lazy("m:C")})),
        Entry("signed", plugin_object(handbench_heads=signed)),
        Entry("lacking", ModuleNotFoundError("No module named 'lacking_library'", name="lacking_library")),
        Entry("clashing", plugin_object(handbench_objectives=lambda: {"peclr": Lazy("m:C")})),
    )
    found = discover()
    for problem in (
        r"plugin 'loud' of handbench-loud 1\.2 prints when it is imported: 'Hello from my plugin!'",
        r"plugin 'signed' of handbench-signed 1\.2 is left out: .*extra",
        r"plugin 'lacking' of handbench-lacking 1\.2 is left out: it needs the module 'lacking_library', which is not installed",
        r"objective 'peclr' is offered by handbench .* and handbench-clashing 1\.2",
    ):
        assert any(re.search(problem, line) for line in found.problems), problem
    assert len(found.problems) == 4 and capsys.readouterr().out == ""
    assert "loud_head" in {offer.name for offer in found.of_kind("head")}
    assert found.find("objective", "simclr").target.__name__ == "SimCLR"
    with pytest.raises(PluginError, match=r"(?s)--strict-plugins: .*handbench-lacking.*handbench-clashing.*handbench-loud"):
        discover(strict=True)


@pytest.mark.parametrize(("value", "names"), [("", set()), ("one", {"one"}), ("one, two", {"one", "two"})])
def test_the_environment_narrows_installed_plugins(
    installed: Any, monkeypatch: pytest.MonkeyPatch, value: str, names: set
) -> None:
    installed(
        *(Entry(name, plugin_object(handbench_objectives=lambda name=name: {name: Lazy("m:C")})) for name in ("one", "two"))
    )
    monkeypatch.setenv("HANDBENCH_PLUGINS", value)
    assert {offer.name for offer in discover().offers} & {"one", "two"} == names


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        ("no_colon", "not of the form"),
        ("missing_module_xyz:C", "cannot be imported"),
        ("json:JSONDecoder", "not a class with a nested Config"),
    ],
)
def test_a_lazy_reference_that_fails_names_its_plugin(module: Any, offer: str, message: str) -> None:
    found = discover((module(f"@hookimpl\ndef handbench_heads():\n    return {{'mine': Lazy({offer!r})}}\n"),))
    with pytest.raises(PluginError, match=message) as caught:
        found.find("head", "mine")
    assert "--plugin plugin_under_test" in str(caught.value)


def test_offers_may_be_classes_strings_lazy_or_families(module: Any) -> None:
    class Direct:
        """First line."""

        Config = object

    holder = types.ModuleType("direct_plugin")
    holder.handbench_heads = hookimpl(
        lambda: {"direct": Direct, "text": "handbench.pose.heads.linear:Linear", "zoo": Family("a:B", "c:d", "model", "many")}
    )
    sys.modules["direct_plugin"] = holder
    try:
        found = discover(("direct_plugin",))
    finally:
        del sys.modules["direct_plugin"]
    by_name = {offer.name: offer for offer in found.of_kind("head")}
    assert by_name["direct"].summary == "First line." and by_name["direct"].load() is Direct
    assert by_name["text"].load().__name__ == "Linear" and by_name["zoo"].summary == "many"
