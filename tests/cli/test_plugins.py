"""`handbench plugins` and the front door: lists every kind, imports nothing heavy, warns of what is broken."""

import subprocess
import sys
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
    assert [line for line in lines if not line.startswith(" ")] == [f"{kind}s" for kind in KINDS]
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


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version")[1].strip() == f"handbench, version {__version__}"


def test_python_m_handbench() -> None:
    done = subprocess.run([sys.executable, "-m", "handbench", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: handbench" in done.stdout
