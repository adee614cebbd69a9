"""Random numbers go in; each subject's skin, nails and sleeve come out, and then the colour of every visible point of a hand.

Colours are linear RGB. What a point is (palm or back, knuckle, crease, nail) is told from its place on the resting hand, in the
frame of the bone that moves it most, so that all of it sticks to the skin.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handbench.data.datasets.synthetic.backdrops import rgb_from_hsv
from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.meshes import Hits
from handbench.data.datasets.synthetic.rig import PARENTS, Rig
from handbench.data.datasets.synthetic.transfer import tensor

SKIN_COLUMNS, SLEEVE_COLUMNS = 32, 12
LIGHTEST, DARKEST = np.array([0.67, 0.43, 0.32]), np.array([0.11, 0.056, 0.037])
BLOTCHES = 6
WAVELENGTHS = (0.045, 0.045, 0.028, 0.028, 0.016, 0.011)  # metres
DISTAL = (3, 8, 13, 18, 23)
BARE = 9.0  # metres up the arm: no sleeve


@dataclass(frozen=True)
class Skins:
    """What subjects look like.

    Args:
        tone: base colour.
        blotches: strength of each pattern of uneven skin.
        redness: of knuckles and fingertips.
        shine, gloss: strength and exponent of highlights.
        nails: colour.
    """

    tone: Float[Tensor, "batch 3"]
    blotches: Float[Tensor, "batch 6"]
    redness: Float[Tensor, "batch"]
    shine: Float[Tensor, "batch"]
    gloss: Float[Tensor, "batch"]
    nails: Float[Tensor, "batch 3"]


@dataclass(frozen=True)
class Sleeves:
    """What the forearms wear: where the cuff is, metres up the arm from the wrist, and the fabric's two colours."""

    cuff: Float[Tensor, "batch"]
    fabric: Float[Tensor, "batch 3"]
    stripe: Float[Tensor, "batch 3"]


@dataclass(frozen=True)
class Places:
    """Where the corners of each face lie on the resting hand.

    Args:
        corners: channels are x, y, z in the frame of the face's bone; distance past the nearest joint along the bone; height
            towards the back of the hand; distance up the arm from the wrist; then the blotch patterns.
        finger, distal, hand: faces of fingers, of fingers' last bones, and of the hand rather than the forearm.
    """

    corners: Float[Tensor, "faces 3 channels"]
    finger: Bool[Tensor, "faces"]
    distal: Bool[Tensor, "faces"]
    hand: Bool[Tensor, "faces"]


def draw_skins(columns: Columns) -> Skins:
    """Draw subjects' skins, from light to dark alike often."""
    share = columns.uniform(shape=(1,))
    tone = np.exp(np.log(LIGHTEST) * (1 - share) + np.log(DARKEST) * share) * np.exp(columns.normal(0, 0.04, (3,)))
    blotches = columns.normal(0, 1, (BLOTCHES,)) * columns.uniform(0.012, 0.03, (1,))
    natural = (tone * 0.62 + 0.30 * np.array([1.0, 0.80, 0.76]) * tone.max(1, keepdims=True) ** 0.5) * columns.uniform(
        0.85, 1.05, (1,)
    )
    polish = rgb_from_hsv(
        columns.uniform(0.85, 1.1, (1,)) % 1.0, columns.uniform(0.3, 0.8, (1,)), columns.uniform(0.2, 0.7, (1,))
    )[:, 0]
    nails = np.where(columns.chance(0.08, (1,)), polish, natural)
    redness, shine, gloss = columns.uniform(0.5, 1.1), columns.uniform(0.02, 0.08), columns.uniform(8, 30)
    return Skins(*(tensor(values) for values in (tone, blotches, redness, shine, gloss, nails)))


def draw_sleeves(columns: Columns, share: float = 0.4) -> Sleeves:
    """Draw the sleeves of images' arms; the rest are bare."""
    cuff = np.where(columns.chance(share), columns.uniform(0.03, 0.09), BARE)
    hue, saturation, value = columns.uniform(shape=(1,)), columns.uniform(0.0, 0.45, (1,)), columns.uniform(0.08, 0.75, (1,))
    fabric = rgb_from_hsv(hue, saturation, value)[:, 0] ** 2.2
    stripe = np.where(columns.chance(0.3, (1,)), 1.35, 1.06)
    return Sleeves(tensor(cuff), tensor(fabric), tensor(np.minimum(fabric * stripe, 0.8)))


def places(rig: Rig) -> Places:
    """Tell where each face's corners lie, once for the rig."""
    bone = rig.influences[np.arange(len(rig.vertices)), 0]
    shares = np.zeros((len(rig.faces), 25))
    for corner in range(3):
        for column in range(4):
            chosen = rig.faces[:, corner]
            np.add.at(shares, (np.arange(len(rig.faces)), rig.influences[chosen, column]), rig.weights[chosen, column])
    owner = shares.argmax(1)
    local = np.stack([_local(rig, rig.faces[:, corner], owner) for corner in range(3)], 1)
    height = sum(
        rig.weights[:, column] * _local(rig, np.arange(len(bone)), rig.influences[:, column])[:, 1] for column in range(4)
    )
    up_arm = (rig.vertices - rig.bind[0, :3, 3]) @ rig.bind[0, :3, 2]
    per_vertex = np.concatenate([np.stack([height, up_arm], 1), _patterns(rig.vertices)], 1)
    past = _past_joint(local[..., 2], _lengths(rig)[owner])
    corners = np.concatenate([local, past[..., None], per_vertex[rig.faces]], 2)
    finger = (owner % 5 != 0) & (owner > 1)
    return Places(tensor(corners), *(torch.from_numpy(flags) for flags in (finger, np.isin(owner, DISTAL), ~rig.forearm)))


def colour(
    skins: Skins, sleeves: Sleeves, places: Places, seen: Hits
) -> tuple[Float[Tensor, "pixels 3"], Float[Tensor, "pixels"]]:
    """The colour of each visible point, and its shine."""
    here = seen.blend(places.corners[seen.face])
    x, y, z, past, height, up_arm = here[:, :6].unbind(1)
    finger, distal, hand = places.finger[seen.face], places.distal[seen.face], places.hand[seen.face]
    tone = skins.tone[seen.image]
    back = torch.sigmoid(height / 0.0025)
    mottled = 1 + _mixed(here[:, 6:], skins.blotches[seen.image])
    dark = 1 - tone.mean(1)
    below_wrist = torch.sigmoid((0.004 - up_arm) / 0.005)
    paler = (1 - back) * (0.06 + 0.55 * dark**3) * below_wrist
    skin = tone * mottled[:, None] * (1 + paler[:, None] * tone.new_tensor([1.0, 0.92, 0.88]))
    knuckle = torch.exp(-((past / 0.006) ** 2)) * back * 0.5
    rosy = (knuckle + distal * (1 - back) * 0.5) * finger * hand * skins.redness[seen.image]
    skin = skin * (1 + rosy[:, None] * tone.new_tensor([0.05, -0.14, -0.12]))
    skin = skin * (1 - (_creases(past, back) * finger)[:, None])
    nail = (
        distal
        * torch.sigmoid((y - 0.0012) / 0.0004)
        * torch.sigmoid((-z - 0.0125) / 0.0007)
        * torch.sigmoid((0.0052 - x.abs()) / 0.0005)
    )
    skin = skin + (skins.nails[seen.image] - skin) * (nail * 0.8)[:, None]
    shine = skins.shine[seen.image] * (1 + 2 * nail)
    return _dressed(skin, shine, sleeves, seen.image, up_arm, hand)


def _dressed(
    skin: Float[Tensor, "pixels 3"],
    shine: Float[Tensor, "pixels"],
    sleeves: Sleeves,
    image: Int[Tensor, "pixels"],
    up_arm: Float[Tensor, "pixels"],
    hand: Bool[Tensor, "pixels"],
) -> tuple[Float[Tensor, "pixels 3"], Float[Tensor, "pixels"]]:
    """Lay the sleeve over the arm: a hem, a weave, and a shade on the skin next to the cuff."""
    beyond = up_arm - sleeves.cuff[image]
    covered = (beyond > 0) & ~hand
    shade = 1 - 0.45 * torch.exp(-((beyond / 0.004) ** 2))
    hem = 1 - 0.25 * torch.exp(-(((beyond - 0.011) / 0.0012) ** 2))
    banded = (torch.sin(up_arm * 420) > 0)[:, None]
    cloth = torch.where(banded, sleeves.stripe[image], sleeves.fabric[image]) * hem[:, None]
    return torch.where(covered[:, None], cloth, skin * shade[:, None]), torch.where(covered, 0.0, shine)


def _creases(past: Float[Tensor, "pixels"], back: Float[Tensor, "pixels"]) -> Float[Tensor, "pixels"]:
    """Darkening by the folds at joints: one line in the palm's side, fine wrinkles on the knuckles."""
    fold = torch.exp(-((past / 0.0009) ** 2)) * (1 - back) * 0.30
    wrinkles = torch.exp(-((past / 0.0045) ** 2)) * back * 0.13 * torch.sigmoid(6 * torch.sin(past * 2600))
    return fold + wrinkles


def _mixed(patterns: Float[Tensor, "pixels 6"], shares: Float[Tensor, "pixels 6"]) -> Float[Tensor, "pixels"]:
    total = patterns[:, 0] * shares[:, 0]
    for channel in range(1, BLOTCHES):
        total = total + patterns[:, channel] * shares[:, channel]
    return total


def _patterns(vertices: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 6"]:
    """Smooth random-looking fields over the skin, each a product of waves in three directions that never repeats on a hand."""
    phases = vertices[:, None] * 2 * np.pi / np.array(WAVELENGTHS)[:, None]
    turn = np.arange(BLOTCHES) * 1.7
    waves = np.sin(phases[..., 0] + 1.3 * np.sin(phases[..., 1] * 0.7 + turn) + turn)
    return np.asarray(waves + np.sin(phases[..., 2] * 0.9 + 1.1 * np.sin(phases[..., 0] * 0.8) + 2 * turn))


def _local(rig: Rig, chosen: Int[np.ndarray, "rows"], bone: Int[np.ndarray, "rows"]) -> Float[np.ndarray, "rows 3"]:
    """Resting vertices in the frames of the given bones."""
    inverse = rig.inverse_bind[bone]
    return np.asarray(np.einsum("rij,rj->ri", inverse[:, :3, :3], rig.vertices[chosen]) + inverse[:, :3, 3])


def _lengths(rig: Rig) -> Float[np.ndarray, "25"]:
    """Distance from each joint to its child; far away where it has none."""
    lengths = np.full(25, 9.0)
    for bone, parent in enumerate(PARENTS[1:], start=1):
        if parent > 0:
            lengths[parent] = np.linalg.norm(rig.bind[bone, :3, 3] - rig.bind[parent, :3, 3])
    return lengths


def _past_joint(along: Float[np.ndarray, "faces 3"], length: Float[np.ndarray, "faces"]) -> Float[np.ndarray, "faces 3"]:
    """Distance along the bone from whichever of its two ends the face is nearer to; the fingertip is no joint."""
    beyond = along + length[:, None]
    other = np.abs(beyond.mean(1)) < np.abs(along.mean(1))
    return np.where(other[:, None], beyond, along)
