"""The tables under results/ are what the published records give."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from handbench.benchmarks import markdown
from handbench.cli.report import report

PUBLISHED = Path(__file__).resolve().parents[1] / "results"
FOLDERS = sorted({path.parent for path in PUBLISHED.rglob("table.md")})


def test_every_record_is_in_a_table() -> None:
    records = sorted(PUBLISHED.rglob("run.json"))
    lonely = [str(path) for path in records if not any(folder in path.parents for folder in FOLDERS)]
    assert not lonely, f"no table stands beside or above these records: {lonely}"


def test_tables_are_made_from_the_records() -> None:
    if not FOLDERS:
        pytest.skip("nothing is published yet")
    for folder in FOLDERS:
        outcome = CliRunner().invoke(report, [str(folder), "--check"])
        assert outcome.exit_code == 0, outcome.stderr or outcome.exception


@pytest.mark.parametrize("path", sorted((PUBLISHED / "bench").glob("*.json")), ids=lambda path: path.stem)
def test_benchmark_tables_are_made_from_their_measurements(path: Path) -> None:
    assert path.with_suffix(".md").read_text(encoding="utf-8") == markdown(json.loads(path.read_text(encoding="utf-8")))


def test_the_readmes_tables_are_made_from_the_records() -> None:
    done = subprocess.run(
        [sys.executable, str(PUBLISHED.parent / "tools" / "readme_tables.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
