"""Arrays drawn on the CPU go in; float32 tensors on the rendering device come out."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Drawn = TypeVar("Drawn")


def tensor(values: np.ndarray) -> Tensor:
    """A float32 tensor; flags and whole numbers become floats as well."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def moved(value: Drawn, device: torch.device) -> Drawn:
    """The same dataclass with its tensors, and those of dataclasses inside it, on another device."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} is not a dataclass")
    return replace(value, **{field.name: _there(getattr(value, field.name), device) for field in fields(value)})


def _there(item: Any, device: torch.device) -> Any:
    if isinstance(item, Tensor):
        return item.to(device)
    return moved(item, device) if is_dataclass(item) else item
