"""The synthetic hands' geometry: rig, poses, cameras, and the rasteriser against a slow reference."""

import hashlib

import numpy as np
import pytest
import torch

from handbench.data.datasets.synthetic import camera, occluders, pose, rig
from handbench.data.datasets.synthetic.columns import Columns, columns
from handbench.data.datasets.synthetic.meshes import topology, vertex_normals
from handbench.data.datasets.synthetic.rasteriser import Triangles, rasterise
from handbench.data.datasets.synthetic.rotations import about_x, about_y, about_z, uniformly
from handbench.errors import DataError
from handbench.streams import Draws

HAND = rig.load_rig()
BONES = np.array([(0, 1), (1, 2), (2, 3), (3, 4), *((4 * d + k, 4 * d + k + 1) for d in (1, 2, 3, 4) for k in (1, 2, 3))])


def streams(name: str, count: int, width: int) -> Columns:
    return columns([("test", name, index) for index in range(count)], width)


def posed(angles: np.ndarray) -> rig.Skeleton:
    return rig.articulate(HAND, np.atleast_2d(angles), np.ones((len(np.atleast_2d(angles)), rig.BONES, 3)))


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    return np.linalg.norm(joints[:, BONES[:, 0]] - joints[:, BONES[:, 1]], axis=-1)


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    first, second, third = (vertices[faces[:, corner]] for corner in range(3))
    return float((first * np.cross(second, third)).sum() / 6)


def test_the_asset_is_the_one_the_code_was_made_with() -> None:
    assert hashlib.sha256(rig.ASSET.read_bytes()).hexdigest() == rig.ASSET_SHA256
    assert HAND.weights.sum(1) == pytest.approx(np.ones(len(HAND.vertices)))
    assert "MIT License" in (rig.ASSET.parent / "LICENSE.webxr-input-profiles.md").read_text()


def test_a_damaged_asset_is_refused() -> None:
    with pytest.raises(DataError, match="damaged; reinstall handbench"):
        rig.parse_rig(rig.ASSET.read_bytes()[:-1])


def test_meshes_are_closed_and_face_outwards() -> None:
    for faces in (HAND.faces, occluders.rod_faces()):
        edges = {(int(face[k]), int(face[(k + 1) % 3])) for face in faces for k in range(3)}
        assert len(edges) == 3 * len(faces)
        assert all((end, start) in edges for start, end in edges)
    assert 0.0012 < signed_volume(HAND.vertices, HAND.faces) < 0.0022  # cubic metres, forearm included


def test_a_rod_faces_outwards_and_has_the_size_asked_for() -> None:
    rods = occluders._Rods(np.array([[1.0, 2.0, 3.0]]), np.eye(3)[None], np.array([[0.02, 0.03, 0.1]]), np.array([1.0]))
    points = occluders._rounded(rods)[0]
    assert points.max(0) == pytest.approx([1.02, 2.03, 3.1])
    assert points.min(0) == pytest.approx([0.98, 1.97, 2.9])
    assert 0.9 < signed_volume(points, occluders.rod_faces()) / (np.pi * 0.02 * 0.03 * 0.2) < 1.0


def test_the_resting_pose_gives_back_the_resting_mesh() -> None:
    skeleton = posed(np.zeros(rig.ANGLES))
    everything = np.arange(len(HAND.vertices))
    assert rig.skin(HAND, skeleton.skinning, everything)[0] == pytest.approx(HAND.vertices, abs=1e-9)
    assert skeleton.frames[0] == pytest.approx(HAND.bind, abs=1e-6)


def test_flexion_turns_the_next_bone_by_its_angle() -> None:
    angles = np.zeros((2, rig.ANGLES))
    angles[1, pose.ANGLE_NAMES.index("middle_pip_flexion")] = 90
    joints = posed(angles).joints
    before, after = joints[0, 11] - joints[0, 10], joints[1, 11] - joints[1, 10]
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    palmwards = -HAND.bind[0, :3, 1]
    assert np.degrees(np.arccos(cosine)) == pytest.approx(90, abs=2)
    assert after @ palmwards > 0.9 * np.linalg.norm(after)
    assert joints[1, :11] == pytest.approx(joints[0, :11])


def test_bones_keep_their_lengths_in_every_posture() -> None:
    lengths = bone_lengths(posed(np.stack(list(pose.POSTURES.values()))).joints)
    assert lengths == pytest.approx(np.repeat(lengths[:1], len(lengths), axis=0))


def test_joints_lie_inside_the_skin_in_every_posture() -> None:
    """The solid angle of a closed mesh is 4 pi from inside and 0 from outside (van Oosterom & Strackee, 1983)."""
    skeleton = posed(np.clip(np.stack(list(pose.POSTURES.values())), pose.LOWEST, pose.HIGHEST))
    vertices = rig.skin(HAND, skeleton.skinning, np.arange(len(HAND.vertices)))
    for joints, skin in zip(skeleton.joints, vertices, strict=True):
        corners = skin[HAND.faces][None] - joints[:, None, None]
        lengths = np.linalg.norm(corners, axis=-1)
        first, second, third = corners[:, :, 0], corners[:, :, 1], corners[:, :, 2]
        volume = (first * np.cross(second, third)).sum(-1)
        scale = lengths.prod(-1) + (first * second).sum(-1) * lengths[..., 2]
        scale += (first * third).sum(-1) * lengths[..., 1] + (second * third).sum(-1) * lengths[..., 0]
        winding = 2 * np.arctan2(volume, scale).sum(1) / (4 * np.pi)
        assert winding.min() > 0.5


def test_drawn_poses_keep_their_limits_and_their_variety() -> None:
    angles = pose.draw_angles(streams("pose", 200, pose.COLUMNS))
    assert angles.shape == (200, pose.CANDIDATES, rig.ANGLES)
    assert (angles >= pose.LOWEST).all() and (angles <= pose.HIGHEST).all()
    assert angles.std((0, 1))[pose.FLEX].min() > 20
    ratio = angles[..., pose.DIP].mean() / angles[..., pose.PIP].mean()
    assert ratio == pytest.approx(pose.DIP_OF_PIP, abs=0.05)


def test_overlap_counts_fingers_in_each_other_and_the_best_candidate_has_least() -> None:
    apart = posed(pose.POSTURES["spread"]).joints
    merged = apart.copy()
    merged[:, 9:13] = merged[:, 5:9] + 0.001
    assert pose.overlap(apart)[0] == 0
    assert pose.overlap(merged)[0] > 0.02
    assert pose.choose(np.stack([merged, apart, merged, merged], 1)).tolist() == [1]


def test_shapes_stay_in_their_range() -> None:
    scales = pose.draw_scales(streams("shape", 500, pose.SHAPE_COLUMNS))
    assert scales.min() > 0.82 * 0.82 - 1e-9 and scales.max() < 1.22 * 1.18 + 1e-9
    assert scales.mean() == pytest.approx(1, abs=0.02)
    assert 0.05 < scales[:, 7, 2].std() < 0.13


def test_rotations() -> None:
    quarter = np.array([np.pi / 2])
    assert about_x(quarter)[0] @ [0, 1, 0] == pytest.approx([0, 0, 1])
    assert about_y(quarter)[0] @ [0, 0, 1] == pytest.approx([1, 0, 0])
    assert about_z(quarter)[0] @ [1, 0, 0] == pytest.approx([0, 1, 0])
    many = uniformly(Draws("test").uniform(shape=(2000, 3)))
    assert many @ many.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (2000, 1, 1)))
    assert np.linalg.det(many) == pytest.approx(np.ones(2000))
    assert np.abs(many.mean(0)).max() < 0.05


@pytest.mark.parametrize(("facing", "roll", "left"), [(True, "below", 0.0), (False, "uniform", 0.5)])
def test_cameras_see_the_whole_hand(facing: bool, roll: str, left: float) -> None:
    count = 150
    angles = pose.draw_angles(streams("pose", count, pose.COLUMNS))[:, 0]
    skeleton = rig.articulate(HAND, angles, pose.draw_scales(streams("shape", count, pose.SHAPE_COLUMNS)))
    stream = streams("camera", count, camera.COLUMNS)
    turn, is_left = camera.draw_turns(stream, HAND.bind[0, :3, :3], facing=facing, roll=roll, left=left)
    outline = rig.skin(HAND, skeleton.skinning, HAND.outline_vertices)
    cameras = camera.place(stream, turn, is_left, skeleton.joints, outline, 64)
    skin = cameras.project(cameras.see(rig.skin(HAND, skeleton.skinning, HAND.hand_vertices)))
    assert np.linalg.det(turn) == pytest.approx(np.where(is_left, -1, 1))
    assert is_left.mean() == pytest.approx(left, abs=0.1)
    assert skin.min() > 64 * 0.01 and skin.max() < 64 * 0.99
    span = np.ptp(cameras.project(cameras.see(skeleton.joints)), axis=1).max(1) / 64
    assert 0.5 < np.median(span) < 0.6 and span.min() > 0.3 and span.max() < 0.9
    assert 0.5 < np.median(cameras.offset[:, 2]) < 0.75
    towards = turn @ HAND.bind[0, :3, 2]  # the forearm lies along z of the hand's frame, which the mirror in x leaves alone
    assert towards[:, 2].min() > camera.TOWARDS_CAMERA - 1e-9
    below = towards[:, 1] > 0
    assert below.mean() > 0.8 if roll == "below" else 0.35 < below.mean() < 0.65


def test_the_rasteriser_agrees_with_testing_every_pixel_against_every_triangle() -> None:
    side, faces = 24, 40
    draws = Draws("test", "triangles")
    corners = torch.tensor(draws.uniform(-4, side + 4, (2, faces, 3, 2)), dtype=torch.float32)
    depth = torch.tensor(draws.uniform(0.3, 2, (2, faces, 3)), dtype=torch.float32)
    winding = torch.tensor([1.0, -1.0])
    buffer = rasterise(
        [Triangles(corners[:, :25], depth[:, :25], winding), Triangles(corners[:, 25:], depth[:, 25:], winding)], side
    )
    for image in range(2):
        face, nearest = slow_raster(corners[image].double().numpy(), depth[image].double().numpy(), float(winding[image]), side)
        assert (buffer.face[image].numpy() == face).mean() > 0.995  # rounding may decide a pixel on an edge
        same = (buffer.face[image].numpy() == face) & (face >= 0)
        assert buffer.depth[image].numpy()[same] == pytest.approx(nearest[same], abs=1e-4)
        assert same.sum() > 100


def slow_raster(corners: np.ndarray, depth: np.ndarray, winding: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric coordinates of every pixel in every triangle, from the definition by areas."""
    y, x = np.mgrid[:side, :side] + 0.5
    best, nearest = np.full((side, side), -1), np.full((side, side), np.inf)
    for face, (triangle, z) in enumerate(zip(corners, depth, strict=True)):
        whole = area(triangle[0], triangle[1], triangle[2])
        if whole * winding >= 0:
            continue
        pixel = np.stack([x, y])
        weights = [
            area(pixel, triangle[1], triangle[2]),
            area(triangle[0], pixel, triangle[2]),
            area(triangle[0], triangle[1], pixel),
        ]
        inside = np.min(np.stack(weights) / whole, axis=0) >= 0
        here = 1 / sum(weight / whole / each for weight, each in zip(weights, z, strict=True))
        closer = inside & (here < nearest)
        best[closer], nearest[closer] = face, here[closer]
    return best, nearest


def area(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])


def test_normals_of_a_tetrahedron_point_outwards() -> None:
    points = torch.tensor([[[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]])
    mesh = topology(np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]), 4)
    normals = vertex_normals(mesh, points, torch.ones(1))
    assert torch.allclose(normals, points / 3**0.5, atol=1e-6)


def test_columns_refuse_more_than_their_stream_holds() -> None:
    stream = streams("short", 2, 3)
    assert stream.uniform(shape=(2,)).shape == (2, 2)
    with pytest.raises(ValueError, match="asked for 4"):
        stream.normal()
