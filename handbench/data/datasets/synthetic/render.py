"""Composed scenes go in; pictures, hand masks and the visibility of the joints come out.

Only covered pixels are shaded. Nothing in here sums in an order that depends on the batch or on the number of threads, so an
image comes out the same to the bit however it is made on one machine.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from handbench.data.datasets.synthetic import backdrops, lights, occluders, sensor, skins
from handbench.data.datasets.synthetic.meshes import Topology, hits, topology, vertex_normals
from handbench.data.datasets.synthetic.pose import RADII
from handbench.data.datasets.synthetic.rasteriser import Buffer, Triangles, rasterise
from handbench.data.datasets.synthetic.rig import Rig
from handbench.data.datasets.synthetic.scene import Scenes
from handbench.data.datasets.synthetic.transfer import moved, tensor

SEEN_WITHIN = 0.02  # metres between a joint and the skin its pixel shows, for the joint to count as visible
OBJECT_SHINE, OBJECT_GLOSS = 0.08, 20.0
PALM = 5  # the digit of vertices that belong to none


@dataclass(frozen=True)
class Pictures:
    """Rendered images, true where the hand is seen, and which joints are."""

    images: UInt8[Tensor, "batch side side 3"]
    masks: Bool[Tensor, "batch side side"]
    visible: Bool[Tensor, "batch 21"]


@dataclass(frozen=True)
class _Meshes:
    """Posed surfaces of a batch in the camera frame; the hand's faces come first."""

    hand: Float[Tensor, "batch vertices 3"]
    winding: Float[Tensor, "batch"]
    rods: Float[Tensor, "batch rods 3"] | None
    joints: Float[Tensor, "batch 21 3"]


class Renderer:
    """Renders batches of scenes on one device.

    Args:
        rig: the hand at rest.
        size: side of an image in pixels.
        antialias: samples along each side of a pixel.
    """

    def __init__(self, rig: Rig, size: int, antialias: int, device: torch.device) -> None:
        self._size, self._antialias, self._device = size, antialias, device
        self._hand = _on(topology(rig.faces, len(rig.vertices)), device)
        self._rod = _on(topology(occluders.rod_faces(), len(occluders.rod_places())), device)
        self._along = tensor(occluders.rod_places()[occluders.rod_faces()]).to(device)
        self._places = moved(skins.places(rig), device)
        self._rest = tensor(rig.vertices).to(device)
        self._influences = torch.from_numpy(rig.influences).to(device)
        self._weights = tensor(rig.weights).to(device)
        self._digits = torch.from_numpy(_digits(rig)).to(device)
        self._radii = tensor(RADII).to(device)
        self._fitted = int(rig.hand_vertices.max()) + 1  # the asset holds the hand's vertices first

    @torch.no_grad()
    def render(self, scenes: Scenes) -> Pictures:
        """Render a batch."""
        size, fine = self._size, self._size * self._antialias
        meshes = self._pose(scenes)
        focal, rays = self._rays(scenes, fine)
        parts = self._parts(meshes)
        buffer = rasterise([_triangles(mesh, points, winding, focal, fine) for mesh, points, winding in parts], fine)
        shine = moved(scenes.lights, self._device)
        shadows = lights.cast_shadows(shine, parts, self._fitted)
        picture = backdrops.paint(moved(scenes.backdrops, self._device), size)
        if self._antialias > 1:
            picture = picture.repeat_interleave(self._antialias, 1).repeat_interleave(self._antialias, 2)
        self._shade_hand(picture, scenes, meshes, shine, shadows, buffer, rays)
        if meshes.rods is not None:
            self._shade_rods(picture, scenes, meshes.rods, shine, shadows, buffer, rays)
        images = sensor.develop(picture, moved(scenes.sensors, self._device), self._antialias)
        return Pictures(images, self._masks(buffer), self._visible(meshes.joints, focal, buffer))

    def _pose(self, scenes: Scenes) -> _Meshes:
        """Skin the hands and take them before their cameras."""
        skinning = tensor(scenes.skeleton.skinning[:, :, :3]).to(self._device)
        blended = skinning[:, self._influences[:, 0]] * self._weights[:, 0, None, None]
        for column in range(1, 4):
            blended = blended + skinning[:, self._influences[:, column]] * self._weights[:, column, None, None]
        x, y, z = self._rest.split(1, dim=1)
        posed = blended[..., 0] * x + blended[..., 1] * y + blended[..., 2] * z + blended[..., 3]
        turn, offset = tensor(scenes.cameras.turn).to(self._device), tensor(scenes.cameras.offset).to(self._device)
        x, y, z = posed.split(1, dim=2)
        seen = x * turn[:, None, :, 0] + y * turn[:, None, :, 1] + z * turn[:, None, :, 2] + offset[:, None]
        winding = tensor(np.where(scenes.cameras.left, -1.0, 1.0)).to(self._device)
        rods = scenes.occluders.points
        present = bool((rods[:, 0, 2] > 0).any())
        return _Meshes(seen, winding, rods.to(self._device) if present else None, tensor(scenes.joints).to(self._device))

    def _parts(self, meshes: _Meshes) -> list[tuple[Topology, Float[Tensor, "batch _ 3"], Float[Tensor, "batch"]]]:
        parts = [(self._hand, meshes.hand, meshes.winding)]
        if meshes.rods is not None:
            parts.append((self._rod, meshes.rods, torch.ones_like(meshes.winding)))
        return parts

    def _rays(self, scenes: Scenes, fine: int) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch fine fine 3"]]:
        """Focal lengths in fine pixels, and the directions through the fine pixels' centres."""
        focal = tensor(scenes.cameras.focal).to(self._device) * self._antialias
        line = torch.arange(fine, device=self._device) + 0.5 - fine / 2
        x = (line[None, None, :] / focal[:, None, None]).expand(-1, fine, -1)
        y = (line[None, :, None] / focal[:, None, None]).expand(-1, -1, fine)
        return focal, torch.stack([x, y, torch.ones_like(x)], -1)

    def _shade_hand(
        self,
        picture: Tensor,
        scenes: Scenes,
        meshes: _Meshes,
        shine: lights.Lights,
        shadows: lights.ShadowMap,
        buffer: Buffer,
        rays: Tensor,
    ) -> None:
        """Write the colours of hands and forearms into the picture."""
        normals = vertex_normals(self._hand, meshes.hand, meshes.winding)
        seen = hits(self._hand, meshes.hand, normals, rays, buffer, 0)
        subject, sleeves = moved(scenes.skins, self._device), moved(scenes.sleeves, self._device)
        albedo, gleam = skins.colour(subject, sleeves, self._places, seen)
        open_sky = lights.openness(meshes.hand, normals, self._digits, meshes.joints, self._radii)
        sky = seen.blend(open_sky[seen.image[:, None], self._hand.faces[seen.face]][..., None])[:, 0]
        key = lights.lit(shadows, seen)
        colours = lights.shade(shine, seen, albedo, gleam, subject.gloss[seen.image], key, sky, lights.SCATTER)
        picture[seen.image, seen.row, seen.column] = colours

    def _shade_rods(
        self,
        picture: Tensor,
        scenes: Scenes,
        rods: Tensor,
        shine: lights.Lights,
        shadows: lights.ShadowMap,
        buffer: Buffer,
        rays: Tensor,
    ) -> None:
        """Write the colours of objects into the picture."""
        normals = vertex_normals(self._rod, rods, torch.ones_like(rods[:, 0, 0]))
        seen = hits(self._rod, rods, normals, rays, buffer, len(self._hand.faces))
        albedo = occluders.colour(moved(scenes.occluders, self._device), self._along, seen)
        plain = torch.ones_like(albedo[:, 0])
        key = lights.lit(shadows, seen)
        colours = lights.shade(shine, seen, albedo, plain * OBJECT_SHINE, plain * OBJECT_GLOSS, key, plain, (0.0, 0.0, 0.0))
        picture[seen.image, seen.row, seen.column] = colours

    def _masks(self, buffer: Buffer) -> Bool[Tensor, "batch side side"]:
        """Pixels of which at least half are hand: not forearm, sleeve or object."""
        hand = torch.cat([self._places.hand, self._places.hand.new_zeros(len(self._rod.faces) + 1)])  # -1 finds the last
        share = avg_pool2d(hand[buffer.face].float()[:, None], self._antialias)[:, 0]
        return share >= 0.5

    def _visible(self, joints: Tensor, focal: Tensor, buffer: Buffer) -> Bool[Tensor, "batch 21"]:
        """Joints whose pixel shows the hand's or forearm's skin, within 2 cm of the joint in depth."""
        fine = buffer.face.shape[-1]
        pixels = (joints[..., :2] / joints[..., 2:] * focal[:, None, None] + fine / 2).floor().long().clamp(0, fine - 1)
        image = torch.arange(len(joints), device=joints.device)[:, None]
        face, depth = (channel[image, pixels[..., 1], pixels[..., 0]] for channel in (buffer.face, buffer.depth))
        skin = (face >= 0) & (face < len(self._hand.faces))
        return skin & ((depth - joints[..., 2]).abs() < SEEN_WITHIN)


def _triangles(mesh: Topology, points: Tensor, winding: Tensor, focal: Tensor, fine: int) -> Triangles:
    """Project a mesh to fine pixels; vertices behind the camera are kept from dividing by 0, their faces are not drawn."""
    depth = points[..., 2]
    pixels = points[..., :2] / depth[..., None].clamp_min(1e-3) * focal[:, None, None] + fine / 2
    return Triangles(pixels[:, mesh.faces], depth[:, mesh.faces], winding)


def _digits(rig: Rig) -> np.ndarray:
    """The digit, 0 to 4, of the bone that moves each vertex most; PALM for wrist, metacarpals and forearm."""
    bone = rig.influences[np.arange(len(rig.vertices)), 0]
    palm = (bone <= 1) | (bone % 5 == 0)
    return np.where(palm, PALM, (bone - 1) // 5 * (bone < 5) + bone // 5 * (bone >= 5))


def _on(mesh: Topology, device: torch.device) -> Topology:
    return moved(mesh, device)
