"""Views: pixels and points move together, warps compose to one, colours fuse, and draws belong to their key."""

import numpy as np
import pytest
import torch

from handbench.geometry import move, rotation, scaling, translation
from handbench.learn import views
from handbench.learn.augmentations.color_jitter import ColorJitter
from handbench.learn.augmentations.rotate import Rotate
from handbench.learn.augmentations.scale import Scale
from handbench.learn.augmentations.translate import Translate
from handbench.types import Batch, Targets

SIDE, WINDOW, VIEW = 96, 80.0, 64


def batch_of(images: torch.Tensor, joints: torch.Tensor | None = None) -> Batch:
    count = len(images)
    pixels = torch.full((count, 21, 2), 48.0) if joints is None else joints
    known = Targets(
        torch.zeros(count, dtype=torch.int64),
        pixels,
        torch.rand(count, 21, 3) + 1,
        torch.ones(count, 21, dtype=torch.bool),
        torch.eye(3).repeat(count, 1, 1),
    )
    return Batch(images, WINDOW, known)


def dots(points: torch.Tensor) -> torch.Tensor:
    """Crops with one soft white dot each, of 4 pixels' deviation, at the given points."""
    grid = torch.arange(SIDE) + 0.5
    distance = (grid[None, None] - points[:, :1, None]) ** 2 + (grid[None, :, None] - points[:, 1:, None]) ** 2
    return (255 * torch.exp(-distance / 32)).round().to(torch.uint8)[..., None].expand(-1, -1, -1, 3).contiguous()


def centre_of_mass(images: torch.Tensor) -> torch.Tensor:
    mass = images.mean(1)
    grid = torch.arange(images.shape[-1]) + 0.5
    total = mass.sum((1, 2))
    return torch.stack([(mass.sum(1) * grid).sum(1) / total, (mass.sum(2) * grid).sum(1) / total], 1)


def all_warps() -> list:
    return [Rotate(Rotate.Config()), Translate(Translate.Config(share=0.05)), Scale(Scale.Config())]


def test_a_drawn_dot_follows_its_joint() -> None:
    points = 48 + 16 * (torch.rand(32, 2, generator=torch.Generator().manual_seed(1)) - 0.5)
    seen = views.make_views(
        batch_of(dots(points), points[:, None].expand(-1, 21, 2)), all_warps(), 2, VIEW, torch.Generator().manual_seed(2)
    )
    found = torch.stack([centre_of_mass(view) for view in seen.images])
    assert (found - seen.joints_2d[:, :, 0]).norm(dim=-1).max() < 0.05


def test_a_plain_view_shows_the_nominal_window() -> None:
    seen = views.plain_views(batch_of(torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)), VIEW)
    assert torch.allclose(
        move(seen.warps[0, 0], torch.tensor([[8.0, 8.0], [88.0, 48.0]])), torch.tensor([[0.0, 0.0], [64.0, 32.0]]), atol=1e-4
    )
    assert torch.allclose(seen.window_warps[0, 0], torch.eye(3), atol=1e-6)


def test_window_warps_are_what_was_drawn() -> None:
    turn = rotation(torch.tensor([0.4])) @ translation(torch.tensor([0.1]), torch.tensor([-0.2])) @ scaling(torch.tensor([1.3]))
    seen = views.plain_views(batch_of(torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)), VIEW, turn)
    assert torch.allclose(seen.window_warps[0], turn, atol=1e-5)


def test_warps_compose_in_the_order_listed() -> None:
    drawn = [Rotate(Rotate.Config()), Translate(Translate.Config())]
    crops = torch.zeros(3, SIDE, SIDE, 3, dtype=torch.uint8)
    seen = views.make_views(batch_of(crops), drawn, 1, VIEW, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    first, second = drawn[0].draw(3, generator), drawn[1].draw(3, generator)
    assert torch.allclose(seen.window_warps[0], second @ first, atol=1e-5)


def test_one_resample_equals_a_turn_done_pixel_by_pixel() -> None:
    crop = torch.randint(0, 256, (1, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)
    quarter = views.plain_views(batch_of(crop), 80, rotation(torch.tensor([torch.pi / 2])))
    straight = views.plain_views(batch_of(crop), 80)
    assert torch.allclose(quarter.images[0], straight.images[0].rot90(1, (2, 3)), atol=1e-4)


def test_outside_the_crop_is_its_reflection() -> None:
    crop = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    crop[:, :, :48] = 200  # the left half is bright: shifted far right, the view's left edge must stay bright
    seen = views.plain_views(batch_of(crop), VIEW, translation(torch.tensor([0.4]), torch.tensor([0.0])))
    assert seen.images[0, 0, :, :, 0].min() > 0.75


def test_colours_fuse_to_one_matrix() -> None:
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 0.2 + 0.4
    mild = ColorJitter(ColorJitter.Config(0.1, 0.1, 0.1, 0.02))
    matrices = [mild.draw(5, torch.Generator().manual_seed(seed)) for seed in (6, 7)]
    one_by_one = views.apply_colour(views.apply_colour(images, matrices[0]), matrices[1])
    assert torch.allclose(views.apply_colour(images, views.compose_colours(matrices)), one_by_one, atol=1e-5)


def test_saturation_and_hue_keep_grey_grey() -> None:
    grey = torch.full((4, 3, 2, 2), 0.5)
    drawn = ColorJitter(ColorJitter.Config(brightness=0.0, contrast=0.0)).draw(4, torch.Generator().manual_seed(8))
    assert torch.allclose(views.apply_colour(grey, drawn), grey, atol=2e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_draws_are_a_function_of_the_generator(count: int) -> None:
    crops = torch.randint(0, 256, (4, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(9), dtype=torch.uint8)
    drawn = [*all_warps(), ColorJitter(ColorJitter.Config())]
    one, two, other = (
        views.make_views(batch_of(crops), drawn, count, VIEW, torch.Generator().manual_seed(seed)) for seed in (10, 10, 11)
    )
    assert torch.equal(one.images, two.images) and torch.equal(one.warps, two.warps)
    assert not torch.equal(one.images, other.images)
    assert one.images.shape == (count, 4, 3, VIEW, VIEW) and one.images.min() >= 0 and one.images.max() <= 1


def test_intrinsics_move_with_the_pixels() -> None:
    seen = views.make_views(
        batch_of(torch.zeros(3, SIDE, SIDE, 3, dtype=torch.uint8)), all_warps(), 2, VIEW, torch.Generator().manual_seed(12)
    )
    point = seen.targets.joints_3d[:, 0]
    before = (point / point[:, 2:])[:, :2]  # K is the identity
    after = (seen.intrinsics @ point[..., None])[..., 0]
    assert torch.allclose(
        move(seen.warps, before[:, None].expand(2, -1, -1, -1))[..., 0, :], after[..., :2] / after[..., 2:], atol=1e-3
    )


def test_ranges_are_kept() -> None:
    generator = torch.Generator().manual_seed(13)
    turned = Rotate(Rotate.Config(degrees=20.0)).draw(500, generator)
    angles = torch.rad2deg(torch.atan2(turned[:, 0, 1], turned[:, 0, 0]))
    assert 19 < angles.max() <= 20.01 and -20.01 <= angles.min() < -19
    shifts = Translate(Translate.Config(share=0.1)).draw(500, generator)[:, :2, 2]
    assert 0.19 < shifts.max() <= 0.2 and -0.2 <= shifts.min() < -0.19
    sizes = 1 / Scale(Scale.Config(0.5, 2.0)).draw(500, generator)[:, 0, 0]
    assert 0.5 <= sizes.min() < 0.52 and 1.95 < sizes.max() <= 2.0


@pytest.mark.parametrize(
    "bad", [(Rotate, {"degrees": 0.0}), (Translate, {"share": 0.9}), (Scale, {"smallest": 2.0}), (ColorJitter, {"hue": 0.7})]
)
def test_ranges_out_of_bounds_are_refused(bad: tuple) -> None:
    owner, settings = bad
    with pytest.raises(ValueError, match=next(iter(settings))):
        owner.Config(**settings)


def test_views_of_several_sources_join() -> None:
    parts = [views.plain_views(batch_of(torch.full((count, SIDE, SIDE, 3), count, dtype=torch.uint8)), VIEW) for count in (2, 3)]
    joined = views.concatenate(parts)
    assert joined.images.shape[:2] == (1, 5) and joined.warps.shape[:2] == (1, 5) and len(joined.targets.classes) == 5
    assert np.allclose(joined.images[0, :, 0, 0, 0].numpy() * 255, [2, 2, 3, 3, 3], atol=1e-3)
