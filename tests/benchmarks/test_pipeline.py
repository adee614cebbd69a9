"""Bench pipeline's parts: the step-by-step form agrees with ours, arms make what they say, and rivals make normalised views."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures import write_photos
from PIL import Image

from handbench.benchmarks import Claim, Timing, pipeline, rivals, stepwise
from handbench.benchmarks.photographs import write_jpegs
from handbench.benchmarks.stepwise import Draw, Stepwise, draw, normalised, view
from handbench.data.cache import Cache
from handbench.data.datasets.photos import Photos
from handbench.data.packing import pack
from handbench.data.pool import Pool
from handbench.errors import DataError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Smooth pictures, as photographs are."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(16):
        small = np.random.RandomState(number).randint(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(small).resize((300, 260), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.png")
    return write_jpegs(folder / "jpegs", 20, folder)


@pytest.fixture
def pool(jpegs: list[Path], tmp_path: Path) -> Pool:
    return Pool(pack(Photos(Photos.Config(), jpegs[0].parent), "photos", 160, Cache(tmp_path / "cache", 10**9)), CPU)


def test_jpegs_are_squares_of_the_users_images_or_of_rendered_hands(jpegs: list[Path], tmp_path: Path) -> None:
    assert len(jpegs) == 16
    assert all(stepwise.read(path).shape == (224, 224, 3) for path in jpegs)
    rendered = write_jpegs(tmp_path / "rendered", 16, None)
    assert len(rendered) == 16 and stepwise.read(rendered[3]).std() > 5
    with pytest.raises(DataError, match="holds 3 images that can be read; 16 or more are needed"):
        write_jpegs(tmp_path / "few", 16, write_photos(tmp_path / "photos", people=1))


def test_nothing_drawn_is_the_image_itself(jpegs: list[Path]) -> None:
    image = stepwise.read(jpegs[0])
    assert (view(image, Draw(0, 1, 0, 0), 224) == image).all()
    assert np.abs(view(image, Draw(0, 1, 0, 0, hue=1, saturation=1, value=0.5), 224).mean() - image.mean() / 2) < 2


def test_the_steps_and_the_one_matrix_agree(pool: Pool, jpegs: list[Path]) -> None:
    off = pipeline.parity(pool, jpegs, 128)
    assert 0 < off < 6  # whole pixels, and no filter where the window shrinks
    shifted = [Draw(one.degrees, one.window, one.x + 0.1, one.y) for one in [draw(np.random.default_rng(0)) for _ in range(16)]]
    numbers = iter(shifted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "draw", lambda random: draw(random))
        patch.setattr(pipeline, "warp_of", lambda one: stepwise.warp_of(next(numbers)))
        assert pipeline.parity(pool, jpegs, 128) > 3 * off


def test_a_sample_is_two_normalised_views(jpegs: list[Path]) -> None:
    views = Stepwise(jpegs, 64)[3]
    assert views.shape == (2, 3, 64, 64) and not torch.equal(views[0], views[1]) and -3 < views.min() < views.max() < 3
    grey = normalised(np.full((4, 4, 3), 128, np.uint8))
    assert grey[:, 0, 0].tolist() == pytest.approx([(128 / 255 - 0.485) / 0.229, 0.20500, 0.42651], abs=1e-3)


def test_a_matrix_may_take_the_place_of_the_hsv_jitter(jpegs: list[Path]) -> None:
    darker = np.concatenate([0.5 * np.eye(3), np.full((3, 1), 10.0)], -1)
    plain, darkened = (
        Stepwise(jpegs, 64, np.broadcast_to(matrix, (len(jpegs), 2, 3, 4)))[3] for matrix in (np.eye(3, 4), darker)
    )
    deviation = torch.tensor(stepwise.DEVIATION)[:, None, None]
    mean = torch.tensor(stepwise.MEAN)[:, None, None]
    grey, dark = (255 * (views * deviation + mean) for views in (plain, darkened))
    assert (dark - (0.5 * grey + 10)).abs().max() < 0.51


@pytest.mark.parametrize("exact", [False, True])
def test_our_arm_makes_two_views_of_every_image(pool: Pool, exact: bool, tmp_path: Path) -> None:
    setting = pipeline.Setting(tmp_path, 16, 32, 5, 1, CPU)
    assert pipeline._ours(setting, pool, pipeline.best_set(exact), 2)() == 2 * 2 * 16


def test_lightlys_set_has_its_operations_in_its_order() -> None:
    names = [type(augmentation).__name__ for augmentation in pipeline.lightly_set()]
    assert names == ["RandomResizedCrop", "Flip", "ColorJitter", "ColorDrop", "GaussianBlur"]


@pytest.mark.parametrize(("library", "kind"), [("torchvision", rivals.TorchvisionViews), ("lightly", rivals.LightlyViews)])
@pytest.mark.filterwarnings("ignore")  # other people's libraries
def test_rivals_make_two_normalised_views(jpegs: list[Path], library: str, kind: type) -> None:
    pytest.importorskip(library)
    views = kind(jpegs, 64)[2]
    assert views.shape == (2, 3, 64, 64) and views.dtype == torch.float32 and -3 < views.min() < views.max() < 3


@pytest.mark.filterwarnings("ignore")
def test_kornia_counts_its_views(pool: Pool, tmp_path: Path) -> None:
    pytest.importorskip("kornia")
    assert rivals.kornia(pipeline.Setting(tmp_path, 16, 32, 4, 1, CPU), pool, 6)() == 12


def test_claims_are_made_of_the_arms_that_ran() -> None:
    timings = [
        Timing(pipeline.POOL, "", (12.0, 14.0)),
        Timing(pipeline.OPENCV, "", (2.0, 2.0)),
        Timing(pipeline.JPEG, "", (3.0, 3.0)),
    ]
    assert pipeline.claims(timings, 128) == [
        Claim("ours, pool over OpenCV per sample, JPEG, times", 6.5, 6.0),
        Claim("ours, JPEG over OpenCV per sample, JPEG, times", 1.5, 1.8),
    ]
    assert [claim.verdict for claim in pipeline.claims(timings, 128)] == ["held", "missed"]
    assert [claim.verdict for claim in pipeline.claims(timings, 64)] == ["", ""]
