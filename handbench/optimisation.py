"""Optimisers and schedules: modules and hyper-parameters in; an optimiser and the learning rate of every step out.

The paper pre-trains with Adam inside a LARS wrapper, no decay on biases and norm layers, linear warm-up and a cosine per step.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split trainable parameters into decayed ones and those that are not: biases and everything of one dimension (norms)."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trainable if parameter.dim() > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trainable if parameter.dim() <= 1], "weight_decay": 0.0},
    ]


def adam(module: nn.Module, weight_decay: float) -> torch.optim.Adam:
    """Adam over the module's trainable parameters, fused; the learning rate is set at every step by `set_rate`."""
    groups = [group for group in parameter_groups(module, weight_decay) if group["params"]]
    return torch.optim.Adam(groups, lr=0.0, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the same learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def scaled_rate(rate: float, batch: int) -> float:
    """Scale a base rate with the square root of the batch.

    Example:
        >>> round(scaled_rate(1e-4, 2048), 6)  # PeCLR's pre-training
        0.004525
    """
    return rate * math.sqrt(batch)


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """The factor on the learning rate at a step: linear from 0 over the warm-up's share of the steps, then a cosine to 0.

    Args:
        step: 0 … steps - 1.
        steps: of the whole run.
        warmup: share of the steps, in [0, 1).

    Example:
        >>> [round(warmup_cosine(step, 100, 0.1), 3) for step in (0, 5, 10, 55, 100)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rise = warmup * steps
    if step < rise:
        return step / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(steps - rise, 1.0)))


@torch.no_grad()
def lars_scale(parameters: Iterable[Tensor], rate: float, trust: float = 0.02, weight_decay: float = 0.0) -> None:
    """Scale each weight's gradient by its layer's trust ratio, never above what the rate allows (LARC's clip).

    Called before the optimiser's step. Adam divides by the gradient's own size, so the ratio nearly cancels: it is here because
    the paper's code has it.

    Source:
        You et al., arXiv:1708.03888; PeCLR's pre-training (trust 0.02).
    """
    for parameter in parameters:
        if parameter.grad is None or parameter.dim() <= 1:
            continue
        weight, gradient = parameter.norm(), parameter.grad.norm()
        ratio = trust * weight / (gradient + weight_decay * weight + 1e-8)
        usable = (weight > 0) & (gradient > 0)
        parameter.grad.mul_(torch.where(usable, (ratio / max(rate, 1e-12)).clamp(max=1.0), torch.ones_like(ratio)))
