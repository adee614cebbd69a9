"""`handbench plugins` and the front door: lists every kind, imports nothing heavy, warns of what is broken."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from handbench import __version__
from handbench.cli import main
from handbench.plugins import KINDS, discover


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    both = capsys.readouterr()
    return int(leaving.value.code or 0), both.out, both.err


def test_every_component_is_listed_with_summary_and_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = printed(capsys, "plugins")
    assert code == 0 and not err
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [f"{kind}s" for kind in (*KINDS, "suite")]
    for offer in discover().offers:
        assert any(
            line.split()[0] == offer.name and offer.summary in line and f"[handbench {__version__}]" in line for line in lines
        )


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom handbench.cli import main\ntry:\n    main(['plugins'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'timm', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_module_from_the_current_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = "@hookimpl\ndef handbench_heads():\n    return {'mine': Lazy('a:B', 'my head')}\n"
    source = f"from handbench.hookspecs import Lazy, hookimpl\n{hook}"
    (tmp_path / "beside.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    code, out, _ = printed(capsys, "plugins", "--plugin", "beside")
    sys.modules.pop("beside", None)
    assert code == 0 and "my head" in out and "[--plugin beside]" in out


def test_one_component_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed(capsys, "plugins", "show", "peclr")
    assert code == 0
    assert "class   handbench.learn.objectives.peclr:PeCLR" in out and "objectives/peclr.py" in out
    assert re.search(r"paper   Spurr, .* ICCV 2021", out)
    assert re.search(r"mode +exact\|published +'exact' +exact or published", out)
    assert re.search(r"model +str +resnet18 +timm's name", printed(capsys, "plugins", "show", "resnet18")[1])
    code, _, err = printed(capsys, "plugins", "show", "pecrl")
    assert code == 2 and "did you mean 'peclr'" in err


def test_contract_of_a_component_and_of_a_package(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = printed(capsys, "plugins", "check", "linear")
    assert code == 0 and out.startswith("head linear") and out.count("  kept ") == 5 and "BROKEN" not in out
    source = """
        from dataclasses import dataclass
        from torch import nn
        from handbench.hookspecs import hookimpl

        class Twenty(nn.Linear):
            "Leaves out a joint."

            @dataclass(frozen=True)
            class Config:
                "Nothing to set."

            def __init__(self, config, *, width):
                super().__init__(width, 60)

            def forward(self, features):
                return super().forward(features).unflatten(1, (20, 3))

        @hookimpl
        def handbench_heads():
            return {"twenty": Twenty}
    """
    (tmp_path / "twenty_plugin.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("twenty", "twenty_plugin"):
        code, out, err = printed(capsys, "plugins", "--plugin", "twenty_plugin", "check", name)
        assert code == 1 and "promises are broken" in err
        assert "five images' features became (5, 20, 3), expected (5, 21, 3)" in out
    sys.modules.pop("twenty_plugin")


def test_a_new_package_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = printed(capsys, "plugins", "new", "objective", "mine", "--out", str(tmp_path))
    assert code == 0 and str(tmp_path / "mine" / "mine" / "objective.py") in out and "handbench plugins check mine" in err
    assert printed(capsys, "plugins", "new", "metric", "mine")[0] == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version")[1].strip() == f"handbench, version {__version__}"


def test_python_m_handbench() -> None:
    done = subprocess.run([sys.executable, "-m", "handbench", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: handbench" in done.stdout
