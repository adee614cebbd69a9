"""What every augmentation promises: draws that belong to their key and stay in range; a warp moves pixels and joints alike."""

from collections.abc import Callable

import torch
from torch import Tensor

from handbench.learn.views import make_views
from handbench.protocols import Augmentation, Bytewise
from handbench.testing.contract import Subject, require
from handbench.testing.toys import SIDE, VIEW, batch, brightest, dot_views
from handbench.types import Views

COUNT = 64
SHAPES = {"warp": (COUNT, 3, 3), "colour": (COUNT, 3, 4)}
GREY = 4.0  # levels of 255, on average over an image; bytes of hue round by less than one
NEAR = 0.25  # pixels; a moved dot is found to a tenth of a pixel, a forgotten joint is off by several


def kind_is_one_of_three(subject: Subject) -> None:
    """It says which kind it is, and draws what that kind draws."""
    kind = getattr(subject.target, "kind", None)
    require(kind in ("warp", "colour", "filter"), f"{subject.name}.kind is {kind!r}; use 'warp', 'colour' or 'filter'")
    if kind in SHAPES:
        drawn = _drawn(subject, 0)
        met = tuple(drawn.shape)
        require(met == SHAPES[kind], f"{subject.name}: draw({COUNT}, generator) has shape {met}, expected {SHAPES[kind]}")
        require(torch.isfinite(drawn).all(), f"{subject.name}: draws numbers that are not finite")


def draw_belongs_to_its_key(subject: Subject) -> None:
    """The same generator state gives the same views, another gives others, and samples differ among themselves."""
    one, same, other = (_views(subject, seed).images for seed in (0, 0, 1))
    require(torch.equal(one, same), f"{subject.name}: the same key gives other views; draw with the generator that is passed")
    require(not torch.equal(one, other), f"{subject.name}: two keys give the same views")
    changed = torch.stack([_views(subject, seed).images[0, 0] for seed in range(24)])
    require(changed.flatten(1).unique(dim=0).shape[0] > 1, f"{subject.name}: 24 draws for one picture are all the same")
    if subject.target.kind in SHAPES:
        require(_drawn(subject, 0).unique(dim=0).shape[0] > 1, f"{subject.name}: all samples of a batch get the same draw")


def views_stay_in_range(subject: Subject) -> None:
    """Views are finite and in [0, 1], whatever is drawn."""
    for seed in range(8):
        images = _views(subject, seed).images
        require(torch.isfinite(images).all(), f"{subject.name}: pixels are not all finite")
        low, high = float(images.min()), float(images.max())
        require(low >= -1e-6 and high <= 1 + 1e-6, f"{subject.name}: pixels span {low:.3g} to {high:.3g}, expected 0 to 1")


def warp_can_be_undone(subject: Subject) -> None:
    """A warp is an affine matrix with an inverse, so that an equivariant objective can undo it."""
    warps = _drawn(subject, 0)
    last = torch.tensor([0.0, 0.0, 1.0]).expand(COUNT, 3)
    require(torch.allclose(warps[:, 2], last), f"{subject.name}: the last row of a warp must be (0, 0, 1)")
    size = torch.linalg.det(warps).abs()
    small, large = float(size.min()), float(size.max())
    require(
        small > 1e-2 and large < 1e2, f"{subject.name}: warps change areas by {small:.3g} to {large:.3g}, hardly to be undone"
    )
    off = float((warps @ torch.linalg.inv(warps) - torch.eye(3)).abs().max())
    require(off < 1e-4, f"{subject.name}: a warp times its inverse is {off:.2g} away from the identity")


def joints_move_with_the_pixels(subject: Subject) -> None:
    """A white dot drawn on a joint is still on it in every view; what moves pixels must be a warp."""
    places = torch.rand(COUNT, 2, generator=torch.Generator().manual_seed(4)) * (SIDE / 3) + SIDE / 3
    seen = make_views(dot_views(places), [_made(subject)], 1, VIEW, torch.Generator().manual_seed(5))
    joints, dots = seen.joints_2d[0, :, 0], brightest(seen.images[0])
    inside = ((joints > 6) & (joints < VIEW - 6)).all(1) & _dot_survives(seen.images[0])
    if inside.sum() < COUNT // 8:
        return  # hidden, bleached or moved out nearly everywhere: nothing can be said
    off = (joints - dots)[inside].norm(dim=1).median()
    require(off < NEAR, f"{subject.name}: the picture moves away from its joints by {float(off):.2g} pixels; make it a warp")


def bytes_change_as_floats_do(subject: Subject) -> None:
    """What it does in bytes it does in [0, 1] with the same draw, to a few grey levels."""
    made, pictures = subject.target(subject.config()), batch(16).images
    expected = made.apply(pictures.permute(0, 3, 1, 2) / 255, torch.Generator().manual_seed(6))
    change = made.in_bytes(len(pictures), torch.Generator().manual_seed(6))
    changed = pictures.numpy().copy()
    for number, picture in enumerate(changed):
        change(picture, number)
    off = 255 * float((torch.from_numpy(changed).permute(0, 3, 1, 2) / 255 - expected).abs().mean((1, 2, 3)).max())
    require(off < GREY, f"{subject.name}: in_bytes differs from apply by {off:.2g} grey levels; draw and change alike in both")


def _dot_survives(images: Tensor) -> Tensor:
    """Views in which one small spot is still brighter than everything else."""
    grey = images.mean(1).flatten(1)
    low, high = grey.min(1, keepdim=True).values, grey.max(1, keepdim=True).values
    bright = (grey > (low + high) / 2).sum(1)
    return (high - low)[:, 0].gt(0.3) & bright.lt(60) & bright.gt(2)


def _made(subject: Subject) -> Augmentation:
    made: Augmentation = subject.target(subject.config())
    return made


def _drawn(subject: Subject, seed: int) -> Tensor:
    drawn: Tensor = subject.target(subject.config()).draw(COUNT, torch.Generator().manual_seed(seed))
    return drawn


def _views(subject: Subject, seed: int) -> Views:
    return make_views(batch(16), [_made(subject)], 2, VIEW, torch.Generator().manual_seed(seed))


def promises(subject: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them; only a warp must have an inverse, and only some filters work in bytes."""
    of_warps = (warp_can_be_undone,) if getattr(subject.target, "kind", None) == "warp" else ()
    of_bytes = (bytes_change_as_floats_do,) if issubclass(subject.target, Bytewise) else ()
    return (
        kind_is_one_of_three,
        draw_belongs_to_its_key,
        views_stay_in_range,
        *of_warps,
        *of_bytes,
        joints_move_with_the_pixels,
    )
