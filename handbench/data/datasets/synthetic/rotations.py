"""Angles or random numbers go in; 3x3 rotation matrices come out, one a row (float64, column vectors: `R @ p`)."""

import numpy as np
from jaxtyping import Float

Angles = Float[np.ndarray, "*rows"]
Matrices = Float[np.ndarray, "*rows 3 3"]


def about_x(radians: Angles) -> Matrices:
    """Turns from y towards z."""
    zero, one, cosine, sine = np.zeros_like(radians), np.ones_like(radians), np.cos(radians), np.sin(radians)
    return _matrix([one, zero, zero], [zero, cosine, -sine], [zero, sine, cosine])


def about_y(radians: Angles) -> Matrices:
    """Turns from z towards x."""
    zero, one, cosine, sine = np.zeros_like(radians), np.ones_like(radians), np.cos(radians), np.sin(radians)
    return _matrix([cosine, zero, sine], [zero, one, zero], [-sine, zero, cosine])


def about_z(radians: Angles) -> Matrices:
    """Turns from x towards y."""
    zero, one, cosine, sine = np.zeros_like(radians), np.ones_like(radians), np.cos(radians), np.sin(radians)
    return _matrix([cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one])


def uniformly(unit: Float[np.ndarray, "*rows 3"]) -> Matrices:
    """Rotations spread evenly over SO(3), from three uniform numbers each.

    Source:
        Shoemake, "Uniform random rotations", Graphics Gems III, 1992.
    """
    first, second = 2.0 * np.pi * unit[..., 1], 2.0 * np.pi * unit[..., 2]
    low, high = np.sqrt(1.0 - unit[..., 0]), np.sqrt(unit[..., 0])
    x, y, z, w = low * np.sin(first), low * np.cos(first), high * np.sin(second), high * np.cos(second)
    return _matrix(
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    )


def _matrix(*rows: list[np.ndarray]) -> Matrices:
    return np.stack([np.stack(row, -1) for row in rows], -2)
