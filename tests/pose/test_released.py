"""The released checkpoints: random numbers under the right names give what a forward pass written from the facts gives."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from handbench.errors import RecipeError
from handbench.pose import released
from handbench.pose.released import ReleasedNetwork, boxes, crop_matrices, crops, estimate, network_of

CAMERA = torch.tensor([[388.9018, 0, 112], [0, 388.7123, 112], [0, 0, 1]])
FILE = Path("rn50_peclr_yt3d-fh_pt_fh_ft.pth")
ORDER = [0, 1, 6, 11, 16, 2, 7, 12, 17, 3, 8, 13, 18, 4, 9, 14, 19, 5, 10, 15, 20]


def random_state(depth: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict with the names and shapes of the released files: torchvision's ResNet, and the refinement's layers."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        resnet = getattr(torchvision.models, f"resnet{depth}")(num_classes=64)
        mlp = refinement_layers()
    resnet.fc.bias.data = torch.cat([torch.rand(21, 3, generator=generator).flatten(), torch.rand(1, generator=generator)])
    resnet.fc.bias.data[:63].view(21, 3).mul_(torch.tensor([120.0, 120.0, 1.0])).add_(torch.tensor([52.0, 52.0, -0.5]))
    for module in (resnet, mlp):
        for name, value in module.state_dict().items():
            if name.endswith("running_mean"):
                value.copy_(torch.randn(value.shape, generator=generator) / 10)
            if name.endswith("running_var"):
                value.copy_(0.5 + torch.rand(value.shape, generator=generator))
            if name.endswith("bn3.weight"):
                value.mul_(0.2)  # else fifty random blocks blow the features up
    state = {f"backend_model.{name}": value for name, value in resnet.state_dict().items()}
    return state | {f"zroot_ref.zroot_ref.{name}": value for name, value in mlp.state_dict().items()}


@pytest.fixture(scope="module")
def small() -> dict[str, torch.Tensor]:
    """The smaller network's state."""
    return random_state(50)


def refinement_layers() -> torch.nn.Sequential:
    hidden = [torch.nn.BatchNorm1d(128), torch.nn.LeakyReLU()]
    more = [torch.nn.BatchNorm1d(128), torch.nn.LeakyReLU()]
    return torch.nn.Sequential(torch.nn.Linear(64, 128), *hidden, torch.nn.Linear(128, 128), *more, torch.nn.Linear(128, 1))


def reference(
    state: dict[str, torch.Tensor], depth: int, images: torch.Tensor, camera: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[bool], list[bool]]:
    """2.5D and scale-normalised 3D, hand by hand, as the facts say; and which hands had no real root, or were clamped."""
    resnet, mlp = getattr(torchvision.models, f"resnet{depth}")(num_classes=64).eval(), refinement_layers().eval()
    parts = {name: {} for name in ("backend_model.", "zroot_ref.zroot_ref.")}
    for name, value in state.items():
        for prefix, part in parts.items():
            if name.startswith(prefix):
                part[name.removeprefix(prefix)] = value
    resnet.load_state_dict(parts["backend_model."])
    mlp.load_state_dict(parts["zroot_ref.zroot_ref."])
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        output = resnet((images - mean.view(3, 1, 1)) / deviation.view(3, 1, 1))[:, :63].view(-1, 21, 3)
    hands, lost, cut = [], [], []
    for pose, intrinsics in zip(output, camera, strict=True):
        pose[0, 2] = 0
        x, y, _ = torch.linalg.inv(intrinsics.double()) @ torch.cat([pose[:, :2], torch.ones(21, 1)], 1).double().T
        z = pose[:, 2].double()
        n, m = 8, 3  # middle PIP and middle MCP in that order of joints
        a = (x[n] - x[m]) ** 2 + (y[n] - y[m]) ** 2
        b = 2 * (
            z[n] * (x[n] ** 2 + y[n] ** 2 - x[n] * x[m] - y[n] * y[m])
            + z[m] * (x[m] ** 2 + y[m] ** 2 - x[n] * x[m] - y[n] * y[m])
        )
        c = (x[n] * z[n] - x[m] * z[m]) ** 2 + (y[n] * z[n] - y[m] * z[m]) ** 2 + (z[n] - z[m]) ** 2 - 1
        square = (b * b - 4 * a * c).item()
        solved = ((-b + math.sqrt(max(square, 0.0))) / (2 * a)).item()
        clamped = min(max(solved, 4.0), 50.0)
        seen = torch.cat([z, torch.stack([x, y], 1).flatten(), torch.tensor([clamped])]).float()
        with torch.no_grad():
            refined = clamped + mlp(seen[None]).double()[0, 0]
        hands.append((refined + z)[:, None] * torch.stack([x, y, torch.ones(21)], 1))
        lost.append(square < 0)
        cut.append(clamped != solved)
    return output, torch.stack(hands), lost, cut


@pytest.mark.parametrize(("depth", "count", "side"), [(50, 12, 64), (152, 3, 32)])
def test_it_is_the_forward_pass_of_the_facts(depth: int, count: int, side: int) -> None:
    state, generator = random_state(depth), torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, side, side, generator=generator)
    images *= torch.linspace(0.1, 1, count)[:, None, None, None]  # so that the hands differ
    camera = CAMERA.repeat(count, 1, 1)
    camera[:, :2] *= torch.linspace(0.6, 1.6, count)[:, None, None]
    network = network_of(state, FILE)
    with torch.inference_mode():
        found = network(images, camera)
    pose, joints, lost, cut = reference(state, depth, images, camera)
    torch.testing.assert_close(found.pose, pose, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.joints, joints, rtol=0, atol=1e-4)
    assert found.solvable.tolist() == [not row for row in lost]
    assert found.clamped.tolist() == cut
    assert (found.pose[:, 0, 2] == 0).all()
    assert pose.std(0).max() > 1e-3


def test_clamped_and_unsolvable_hands_are_marked() -> None:
    """The network's answer is written into its last bias; then by hand."""
    state = random_state(50, seed=4)
    state["backend_model.fc.weight"] *= 0
    network = network_of(state, FILE)
    images, camera = torch.rand(1, 3, 64, 64), CAMERA[None]
    pose = state["backend_model.fc.bias"][:63].view(21, 3)
    pose[[3, 8], 2] = 0.0
    # Two joints of one depth, so many pixels apart at f = 388.9, are one bone apart at so many bones from the camera.
    for distance, behind, solvable, clamped in (
        (20.0, 0.0, True, False),
        (400.0, 0.0, True, True),
        (2.0, 0.0, True, True),
        (2.0, 1.5, False, False),
    ):
        pose[3, :2], pose[8] = torch.tensor([100.0, 112.0]), torch.tensor([100.0 + distance, 112.0, behind])
        network.encoder.fc.bias.data.copy_(state["backend_model.fc.bias"])
        with torch.inference_mode():
            found = network(images, camera)
        _, joints, lost, cut = reference(state, 50, images, camera)
        assert (found.solvable.item(), found.clamped.item()) == (not lost[0], cut[0])
        assert found.solvable.item() == solvable
        assert found.clamped.item() == clamped or not solvable
        torch.testing.assert_close(found.joints, joints, rtol=0, atol=1e-4)


def test_the_second_crop_is_about_the_joints_of_the_first(small: dict[str, torch.Tensor]) -> None:
    """Two passes by hand: the middle box, its joints' box, and the palm turned into the wrist, in the common order."""
    network = network_of(small, FILE)
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (2, 224, 224, 3), generator=generator, dtype=torch.uint8)
    camera = CAMERA.repeat(2, 1, 1)
    found = estimate(network, images, camera)
    zoom = 0.7 * 224 / (0.33 * 224)
    first = torch.tensor([[zoom, 0, 112 - zoom * 112], [0, zoom, 112 - zoom * 112], [0, 0, 1]], dtype=torch.float64).repeat(
        2, 1, 1
    )
    with torch.inference_mode():
        seen = network(crops(images, first), first @ camera.double()).pose
        for hand in range(2):
            low, high = (
                torch.linalg.inv(first[hand])[:2] @ torch.tensor([*corner.int().tolist(), 1]).double()
                for corner in (seen[hand, :, :2].min(0).values, seen[hand, :, :2].max(0).values)
            )
            zoom = 0.7 * 224 / (high - low).max()
            centre = (low + high) / 2
            second = torch.tensor([[zoom, 0, 112 - zoom * centre[0]], [0, zoom, 112 - zoom * centre[1]], [0, 0, 1]]).double()
            last = network(crops(images[hand : hand + 1], second[None]), (second @ camera[hand].double())[None])
            joints = last.joints[0]
            joints[0] = 2 * joints[0] - joints[3]  # the wrist
            torch.testing.assert_close(found.joints_3d[hand], joints[ORDER], rtol=0, atol=1e-3)
            plane = (last.pose[0, :, :2].double() - second[:2, 2]) / zoom
            torch.testing.assert_close(found.joints_2d[hand, 1:], plane[ORDER][1:], rtol=0, atol=1e-3)
            wrist = camera[hand].double() @ joints[0]
            torch.testing.assert_close(found.joints_2d[hand, 0], wrist[:2] / wrist[2], rtol=0, atol=1e-3)


def test_crops_are_opencv_s() -> None:
    cv2 = pytest.importorskip("cv2")
    image = np.random.RandomState(0).randint(0, 256, (224, 224, 3)).astype(np.uint8)
    matrix = crop_matrices(torch.tensor([[30.0, 40.0, 180.0, 260.0]]))
    ours = crops(torch.from_numpy(image)[None], matrix)[0].permute(1, 2, 0).numpy()
    theirs = cv2.warpAffine(image, matrix[0, :2].numpy(), (224, 224), flags=cv2.INTER_LINEAR) / 255
    assert np.abs(ours - theirs).mean() < 0.01  # theirs rounds places to 1/32 pixel and colours to 1/255
    assert np.abs(ours - np.roll(theirs, 1, axis=1)).mean() > 0.05


def test_boxes_come_back_to_the_image() -> None:
    matrix = crop_matrices(torch.tensor([[50.0, 60.0, 150.0, 110.0]]))
    corners = torch.tensor([[[50.0, 60.0], [150.0, 110.0]]])
    inside = (corners @ matrix[0, :2, :2].T.float() + matrix[0, :2, 2].float()).repeat(1, 11, 1)[:, :21]
    torch.testing.assert_close(boxes(inside, matrix)[0], torch.tensor([50.0, 60, 150, 110]).double(), rtol=0, atol=1.0)
    assert (inside[..., 0].max() - inside[..., 0].min()).item() == pytest.approx(0.7 * 224)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("zroot_ref.zroot_ref.3.weight"), "'zroot_ref.zroot_ref.3.weight' is missing"),
        (
            lambda state: state.update({"backend_model.fc.bias": torch.zeros(63)}),
            r"'backend_model.fc.bias' has shape \(63,\), expected",
        ),
        (lambda state: state.update({"backend_model.extra": torch.zeros(1)}), "'backend_model.extra' is unknown"),
        (
            lambda state: state.update({"backend_model.layer3.22.conv1.weight": torch.zeros(1)}),
            "'backend_model.layer3' has 23 blocks",
        ),
    ],
)
def test_what_does_not_fit_is_named(spoil: Callable[[dict[str, torch.Tensor]], object], message: str, small: Any) -> None:
    state = dict(small)
    spoil(state)
    with pytest.raises(RecipeError, match=message) as caught:
        network_of(state, FILE)
    assert str(FILE) in str(caught.value)


def test_a_plain_encoder_is_refused_with_the_way_to_use_it(small: dict[str, torch.Tensor]) -> None:
    state = {name.removeprefix("backend_model."): value for name, value in small.items() if "zroot" not in name}
    with pytest.raises(RecipeError, match=r"predict no pose: 'zroot_ref.zroot_ref.0.weight' is missing.*handbench run --weights"):
        network_of(state, FILE)


def test_the_names_are_torchvision_s_and_the_authors(small: dict[str, torch.Tensor]) -> None:
    ours = {released._their_name(name): value for name, value in ReleasedNetwork("resnet50").state_dict().items()}
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in small.items()}
