"""Objectives against slow references written from the papers, and the group property that PeCLR rests on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from handbench.errors import RecipeError
from handbench.geometry import move, rotation, scaling, translation
from handbench.learn.objectives.contrast import nt_xent
from handbench.learn.objectives.none import NoPretraining
from handbench.learn.objectives.peclr import PeCLR
from handbench.learn.objectives.simclr import SimCLR
from handbench.learn.objectives.supervised import Supervised
from handbench.types import Facts, Targets, Views

SIZE, SIDE, WINDOW = 2, 96, 80.0  # an "image" here is 12 numbers: 3 channels of 2 x 2
FACTS = Facts(classes=3, posed=False, images=8, steps=10)
FRAME = torch.tensor([[2 / WINDOW, 0, -SIDE / WINDOW], [0, 2 / WINDOW, -SIDE / WINDOW], [0, 0, 1.0]])


class Flat(nn.Module):
    """A backbone that hands a batch of numbers on as features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, : self.width]


def targets_of(count: int, classes: list[int] | None = None) -> Targets:
    known = torch.tensor(classes) if classes else torch.full((count,), -1)
    return Targets(
        known,
        torch.rand(count, 21, 2) * SIDE,
        torch.rand(count, 21, 3) + 1,
        torch.ones(count, 21, dtype=torch.bool),
        torch.eye(3).repeat(count, 1, 1),
        torch.zeros(count, dtype=torch.bool),
    )


def views_of(images: torch.Tensor, window_warps: torch.Tensor) -> Views:
    """Views with the given warps in window coordinates."""
    to_pixel = torch.tensor([[SIZE / 2, 0, SIZE / 2], [0, SIZE / 2, SIZE / 2], [0, 0, 1.0]])
    return Views(images, to_pixel @ window_warps @ FRAME, FRAME.expand(images.shape[1], 3, 3), targets_of(images.shape[1]))


def drawn_warps(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    angle, shift, size = (torch.rand(count, generator=generator) - 0.5 for _ in range(3))
    return translation(0.4 * shift, -0.3 * shift) @ scaling(1 + 0.5 * size) @ rotation(2 * angle)


def slow_nt_xent(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    """Anchor by anchor, pair by pair, from the definition."""
    points = [row / np.linalg.norm(row) for row in np.concatenate([first, second])]
    pairs, losses = len(first), []
    for anchor, own in enumerate(points):
        positive = (anchor + pairs) % (2 * pairs)
        sums = sum(math.exp(float(own @ other) / temperature) for place, other in enumerate(points) if place != anchor)
        losses.append(-math.log(math.exp(float(own @ points[positive]) / temperature) / sums))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("temperature", "value"), [(0.1, 0.30881812396946656), (0.5, 1.3016189511595506), (1.0, 1.7016199163129402)]
)
def test_nt_xent_check_values(temperature: float, value: float) -> None:
    j = np.arange(48)
    first, second = np.sin(0.7 * j).reshape(6, 8), np.sin(0.7 * j + 0.3 * np.cos(1.3 * j)).reshape(6, 8)
    got = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature)
    assert got.item() == pytest.approx(value, abs=1e-6)
    assert slow_nt_xent(first, second, temperature) == pytest.approx(value, abs=1e-9)


def test_nt_xent_is_finite_at_small_temperatures() -> None:
    same = torch.ones(4, 8, requires_grad=True)
    loss = nt_xent(same, same, 0.01)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(7), abs=1e-4) and torch.isfinite(same.grad).all()


def test_nt_xent_does_not_mind_the_order_of_pairs_or_their_scale() -> None:
    first, second = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(1))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert torch.allclose(nt_xent(first, second, 0.5), nt_xent(3 * first[order], second[order], 0.5), atol=1e-6)


def test_simclr_is_nt_xent_of_the_projections() -> None:
    torch.manual_seed(0)
    objective = SimCLR(SimCLR.Config(temperature=0.5, hidden=8, points=4), backbone=Flat(12), facts=FACTS).eval()
    views = views_of(torch.rand(2, 5, 3, 2, 2), torch.eye(3).expand(2, 5, 3, 3))
    loss, monitors = objective(Flat(12), views)
    first, second = (objective.projector(view.flatten(1)).detach().numpy() for view in views.images)
    assert loss.item() == pytest.approx(slow_nt_xent(first, second, 0.5), abs=1e-5)
    assert set(monitors) == {"positive_cosine", "negative_cosine"}


def identity_peclr(mode: str, **settings: object) -> PeCLR:
    """PeCLR whose projector passes its input on: the 'image' is already a set of points."""
    objective = PeCLR(PeCLR.Config(mode=mode, temperature=0.5, points=6, **settings), backbone=Flat(12), facts=FACTS)
    objective.projector = nn.Identity()
    return objective


def point_views(points: torch.Tensor, warps: torch.Tensor) -> Views:
    """Views whose pixels are the warped points themselves: the projection is the identity on points."""
    moved = move(warps, points.expand(2, -1, -1, -1))
    return views_of(moved.flatten(2)[:, :, :, None, None].expand(-1, -1, -1, 1, 1).reshape(2, len(points), 3, 2, 2), warps)


def test_exact_peclr_undoes_rotation_translation_and_scale() -> None:
    points = torch.randn(5, 6, 2, generator=torch.Generator().manual_seed(2))
    warps = drawn_warps(10).unflatten(0, (2, 5))
    related = point_views(points, warps)
    identical = point_views(points, torch.eye(3).expand(2, 5, 3, 3))
    objective = identity_peclr("exact")
    loss, still = objective(Flat(12), related)[0], objective(Flat(12), identical)[0]
    assert loss.item() == pytest.approx(still.item(), abs=1e-5)
    undone = objective.undo(objective.projector(related.flat.flatten(1)).unflatten(1, (6, 2)), related).unflatten(0, (2, 5))
    assert torch.allclose(undone[0], points, atol=1e-5) and torch.allclose(undone[1], points, atol=1e-5)


def slow_published(points: np.ndarray, warp: np.ndarray, *, divide_by_view: bool) -> np.ndarray:
    """The published steps for one view, from the facts: window warp in, undone and normalised points out."""
    p = points.reshape(-1) / np.linalg.norm(points)
    p = p.reshape(-1, 2)
    angle = math.atan2(warp[0, 1], warp[0, 0])
    factor = 1 / math.sqrt(abs(np.linalg.det(warp[:2, :2])))  # side of the crop window over the nominal one
    window_px = factor * WINDOW
    jitter_px = warp[:2, 2] / 2 * window_px  # displacement of the content in source pixels
    divisor = SIZE if divide_by_view else window_px
    p = p - jitter_px / divisor * (p.max(0) - p.min(0))
    centre = p.mean(0)
    back = np.array([[math.cos(-angle), math.sin(-angle)], [-math.sin(-angle), math.cos(-angle)]])
    p = (p - centre) @ back.T + centre
    return (p / np.linalg.norm(p)).reshape(-1)


@pytest.mark.parametrize("divisor", ["view", "window"])
def test_published_peclr_matches_its_reference(divisor: str) -> None:
    points = torch.randn(5, 6, 2, generator=torch.Generator().manual_seed(3))
    warps = drawn_warps(10, seed=4).unflatten(0, (2, 5))
    views = point_views(points, warps)
    moved = views.images.flatten(2).reshape(2, 5, 6, 2).double().numpy()
    undone = [
        [slow_published(moved[v, i], warps[v, i].double().numpy(), divide_by_view=divisor == "view") for i in range(5)]
        for v in range(2)
    ]
    expected = slow_nt_xent(np.array(undone[0]), np.array(undone[1]), 0.5)
    assert identity_peclr("published", divisor=divisor)(Flat(12), views)[0].item() == pytest.approx(expected, abs=1e-5)


def test_published_peclr_is_near_but_not_exact() -> None:
    points = torch.randn(5, 6, 2, generator=torch.Generator().manual_seed(5))
    points = points - points.mean(1, keepdim=True)
    warps = rotation(torch.linspace(-0.7, 0.7, 10)).unflatten(0, (2, 5))
    identical = point_views(points, torch.eye(3).expand(2, 5, 3, 3))
    objective = identity_peclr("published", divisor="window")
    centred = objective(Flat(12), point_views(points, warps))[0].item()
    still = objective(Flat(12), identical)[0].item()
    assert centred == pytest.approx(still, abs=1e-5)  # points centred on the pivot: rotation alone is undone
    off_centre = objective(Flat(12), point_views(points + 0.5, warps))[0].item()
    assert abs(off_centre - objective(Flat(12), point_views(points + 0.5, torch.eye(3).expand(2, 5, 3, 3)))[0].item()) > 1e-4


def test_range_and_pivot_carry_no_gradient() -> None:
    from handbench.learn.objectives.peclr import undo_as_published

    points = torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(6), requires_grad=True)
    shift, angle = torch.tensor([[0.1, -0.2], [0.0, 0.1]]), torch.tensor([0.3, -0.5])
    (got,) = torch.autograd.grad(undo_as_published(points, shift, angle)[0, 0, 0], points)
    unit = nn.functional.normalize(points.flatten(1), dim=1).view_as(points)
    fixed_range, fixed_pivot = (unit.amax(1) - unit.amin(1)).detach(), None
    moved = unit - (shift * fixed_range)[:, None]
    fixed_pivot = moved.mean(1, keepdim=True).detach()
    (want,) = torch.autograd.grad((move(rotation(-angle), moved - fixed_pivot) + fixed_pivot)[0, 0, 0], points)
    assert torch.allclose(got, want, atol=1e-7)


@pytest.mark.parametrize("owner", [SimCLR, PeCLR])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_in_bf16_too(owner: type, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    objective = owner(owner.Config(hidden=16, points=8), backbone=Flat(12), facts=FACTS)
    views = views_of(torch.rand(2, 8, 3, 2, 2), drawn_warps(16).unflatten(0, (2, 8)))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        loss, _ = objective(Flat(12), views)
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(parameter.grad).all() for parameter in objective.parameters())


def test_supervised_classes_leave_unlabelled_images_out() -> None:
    torch.manual_seed(0)
    objective = Supervised(Supervised.Config(), backbone=Flat(12), facts=FACTS)
    views = views_of(torch.rand(1, 4, 3, 2, 2), torch.eye(3).expand(1, 4, 3, 3))
    some = Views(views.images, views.warps, views.frame, targets_of(4, [0, 2, -1, -1]))
    loss, monitors = objective(Flat(12), some)
    logits = objective.readout(views.flat.flatten(1))[:2].detach()
    expected = -(logits.log_softmax(1)[0, 0] + logits.log_softmax(1)[1, 2]) / 2
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6) and set(monitors) == {"training_accuracy"}


def test_supervised_poses_follow_the_view() -> None:
    """A readout that answers the view's own targets has no loss, under any warp."""
    posed = Facts(classes=0, posed=True, images=8, steps=1)
    objective = Supervised(Supervised.Config(), backbone=Flat(12), facts=posed)
    warps = drawn_warps(4).unflatten(0, (1, 4))
    views = views_of(torch.rand(1, 4, 3, 2, 2), warps)
    window = move(warps[0], move(FRAME, views.targets.joints_2d))
    joints = views.targets.joints_3d
    bone = (joints[:, 0] - joints[:, 5]).norm(dim=1)
    depth = (joints[..., 2] - joints[:, :1, 2]) / bone[:, None]
    answer = torch.cat([window, depth[..., None]], -1)

    class Oracle(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return answer.flatten(1)

    objective.readout = Oracle()
    loss, monitors = objective(Flat(12), views)
    assert loss.item() == pytest.approx(0.0, abs=1e-4) and monitors["training_epe_px"].item() == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("mode", ["exact", "published"])
def test_geometry_keeps_full_precision_under_autocast(mode: str) -> None:
    views = views_of(torch.rand(2, 8, 3, SIZE, SIZE), drawn_warps(16).unflatten(0, (2, 8)))
    objective = PeCLR(PeCLR.Config(mode=mode), backbone=Flat(12), facts=FACTS)
    points = torch.randn(16, 4, 2, generator=torch.Generator().manual_seed(0))
    exact = objective.undo(points, views), views.joints_2d, views.intrinsics, views.window_warps
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = objective.undo(points, views), views.joints_2d, views.intrinsics, views.window_warps
    for one, two in zip(exact, half, strict=True):
        assert two.dtype == torch.float32
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)


def test_supervised_needs_labels() -> None:
    with pytest.raises(RecipeError, match="needs labels"):
        Supervised(Supervised.Config(), backbone=Flat(12), facts=Facts(0, False, 8, 1))


def test_none_asks_for_no_views() -> None:
    objective = NoPretraining(NoPretraining.Config(), backbone=Flat(12), facts=FACTS)
    assert NoPretraining.views == 0 and objective.project(torch.zeros(1, 12)) is None


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"points": 0}])
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    for owner in (SimCLR, PeCLR):
        with pytest.raises(ValueError, match="above 0"):
            owner.Config(**settings)
