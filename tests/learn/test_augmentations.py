"""Augmentations: ranges, probabilities, slow references of the filters, presets, and refusals."""

import colorsys
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fixtures import no_questions

from handbench.geometry import inverse, move
from handbench.learn.augmentations import gaussian_blur, hsv_jitter
from handbench.learn.augmentations.color_drop import ColorDrop
from handbench.learn.augmentations.color_jitter import LUMA, ColorJitter
from handbench.learn.augmentations.cut_out import CutOut
from handbench.learn.augmentations.drawing import change_drawn
from handbench.learn.augmentations.flip import Flip
from handbench.learn.augmentations.gaussian_blur import GaussianBlur
from handbench.learn.augmentations.gaussian_noise import GaussianNoise
from handbench.learn.augmentations.hsv_jitter import HsvJitter
from handbench.learn.augmentations.random_resized_crop import RandomResizedCrop
from handbench.learn.augmentations.rotate import Rotate
from handbench.learn.augmentations.scale import Scale
from handbench.learn.augmentations.sobel import Sobel, edges
from handbench.learn.augmentations.solarize import Solarize
from handbench.learn.augmentations.translate import Translate
from handbench.learn.threads import bytes_by_image

WARPS = (Rotate, Translate, Scale, Flip, RandomResizedCrop)
FILTERS = (HsvJitter, GaussianBlur, GaussianNoise, CutOut, Sobel, Solarize)
COLOURS = (ColorJitter, ColorDrop)
every = pytest.mark.parametrize


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 3, height: int = 20, width: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=generator(seed))


@every("owner", WARPS)
def test_a_warp_and_its_inverse_are_nothing(owner: type[Any]) -> None:
    warps = owner(owner.Config()).draw(500, generator())
    assert (inverse(warps) @ warps - torch.eye(3)).abs().max() < 1e-4
    assert torch.allclose(inverse(warps), torch.linalg.inv(warps), atol=1e-4)


@every("owner", [owner for owner in (*WARPS, *COLOURS, *FILTERS) if hasattr(owner.Config(), "probability")])
def test_probability_is_the_share_that_changes(owner: type[Any]) -> None:
    images = pictures(400, 12, 12)
    visible = {GaussianBlur: {"smallest": 0.05, "largest": 0.08}, CutOut: {"smallest": 0.2}}.get(owner, {})

    def changed(probability: float) -> float:
        augmentation = owner(owner.Config(probability=probability, **visible))
        if augmentation.kind == "filter":
            return float((augmentation.apply(images.clone(), generator()) != images).flatten(1).any(1).float().mean())
        drawn = augmentation.draw(400, generator())
        return float((drawn != torch.eye(3, drawn.shape[-1])).flatten(1).any(1).float().mean())

    assert changed(0.0) == 0.0
    assert changed(1.0) > 0.97
    assert changed(0.3) == pytest.approx(0.3, abs=0.08)


@every("owner", FILTERS)
def test_a_filter_leaves_what_is_not_drawn(owner: type[Any]) -> None:
    """The same images change whatever their neighbours are, and the others stay bit for bit."""
    images = pictures(40)
    seen = owner(owner.Config(probability=0.5)).apply(images.clone(), generator())
    same = (seen == images).flatten(1).all(1)
    assert 5 < same.sum() < 35
    assert seen.shape == images.shape and seen.min() >= 0 and seen.max() <= 1


@every("owner", FILTERS)
@every("layout", [torch.contiguous_format, torch.channels_last])
def test_memory_layout_changes_nothing(owner: type[Any], layout: torch.memory_format) -> None:
    filtering = owner(owner.Config())
    expected = filtering.apply(pictures(20), generator())
    assert torch.allclose(filtering.apply(pictures(20).contiguous(memory_format=layout), generator()), expected, atol=1e-6)


def test_only_drawn_images_are_computed_on_the_cpu() -> None:
    images, drawn, computed = pictures(20), torch.arange(20) % 3 == 1, []

    def change(some: torch.Tensor, rows: Any) -> torch.Tensor:
        computed.extend(rows.tolist())
        return some * torch.arange(20.0)[rows, None, None, None]

    seen = change_drawn(images.clone(), drawn, change)
    assert computed == list(range(1, 20, 3))
    assert torch.equal(seen, torch.where(drawn[:, None, None, None], images * torch.arange(20.0)[:, None, None, None], images))


def test_away_from_the_cpu_nothing_asks_for_a_number() -> None:
    images, everything, numbers = pictures(), slice(None), torch.ones(4, 3)
    with no_questions():
        hsv_jitter.by_torch(images, numbers[:, everything])
        gaussian_blur.by_products(images, numbers[0, everything], 5)
        edges(images)
        for owner in (*WARPS, *COLOURS):
            owner(owner.Config()).draw(3, generator())


def slow_hsv(pixel: np.ndarray, factors: np.ndarray) -> tuple[float, ...]:
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel.tolist())
    by_hue, by_saturation, by_value, offset = factors.tolist()
    return colorsys.hsv_to_rgb(
        hue * by_hue % 1.0, min(max(saturation * by_saturation, 0), 1), min(max(value * by_value + offset, 0), 1)
    )


def hsv_by_opencv(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    every = torch.ones(len(images), dtype=torch.bool)
    return bytes_by_image(images, every, hsv_jitter.by_opencv(every, factors))


def blur_by_opencv(images: torch.Tensor, deviations: torch.Tensor, reach: int) -> torch.Tensor:
    return gaussian_blur.by_opencv(images, torch.ones(len(images), dtype=torch.bool), deviations, reach)


@pytest.mark.parametrize(("by", "most", "mean"), [(hsv_by_opencv, 12 / 255, 2 / 255), (hsv_jitter.by_torch, 2e-5, 2e-6)])
def test_hsv_jitter_is_the_multiplication_pixel_by_pixel(by: Callable[..., torch.Tensor], most: float, mean: float) -> None:
    """Unrounded by torch; by OpenCV to within what bytes leave of random colours and large factors."""
    images = (255 * pictures(6, 9, 7)).round() / 255
    images[0, :, 0, 0], images[1, :, 0, 0], images[2, :, 0, 0] = 0.0, 1.0, torch.tensor([1.0, 0.0, 0.0])
    factors = torch.tensor(
        [[0.01, 1, 0.5, 1.7, 0.2, 1], [0.3, 1, 0.01, 1.8, 0, 1], [0.5, 1, 1.9, 0.7, 1, 1], [0.05, 0, 0, 0.3, -0.2, 0]]
    )
    seen = by(images, factors).permute(0, 2, 3, 1).numpy()
    for image, number, found in zip(images.permute(0, 2, 3, 1).numpy(), factors.T.numpy(), seen, strict=True):
        expected = np.array([[slow_hsv(pixel, number) for pixel in row] for row in image.astype(float)])
        assert np.abs(found - expected).max() < most
        assert np.abs(found - expected).mean() < mean
    assert np.abs(seen[1] - images[1].permute(1, 2, 0).numpy()).max() < most  # factors of one, nothing added


def test_hsv_jitter_draws_from_its_ranges() -> None:
    red = torch.zeros(300, 3, 8, 8)
    red[:, 0] = 1.0
    config = HsvJitter.Config(hue=(0.5, 1.0), saturation=(0.2, 0.4), value=(0.5, 0.6), offset=(0.1, 0.2))
    seen = HsvJitter(config).apply(red, generator())[:, :, 0, 0]
    value, low = seen.max(1).values, seen.min(1).values
    assert 0.6 <= value.min() < 0.63 and 0.77 < value.max() <= 0.8
    saturation = 1 - low / value
    assert 0.195 <= saturation.min() < 0.21 and 0.39 < saturation.max() <= 0.405  # to a byte


def slow_blur(image: np.ndarray, deviation: float) -> np.ndarray:
    """Weights written out, image continued by its reflection without the border."""
    reach = math.ceil(4 * deviation)
    wide = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2))
    weights /= weights.sum()
    out = np.zeros_like(image)
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            square = wide[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            out[:, row, column] = np.einsum("cij,i,j->c", square, weights, weights)
    return out


@every("by", [blur_by_opencv, gaussian_blur.by_products])
def test_blur_is_the_weighted_mean(by: Callable[..., torch.Tensor]) -> None:
    images, deviations = pictures(4), torch.tensor([0.3, 1.0, 2.2, 0.0])
    seen = by(images, deviations, 9).numpy()
    for image, deviation, found in zip(images[:3].double().numpy(), deviations.tolist(), seen, strict=False):
        assert np.abs(found - slow_blur(image, deviation)).max() < 1e-5
    assert np.abs(seen[3] - images[3].numpy()).max() < 1e-6


def test_blur_grows_with_the_view() -> None:
    """The same share of the side: an impulse spreads twice as far in a view twice as large."""
    config = GaussianBlur.Config(smallest=0.05, largest=0.05, probability=1.0)
    spreads = []
    for side in (41, 81):
        impulse = torch.zeros(1, 3, side, side)
        impulse[..., side // 2, side // 2] = 1.0
        line = GaussianBlur(config).apply(impulse, generator())[0, 0].sum(0)
        spreads.append(float(((torch.arange(side) - side // 2) ** 2 * line).sum().sqrt()))
    assert spreads == pytest.approx([0.05 * 41, 0.05 * 81], rel=0.01)


def test_edges_are_the_sobel_sums() -> None:
    images = pictures() * 0.2
    grey = np.einsum("bchw,c->bhw", images.double().numpy(), LUMA)
    wide = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    seen = edges(images).numpy()
    for number in range(len(images)):
        for row in range(grey.shape[1]):
            for column in range(grey.shape[2]):
                square = wide[number, row : row + 3, column : column + 3]
                expected = min(abs((square * across).sum() + (square * across.T).sum()), 1.0)
                assert seen[number, :, row, column] == pytest.approx([expected] * 3, abs=1e-5)


def test_cut_out_paints_one_grey_box_of_the_size_asked_for() -> None:
    images = torch.full((200, 3, 50, 40), -1.0)
    seen = CutOut(CutOut.Config(smallest=0.2, largest=0.4, probability=1.0)).apply(images, generator())
    sides = []
    for image in seen:
        rows, columns = ((image[0] >= 0).any(axis).nonzero()[:, 0] for axis in (1, 0))
        box = image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.min() == box.max() >= 0 and (image >= 0).sum() == box.numel()
        if rows[0] > 0 and rows[-1] < 49 and columns[0] > 0 and columns[-1] < 39:  # not cut off by the border
            sides.append([len(rows) / 50, len(columns) / 40])
    low, high = np.min(sides, 0), np.max(sides, 0)
    assert (low > 0.16).all() and (low < 0.24).all() and (high > 0.36).all() and (high < 0.44).all()


def test_solarize_inverts_from_the_threshold_on() -> None:
    images = torch.tensor([0.0, 0.3, 0.5, 0.8])[:, None, None, None].expand(-1, 3, 2, 2).clone()
    seen = Solarize(Solarize.Config(threshold=0.5, probability=1.0)).apply(images, generator())[:, 0, 0, 0]
    assert seen.tolist() == pytest.approx([0.0, 0.3, 0.5, 0.2])


def test_noise_has_its_deviation_and_both_signs() -> None:
    images = torch.full((4, 3, 64, 64), 0.5)
    change = GaussianNoise(GaussianNoise.Config(deviation=0.1, probability=1.0)).apply(images.clone(), generator()) - images
    assert change.std() == pytest.approx(0.1, rel=0.02) and abs(change.mean()) < 0.003
    assert not torch.equal(change[0], change[1])


def test_color_drop_makes_grey_by_luma() -> None:
    drawn = ColorDrop(ColorDrop.Config(probability=1.0)).draw(5, generator())
    assert torch.allclose(drawn @ torch.tensor([1.0, 0, 0, 1]), torch.tensor(LUMA[0]).expand(5, 3))
    assert torch.allclose(drawn.sum(-1), torch.ones(5, 3))


def test_flip_mirrors_the_x_axis() -> None:
    drawn = Flip(Flip.Config(probability=1.0)).draw(2, generator())
    assert move(drawn, torch.tensor([[0.5, 0.2]]).expand(2, 1, 2)).tolist() == [[[-0.5, pytest.approx(0.2)]]] * 2


@every("ratio", [1.0, 4 / 3])
def test_random_resized_crop_stays_in_the_window(ratio: float) -> None:
    warps = RandomResizedCrop(RandomResizedCrop.Config(0.1, 0.9, ratio)).draw(2000, generator())
    corners = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).expand(2000, 2, 2)
    shown = move(inverse(warps), corners)
    assert shown.abs().max() <= 1 + 1e-5
    width, height = (shown[:, 1] - shown[:, 0]).unbind(-1)
    area, aspect = width * height / 4, width / height
    assert area.min() < 0.12 and 0.85 < area.max() <= 0.9001
    if ratio == 1:
        assert torch.allclose(width, height, atol=1e-5)
        assert area.min() >= 0.1 - 1e-5
    else:
        assert 0.74 < aspect.min() < 0.77 and 1.3 < aspect.max() < 1.34


@every(
    ("owner", "expected"),
    [
        (Rotate, {"degrees": 45.0}),
        (Translate, {"share": 15 / 128}),
        (Scale, {"smallest": 0.72, "largest": 1.2}),
        (RandomResizedCrop, {"smallest": 0.08, "largest": 1.0, "ratio": 4 / 3}),
        (HsvJitter, {"hue": (0.01, 1.0), "saturation": (0.01, 1.0), "value": (0.5, 1.0), "offset": (5 / 255, 20 / 255)}),
        (GaussianBlur, {"smallest": 0.1 / 128, "largest": 2 / 128, "probability": 0.5}),
        (GaussianNoise, {"deviation": 25 / 255, "probability": 0.5}),
        (CutOut, {"smallest": 0.0, "largest": 0.28, "probability": 0.5}),
        (Sobel, {"probability": 0.5}),
        (ColorDrop, {"probability": 0.5}),
        (Solarize, {"threshold": 0.5, "probability": 0.2}),
    ],
)
def test_published_ranges(owner: type[Any], expected: dict[str, Any]) -> None:
    made = owner.Config.published()
    for name, value in expected.items():
        assert getattr(made, name) == pytest.approx(value), name


def test_the_matrix_jitter_is_not_passed_off_as_peclrs() -> None:
    with pytest.raises(ValueError, match="take hsv_jitter:published"):
        ColorJitter.Config.published()


@every("owner", [owner for owner in (*WARPS, *COLOURS, *FILTERS) if hasattr(owner.Config(), "probability")])
@every("probability", [-0.1, 1.5, math.nan])
def test_probabilities_outside_0_to_1_are_refused(owner: type[Any], probability: float) -> None:
    with pytest.raises(ValueError, match=r"probability = .* must be in \[0, 1\]"):
        owner.Config(probability=probability)


@every(
    ("owner", "settings", "message"),
    [
        (Scale, {"smallest": 2.0}, "smallest = 2.0 must be above 0 and not above largest = 1.2"),
        (GaussianBlur, {"smallest": 0.05, "largest": 0.01}, "smallest, largest = 0.05, 0.01 is upside down"),
        (GaussianBlur, {"largest": 0.5}, r"must lie in \[0, 0.1\]"),
        (CutOut, {"smallest": 0.5}, "upside down"),
        (HsvJitter, {"hue": (1.0, 0.5)}, "hue = 1.0, 0.5 is upside down"),
        (HsvJitter, {"value": (0.5, 3.0)}, r"value = 0.5, 3.0 must lie in \[0, 2\]"),
        (RandomResizedCrop, {"smallest": 0.9, "largest": 0.5}, "upside down"),
        (RandomResizedCrop, {"ratio": 0.75}, r"ratio = 0.75 must be in \[1, 4\]"),
        (GaussianNoise, {"deviation": 25.0}, "deviation = 25.0 must be in"),
        (Solarize, {"threshold": 128.0}, "threshold = 128.0 must be in"),
        (Rotate, {"degrees": 0.0}, "degrees = 0.0 must be in"),
        (Translate, {"share": 0.9}, "share = 0.9 must be in"),
        (ColorJitter, {"hue": 0.7}, "hue = 0.7 must be in"),
    ],
)
def test_ranges_out_of_bounds_are_refused(owner: type[Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        owner.Config(**settings)
