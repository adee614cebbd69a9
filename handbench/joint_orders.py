"""Joint orders: hands as a dataset or a tool orders their joints in; hands in the common order, and the reverse, out.

Each order is a gather: `common = theirs[order]`. RHD's and STB's are their own inverse, the others are not, so a gather taken
for a scatter goes unnoticed on those two and is wrong on the rest. The common order is that of FreiHAND, HanCo, DexYCB,
OneHand10K, CMU Panoptic, COCO-WholeBody's hands and MediaPipe.
"""

import numpy as np
from jaxtyping import Int, Shaped

from handbench.types import JOINTS

Order = Int[np.ndarray, "21"]


def _order(*places: int) -> Order:
    gather = np.array(places, dtype=np.int64)
    gather.flags.writeable = False
    return gather


COMMON = _order(*range(JOINTS))
# 16 joints of the MANO model (index, middle, little, ring, thumb), then the five tips: HO-3D, ARCTIC, YouTube 3D Hands.
MANO = _order(0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
# One hand of 42: the right one's rows 0-20; the left one's follow it. AssemblyHands has the same. Tips first, wrist last.
INTERHAND = _order(20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
# One hand of 42: the left one's rows 0-20; the right one's follow it. Each finger from tip to base.
RHD = _order(0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
# From the little finger to the thumb; the first is the palm's centre, not the wrist.
STB = _order(0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4)
# Wrist, all bases, all second joints, …: the order inside PeCLR's code.
PECLR = _order(0, 1, 6, 11, 16, 2, 7, 12, 17, 3, 8, 13, 18, 4, 9, 14, 19, 5, 10, 15, 20)

ORDERS: dict[str, Order] = {
    "common": COMMON,
    "mano": MANO,
    "interhand": INTERHAND,
    "rhd": RHD,
    "stb": STB,
    "peclr": PECLR,
}


def inverse(order: Order) -> Order:
    """The gather that undoes a gather: `theirs = common[inverse(order)]`.

    Example:
        >>> [int(place) for place in inverse(MANO)][:8]
        [0, 5, 6, 7, 9, 10, 11, 17]
    """
    undoing: Order = np.argsort(order)
    return undoing


def to_common(joints: Shaped[np.ndarray, "*rows 21 values"], order: Order) -> Shaped[np.ndarray, "*rows 21 values"]:
    """Joints of another order in the common one."""
    return joints[..., order, :]


def from_common(joints: Shaped[np.ndarray, "*rows 21 values"], order: Order) -> Shaped[np.ndarray, "*rows 21 values"]:
    """Joints of the common order in another one."""
    return joints[..., inverse(order), :]
