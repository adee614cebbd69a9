"""Random numbers go in; joint angles within human limits come out, with the bone scales that give each subject its own hand.

A pose is a blend of two of 14 postures, plus noise, plus now and then a finger that does as it likes. Of four such candidates
the one whose fingers pass least through each other is kept: no loop, and the same choice on every machine.

Source of the limits, in degrees (flexion positive):
    hand surgery's reference values (C. Eaton, Electronic Textbook of Hand Surgery, "Normal range of motion", e-hand.com):
    finger MCP 0-45 of hyperextension to 90, PIP 0 to 100, DIP 0 to 80; thumb MCP -10 to 55, IP -15 to 80, palmar abduction to
    45, radial abduction to 60;
    Lin, Wu & Huang, "Modeling the constraints of human hand motion", 2000: finger MCP 0 to 90, PIP 0 to 110, abduction -15 to
    15, and DIP = 2/3 PIP.
Ours, inside those: MCP from -20, PIP -3 to 105, IP to 75, and a little extension of PIP and DIP as lax joints show. Our own
choice, since the zero of the rig's thumb is no anatomical neutral: the ranges of thumb CMC. Also our own: the arch of ring and
little metacarpals, the postures, and how neighbouring fingers follow each other.
"""

import numpy as np
from jaxtyping import Float

from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.rig import METACARPALS

Row = Float[np.ndarray, "23"]

FINGER_ANGLES = ("mcp_flexion", "mcp_abduction", "pip_flexion", "dip_flexion")
ANGLE_NAMES = (
    *("thumb_cmc_flexion", "thumb_cmc_abduction", "thumb_cmc_pronation", "thumb_mcp_flexion", "thumb_ip_flexion"),
    *(f"{finger}_{angle}" for finger in ("index", "middle", "ring", "little") for angle in FINGER_ANGLES),
    *("ring_arch", "little_arch"),
)
LOWEST = np.array([-20, -10, -10, -10, -15, *([-20, -15, -3, -5] * 4), 0, 0], np.float64)
HIGHEST = np.array([40, 45, 30, 55, 75, *([90, 15, 105, 80] * 4), 8, 15], np.float64)
NOISE = np.array([6, 6, 5, 6, 8, *([8, 3, 9, 5] * 4), 2, 3], np.float64)

CANDIDATES = 4
COLUMNS = CANDIDATES * 71
SHAPE_COLUMNS = 80
EXCURSION = 0.12
DIP_OF_PIP = 2.0 / 3.0
MIDDLE_BEHIND_RING, RING_BEHIND_LITTLE = 55.0, 40.0

FLEX, ABDUCT, PIP, DIP = slice(5, 21, 4), slice(6, 21, 4), slice(7, 21, 4), slice(8, 21, 4)
MIDDLE, RING, LITTLE = 9, 13, 17  # columns of these fingers' MCP flexion

SEGMENTS = tuple((4 * digit + step, 4 * digit + step + 1) for digit in range(5) for step in (1, 2, 3))
RADII = np.array([0.012, 0.010, 0.0085, *([0.0095, 0.0085, 0.007] * 3), 0.008, 0.007, 0.006])  # metres, as the asset's fingers


def _posture(thumb: tuple[float, ...], *fingers: tuple[float, float, float, float], arch: float = 0.0) -> Row:
    return np.array([*thumb, *(angle for finger in fingers for angle in finger), 8 * arch, 15 * arch], np.float64)


def _alike(finger: tuple[float, float, float, float]) -> tuple[tuple[float, float, float, float], ...]:
    return (finger,) * 4


_STRAIGHT = (0, 0, 5, 3)
_CURLED_RING, _CURLED_LITTLE = (82, 0, 100, 60), (80, 0, 95, 60)
POSTURES = {
    "flat": _posture((0, 20, 0, 5, 5), *_alike((0, 0, 2, 2))),
    "spread": _posture((-15, 45, 0, 0, -5), (-5, 12, 3, 2), (-5, 2, 3, 2), (-5, -8, 3, 2), (-5, -15, 3, 2)),
    "relaxed": _posture((5, 25, 5, 10, 15), (20, 2, 25, 12), (25, 0, 30, 15), (28, -2, 35, 18), (30, -5, 35, 18), arch=0.3),
    "fist": _posture((35, 25, 25, 40, 40), (85, 0, 100, 65), (88, 0, 100, 65), (88, 0, 100, 65), (85, 0, 100, 65), arch=0.6),
    "pointing": _posture((30, 25, 20, 35, 45), _STRAIGHT, (80, 0, 100, 60), _CURLED_RING, _CURLED_LITTLE, arch=0.5),
    "victory": _posture((30, 25, 20, 35, 45), (0, 12, 5, 3), (0, -8, 5, 3), _CURLED_RING, _CURLED_LITTLE, arch=0.5),
    "pinch": _posture((25, 40, 25, 20, 20), (50, 0, 45, 25), (25, 0, 25, 15), (15, 0, 15, 10), (10, -5, 10, 8), arch=0.3),
    "cylinder": _posture((15, 45, 25, 15, 20), (35, 6, 45, 25), (38, 2, 48, 28), (40, -3, 50, 30), (42, -8, 50, 30), arch=0.6),
    "sphere": _posture((10, 45, 20, 5, 10), (40, 10, 25, 15), (42, 3, 25, 15), (42, -5, 25, 15), (42, -12, 25, 15), arch=0.7),
    "hook": _posture((5, 20, 0, 5, 10), (10, 0, 95, 55), (10, 0, 98, 58), (10, 0, 98, 58), (10, 0, 95, 55)),
    "thumb up": _posture((-15, 10, -5, -5, -10), (80, 0, 100, 60), *((85, 0, 100, 60),) * 2, (82, 0, 98, 60), arch=0.4),
    "tabletop": _posture((0, 20, 0, 5, 5), *_alike((70, 0, 5, 5)), arch=0.2),
    "horns": _posture((30, 25, 20, 30, 40), (0, 0, 3, 2), *((80, 0, 100, 60),) * 2, (0, -10, 3, 2), arch=0.2),
    "counting": _posture((20, 45, 20, 10, 10), (-5, 0, 5, 3), (0, 0, 5, 3), (5, 0, 8, 5), (60, 0, 80, 50), arch=0.4),
}


def draw_angles(columns: Columns) -> Float[np.ndarray, "images candidates 23"]:
    """Draw candidate poses, degrees, in the order of ANGLE_NAMES."""
    shape = (CANDIDATES,)
    postures = np.stack(list(POSTURES.values()))
    pair = postures[columns.choice(len(postures), (*shape, 2))]
    share = columns.uniform(shape=(*shape, 1)) ** 2
    angles = pair[:, :, 0] * (1 - share) + pair[:, :, 1] * share + NOISE * columns.normal(shape=(*shape, len(NOISE)))
    angles[..., FLEX] += columns.normal(deviation=6.0, shape=(*shape, 1))  # fingers flex together
    free = columns.chance(EXCURSION, (*shape, 4))
    angles[..., FLEX] = np.where(free, columns.uniform(0, 85, (*shape, 4)), angles[..., FLEX])
    angles[..., PIP] = np.where(free, columns.uniform(0, 95, (*shape, 4)), angles[..., PIP])
    angles[..., DIP] = DIP_OF_PIP * angles[..., PIP] + columns.normal(deviation=4.0, shape=(*shape, 4))
    return np.asarray(np.clip(_coupled(angles), LOWEST, HIGHEST))


def choose(candidates: Float[np.ndarray, "images candidates 21 3"]) -> np.ndarray:
    """The index of each image's candidate whose digits overlap least, (images,)."""
    images, count = candidates.shape[:2]
    return np.asarray(overlap(candidates.reshape(images * count, 21, 3)).reshape(images, count).argmin(1))


def overlap(joints: Float[np.ndarray, "batch 21 3"]) -> Float[np.ndarray, "batch"]:
    """Metres by which the digits' capsules pass into each other, summed over pairs of bones of different digits.

    A bone is four points along its axis and a radius; 15 % of overlap is let pass, since flesh gives way.
    """
    first, second = np.array(SEGMENTS).T
    along = ((np.arange(4) + 0.5) / 4)[:, None]
    points = joints[:, first, None] * (1 - along) + joints[:, second, None] * along  # batch, bones, points, 3
    worst = np.zeros(len(joints))
    for digit in range(4):
        own, others = slice(3 * digit, 3 * digit + 3), slice(3 * digit + 3, 15)
        gaps = _nearest(points[:, own], points[:, others])
        reach = 0.85 * (RADII[own, None] + RADII[None, others])
        worst += np.maximum(0, reach - gaps).sum((1, 2))
    return worst


def draw_scales(columns: Columns) -> Float[np.ndarray, "subjects 25 3"]:
    """Draw the bone scales of subjects' hands: overall size, thickness, palm, and the length of each digit and bone."""
    overall = np.clip(columns.normal(1, 0.07), 0.82, 1.18)
    thickness, fingers = columns.normal(1, 0.06), columns.normal(1, 0.03)
    palm, digits, bones = columns.normal(1, 0.04, (3,)), columns.normal(1, 0.05, (5,)), columns.normal(1, 0.03, (25,))
    scales = np.ones((len(columns), 25, 3))
    scales[:, :, :2] = thickness[:, None, None]
    scales[:, :, 2] = bones * fingers[:, None] * np.repeat(digits, 5, axis=1)
    scales[:, (0, *METACARPALS)] = palm[:, None]
    return np.asarray(np.clip(scales, 0.82, 1.22) * overall[:, None, None])


def _coupled(angles: Float[np.ndarray, "images candidates 23"]) -> Float[np.ndarray, "images candidates 23"]:
    """Let fingers follow their neighbours, and take abduction away as they bend (the ligaments tighten)."""
    angles = angles.copy()
    angles[..., ABDUCT] *= np.clip(1 - np.maximum(angles[..., FLEX], 0) / 90, 0.1, 1)
    angles[..., RING] = np.maximum(angles[..., RING], angles[..., LITTLE] - RING_BEHIND_LITTLE)
    angles[..., MIDDLE] = np.maximum(angles[..., MIDDLE], angles[..., RING] - MIDDLE_BEHIND_RING)
    return angles


def _nearest(
    own: Float[np.ndarray, "batch bones points 3"], others: Float[np.ndarray, "batch rest points 3"]
) -> Float[np.ndarray, "batch bones rest"]:
    """Smallest distance between the points of two sets of bones."""
    squared = np.zeros((*own.shape[:3], *others.shape[1:3]))
    for axis in range(3):
        squared += (own[:, :, :, None, None, axis] - others[:, None, None, :, :, axis]) ** 2
    return np.asarray(np.sqrt(squared.min((2, 4))))
