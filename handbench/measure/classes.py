"""The linear probe of class labels: frozen features in; predicted classes out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor

from handbench.standardiser import Standardiser
from handbench.streams import Draws

DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)
VALIDATION = 0.2


def linear_predict(
    train: Float[Tensor, "train width"], classes: Int[Tensor, "train"], test: Float[Tensor, "test width"], seed: int
) -> Int[Tensor, "test"]:
    """Fit multinomial logistic regression on standardised features and predict; a fifth of the training rows chooses the decay.

    Args:
        train, test: features.
        classes: from 0.
        seed: of the choice of that fifth.
    """
    scale = Standardiser.of(train)
    inputs = scale(train)
    order = torch.from_numpy(Draws(seed, "linear-probe").permutation(len(train)))
    held = max(1, int(VALIDATION * len(train)))
    decay = _choose(inputs[order[held:]], classes[order[held:]], inputs[order[:held]], classes[order[:held]], DECAYS)
    weights = fit(inputs, classes, decay)
    return _logits(weights, scale(test)).argmax(1)


def fit(
    inputs: Float[Tensor, "rows width"], classes: Int[Tensor, "rows"], decay: float, steps: int = 100
) -> Float[Tensor, "classes widthp1"]:
    """Minimise cross-entropy + decay/2 · |w|² by L-BFGS; the last column is the bias, which is not decayed."""
    count = int(classes.max()) + 1
    weights = torch.zeros(count, inputs.shape[1] + 1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(_logits(weights, inputs), classes) + decay / 2 * weights[:, :-1].square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weights.detach()


def _choose(inputs: Tensor, classes: Tensor, held_inputs: Tensor, held_classes: Tensor, decays: Sequence[float]) -> float:
    hits = [
        (_logits(fit(inputs, classes, decay), held_inputs).argmax(1) == held_classes).float().mean().item() for decay in decays
    ]
    return decays[max(range(len(decays)), key=hits.__getitem__)]


def _logits(weights: Tensor, inputs: Tensor) -> Tensor:
    return inputs @ weights[:, :-1].T + weights[:, -1]
