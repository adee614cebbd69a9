"""Retrieval by pose, on hands whose distances are known, and against a slow version."""

import pytest
import torch

from handbench.measure.neighbours import retrieve_poses


def hand(bend: float, place: float = 0.0) -> torch.Tensor:
    """All joints but the wrist `bend` metres from it along x, the whole hand moved along z."""
    joints = torch.zeros(21, 3)
    joints[1:, 0] = bend
    joints[:, 2] += place
    return joints


def test_poses_of_neighbours_in_feature_space() -> None:
    joints = torch.stack([hand(0.1), hand(0.11, place=3.0), hand(0.15)])
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    found = retrieve_poses(features, joints, torch.arange(3))
    share = 20 / 21  # the wrists always meet
    assert found.nearest.tolist() == pytest.approx([50 * share, 40 * share, 50 * share], rel=1e-4)
    assert found.average.tolist() == pytest.approx([30 * share, 25 * share, 45 * share], rel=1e-4)
    assert found.closest.tolist() == pytest.approx([10 * share, 10 * share, 40 * share], rel=1e-4)


def test_versions_of_one_photograph_are_not_each_others_neighbours() -> None:
    joints = torch.stack([hand(0.1), hand(0.1), hand(0.2)])
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = retrieve_poses(features, joints, torch.tensor([4, 4, 5]))
    assert found.nearest.tolist() == pytest.approx([100 * 20 / 21] * 3, rel=1e-4)
    alone = retrieve_poses(features[:2], joints[:2], torch.tensor([4, 4]))
    assert alone.nearest.isnan().all() and alone.average.isnan().all() and alone.closest.isnan().all()


def test_many_hands_against_a_slow_version() -> None:
    generator = torch.Generator().manual_seed(0)
    joints, features = torch.randn(300, 21, 3, generator=generator), torch.randn(300, 5, generator=generator)
    found = retrieve_poses(features, joints, torch.arange(300))
    unit = torch.nn.functional.normalize(features, dim=1)
    relative = joints - joints[:, :1]
    for row in (0, 7, 299):
        others = [other for other in range(300) if other != row]
        apart = torch.tensor([1000 * (relative[row] - relative[other]).norm(dim=1).mean().item() for other in others])
        best = max(range(299), key=lambda place: float(unit[row] @ unit[others[place]]))
        assert found.nearest[row].item() == pytest.approx(apart[best].item(), rel=1e-4)
        assert found.average[row].item() == pytest.approx(apart.mean().item(), rel=1e-4)
        assert found.closest[row].item() == pytest.approx(apart.min().item(), rel=1e-4)
