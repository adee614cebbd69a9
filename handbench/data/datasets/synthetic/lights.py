"""Random numbers and posed meshes go in; how much light reaches each visible point comes out.

One key light casts soft shadows through a shadow map; up to two fills and a sky do not. Fingers near the skin take sky light
away (ambient occlusion by spheres along the bones). Strengths are normalised, so that no draw over-exposes the skin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from handbench.data.datasets.synthetic.columns import Columns
from handbench.data.datasets.synthetic.meshes import Hits, Topology
from handbench.data.datasets.synthetic.rasteriser import Buffer, Triangles, rasterise
from handbench.data.datasets.synthetic.transfer import tensor

COLUMNS = 48
LIGHTS = 3
SCATTER = (0.30, 0.13, 0.07)  # how far light wraps around flesh: red furthest
SHADOW = 0.75  # share of the key light that a shadow takes
SHADOW_SIDE = 80  # texels; about 3 mm each
SHADOW_AREA = 1.25  # side of the shadow map over the hand's extent
LIFT, BIAS = 0.002, 0.004  # metres: off the surface, and in depth, against self-shadowing
SPHERES_A_BONE = 2
EXPOSURE, SHOULDER = 1.75, 1.12  # of the tone curve SHOULDER (1 - exp(-EXPOSURE x))


@dataclass(frozen=True)
class Lights:
    """Lights of each image.

    Args:
        direction: towards each light, camera frame.
        colour: of each light; absent ones are black.
        sky: colour of the ambient light.
        exposure: of the camera.
    """

    direction: Float[Tensor, "batch 3 3"]
    colour: Float[Tensor, "batch 3 3"]
    sky: Float[Tensor, "batch 3"]
    exposure: Float[Tensor, "batch"]


@dataclass(frozen=True)
class ShadowMap:
    """What the key light sees: a parallel projection fitted to the hand.

    Args:
        axes: camera frame -> light frame, rows x, y and depth.
        centre: of the map in the light's frame, metres; with the depth from which distances count.
        texels: per metre.
        depth: of the nearest surface, metres from the nearest one of all.
    """

    axes: Float[Tensor, "batch 3 3"]
    centre: Float[Tensor, "batch 3"]
    texels: Float[Tensor, "batch"]
    depth: Float[Tensor, "batch side side"]


def draw_lights(columns: Columns) -> Lights:
    """Draw one to three lights from the camera's side, mostly from above, of slightly different warmth."""
    direction = columns.normal(0, 1, (LIGHTS, 3))
    direction[..., 2] = -np.abs(direction[..., 2]) - 0.35
    direction[..., 1] -= 0.6
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    count = columns.choice(LIGHTS) + 1
    strength = np.array([1.0, 0.4, 0.3]) * columns.uniform(0.6, 1.1, (LIGHTS,)) * (np.arange(LIGHTS) < count[:, None])
    sky = columns.uniform(0.25, 0.65, (1,))
    facing = np.maximum(0.25, -direction[..., 2])
    total = (strength * facing).sum(1, keepdims=True) * 0.8 + sky
    warmth = np.clip(columns.normal(0, 0.05, (LIGHTS + 1, 1)), -0.12, 0.12) * np.array([1, 0, -1]) + 1
    exposure = columns.uniform(0.85, 1.12)
    colour = (strength / total)[..., None] * warmth[:, :LIGHTS]
    return Lights(tensor(direction), tensor(colour), tensor(sky / total * warmth[:, LIGHTS]), tensor(exposure))


def cast_shadows(
    lights: Lights, meshes: Sequence[tuple[Topology, Float[Tensor, "batch _ 3"], Float[Tensor, "batch"]]], hand: int
) -> ShadowMap:
    """Render the scene from the key light.

    Args:
        meshes: topology, points in the camera frame, winding; the hand first.
        hand: number of the first mesh's vertices that the map is fitted to.
    """
    axes = _light_axes(lights.direction[:, 0])
    seen = [_rotate(axes, points) for _, points, _ in meshes]
    low, high = seen[0][:, :hand].amin(1), seen[0][:, :hand].amax(1)
    texels = SHADOW_SIDE / (SHADOW_AREA * (high - low)[:, :2].amax(1))
    missing = [points[:, :1, 2] < 0 for _, points, _ in meshes]  # objects that an image lacks lie behind its camera
    nearest = torch.stack(
        [turned[..., 2].masked_fill(none, torch.inf).amin(1) for turned, none in zip(seen, missing, strict=True)]
    ).amin(0)
    centre = torch.cat([((low + high) / 2)[:, :2], nearest[:, None] - 1.0], 1)
    triangles = []
    for (mesh, _, winding), turned, none in zip(meshes, seen, missing, strict=True):
        local = turned - centre[:, None]
        pixels = local[..., :2] * texels[:, None, None] + SHADOW_SIDE / 2
        depth = local[..., 2].masked_fill(none, -1.0)  # not drawn
        triangles.append(Triangles(pixels[:, mesh.faces], depth[:, mesh.faces], winding))
    buffer: Buffer = rasterise(triangles, SHADOW_SIDE, perspective=False)
    return ShadowMap(axes, centre, texels, buffer.depth)


def lit(shadows: ShadowMap, seen: Hits) -> Float[Tensor, "pixels"]:
    """Share of the key light that reaches each point: a weighted window of 4 x 4 texels; all outside the map is lit."""
    lifted = seen.point + seen.normal * LIFT
    local = _rotate(shadows.axes[seen.image], lifted[:, None])[:, 0] - shadows.centre[seen.image]
    place = local[:, :2] * shadows.texels[seen.image, None] + SHADOW_SIDE / 2 - 0.5
    corner = place.floor()
    share, corner = place - corner, corner.long() - 1
    total = torch.zeros_like(local[:, 0])
    for down, height in enumerate(_window(share[:, 1])):
        for across, width in enumerate(_window(share[:, 0])):
            column, row = corner[:, 0] + across, corner[:, 1] + down
            outside = (column < 0) | (row < 0) | (column >= SHADOW_SIDE) | (row >= SHADOW_SIDE)
            depth = shadows.depth[seen.image, row.clamp(0, SHADOW_SIDE - 1), column.clamp(0, SHADOW_SIDE - 1)]
            total = total + ((depth > local[:, 2] - BIAS) | outside) * height * width
    return total


def openness(
    points: Float[Tensor, "batch vertices 3"],
    normals: Float[Tensor, "batch vertices 3"],
    digits: Int[Tensor, "vertices"],
    joints: Float[Tensor, "batch 21 3"],
    radii: Float[Tensor, "15"],
) -> Float[Tensor, "batch vertices"]:
    """Share of the sky that each vertex sees past the digits it does not belong to.

    Args:
        digits: 0-4 for vertices of thumb to little finger, 5 for the palm and forearm.
        joints: camera frame, metres.
        radii: of the digits' bones, metres.

    Source:
        The sphere occlusion term n·d (r / |d|)^2 follows from the solid angle of a distant sphere weighted by the cosine.
    """
    places, towards = points.permute(2, 0, 1).contiguous(), normals.permute(2, 0, 1).contiguous()
    blocked = torch.zeros_like(places[0])
    for digit in range(5):
        total = torch.zeros_like(blocked)
        for bone in range(1 if digit == 0 else 0, 3):  # the thumb's metacarpal is part of the palm
            start, end = joints[:, 1 + 4 * digit + bone], joints[:, 2 + 4 * digit + bone]
            for part in range(SPHERES_A_BONE):
                share = (part + 0.5) / SPHERES_A_BONE
                total += _sphere(start * (1 - share) + end * share, places, towards, radii[3 * digit + bone])
        blocked += total * (digits != digit)
    return (1 - 0.8 * blocked).clamp(0.3, 1.0)


def shade(
    lights: Lights,
    seen: Hits,
    albedo: Float[Tensor, "pixels 3"],
    shine: Float[Tensor, "pixels"],
    gloss: Float[Tensor, "pixels"],
    key: Float[Tensor, "pixels"],
    sky: Float[Tensor, "pixels"],
    scatter: tuple[float, float, float],
) -> Float[Tensor, "pixels 3"]:
    """Reflect the lights towards the camera, and map the result to display values in [0, 1].

    Args:
        key, sky: shares of the key light and of the sky that reach the point.
        scatter: how far light wraps around the surface, by colour.
    """
    view = -normalize(seen.point, dim=1)
    wrap = albedo.new_tensor(scatter)
    above = 0.75 - 0.25 * seen.normal[:, 1:2]
    total = albedo * lights.sky[seen.image] * above * sky[:, None]
    for light in range(LIGHTS):
        direction, colour = lights.direction[seen.image, light], lights.colour[seen.image, light]
        cosine = (seen.normal * direction).sum(1, keepdim=True)
        diffuse = ((cosine + wrap) / (1 + wrap)).clamp_min(0)
        half = normalize(direction + view, dim=1)
        highlight = (seen.normal * half).sum(1).clamp_min(0) ** gloss * shine * (cosine[:, 0] > 0)
        reaching = 1 - SHADOW * (1 - key) if light == 0 else 0.5 + 0.5 * sky
        total = total + (albedo * diffuse + highlight[:, None]) * colour * reaching[:, None]
    exposed = total * lights.exposure[seen.image, None]
    return (SHOULDER * (1 - torch.exp(-EXPOSURE * exposed))).clamp(0, 1) ** (1 / 2.2)


def _window(share: Float[Tensor, "pixels"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of four texels in a row about a point `share` of the way from the second to the third: a box three wide."""
    middle = torch.full_like(share, 1 / 3)
    return (1 - share) / 3, middle, middle, share / 3


def _sphere(
    centre: Float[Tensor, "batch 3"],
    places: Float[Tensor, "3 batch vertices"],
    towards: Float[Tensor, "3 batch vertices"],
    radius: Tensor,
) -> Float[Tensor, "batch vertices"]:
    """Cosine-weighted share of the sky behind a sphere: (r / d)^2 cos, at most 1."""
    x, y, z = (centre[:, axis, None] - places[axis] for axis in range(3))
    squared = (x * x + y * y + z * z).clamp_min(1e-8)
    cosine = (x * towards[0] + y * towards[1] + z * towards[2]).clamp_min(0) * squared.rsqrt()
    return cosine * (radius * radius / squared).clamp_max(1.0)


def _light_axes(direction: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3 3"]:
    """A right-handed frame whose depth runs away from the light, so that faces towards the light wind as they do for a camera."""
    sideways = torch.tensor([1.0, 0.0, 0.0], device=direction.device).expand_as(direction)
    upwards = torch.tensor([0.0, 1.0, 0.0], device=direction.device).expand_as(direction)
    helper = torch.where(direction[:, :1].abs() < 0.9, sideways, upwards)
    x = normalize(torch.linalg.cross(direction, helper), dim=1)
    return torch.stack([x, torch.linalg.cross(-direction, x), -direction], 1)


def _rotate(axes: Float[Tensor, "batch 3 3"], points: Float[Tensor, "batch vertices 3"]) -> Float[Tensor, "batch vertices 3"]:
    x, y, z = points[..., :1], points[..., 1:2], points[..., 2:]
    return x * axes[:, None, :, 0] + y * axes[:, None, :, 1] + z * axes[:, None, :, 2]
