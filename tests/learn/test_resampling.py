"""Resampling: both backends against each other and against slow references, at the border, when shrinking, and on any threads."""

import math

import numpy as np
import pytest
import torch
from fixtures import no_questions

from handbench.geometry import move, rotation, scaling, translation
from handbench.learn import resampling
from handbench.learn.resampling import LEVELS, by_opencv, by_torch, resample

SIDE, SIZE = 48, 32
BACKENDS = pytest.mark.parametrize("backend", [by_opencv, by_torch], ids=lambda backend: backend.__name__)
FILLS = pytest.mark.parametrize("fill", ["reflect", "black", "grey"])


def noise(count: int = 4, side: int = SIDE, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (count, side, side, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def warp_of(degrees: float, factor: float, x: float = 0.0, y: float = 0.0, mirrored: bool = False) -> torch.Tensor:
    """Crop -> view: turned about the crop's centre, scaled, shifted by view pixels, and perhaps mirrored."""
    there = translation(torch.tensor(SIZE / 2 + x), torch.tensor(SIZE / 2 + y))
    back = translation(torch.tensor(-SIDE / 2), torch.tensor(-SIDE / 2))
    mirror = torch.diag(torch.tensor([-1.0 if mirrored else 1.0, 1.0, 1.0]))
    return there @ rotation(torch.tensor(math.radians(degrees))) @ scaling(torch.tensor(factor)) @ mirror @ back


WARPS = torch.stack(
    [warp_of(0, 1.0), warp_of(30, 0.8, 9.3, -4.7), warp_of(-70, 1.7, mirrored=True), warp_of(10, 0.55, -20.0, 3.1)]
)


def slow_bilinear(image: np.ndarray, warp: np.ndarray, size: int, fill: str) -> np.ndarray:
    """Pixel by pixel from the definition, on an image continued far beyond its border."""
    margin = 3 * len(image)
    mode = {"mode": "symmetric"} if fill == "reflect" else {"constant_values": {"black": 0, "grey": 128}[fill]}
    wide = np.pad(image.astype(float), ((margin, margin), (margin, margin), (0, 0)), **mode)
    back, out = np.linalg.inv(warp), np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            x, y, _ = back @ [column + 0.5, row + 0.5, 1] + [margin - 0.5, margin - 0.5, 0]
            left, top = math.floor(x), math.floor(y)
            right, below = x - left, y - top
            square = wide[top : top + 2, left : left + 2]
            out[row, column] = (1 - below) * ((1 - right) * square[0, 0] + right * square[0, 1]) + below * (
                (1 - right) * square[1, 0] + right * square[1, 1]
            )
    return out


def bytes_of(images: torch.Tensor) -> np.ndarray:
    return 255 * images.permute(0, 1, 3, 4, 2).numpy()


@FILLS
@BACKENDS
def test_pixels_are_those_of_the_definition(backend, fill) -> None:
    images = noise()
    seen = bytes_of(backend(images, WARPS[None], SIZE, fill))[0]
    for image, warp, found in zip(images.numpy(), WARPS.double().numpy(), seen, strict=True):
        assert np.abs(found - slow_bilinear(image, warp, SIZE, fill)).max() < 0.6


@FILLS
def test_backends_agree(fill) -> None:
    shrinking = torch.stack([scaling(torch.tensor(factor)) for factor in (0.5, 0.2, 0.1, 0.03)]) @ WARPS
    colours = torch.cat([torch.eye(3) * 0.7 + 0.1, torch.full((3, 1), -0.05)], 1).expand(2, 4, 3, 4)
    for colour in (None, colours):
        warps = torch.stack([WARPS, shrinking])
        one, two = (bytes_of(backend(noise(), warps, SIZE, fill, colour)) for backend in (by_opencv, by_torch))
        assert np.abs(one - two).mean() < 0.6  # OpenCV rounds to whole grey levels, twice where there is a colour
        assert np.abs(one - two).max() < 2.1


@BACKENDS
def test_the_identity_returns_the_crop(backend) -> None:
    images = noise()
    assert np.abs(bytes_of(backend(images, torch.eye(3).expand(1, 4, 3, 3), SIDE))[0] - images.numpy()).max() < 1e-3


@BACKENDS
@pytest.mark.parametrize(("factor", "side"), [(4, 32), (8, 64), (16, 128)])
def test_a_view_that_shrinks_is_the_mean_of_what_it_covers(backend, factor: int, side: int) -> None:
    images, size = noise(3, side), side // factor
    warps = torch.diag(torch.tensor([1 / factor, 1 / factor, 1.0])).expand(1, 3, 3, 3)
    means = images.numpy().reshape(3, size, factor, size, factor, 3).mean((2, 4))
    assert np.abs(bytes_of(backend(images, warps, size))[0] - means).max() < 1.1


@BACKENDS
def test_sides_that_cannot_be_halved_keep_their_places(backend) -> None:
    ramp = torch.arange(45, dtype=torch.uint8)[None, None, :, None].expand(1, 45, 45, 3).contiguous() * 5
    warp = torch.diag(torch.tensor([0.2, 0.2, 1.0]))[None, None]
    seen = bytes_of(backend(ramp, warp, 9))[0, 0, :, :, 0]
    assert np.abs(seen[:8, :8] - 5 * (5 * np.arange(8) + 2)).max() < 1.6


def test_as_many_levels_as_the_warp_asks_for() -> None:
    factors = torch.tensor([3.0, 1.0, 0.5, 0.49, 0.25, 0.24, 0.125, 0.01])
    levels = resampling._levels(torch.linalg.inv(scaling(factors) @ rotation(torch.tensor(0.7))))
    assert levels.tolist() == [0, 0, 0, 1, 1, 2, 2, LEVELS]
    flat = torch.diag(torch.tensor([0.2, 1.0, 1.0]))
    assert resampling._levels(torch.linalg.inv(flat)) == 2  # the axis that shrinks most counts


@BACKENDS
def test_a_drawn_dot_stays_on_its_point(backend) -> None:
    point = torch.tensor([[21.3, 26.8]]).expand(4, 2)
    grid = torch.arange(SIDE) + 0.5
    distance = (grid[None, None] - point[:, :1, None]) ** 2 + (grid[None, :, None] - point[:, 1:, None]) ** 2
    dots = (255 * torch.exp(-distance / 12)).round().to(torch.uint8)[..., None].expand(-1, -1, -1, 3).contiguous()
    warps = torch.stack([warp_of(0, 0.7), warp_of(50, 0.6), warp_of(-20, 0.65, 2.3, 1.1, mirrored=True), warp_of(5, 0.4)])
    mass = backend(dots, warps[None], SIZE, "black").mean((0, 2))
    centres, total = torch.arange(SIZE) + 0.5, mass.sum((1, 2))
    found = torch.stack([(mass.sum(1) * centres).sum(1) / total, (mass.sum(2) * centres).sum(1) / total], -1)
    assert (found - move(warps, point[:, None])[:, 0]).norm(dim=-1).max() < 0.05


@BACKENDS
def test_colours_are_applied_and_clipped(backend) -> None:
    images = noise()
    matrix = torch.tensor([[0.5, 0.2, 0.0, 0.1], [0.0, 1.5, 0.0, -0.2], [0.3, 0.3, 0.3, 0.0]])
    seen = backend(images, torch.eye(3).expand(1, 4, 3, 3), SIDE, "reflect", matrix.expand(1, 4, 3, 4))
    expected = (images / 255.0) @ matrix[:, :3].T + matrix[:, 3]
    assert (
        np.abs(bytes_of(seen)[0] / 255 - expected.clamp(0, 1).numpy()).max() < 0.7 / 255
    )  # OpenCV multiplies bytes by fractions of ten bits


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images, warps = noise(7), torch.stack([WARPS, scaling(torch.tensor(0.3)) @ WARPS]).repeat(1, 2, 1, 1)[:, :7]
    seen = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        seen.append(resample(images, warps, SIZE))
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2])
    assert seen[0].flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


def test_away_from_the_cpu_nothing_asks_for_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = by_torch(noise(), WARPS[None], SIZE, "grey", torch.eye(3, 4).expand(1, 4, 3, 4))
    monkeypatch.setattr(resampling, "_deepest", lambda levels: LEVELS)
    with no_questions():
        seen = by_torch(noise(), WARPS[None], SIZE, "grey", torch.eye(3, 4).expand(1, 4, 3, 4))
    assert torch.allclose(seen, expected, atol=1e-5)


@pytest.mark.gpu
def test_a_gpu_sees_what_the_cpu_sees_without_being_waited_for(device: torch.device) -> None:
    images, warps = noise(), torch.stack([WARPS, scaling(torch.tensor(0.3)) @ WARPS])
    there, matrices = images.to("cuda"), warps.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        seen = resample(there, matrices, SIZE, "grey")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert np.abs(bytes_of(seen.cpu()) - bytes_of(resample(images, warps, SIZE, "grey"))).mean() < 0.6
