"""Objectives, augmentations and backbones that each break one promise, for the contract to catch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from handbench.geometry import move
from handbench.learn.augmentations.rotate import Rotate
from handbench.learn.backbones.tiny import Tiny
from handbench.learn.objectives.peclr import PeCLR
from handbench.learn.objectives.simclr import SimCLR
from handbench.types import Views


@dataclass(frozen=True)
class Empty:
    """Nothing to set."""


Loss = tuple[Tensor, Mapping[str, Tensor]]


class Thawed(SimCLR):
    """Its Config can be changed after the fact."""

    @dataclass
    class Config:
        """Not frozen."""

        temperature: float = 0.1
        hidden: int = 8
        points: int = 8


class Demanding(SimCLR):
    """Its Config cannot be made without knowing what to put in."""

    @dataclass(frozen=True)
    class Config:
        """A field without a default."""

        temperature: float


class Nameless(SimCLR):
    __doc__ = None


# Objectives


class Frozen(nn.Module):
    """A network without gradient."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images).detach()


class Detached(SimCLR):
    """The encoder never hears of its loss."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        return super().forward(Frozen(backbone), views)


class Endless(SimCLR):
    """Not a number."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        loss, monitors = super().forward(backbone, views)
        return loss / 0, monitors


class Attached(SimCLR):
    """Its monitors keep the whole graph alive."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        loss, monitors = super().forward(backbone, views)
        return loss, {**monitors, "loss": loss}


class Overflowing(SimCLR):
    """A thousand times as large in half precision."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        loss, monitors = super().forward(backbone, views)
        return loss * (1e3 if self.projector(backbone(views.flat)).dtype == torch.bfloat16 else 1.0), monitors


class Climbing(SimCLR):
    """Trains the wrong way."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        first, second = functional.normalize(self.projector(backbone(views.flat)), dim=1).chunk(2)
        loss = (first * second).sum(1).mean()
        return loss.detach() * 2 - loss, {}


class Collapsing(SimCLR):
    """Two views should agree, and nothing keeps them from all becoming one point."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        first, second = backbone(views.flat).chunk(2)
        return (first - second).square().sum(1).mean() + 0.1 * (first.square().sum(1) + second.square().sum(1)).mean(), {}


class Favouring(SimCLR):
    """Looks at the first image more than at the others."""

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        loss, monitors = super().forward(backbone, views)
        return loss + 0.1 * backbone(views.flat)[0].square().sum(), monitors


class Moody(SimCLR):
    """Draws from a generator that no seed reaches."""

    def __init__(self, config: Any, **sizes: Any) -> None:
        super().__init__(config, **sizes)
        with torch.no_grad():
            for weight in self.parameters():
                weight += torch.from_numpy(np.random.default_rng().normal(0, 0.1, weight.shape)).float()


class Forgetful(SimCLR):
    """Keeps a running mean where no state dict finds it."""

    def __init__(self, config: Any, **sizes: Any) -> None:
        super().__init__(config, **sizes)
        self.mean = torch.zeros(())

    def forward(self, backbone: nn.Module, views: Views) -> Loss:
        loss, monitors = super().forward(backbone, views)
        self.mean = 0.9 * self.mean + 0.1 * loss.detach()
        return loss + self.mean, monitors


class SaidInvariant(PeCLR):
    """Reads the warps and says that it does not."""

    symmetry: ClassVar = "invariant"


class SaidEquivariant(SimCLR):
    """Says that it reads the warps and does not."""

    symmetry: ClassVar = "equivariant"


class Backwards(PeCLR):
    """Undoes the warp in the wrong direction."""

    symmetry: ClassVar = "equivariant"

    def undo(self, points: Tensor, views: Views) -> Tensor:
        return move(views.window_warps.flatten(0, 1), points)


# Augmentations


class Shadow(Rotate):
    """Of no kind that there is."""

    kind: ClassVar[Any] = "shadow"


class Flat(Rotate):
    """Draws 2 x 3 matrices."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return super().draw(count, generator)[:, :2]


class Restless(Rotate):
    """Draws from the global generator."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return super().draw(count, torch.Generator().manual_seed(int(torch.randint(2**31, (1,)))))


class OneForAll(Rotate):
    """One draw for the whole batch, as some libraries do."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return super().draw(1, generator).expand(count, 3, 3)


class Squashing(Rotate):
    """A warp that loses a dimension."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.diag(torch.tensor([1.0, 1e-7, 1.0])) @ super().draw(count, generator)


class Glaring:
    """A filter that leaves [0, 1]."""

    kind: ClassVar[Any] = "filter"
    Config = Empty

    def __init__(self, config: Empty) -> None:
        self.config = config

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return images + torch.rand(len(images), 1, 1, 1, generator=generator)


class Sliding(Glaring):
    """A filter that shifts the picture and forgets the joints."""

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return images.roll(4 + int(torch.randint(2, (1,), generator=generator)), -1)


class DarkerInBytes(Glaring):
    """Darkens twice as far where it works in bytes."""

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return images * (1 - 0.3 * torch.rand(len(images), 1, 1, 1, generator=generator))

    def in_bytes(self, count: int, generator: torch.Generator) -> Any:
        drawn = torch.rand(count, generator=generator).tolist()

        def darken(image: np.ndarray, number: int) -> None:
            image[:] = image * (1 - 0.6 * drawn[number])

        return darken


# Backbones and heads


class Wide(Tiny):
    """Says another width than it has."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.width = 200


class Blind(Tiny):
    """Sees no image."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(torch.zeros_like(images) + 0 * images)


class Sociable(Tiny):
    """Normalises by its batch in evaluation, too."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images - images.mean(0))


class Striding(Tiny):
    """Reads the memory as if it were always stored channels first."""

    def forward(self, images: Tensor) -> Tensor:
        strided = torch.as_strided(images, images.shape, torch.empty(images.shape).stride())
        return super().forward(strided)


class Severed(Tiny):
    """No gradient reaches the image."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.detach())


class Seedless(Tiny):
    """Always has the same weights."""

    def __init__(self, config: Any) -> None:
        torch.manual_seed(0)
        super().__init__(config)
