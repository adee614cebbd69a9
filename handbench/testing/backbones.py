"""What every backbone promises: images in [0, 1] in, `width` features an image out, whatever else is in the batch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from handbench.testing.contract import Subject, require

SIDE = 64
TOLERANCE = 1e-3  # of the features' spread: other batch sizes and memory formats take other kernels


def gives_as_many_features_as_it_says(subject: Subject) -> None:
    """An image becomes `width` finite numbers, in training and in evaluation."""
    model = _built(subject)
    for mode in (True, False):
        features = model.train(mode)(_images())
        met = tuple(features.shape)
        require(met == (4, model.width), f"{subject.name}: {met[0]} images became {met}, expected (4, {model.width}), its width")
        require(torch.isfinite(features).all(), f"{subject.name}: features of images in [0, 1] are not all finite")


def features_tell_images_apart(subject: Subject) -> None:
    """Different images have different features, already before training."""
    features = _built(subject).eval()(_images())
    require(features.std(0).max() > 0, f"{subject.name}: all images have the same features")


def evaluation_does_not_mind_batch_mates(subject: Subject) -> None:
    """In evaluation an image's features are the same alone and among others."""
    model, images = _built(subject).eval(), _images()
    together, alone = model(images), torch.cat([model(image[None]) for image in images])
    _require_same(together, alone, f"{subject.name}: features change with the other images of the batch")


def channels_last_changes_nothing(subject: Subject) -> None:
    """Weights and images stored channels last give the same features."""
    model, images = _built(subject).eval(), _images()
    before = model(images)
    after = model.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    _require_same(before, after, f"{subject.name}: features change with the memory format; use reshape in place of view")


def gradient_reaches_the_input(subject: Subject) -> None:
    """The gradient of the features reaches every image and every weight that trains."""
    model, images = _built(subject).train(), _images().requires_grad_()
    features = model(images)
    (features * torch.linspace(-1, 1, features.shape[1])).sum().backward()
    reached = images.grad is not None and bool((images.grad.flatten(1).abs().sum(1) > 0).all())
    require(reached, f"{subject.name}: no gradient reaches the images; something detaches them")
    stuck = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    require(not stuck, f"{subject.name}: no gradient reaches {', '.join(stuck[:3])}; unused weights cannot be trained")


def weights_follow_the_seed(subject: Subject) -> None:
    """One seed repeats the weights, another changes them, and a state dict carries them over."""
    first, same, other = (_built(subject, seed).eval() for seed in (0, 0, 1))
    images = _images()
    expected = first(images)
    require(
        torch.equal(expected, same(images)), f"{subject.name}: the same seed gives other weights; draw with torch's generator"
    )
    require(not torch.equal(expected, other(images)), f"{subject.name}: two seeds give the same weights")
    other.load_state_dict(first.state_dict())
    _require_same(expected, other(images), f"{subject.name}: its state dict does not carry everything")


def _built(subject: Subject, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = subject.target(subject.config())
    return model


def _images() -> Tensor:
    return torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def _require_same(one: Tensor, two: Tensor, message: str) -> None:
    difference, spread = float((one - two).detach().abs().max()), float(one.detach().std())
    require(difference <= TOLERANCE * max(spread, 1e-6), f"{message} (by {difference:.2g}, at a spread of {spread:.2g})")


def promises(_: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them."""
    return (
        gives_as_many_features_as_it_says,
        features_tell_images_apart,
        evaluation_does_not_mind_batch_mates,
        channels_last_changes_nothing,
        gradient_reaches_the_input,
        weights_follow_the_seed,
    )
