"""The record says which code ran, and never takes somebody else's commit for ours."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import handbench
from handbench.results import provenance


def test_what_is_recorded_is_plain_and_complete() -> None:
    found = provenance.provenance(torch.device("cpu"))
    assert found["handbench"] == handbench.__version__
    assert found["libraries"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["hardware"]["threads"] == torch.get_num_threads()
    assert found["hardware"]["gpu"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_digest_is_of_the_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("x = 1")
    digests = []
    for text in ("x = 1", "x = 2", "x = 1"):
        (tmp_path / "a.py").write_text(text)
        (tmp_path / "notes.txt").write_text(f"{len(digests)}")  # no module: no change
        provenance.code_digest.cache_clear()
        digests.append(provenance.code_digest())
    provenance.code_digest.cache_clear()
    assert digests[0] == digests[2] != digests[1]
    assert len(digests[0]) == 16


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_a_checkout_s_top_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "handbench"
    package.mkdir()
    (package / "a.py").write_text("x = 1")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert provenance._checkout_commit(tmp_path) is None

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert provenance._checkout_commit(tmp_path) == head
    (package / "a.py").write_text("x = 2")
    assert provenance._checkout_commit(tmp_path) == f"{head}+changes"
    assert provenance._checkout_commit(package) is None  # inside the repository, not its top
