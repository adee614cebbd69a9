"""One matrix for pixels, joints and camera; no black outside the image; no aliasing when it shrinks."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from handbench.data.cropping import Square, crop, crop_mask, reflected, square
from handbench.errors import UnreadableSample
from handbench.types import Sample


def ramp(width: int, height: int) -> np.ndarray:
    """An image whose red is the column and green the row of a pixel."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, 0 * rows], -1).astype(np.uint8)


def test_whole_image_of_the_right_size_is_itself() -> None:
    image = ramp(48, 48)
    cut = crop(Sample("x", image), 48, 1.0)
    assert (cut.image == image).all()
    assert cut.matrix.tolist() == np.eye(3).tolist()


def test_window_is_a_quarter_larger_than_the_box_and_the_crop_larger_by_the_context() -> None:
    sample = Sample("x", ramp(200, 100), box=(60.0, 20.0, 40.0, 30.0))
    region = square(sample, 1.2)
    assert region == Square(50, 5, 60)
    assert square(Sample("x", ramp(200, 100)), 1.0) == Square(0, -50, 200)
    assert square(replace(sample, box=(60.3, 20.4, 40.2, 30.0)), 1.2) == Square(50, 5, 61)  # to whole pixels
    assert square(replace(sample, box=(60.0, 20.0, 0.1, 0.1)), 1.2).side == 2
    assert square(replace(sample, box=(60.5, 20.0, 0.1, 0.1)), 1.2).side == 1


@pytest.mark.parametrize("x", [60.0, 60.3, 60.25, 60.5, 60.75, 61.0])
@pytest.mark.parametrize("width", [39.0, 40.4, 41.0])
def test_the_square_of_a_mirrored_hand_is_the_mirrored_square(x: float, width: float) -> None:
    sample = Sample("x", ramp(200, 100), box=(x, 20.0, width, 30.0))
    mirrored = replace(sample, box=(200 - x - width, 20.0, width, 30.0))
    one, other = square(sample, 1.2), square(mirrored, 1.2)
    assert (200 - one.left - one.side, one.top, one.side) == (other.left, other.top, other.side)
    assert abs(one.left + one.side / 2 - x - width / 2) <= 0.25 and abs(one.side - 1.5 * width) <= 1


@pytest.mark.parametrize("side", [24, 100, 230])
def test_pixels_are_pillows(side: int) -> None:
    """Cubic, and widened where it shrinks: as Pillow resizes."""
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    expected = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    assert np.abs(crop(Sample("x", image), side, 1.0).image.astype(int) - np.asarray(expected)).max() <= 1


def test_whole_pixels_are_copied_exactly() -> None:
    cut = crop(Sample("x", ramp(100, 100), box=(30.0, 40.0, 32.0, 32.0)), 40, 1.0)  # the square (26, 36) to (66, 76)
    assert (cut.image == ramp(100, 100)[36:76, 26:66]).all()
    assert (cut.matrix @ [26.0, 36.0, 1.0]).tolist() == [0, 0, 1]


@pytest.mark.parametrize("side", [20, 64, 160])
def test_matrix_says_where_pixels_went(side: int) -> None:
    """On a ramp, the colour of a crop's pixel is the place in the source that the inverse matrix gives."""
    cut = crop(Sample("x", ramp(200, 200), box=(50.3, 60.7, 60.0, 48.0)), side, 1.2)
    places = (np.mgrid[4 : side - 4, 4 : side - 4] + 0.5)[::-1].reshape(2, -1)  # x, y of pixel centres
    source = np.linalg.inv(cut.matrix) @ np.vstack([places, np.ones(places.shape[1])])
    seen = cut.image[4 : side - 4, 4 : side - 4, :2].reshape(-1, 2).T + 0.5
    assert np.abs(seen - source[:2]).max() < 1.0  # half a grey level of rounding, twice


@pytest.mark.parametrize("box", [(-20.0, 10.0, 50.0, 40.0), (80.0, 70.0, 60.0, 60.0), (0.0, 0.0, 100.0, 100.0)])
def test_outside_is_reflected_never_black(box: tuple[float, float, float, float]) -> None:
    image = ramp(100, 100) + np.array([0, 0, 200], np.uint8)
    cut = crop(Sample("x", image, box=box), 64, 1.2)
    assert cut.image[..., 2].min() >= 199
    inverse = np.linalg.inv(cut.matrix)
    for row, column in [(1, 1), (1, 62), (62, 1), (62, 62), (32, 32)]:
        x, y, _ = inverse @ [column + 0.5, row + 0.5, 1.0]
        folded = [place if 0 <= place <= 100 else -place if place < 0 else 200 - place for place in (x, y)]
        expected = np.clip(np.array(folded) - 0.5, 0, 99)
        assert np.abs(cut.image[row, column, :2] - expected).max() < 2.5


def test_shrinking_averages() -> None:
    board = np.indices((320, 320)).sum(0) % 2 * 255
    cut = crop(Sample("x", np.repeat(board[..., None], 3, -1).astype(np.uint8)), 32, 1.0)
    assert np.abs(cut.image.astype(int) - 127.5).max() < 3  # a crop by nearest pixels would be black and white


def test_reflection_goes_on_for_ever() -> None:
    assert reflected(np.arange(-7, 8), 2).tolist() == [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0]
    assert reflected(np.arange(-3, 3), 1).tolist() == [0] * 6


def test_mask_follows_the_image() -> None:
    image = ramp(100, 100)
    mask = image[..., 0] > 50
    cut = crop_mask(Sample("x", image, box=(30.0, 40.0, 32.0, 32.0), mask=mask), 40, 1.0)
    assert cut is not None
    assert (cut == mask[36:76, 26:66]).all()
    assert crop_mask(Sample("x", image), 40, 1.0) is None


@pytest.mark.parametrize("box", [(100.0, 0.0, 5.0, 5.0), (0.0, -9.0, 5.0, 9.0), (-1.0, 0.0, 1.0, 1.0)])
def test_box_outside_the_image(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(UnreadableSample, match=r"x: its box .* lies outside the image of 100 x 50 pixels"):
        crop(Sample("x", ramp(100, 50), box=box), 32, 1.2)


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.0, 5.0), (0.0, 0.0, 5.0, -5.0), (float("nan"), 0.0, 5.0, 5.0)])
def test_box_without_area(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(UnreadableSample, match=r"x: its box .* has no area"):
        crop(Sample("x", ramp(100, 50), box=box), 32, 1.2)
