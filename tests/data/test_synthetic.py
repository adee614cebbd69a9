"""The synthetic hands as a dataset: labels, determinism, splits, looks within bounds, bad input."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from handbench.data.datasets.synthetic.backdrops import COLUMNS as BACKDROP_COLUMNS
from handbench.data.datasets.synthetic.backdrops import draw_backdrops, paint
from handbench.data.datasets.synthetic.columns import columns
from handbench.data.datasets.synthetic.dataset import SyntheticHands, hand_box
from handbench.data.datasets.synthetic.rasteriser import rasterise
from handbench.data.datasets.synthetic.render import Renderer, _triangles
from handbench.data.datasets.synthetic.rig import load_rig
from handbench.data.datasets.synthetic.scene import Stage
from handbench.errors import RecipeError
from handbench.protocols import Dataset
from handbench.types import FINGERS, INDEX_MCP, LITTLE_MCP, MIDDLE_MCP, MIDDLE_PIP, Sample

Config = SyntheticHands.Config
SMALL = Config(images=40, validation=10, test=10, size=32)
DOMAINS = ("lab", "wild")
TIPWARDS = (2, 3, 6, 7, 10, 11, 14, 15, 18, 19)  # joints whose distance to the one before is a bone of fixed length


@pytest.fixture(scope="module", params=DOMAINS)
def hands(request: pytest.FixtureRequest) -> list[Sample]:
    """Sixty images of each domain, of all parts."""
    return SyntheticHands(replace(SMALL, domain=request.param, size=64)).samples(range(60))


def same(one: Sample, other: Sample) -> bool:
    arrays = ("image", "mask", "joints_2d", "joints_3d", "visible", "intrinsics")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and one.side == other.side


def test_it_is_a_dataset() -> None:
    hands = SyntheticHands(SMALL)
    assert isinstance(hands, Dataset)
    assert (len(hands), hands.context, hands.parallel) == (60, 1.0, "processes")
    assert same(hands[-1], hands[59]) and hands[59].part == "test"
    with pytest.raises(IndexError, match="image 60 of 60"):
        hands[60]


def test_labels_agree_with_each_other(hands: list[Sample]) -> None:
    for hand in hands:
        pixels = hand.joints_3d @ hand.intrinsics.T
        assert pixels[:, :2] / pixels[:, 2:] == pytest.approx(hand.joints_2d, abs=1e-6)
        assert hand.scale == pytest.approx(np.linalg.norm(hand.joints_3d[MIDDLE_MCP] - hand.joints_3d[MIDDLE_PIP]))
        assert hand.valid.all() and hand.box is None and hand.label is None
        assert hand.joints_2d.min() > 0 and hand.joints_2d.max() < 64
        assert 0.03 < hand.scale < 0.07
        assert hand.image.shape == (64, 64, 3) and hand.image.dtype == np.uint8


def test_bent_hands_have_the_side_they_claim(hands: list[Sample]) -> None:
    """Sum over fingers of cross(MCP to PIP, PIP to DIP) . (index MCP to little MCP): positive for left hands."""
    bends = np.array([bend(hand.joints_3d) for hand in hands])
    left = np.array([hand.side == "left" for hand in hands])
    clear = np.abs(bends) > 0.1 * np.abs(bends).mean()
    assert clear.mean() > 0.8
    assert ((bends > 0) == left)[clear].all()
    assert left.any() == (hands[0].key.startswith("wild"))


def bend(joints: np.ndarray) -> float:
    across = joints[LITTLE_MCP] - joints[INDEX_MCP]
    fingers = [FINGERS[name] for name in ("index", "middle", "ring", "little")]
    return float(sum(np.cross(joints[b] - joints[a], joints[c] - joints[b]) for a, b, c, _ in fingers) @ across)


def test_masks_are_on_the_hand_and_inside_the_frame(hands: list[Sample]) -> None:
    for hand in hands:
        border = np.concatenate([hand.mask[0], hand.mask[-1], hand.mask[:, 0], hand.mask[:, -1]])
        assert not border.any()
        rows, cols = np.floor(hand.joints_2d[hand.visible]).astype(int).T[::-1]
        on_hand = [hand.mask[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].any() for r, c in zip(rows, cols, strict=True)]
        assert np.mean(on_hand) > 0.85  # the wrist's pixel may show the forearm


def test_enough_joints_are_visible(hands: list[Sample]) -> None:
    visible = np.array([hand.visible.sum() for hand in hands])
    assert (visible >= 8).mean() >= 0.9  # 0.97 to 0.98 over 600 images
    assert visible.mean() < 19


def test_visible_means_that_the_skin_at_the_pixel_is_within_two_centimetres() -> None:
    """The renderer's flags against its own depth buffer, read here one joint at a time."""
    dataset = SyntheticHands(replace(SMALL, domain="wild", size=64))
    scenes = Stage(dataset.config).compose([dataset.address(index) for index in range(8)])
    renderer = Renderer(load_rig(), 64, 1, torch.device("cpu"))
    pictures, meshes = renderer.render(scenes), renderer._pose(scenes)
    focal = torch.tensor(scenes.cameras.focal, dtype=torch.float32)
    buffer = rasterise([_triangles(*part, focal, 64) for part in renderer._parts(meshes)], 64)
    for image in range(8):
        for joint, (x, y) in enumerate(scenes.cameras.project(scenes.joints)[image]):
            face, depth = buffer.face[image, int(y), int(x)], buffer.depth[image, int(y), int(x)]
            near = abs(float(depth) - scenes.joints[image, joint, 2]) < 0.02
            assert bool(pictures.visible[image, joint]) == (0 <= int(face) < len(load_rig().faces) and near)


def test_skin_is_neither_burnt_out_nor_black(hands: list[Sample]) -> None:
    skin = np.concatenate([hand.image[hand.mask] for hand in hands])
    assert (skin > 250).all(1).mean() < 0.001
    assert (skin < 10).all(1).mean() < 0.001
    assert (skin[:, 0] > skin[:, 2]).mean() > 0.9  # skin is redder than blue


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("antialias", [1, 2])
def test_pixels_do_not_depend_on_batch_or_threads(domain: str, antialias: int) -> None:
    hands = SyntheticHands(replace(SMALL, domain=domain, antialias=antialias))
    together = hands.samples(range(32))
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            by_four = [*hands.samples(range(4)), *hands.samples(range(4, 8))]
            alone = [hands[index] for index in range(4)]
            assert all(same(one, other) for one, other in zip(together[:8], by_four, strict=True))
            assert all(same(one, other) for one, other in zip(together[:4], alone, strict=True))
    finally:
        torch.set_num_threads(threads)


def test_an_image_stays_the_same_when_the_counts_change() -> None:
    few, many = SyntheticHands(SMALL), SyntheticHands(replace(SMALL, images=50, validation=11, test=12))
    for part_starts in ((0, 0), (40, 50), (50, 61)):
        assert all(same(few[part_starts[0] + step], many[part_starts[1] + step]) for step in (0, 9))


def test_another_seed_domain_or_part_shows_another_hand() -> None:
    hands = SyntheticHands(SMALL)
    others = [
        SyntheticHands(replace(SMALL, seed=1))[0],
        SyntheticHands(replace(SMALL, domain="wild"))[0],
        hands[40],
        hands[50],
        hands[1],
    ]
    assert not any(np.allclose(hands[0].joints_3d, other.joints_3d) for other in others)


def test_size_and_antialiasing_keep_the_scene() -> None:
    small, large = SyntheticHands(SMALL)[3], SyntheticHands(replace(SMALL, size=64, antialias=2))[3]
    assert large.joints_3d == pytest.approx(small.joints_3d)
    assert large.joints_2d == pytest.approx(2 * small.joints_2d)
    shrunk = large.image.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(shrunk - small.image).mean() < 8


def test_parts_share_neither_subjects_nor_scenes() -> None:
    hands = SyntheticHands(SMALL)
    samples = hands.samples(range(60))
    scenes = Stage(hands.config).compose([hands.address(index) for index in range(60)])
    hand_of: dict[str, np.ndarray] = {}
    for sample in samples:
        lengths = np.linalg.norm(sample.joints_3d[list(TIPWARDS)] - sample.joints_3d[[joint - 1 for joint in TIPWARDS]], axis=1)
        assert hand_of.setdefault(sample.subject, lengths) == pytest.approx(lengths)  # one hand a subject
    shapes = np.stack(list(hand_of.values()))
    assert len(np.unique(shapes.round(9), axis=0)) == len(hand_of)  # one subject a hand, in whatever part
    assert len(np.unique(scenes.backdrops.base.numpy(), axis=0)) == len({hands.scene(index) for index in range(60)})
    assert [samples[index].part for index in (0, 39, 40, 49, 50, 59)] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert len({sample.key for sample in samples}) == 60


def test_versions_show_one_hand_on_several_backdrops() -> None:
    single, several = SyntheticHands(SMALL), SyntheticHands(replace(SMALL, versions=4))
    four = several.samples(range(4))
    assert len({hand.source for hand in four}) == 1 and len({hand.key for hand in four}) == 4
    assert all(np.array_equal(hand.joints_2d, four[0].joints_2d) and np.array_equal(hand.mask, four[0].mask) for hand in four)
    inside, outside = [[hand.image[where].astype(float) for hand in four] for where in (four[0].mask, ~four[0].mask)]
    assert np.abs(inside[0] - inside[1]).mean() < 12 < np.abs(outside[0] - outside[1]).mean()
    assert same(four[0], single[0]) and same(several[4], single[1])
    assert several[41].source != several[40].source  # validation has one image a hand


def test_framing_by_the_hand_gives_its_box() -> None:
    framed, whole = SyntheticHands(replace(SMALL, framing="hand"))[0], SyntheticHands(SMALL)[0]
    assert same(framed, whole)
    x, y, width, height = framed.box
    assert (framed.joints_2d >= [x, y]).all() and (framed.joints_2d <= [x + width, y + height]).all()
    mask = np.zeros((8, 8), bool)
    mask[2:4, 1:6] = True
    assert hand_box(mask, np.tile([[3.0, 5.0]], (21, 1))) == (1.0, 2.0, 5.0, 3.0)


def test_the_fingerprint_knows_what_decides_the_pixels() -> None:
    plain = SyntheticHands(SMALL).fingerprint()
    changed = [
        {"size": 64},
        {"seed": 1},
        {"domain": "wild"},
        {"images": 41},
        {"antialias": 2},
        {"versions": 2},
        {"roll": "uniform"},
        {"framing": "hand"},
    ]
    others = {SyntheticHands(replace(SMALL, **change)).fingerprint() for change in changed}
    assert len(others) == len(changed) and plain not in others
    assert SyntheticHands(replace(SMALL, device="auto", roll="below")).fingerprint() == plain


def test_it_travels_to_other_processes_without_its_renderer() -> None:
    hands = SyntheticHands(SMALL)
    before = hands[5]
    packed = pickle.dumps(hands)
    assert len(packed) < 2000
    assert same(pickle.loads(packed)[5], before)


def test_occluders_hide_joints_in_about_two_of_five_wild_images_and_leave_eight() -> None:
    for domain, low, high in (("lab", 0.0, 0.0), ("wild", 0.25, 0.55)):
        dataset = SyntheticHands(replace(SMALL, domain=domain, images=200))
        scenes = Stage(dataset.config).compose([dataset.address(index) for index in range(200)])
        assert low <= float((scenes.occluders.points[:, 0, 2] > 0).float().mean()) <= high


def test_plain_backdrops_are_plainer_than_busy_ones_and_neither_is_garish() -> None:
    keys = [("test", "backdrop", index) for index in range(40)]
    edges = {}
    for busy in (False, True):
        picture = paint(draw_backdrops(columns(keys, BACKDROP_COLUMNS), busy=busy), 32)
        assert picture.shape == (40, 32, 32, 3) and picture.min() >= 0 and picture.max() <= 1
        saturation = 1 - picture.amin(-1) / picture.amax(-1).clamp_min(1e-3)
        assert saturation.mean() < 0.35
        edges[busy] = float((picture[:, 1:] - picture[:, :-1]).abs().mean())
    assert edges[True] > 2 * edges[False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 0}, "images is 0; it must be a whole number from 1 up"),
        ({"test": -1}, "test is -1"),
        ({"versions": 0}, "versions is 0"),
        ({"size": 28}, "size is 28; it must be a multiple of 4, at least 32"),
        ({"size": 66}, "size is 66"),
        ({"antialias": 5}, "antialias is 5; it must be a whole number from 1 to 4"),
        ({"domain": "wlid"}, "domain 'wlid' is unknown; did you mean 'wild'"),
        ({"roll": "above"}, "roll of the synthetic hands 'above' is unknown"),
        ({"framing": "hands"}, "did you mean 'hand'"),
        ({"device": "gpu"}, "device of the synthetic hands 'gpu' is unknown"),
    ],
)
def test_bad_settings_are_refused_by_name(change: dict[str, int | str], message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        replace(SMALL, **change)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_asking_for_absent_cuda_says_what_to_do() -> None:
    with pytest.raises(RecipeError, match="set dataset\\.device to 'cpu' or 'auto'"):
        SyntheticHands(replace(SMALL, device="cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("domain", DOMAINS)
def test_cuda_draws_the_same_pictures(domain: str) -> None:
    cpu, cuda = (
        SyntheticHands(replace(SMALL, domain=domain, size=64, device=device)).samples(range(32)) for device in ("cpu", "cuda")
    )
    apart = np.stack([np.abs(one.image.astype(int) - other.image) for one, other in zip(cpu, cuda, strict=True)])
    assert (apart <= 1).mean() > 0.999
    assert all(np.array_equal(one.joints_2d, other.joints_2d) for one, other in zip(cpu, cuda, strict=True))
