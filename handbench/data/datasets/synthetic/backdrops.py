"""Random numbers go in; what lies behind the hands comes out, as display RGB.

Plain backdrops are a wall or a table: one colour, a gradient, faint blotches. Busy ones add soft-edged slabs and discs with
checks and stripes, as a room looks out of focus. Colours stay moderate: a vivid backdrop lets an objective recognise the
picture instead of the hand.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.transfer import tensor

LAYERS = 7
GRIDS = (4, 9, 36)
COLUMNS = 32 + sum(side * side for side in GRIDS) + LAYERS * 20


@dataclass(frozen=True)
class Backdrops:
    """What is behind each hand; places are in [-1, 1] over the frame.

    Args:
        base: colours at the two ends of the gradient.
        slope: direction of the gradient.
        noise: strengths of coarse, middle and fine blotches.
        coarse, middle, fine: their values.
        vignette: darkening of the corners.
        layers: None for plain backdrops.
    """

    base: Float[Tensor, "batch 2 3"]
    slope: Float[Tensor, "batch 2"]
    noise: Float[Tensor, "batch 3"]
    coarse: Float[Tensor, "batch 4 4"]
    middle: Float[Tensor, "batch 9 9"]
    fine: Float[Tensor, "batch 36 36"]
    vignette: Float[Tensor, "batch"]
    layers: "Layers | None"


@dataclass(frozen=True)
class Layers:
    """Slabs and discs, from back to front.

    Args:
        shown: 1 where the layer is there.
        disc: 1 for discs, 0 for slabs.
        centre, half: place and half sizes.
        turn: cosine and sine.
        soft: width of the blurred edge.
        colours: two; patterns mix them.
        pattern: 0 plain, 1 checks, 2 stripes.
        pitch: radians of the pattern over half a frame.
    """

    shown: Float[Tensor, "batch layers"]
    disc: Float[Tensor, "batch layers"]
    centre: Float[Tensor, "batch layers 2"]
    half: Float[Tensor, "batch layers 2"]
    turn: Float[Tensor, "batch layers 2"]
    soft: Float[Tensor, "batch layers"]
    colours: Float[Tensor, "batch layers 2 3"]
    pattern: Float[Tensor, "batch layers"]
    pitch: Float[Tensor, "batch layers"]


def draw_backdrops(columns: Columns, *, busy: bool) -> Backdrops:
    """Draw the backdrops of scenes."""
    hue, saturation, value = columns.uniform(), 0.02 + 0.30 * columns.uniform() ** 1.4, columns.uniform(0.24, 0.88)
    drift = columns.normal(0, 0.03) + (columns.uniform(-0.25, 0.25) if busy else 0.0)
    other = np.clip(value + columns.uniform(-0.22, 0.22), 0.15, 0.93)
    base = rgb_from_hsv(
        np.stack([hue, (hue + drift) % 1.0], 1),
        np.stack([saturation, saturation * columns.uniform(0.7, 1.2)], 1),
        np.stack([value, other], 1),
    )
    angle = columns.uniform(0, 2 * np.pi)
    strongest = (0.16, 0.09, 0.04) if busy else (0.10, 0.05, 0.03)
    noise = columns.uniform(0.0, 1.0, (3,)) ** 1.5 * np.array(strongest)
    vignette = columns.uniform(0.0, 0.18)
    grids = [columns.uniform(-1, 1, (side, side)) for side in GRIDS]
    layers = draw_layers(columns, base[:, 0]) if busy else None
    slope = np.stack([np.cos(angle), np.sin(angle)], 1)
    return Backdrops(
        base=tensor(base),
        slope=tensor(slope),
        noise=tensor(noise),
        coarse=tensor(grids[0]),
        middle=tensor(grids[1]),
        fine=tensor(grids[2]),
        vignette=tensor(vignette),
        layers=layers,
    )


def draw_layers(columns: Columns, base: Float[np.ndarray, "batch 3"]) -> Layers:
    """Draw the things of busy scenes; about half of them take up the scene's own colour, as furniture does."""
    each = (LAYERS,)
    shown = columns.uniform(shape=each) < columns.uniform(0.35, 1.0, (1,))
    half = np.exp(columns.uniform(np.log(0.12), np.log(1.3), (LAYERS, 2)))
    angle = columns.normal(0, 0.25, (1,)) + np.where(columns.chance(0.6, each), 0.0, columns.uniform(0, np.pi, each))
    fresh = rgb_from_hsv(
        columns.uniform(shape=(LAYERS, 2)), columns.uniform(0.0, 0.42, (LAYERS, 2)), columns.uniform(0.12, 0.9, (LAYERS, 2))
    )
    relation = np.where(columns.chance(0.5, (LAYERS, 1, 1)), 0.65, 0.15)
    colours = fresh * (1 - relation) + base[:, None, None] * columns.uniform(0.5, 1.3, (LAYERS, 1, 1)) * relation
    colours[:, :, 1] = colours[:, :, 0] * 0.6 + colours[:, :, 1] * 0.4  # patterns of moderate contrast
    blur = np.exp(columns.uniform(np.log(0.01), np.log(0.12), (1,)))  # one depth of field a scene
    soft = np.repeat(blur, LAYERS, axis=1)
    pattern = columns.choice(5, each)
    pitch = np.minimum(columns.uniform(8, 45, each), 1.2 / soft)  # what is out of focus shows no fine pattern
    centre, disc = columns.uniform(-1.1, 1.1, (LAYERS, 2)), columns.chance(0.25, each)
    turn = np.stack([np.cos(angle), np.sin(angle)], -1)
    return Layers(
        *(tensor(values) for values in (shown, disc, centre, half, turn, soft, np.clip(colours, 0.03, 0.95), pattern, pitch))
    )


def paint(backdrops: Backdrops, side: int) -> Float[Tensor, "batch side side 3"]:
    """Paint the backdrops of a batch."""
    line = (torch.arange(side, device=backdrops.base.device) + 0.5) / side * 2 - 1
    x, y = line[None, None, :], line[None, :, None]
    slope = backdrops.slope[:, :, None, None]
    share = (0.5 + 0.38 * (x * slope[:, 0] + y * slope[:, 1]))[:, None]
    near, far = backdrops.base[:, 0, :, None, None], backdrops.base[:, 1, :, None, None]
    picture = near * (1 - share) + far * share
    blotches = _blotches(backdrops, side)
    if backdrops.layers is not None:
        for layer in range(LAYERS):
            picture = _laid_over(picture, backdrops.layers, layer, x, y)
    shade = (1 + blotches) * (1 - backdrops.vignette[:, None, None] * (x * x + y * y))
    return (picture * shade[:, None]).clamp(0, 1).permute(0, 2, 3, 1).contiguous()


def rgb_from_hsv(
    hue: Float[np.ndarray, "*shape"], saturation: Float[np.ndarray, "*shape"], value: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape 3"]:
    """RGB of colours given by hue, saturation and value, all in [0, 1].

    Example:
        >>> rgb_from_hsv(np.array([0.0, 1 / 3]), np.array([1.0, 0.5]), np.array([1.0, 1.0])).round(6).tolist()
        [[1.0, 0.0, 0.0], [0.5, 1.0, 0.5]]
    """
    wheel = np.abs((hue[..., None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return np.asarray(value[..., None] * (1 - saturation[..., None] * (1 - np.clip(wheel, 0, 1))))


def _blotches(backdrops: Backdrops, side: int) -> Float[Tensor, "batch side side"]:
    total = torch.zeros_like(backdrops.base[:, :1, :1])
    for index, grid in enumerate((backdrops.coarse, backdrops.middle, backdrops.fine)):
        smooth = interpolate(grid[:, None], size=(side, side), mode="bicubic" if index < 2 else "bilinear", align_corners=True)
        total = total + smooth[:, 0] * backdrops.noise[:, index, None, None]
    return total


def _laid_over(
    picture: Float[Tensor, "batch 3 side side"],
    layers: Layers,
    layer: int,
    x: Float[Tensor, "1 1 side"],
    y: Float[Tensor, "1 side 1"],
) -> Float[Tensor, "batch 3 side side"]:
    """Lay one slab or disc of each image over what is painted so far."""
    centre, half, turn = (part[:, layer, :, None, None] for part in (layers.centre, layers.half, layers.turn))
    soft, disc, pattern, pitch, shown = (
        part[:, layer, None, None] for part in (layers.soft, layers.disc, layers.pattern, layers.pitch, layers.shown)
    )
    away_x, away_y = x - centre[:, 0], y - centre[:, 1]
    across, down = away_x * turn[:, 0] + away_y * turn[:, 1], away_y * turn[:, 0] - away_x * turn[:, 1]
    slab = torch.minimum(half[:, 0] - across.abs(), half[:, 1] - down.abs())
    radius = half[:, 0]
    inner = torch.where(disc > 0, radius - (across * across + down * down).sqrt(), slab)
    cover = ((inner / soft + 0.5).clamp(0, 1) * shown)[:, None]
    stripes = torch.sin(across * pitch)
    waves = torch.where(
        pattern == 1, stripes * torch.sin(down * pitch), torch.where(pattern == 2, stripes, torch.ones_like(stripes))
    )
    mix = ((waves * 4).clamp(-1, 1) * 0.5 + 0.5)[:, None]
    first, second = layers.colours[:, layer, 0, :, None, None], layers.colours[:, layer, 1, :, None, None]
    return picture * (1 - cover) + (second * (1 - mix) + first * mix) * cover
