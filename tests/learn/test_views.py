"""Views: pixels and points move together, warps compose to one, colours fuse, and draws belong to their key."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures import hand_joints

from handbench.geometry import move, rotation, scaling, translation
from handbench.learn import views
from handbench.learn.augmentations.color_jitter import ColorJitter
from handbench.learn.augmentations.gaussian_blur import GaussianBlur
from handbench.learn.augmentations.hsv_jitter import HsvJitter
from handbench.learn.augmentations.rotate import Rotate
from handbench.learn.augmentations.scale import Scale
from handbench.learn.augmentations.translate import Translate
from handbench.plugins import discover
from handbench.pose.lifting import lift
from handbench.protocols import Augmentation
from handbench.types import Batch, Targets, to_device

SIDE, WINDOW, VIEW = 96, 80.0, 64


def batch_of(images: torch.Tensor, joints: torch.Tensor | None = None, left: torch.Tensor | None = None) -> Batch:
    count = len(images)
    pixels = torch.full((count, 21, 2), 48.0) if joints is None else joints
    known = Targets(
        torch.zeros(count, dtype=torch.int64),
        pixels,
        torch.rand(count, 21, 3) + 1,
        torch.ones(count, 21, dtype=torch.bool),
        torch.eye(3).repeat(count, 1, 1),
        torch.zeros(count, dtype=torch.bool) if left is None else left,
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


def test_views_of_several_sources_join() -> None:
    parts = [views.plain_views(batch_of(torch.full((count, SIDE, SIDE, 3), count, dtype=torch.uint8)), VIEW) for count in (2, 3)]
    joined = views.concatenate(parts)
    assert joined.images.shape[:2] == (1, 5) and joined.warps.shape[:2] == (1, 5) and len(joined.targets.classes) == 5
    assert np.allclose(joined.images[0, :, 0, 0, 0].numpy() * 255, [2, 2, 3, 3, 3], atol=1e-3)


def test_joined_views_keep_channels_last() -> None:
    parts = [views.plain_views(batch_of(torch.zeros(count, SIDE, SIDE, 3, dtype=torch.uint8)), VIEW) for count in (2, 3)]
    joined = views.concatenate(parts).images.flatten(0, 1)
    assert joined.is_contiguous(memory_format=torch.channels_last)


def smooth(count: int, seed: int = 0) -> torch.Tensor:
    """Crops with the detail of a photograph: noise of all sizes, strongest where it is coarsest."""
    generator = torch.Generator().manual_seed(seed)
    layers = [
        torch.nn.functional.interpolate(torch.rand(count, 3, side, side, generator=generator) * side**-0.5, SIDE, mode="bicubic")
        for side in (3, 6, 12, 24, 48)
    ]
    total = torch.stack(layers).sum(0)
    low, high = total.amin((1, 2, 3), keepdim=True), total.amax((1, 2, 3), keepdim=True)
    return (255 * (total - low) / (high - low)).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def resized(images: torch.Tensor, matrix: torch.Tensor, size: int) -> torch.Tensor:
    """One step in float, of the step-by-step way: bilinear samples at matrix^-1 of the pixels' centres."""
    side = images.shape[-1]
    centres = torch.arange(size, dtype=torch.float64) + 0.5
    points = torch.stack([centres.expand(size, size), centres[:, None].expand(size, size)], -1).flatten(0, 1)
    grid = (move(torch.linalg.inv(matrix), points) * 2 / side - 1).view(-1, size, size, 2)
    return torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def test_one_resample_shows_what_rotating_then_cropping_then_resizing_shows() -> None:
    crops, degrees, margin, x, y = smooth(4), 33.0, 54.0, 5.0, -3.0
    turn, shift = torch.tensor(math.radians(degrees)), 2 / WINDOW
    drawn = [
        Fixed(rotation(turn)),
        Fixed(translation(torch.tensor(x * shift), torch.tensor(y * shift))),
        Fixed(scaling(torch.tensor(WINDOW / margin))),
    ]
    seen = views.make_views(batch_of(crops), drawn, 1, 40, torch.Generator())
    # Step by step: turn the picture about its centre, cut a window of 54 pixels out of it, make that 40 pixels wide.
    picture = crops.permute(0, 3, 1, 2).double()
    centre = translation(torch.tensor(SIDE / 2, dtype=torch.float64), torch.tensor(SIDE / 2, dtype=torch.float64))
    turned = resized(picture, (centre @ rotation(turn.double()) @ torch.linalg.inv(centre)).expand(4, 3, 3), SIDE)
    left, top = (round(SIDE / 2 - margin / 2 - offset) for offset in (x, y))
    window = turned[:, :, top : top + round(margin), left : left + round(margin)]
    expected = resized(window, scaling(torch.tensor(40 / margin, dtype=torch.float64)).expand(4, 3, 3), 40)
    inner = slice(2, -2)  # the pictures' border is not what is compared
    difference = (255 * seen.images[0].double() - expected)[:, :, inner, inner].abs()
    assert difference.mean() < 2


class Fixed:
    """A warp that is not drawn."""

    kind = "warp"

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return self.matrix.expand(count, 3, 3)


class Marked:
    """A colour or filter that adds a digit to every value, so that the order of changes can be read."""

    def __init__(self, kind: str, digit: int) -> None:
        self.kind, self.digit = kind, digit

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.cat([torch.eye(3) * 0.1, torch.full((3, 1), self.digit / 10)], 1).expand(count, 3, 4)

    def apply(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return images * 0.1 + self.digit / 10


@pytest.mark.parametrize(
    "kinds", ["colour filter colour", "filter colour colour", "colour colour filter", "filter filter colour"]
)
def test_colours_and_filters_act_in_the_order_listed(kinds: str) -> None:
    listed = [Marked(kind, digit) for digit, kind in enumerate(kinds.split(), 1)]
    black = batch_of(torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8))
    seen = views.make_views(black, [listed[0], *all_warps(), *listed[1:]], 1, VIEW, torch.Generator().manual_seed(1))
    assert torch.allclose(seen.images, torch.tensor(0.321), atol=0.003)


@pytest.mark.parametrize(("fill", "grey"), [("reflect", 200 / 255), ("black", 0.0), ("grey", 128 / 255)])
def test_what_lies_outside_is_filled_as_asked(fill: str, grey: float) -> None:
    crops = torch.full((2, SIDE, SIDE, 3), 200, dtype=torch.uint8)
    far = translation(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0]))
    drawn = Fixed(far[0])
    for seen in (
        views.plain_views(batch_of(crops), VIEW, far, fill),
        views.make_views(batch_of(crops), [drawn], 1, VIEW, torch.Generator(), fill),
        next(views.plain_batches(lambda rows: batch_of(crops), np.arange(2), VIEW, far, fill)),
        next(views.augmented_batches(lambda rows: batch_of(crops), np.arange(2), VIEW, [drawn], 1, fill=fill)),
    ):
        assert torch.allclose(seen.images[..., :20], torch.tensor(grey), atol=0.003)
        assert torch.allclose(seen.images[..., -20:], torch.tensor(200 / 255), atol=0.003)


def left_hand() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A left hand's joints in metres and pixels, and its camera, in double precision."""
    joints = torch.from_numpy(hand_joints(3)) * torch.tensor([-1.0, 1.0, 1.0])
    camera = torch.tensor([[390.0, 0, 47.0], [0, 385.0, 51.0], [0, 0, 1]], dtype=torch.float64)
    seen = joints @ camera.T
    return joints, seen[:, :2] / seen[:, 2:], camera


@pytest.mark.parametrize("convention", ["wrist", "palm"])
def test_a_left_hand_is_seen_as_a_right_one_and_lifted_back_to_itself(convention: str) -> None:
    joints, pixels, camera = left_hand()
    known = Targets(
        torch.zeros(1, dtype=torch.int64),
        pixels[None],
        joints[None],
        torch.ones(1, 21, dtype=torch.bool),
        camera[None],
        torch.tensor([True]),
    )
    batch = Batch(torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8), WINDOW, known)
    seen = views.make_views(batch, all_warps(), 2, VIEW, torch.Generator().manual_seed(2))
    seen = replace(seen, warps=seen.warps.double(), frame=seen.frame.double())
    root, bone = {"wrist": (0, (0, 5)), "palm": (9, (9, 10))}[convention]
    for view in range(2):
        at, camera_of_view = seen.joints_2d[view, 0], seen.intrinsics[view, 0]
        length = (joints[bone[1]] - joints[bone[0]]).norm()
        depth = (joints[:, 2] - joints[root, 2]) / length
        lifted = lift(torch.cat([at, depth[:, None]], 1), camera_of_view, length, bone)
        assert (lifted.joints - joints).abs().max() < 1e-9
        assert handedness(at) == -handedness(pixels)
        assert (torch.linalg.det(seen.warps[view, 0]) < 0) and (torch.linalg.det(seen.window_warps[view, 0]) > 0)


def handedness(points: torch.Tensor) -> float:
    """Which way the fingers follow one another about the wrist: the sign of the turn from index to little finger."""
    index, little = points[5] - points[0], points[17] - points[0]
    return float(torch.sign(index[0] * little[1] - index[1] * little[0]))


def test_pixels_of_a_left_hand_are_mirrored_and_of_a_right_one_are_not() -> None:
    crops = torch.randint(0, 256, (2, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(14), dtype=torch.uint8)
    crops[1] = crops[0]
    seen = views.plain_views(batch_of(crops, left=torch.tensor([True, False])), VIEW)
    assert torch.allclose(seen.images[0, 0], seen.images[0, 1].flip(-1), atol=1.01 / 255)
    assert torch.allclose(seen.window_warps, torch.eye(3), atol=1e-5)


def test_a_dot_follows_its_joint_on_left_hands_too() -> None:
    points = 48 + 16 * (torch.rand(16, 2, generator=torch.Generator().manual_seed(15)) - 0.5)
    batch = batch_of(dots(points), points[:, None].expand(-1, 21, 2), torch.arange(16) % 2 == 0)
    seen = views.make_views(batch, all_warps(), 2, VIEW, torch.Generator().manual_seed(16))
    found = torch.stack([centre_of_mass(view) for view in seen.images])
    assert (found - seen.joints_2d[:, :, 0]).norm(dim=-1).max() < 0.05


def test_a_key_gives_its_views_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    crops = torch.randint(0, 256, (5, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(17), dtype=torch.uint8)
    drawn = [*all_warps(), ColorJitter(ColorJitter.Config()), HsvJitter(HsvJitter.Config()), GaussianBlur(GaussianBlur.Config())]
    seen = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        batch = batch_of(crops)
        seen.append(views.make_views(batch, drawn, 2, VIEW, views.generator_of(batch, 5, "views", 0)).images)
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("before", [(), (ColorJitter(ColorJitter.Config()),)])
def test_a_filter_in_bytes_changes_what_it_would_change_afterwards(before: tuple[Augmentation, ...]) -> None:
    crops = torch.randint(0, 256, (5, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(17), dtype=torch.uint8)
    jitter = HsvJitter(HsvJitter.Config(hue=(0.2, 1.8), probability=0.7))
    random = views.generator_of(batch_of(crops), 6)
    plain = views.make_views(batch_of(crops), before, 2, VIEW, random)
    expected = jitter.apply(plain.images.flatten(0, 1), random).unflatten(0, (2, -1))
    seen = views.make_views(batch_of(crops), [*before, jitter], 2, VIEW, views.generator_of(batch_of(crops), 6))
    assert torch.equal(seen.images, expected)
    changed = seen.images != views.make_views(batch_of(crops), before, 2, VIEW, views.generator_of(batch_of(crops), 6)).images
    assert 0 < changed.flatten(2).any(-1).sum() < 10


@pytest.mark.gpu
def test_on_a_gpu_nothing_waits_for_the_host() -> None:
    augmentations = [offer.load()(offer.load().Config()) for offer in discover().of_kind("augmentation")]
    crops = torch.randint(0, 256, (6, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(18), dtype=torch.uint8)
    batch = batch_of(crops)
    batch = Batch(crops.cuda(), WINDOW, to_device(batch.targets, torch.device("cuda")))
    views.make_views(batch, augmentations, 2, VIEW, views.generator_of(batch, 1))  # constants are copied once
    generator = views.generator_of(batch, 1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        seen = views.make_views(batch, augmentations, 2, VIEW, generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert seen.images.min() >= 0 and seen.images.max() <= 1
