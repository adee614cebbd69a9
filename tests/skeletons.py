"""Hands of human proportions with bent fingers, whose side is known from how they are built."""

import numpy as np

from handbench.streams import Draws

# Where each finger starts, and how it runs: the back of a right hand towards the viewer, fingers up, so the thumb is at the left.
BASES = {
    "thumb": (-28, 30),
    "index": (-24, 88),
    "middle": (-3, 92),
    "ring": (15, 86),
    "little": (33, 74),
}  # mm right of, above the wrist
LENGTHS = {"thumb": (32, 31, 26), "index": (38, 23, 22), "middle": (42, 26, 24), "ring": (38, 26, 23), "little": (30, 19, 20)}
DISTANCE = np.array([0.0, 0.0, 0.6])
LEANS = {"thumb": -0.6, "index": -0.1, "middle": 0.0, "ring": 0.1, "little": 0.2}


def right_hands(rows: int, seed: int = 0) -> np.ndarray:
    """Right hands (rows, 21, 3) in metres, OpenCV camera frame, common order, each bent and turned in its own way."""
    draws = Draws("skeletons", seed)
    return np.stack([_turned(_hand(draws), draws) + DISTANCE for _ in range(rows)])


def left_hands(rows: int, seed: int = 0) -> np.ndarray:
    """The same hands in a mirror."""
    return right_hands(rows, seed) * [-1, 1, 1]


def _hand(draws: Draws) -> np.ndarray:
    """One in front of a viewer, x right, y up, z to the viewer; fingers bend away from the viewer, to the palm."""
    joints = [np.zeros(3)]
    for finger, (right, up) in BASES.items():
        place, bent = np.array([right, up, 0.0]), 0.0
        joints.append(place)
        for length in LENGTHS[finger]:
            bent += float(draws.uniform(0.2, 0.7))
            lean = LEANS[finger]
            place = place + length * np.array([np.sin(lean) * np.cos(bent), np.cos(lean) * np.cos(bent), -np.sin(bent)])
            joints.append(place)
    return np.stack(joints) / 1000


def _turned(hand: np.ndarray, draws: Draws) -> np.ndarray:
    turn = np.linalg.qr(draws.normal(shape=(3, 3)))[0]
    return hand @ (turn * np.linalg.det(turn))
