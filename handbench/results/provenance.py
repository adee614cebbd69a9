"""Which code ran, with which libraries, on which machine: nothing goes in but the device; a table for the record comes out."""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from handbench import __version__, devices

LIBRARIES = ("torch", "timm", "torchvision", "numpy", "pandas", "pillow")
PACKAGE = Path(__file__).resolve().parents[1]


def provenance(device: torch.device) -> dict[str, Any]:
    """Describe the code and the machine of a run.

    Returns:
        handbench (version), code (digest of the package's modules, so that an unreleased change shows), commit (None where it
        is not known), python, platform, libraries and plugins (distribution to version), hardware.
    """
    return {
        "handbench": __version__,
        "code": code_digest(),
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "plugins": plugin_distributions(),
        "hardware": hardware(device),
    }


def hardware(device: torch.device) -> dict[str, Any]:
    """The device's name, the CPU cores this process may use, torch's threads, and CUDA's version where it is used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "device": devices.describe(device),
        "cpu": devices.describe(torch.device("cpu")),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
    }


def plugin_distributions() -> dict[str, str]:
    """Installed distributions that offer handbench plugins, with their versions."""
    entries = importlib.metadata.entry_points(group="handbench")
    return {entry.dist.name: entry.dist.version for entry in entries if entry.dist is not None}


@functools.cache
def code_digest() -> str:
    """Digest of every module of the package: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@functools.cache
def commit() -> str | None:
    """The git commit handbench runs from, with "+changes" after it where the checkout differs; None where it is not known."""
    return _checkout_commit(PACKAGE.parent) or _installed_commit()


def _checkout_commit(folder: Path) -> str | None:
    """The commit of `folder`, only if it is a checkout's top: a site-packages below somebody's repository is not."""
    if not (folder / ".git").exists():
        return None
    head = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", PACKAGE.name)
    return f"{head}+changes" if head and changes else head


def _installed_commit() -> str | None:
    """The commit that pip noted when it installed from a version-control URL (PEP 610)."""
    try:
        noted = importlib.metadata.distribution("handbench").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    found = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    return str(found) if found else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        outcome = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return outcome.stdout.strip() or None


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
