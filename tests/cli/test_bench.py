"""`handbench bench data` writes what it measured and the table made from it; no figure is judged here."""

import json
from pathlib import Path

import pytest

from handbench.benchmarks import markdown
from handbench.cli import main


def test_bench_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "data", "--rounds", "1", "--images", "16", "--device", "cpu", "--out", str(tmp_path)])
    assert not leaving.value.code
    document = json.loads((tmp_path / "data.json").read_text())
    assert [arm["name"] for arm in document["arms"]] == ["lab 64 px", "lab 128 px", "wild 64 px"]
    assert [arm["bar"] for arm in document["arms"]] == [150.0, 60.0, None]
    assert all(rate > 0 for arm in document["arms"] for rate in arm["rates"]) and document["machine"]["hardware"]["cores"] >= 1
    assert (tmp_path / "data.md").read_text() == markdown(document)
    assert "images a second" in capsys.readouterr().out
