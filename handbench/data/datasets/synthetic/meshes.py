"""Vertices and faces go in; normals, and the points that pixels see on them, come out.

Sums are gathers written out, never floating-point index additions, so that results do not depend on the order of the work.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from handbench.data.datasets.synthetic.rasteriser import Buffer

MOST_AROUND = 9  # faces a vertex's normal takes account of; only the ends of arm and rods have more


@dataclass(frozen=True)
class Topology:
    """How a mesh hangs together: its faces, and the faces around each vertex (padded with the number of faces)."""

    faces: Int[Tensor, "faces 3"]
    around: Int[Tensor, "vertices most"]


@dataclass(frozen=True)
class Hits:
    """The pixels that see a mesh, in one flat list over the batch.

    Args:
        image, row, column: where the pixels are.
        face: face of the mesh.
        weights: of the face's three corners, perspective-correct.
        point: camera frame, metres.
        normal: of unit length, towards the outside.
    """

    image: Int[Tensor, "pixels"]
    row: Int[Tensor, "pixels"]
    column: Int[Tensor, "pixels"]
    face: Int[Tensor, "pixels"]
    weights: Float[Tensor, "pixels 3"]
    point: Float[Tensor, "pixels 3"]
    normal: Float[Tensor, "pixels 3"]

    def blend(self, corners: Float[Tensor, "pixels 3 channels"]) -> Float[Tensor, "pixels channels"]:
        """Interpolate values of the corners."""
        first, second, third = self.weights[:, 0:1], self.weights[:, 1:2], self.weights[:, 2:3]
        return corners[:, 0] * first + corners[:, 1] * second + corners[:, 2] * third


def topology(faces: Int[np.ndarray, "faces 3"], vertices: int) -> Topology:
    """Look up the faces around each vertex."""
    owners = faces.reshape(-1)
    order = np.argsort(owners, kind="stable")
    count = np.bincount(owners, minlength=vertices)
    around = np.full((vertices, count.max()), len(faces))
    place = np.arange(len(owners)) - np.repeat(np.cumsum(count) - count, count)
    around[owners[order], place] = order // 3
    return Topology(torch.from_numpy(faces), torch.from_numpy(around[:, :MOST_AROUND].copy()))


def vertex_normals(
    mesh: Topology, points: Float[Tensor, "batch vertices 3"], winding: Float[Tensor, "batch"]
) -> Float[Tensor, "batch vertices 3"]:
    """Mean of the faces' normals around each vertex, weighted by area."""
    rows = points.transpose(0, 1).contiguous()  # vertices first: whole rows are gathered
    first, second, third = (rows.index_select(0, mesh.faces[:, corner]) for corner in range(3))
    normals = torch.linalg.cross(second - first, third - first) * winding[:, None]
    padded = torch.cat([normals, torch.zeros_like(normals[:1])])
    total = padded.index_select(0, mesh.around[:, 0])
    for column in range(1, mesh.around.shape[1]):
        total += padded.index_select(0, mesh.around[:, column])
    return normalize(total, dim=-1).transpose(0, 1).contiguous()


def hits(
    mesh: Topology,
    points: Float[Tensor, "batch vertices 3"],
    normals: Float[Tensor, "batch vertices 3"],
    rays: Float[Tensor, "batch side side 3"],
    buffer: Buffer,
    first_face: int,
    *,
    flat: bool = False,
) -> Hits:
    """Find the points of a mesh that the pixels of a buffer see, by meeting each pixel's ray with its triangle.

    Args:
        rays: directions through the pixels' centres, with z = 1.
        first_face: the buffer's number of the mesh's first face.
        flat: give the face's own normal, for objects with edges.
    """
    seen = (buffer.face >= first_face) & (buffer.face < first_face + len(mesh.faces))
    image, row, column = seen.nonzero(as_tuple=True)
    face = buffer.face[image, row, column] - first_face
    corners = mesh.faces[face]
    triangle = points[image[:, None], corners]
    weights = _meet(rays[image, row, column], triangle)
    bare = Hits(image, row, column, face, weights, weights, weights)
    if flat:
        normal = torch.linalg.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0])
    else:
        normal = bare.blend(normals[image[:, None], corners])
    return Hits(image, row, column, face, weights, bare.blend(triangle), normalize(normal, dim=1))


def _meet(ray: Float[Tensor, "pixels 3"], triangle: Float[Tensor, "pixels 3 3"]) -> Float[Tensor, "pixels 3"]:
    """Corner weights where rays from the camera's centre meet the planes of their triangles.

    Source:
        Möller & Trumbore, "Fast, minimum storage ray/triangle intersection", Journal of Graphics Tools, 1997.
    """
    one, other = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    across = torch.linalg.cross(ray, other)
    determinant = _dot(one, across)
    determinant = torch.where(determinant.abs() < 1e-14, torch.full_like(determinant, 1e-14), determinant)
    upwards = torch.linalg.cross(-triangle[:, 0], one)
    second, third = _dot(-triangle[:, 0], across) / determinant, _dot(ray, upwards) / determinant
    weights = torch.stack([1 - second - third, second, third], 1).clamp(0, 1)
    return weights / (weights[:, :1] + weights[:, 1:2] + weights[:, 2:])


def _dot(one: Float[Tensor, "*rows 3"], other: Float[Tensor, "*rows 3"]) -> Float[Tensor, "*rows"]:
    return one[..., 0] * other[..., 0] + one[..., 1] * other[..., 1] + one[..., 2] * other[..., 2]
