"""Weights from a file: a .safetensors, .pt or .pth path in, a backbone with those weights out."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from handbench.errors import RecipeError

# What other code puts before a backbone's own names: DataParallel, Lightning and PeCLR's modules.
PREFIXES = ("module.", "model.", "encoder.", "backbone.", "backend_model.", "features.")

CODE = re.compile(r"GLOBAL ([\w.]+)")  # how torch names what a pickle would have called


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a backbone from a state dict; classifier weights and other extra names are left aside, missing ones are an error.

    Raises:
        RecipeError: no such file, unreadable file, or a file that does not cover the backbone (names the first gaps).
    """
    stored = strip_prefixes(read_state(path), set(module.state_dict()))
    own = module.state_dict()
    missing = [name for name in own if name not in stored and not name.endswith("num_batches_tracked")]
    wrong = [name for name in own if name in stored and stored[name].shape != own[name].shape]
    if missing or wrong:
        gaps = ", ".join(f"'{name}'" for name in [*missing, *wrong][:4])
        raise RecipeError(
            f"weights {path} do not fit the backbone: {len(missing)} tensors missing, {len(wrong)} of another shape "
            f"(e.g. {gaps}); name the --backbone that they belong to"
        )
    module.load_state_dict({name: stored[name] for name in own if name in stored}, strict=False)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict; a checkpoint's `state_dict` or `model` entry is looked into. Raises RecipeError."""
    if not path.is_file():
        raise RecipeError(f"weights {path} is not a file; give none, imagenet, or the path of a .safetensors, .pt or .pth file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise RecipeError(f"weights {path} cannot be read: {type(error).__name__}: {error}") from error
    except Exception as error:  # torch raises pickle errors of several kinds for what is not a plain state dict
        asked = CODE.search(str(error))
        what = f"it asks for the code '{asked[1]}', which is never run" if asked else type(error).__name__
        raise RecipeError(f"weights {path} is not a plain state dict: {what}; get the file from its authors again") from error
    return _tensors(content, path)


def strip_prefixes(state: Mapping[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Drop leading module names until the names meet those of the backbone.

    Example:
        >>> sorted(strip_prefixes({"module.encoder.conv1.weight": torch.ones(1)}, {"conv1.weight"}))
        ['conv1.weight']
    """
    names = dict(state)
    while not wanted & set(names):
        stripped = {_drop(name): tensor for name, tensor in names.items()}
        if stripped.keys() == names.keys():
            break
        names = stripped
    return names


def _drop(name: str) -> str:
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise RecipeError(f"weights {path} hold no tensors by name")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
