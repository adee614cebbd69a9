"""A bank of heads: copies of one head, a learning rate and weight decay each, in; all trained on the same batches out.

Every batch is drawn once, every copy sees it, one backward pass serves the sum of their losses, and one Adam holds each copy's
rate and decay. The copies share nothing that a gradient could cross, so each ends as it would have ended alone.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from handbench.optimisation import parameter_groups

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Setting:
    """Adam's learning rate and weight decay."""

    rate: float
    decay: float


class Bank:
    """Copies of a head, one for each setting.

    On a GPU small heads cost launches, not arithmetic: there all copies run as one, by `torch.func.vmap` over their stacked
    weights. A CPU gains nothing from that (three MLPs on 128 x 256: 13 ms a step stacked, 10 ms in a row, on one core), so
    there they run one after another; so do heads that vmap refuses, e.g. with `if` on a value.

    Batch norm works either way because each copy keeps its own running statistics: stacked, they are updated in place on the
    stack and written back. Dropout and the like draw the same for every copy, as for a copy alone, from the step's seed.

    Args:
        head: the first weights of all copies.
        settings: one a copy.
        stacked: run all copies as one; None decides by the device.
    """

    def __init__(self, head: nn.Module, settings: Sequence[Setting], stacked: bool | None = None) -> None:
        self.heads = [copy.deepcopy(head) for _ in settings]
        self._settings = tuple(settings)
        self._stacked = next(iter(head.parameters())).is_cuda if stacked is None else stacked
        self._skeleton = copy.deepcopy(head).to("meta")
        self._groups = [
            {**group, "rate": setting.rate}
            for own, setting in zip(self.heads, settings, strict=True)
            for group in parameter_groups(own, setting.decay)
            if group["params"]
        ]
        self._optimiser = torch.optim.Adam(self._groups, lr=0.0, fused=True)

    def step(self, features: Float[Tensor, "batch width"], loss: Loss, factor: float, seed: int) -> None:
        """Move every copy by one step of Adam.

        Args:
            features: what all copies see.
            loss: outputs (copies, batch, 21, 3) -> (copies,).
            factor: on every setting's learning rate.
            seed: of this step's dropout.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate"] * factor
        self._optimiser.zero_grad()
        loss(self._outputs(features, seed)).sum().backward()
        self._optimiser.step()

    @torch.no_grad()
    def losses(self, features: Float[Tensor, "rows width"], loss: Loss) -> list[float]:
        """The loss of each copy in evaluation mode."""
        return loss(torch.stack([head.eval()(features) for head in self.heads])).tolist()

    def _outputs(self, features: Tensor, seed: int) -> Float[Tensor, "copies batch 21 3"]:
        for head in self.heads:
            head.train()
        if self._stacked:
            try:
                return self._as_one(features, seed)
            except (RuntimeError, ValueError):  # vmap's refusals; an error of the head itself comes again below
                self._stacked = False
        return torch.stack([self._alone(head, features, seed) for head in self.heads])

    @staticmethod
    def _alone(head: nn.Module, features: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        output: Tensor = head(features)
        return output

    def _as_one(self, features: Tensor, seed: int) -> Float[Tensor, "copies batch 21 3"]:
        own = [dict(head.named_parameters()) for head in self.heads]
        weights = {name: torch.stack([copied[name] for copied in own]) for name in own[0]}
        _, buffers = stack_module_state(self.heads)

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            output: Tensor = functional_call(self._skeleton, (weights, buffers), (features,))
            return output

        self._skeleton.train()
        torch.manual_seed(seed)
        outputs: Tensor = torch.vmap(one, randomness="same")(weights, buffers)
        for place, head in enumerate(self.heads):
            for name, buffer in head.named_buffers():
                buffer.copy_(buffers[name][place])
        return outputs
