"""Make the asset of the synthetic hands: the WebXR generic hand (GLB) comes in, `hand.npz` goes out.

The file is needed once, by whoever changes the asset; handbench itself reads only the npz.

    npm pack @webxr-input-profiles/assets@1.0.20
    tar xzf webxr-input-profiles-assets-1.0.20.tgz package/dist/profiles/generic-hand/right.glb
    python tools/convert_hand.py package/dist/profiles/generic-hand/right.glb handbench/data/datasets/synthetic/hand.npz

What it does: reads positions, skin weights and bind matrices; welds vertices that share a position; cuts the flat cap off the
wrist and extrudes the opening into a forearm of 0.45 m; measures how far each fingertip lies beyond its "tip" joint. Then it
prints the checksum, which `rig.py` holds as `ASSET_SHA256` and checks whenever it loads the file.

The arrays of the npz (metres, the right hand in its rest pose):
    vertices (vertices, 3) float32    faces (faces, 3) int16     forearm (faces,) bool: faces that are not the hand's
    joints (vertices, 4) uint8        weights (vertices, 4) uint8, of 255: the bones that move a vertex, and how much
    bind (25, 4, 4) float32: joint -> hand, in the order of WebXR's joints          tips (5,) float32: joint to fingertip

Source: @webxr-input-profiles/assets 1.0.20, MIT licence, Copyright (c) 2019 Amazon.
"""

import argparse
import hashlib
import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

GLB_SHA256 = "291790c14f7f88a7f9bd35330c47392ed8e8d395ae6728f4bb7089f1bc1f2b96"
BONES = 25
TIP_JOINTS = (4, 9, 14, 19, 24)
FOREARM_LENGTH = 0.45
FOREARM_RINGS = 9
COMPONENTS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}

Array = npt.NDArray[Any]


def main() -> None:
    """Convert the GLB named on the command line."""
    parser = argparse.ArgumentParser(description="Make hand.npz from the WebXR generic hand.")
    parser.add_argument("glb", type=Path)
    parser.add_argument("npz", type=Path)
    chosen = parser.parse_args()
    content = chosen.glb.read_bytes()
    if hashlib.sha256(content).hexdigest() != GLB_SHA256:
        parser.error(f"{chosen.glb} is not right.glb of @webxr-input-profiles/assets 1.0.20 (its sha256 differs)")
    hand = convert(content)
    np.savez_compressed(chosen.npz, **hand)
    print({name: array.shape for name, array in hand.items()})
    print("sha256", hashlib.sha256(chosen.npz.read_bytes()).hexdigest(), chosen.npz.stat().st_size, "bytes")


def convert(content: bytes) -> dict[str, Array]:
    """Turn the bytes of the GLB into the arrays of the npz."""
    document, binary = split_glb(content)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    positions = accessor(document, binary, attributes["POSITION"]).astype(np.float64)
    faces = accessor(document, binary, document["meshes"][0]["primitives"][0]["indices"]).reshape(-1, 3)
    weights = dense_weights(
        accessor(document, binary, attributes["JOINTS_0"]), accessor(document, binary, attributes["WEIGHTS_0"])
    )
    inverse = accessor(document, binary, document["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)
    bind = np.linalg.inv(inverse.transpose(0, 2, 1).astype(np.float64))  # glTF stores columns first
    vertices, faces, weights = weld(positions, faces, weights)
    faces = faces[~wrist_cap(vertices, faces, bind[0])]
    vertices, faces, weights, forearm = extrude_forearm(vertices, faces, weights, bind[0, :3, 2])
    vertices, faces, weights = drop_unused(vertices, faces, weights)
    joints, shares = strongest_four(weights)
    return {
        "vertices": vertices.astype(np.float32),
        "faces": faces.astype(np.int16),
        "joints": joints,
        "weights": shares,
        "bind": bind.astype(np.float32),
        "forearm": forearm,
        "tips": fingertip_distances(vertices, bind).astype(np.float32),
    }


def split_glb(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a GLB into its JSON document and its binary chunk."""
    chunks, offset = [], 12
    while offset < len(content):
        length = struct.unpack("<I", content[offset : offset + 4])[0]
        chunks.append(content[offset + 8 : offset + 8 + length])
        offset += 8 + length
    return json.loads(chunks[0]), chunks[1]


def accessor(document: dict[str, Any], binary: bytes, index: int) -> Array:
    """Read one tightly packed accessor as (count, width)."""
    entry = document["accessors"][index]
    view = document["bufferViews"][entry["bufferView"]]
    kind, width = np.dtype(COMPONENTS[entry["componentType"]]), WIDTHS[entry["type"]]
    if view.get("byteStride", 0) not in (0, width * kind.itemsize):
        raise ValueError(f"accessor {index} is interleaved, which the expected file is not")
    start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
    return np.frombuffer(binary, kind, width * entry["count"], start).reshape(entry["count"], width).copy()


def dense_weights(joints: Array, shares: Array) -> Array:
    """Spread four influences a vertex over all bones: (vertices, 25)."""
    dense = np.zeros((len(joints), BONES))
    for column in range(4):
        np.add.at(dense, (np.arange(len(joints)), joints[:, column]), shares[:, column])
    return dense


def weld(positions: Array, faces: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Join vertices that texture seams had split: same position to a micrometre."""
    vertices, first, place = np.unique(np.round(positions, 6), axis=0, return_index=True, return_inverse=True)
    return vertices, place.ravel()[faces], weights[first]


def wrist_cap(vertices: Array, faces: Array, wrist: Array) -> Array:
    """Find the faces that close the wrist: they look along its axis and lie at the mesh's far end."""
    axis = wrist[:3, 2]
    along = (vertices - wrist[:3, 3]) @ axis
    edges = vertices[faces]
    normals = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return np.asarray((normals @ axis > 0.5) & (along[faces].mean(1) > 0.012))


def boundary_loop(faces: Array) -> list[int]:
    """Follow the one open edge of a mesh, in the direction of its faces."""
    edges = Counter((int(face[side]), int(face[(side + 1) % 3])) for face in faces for side in range(3))
    following = {start: end for start, end in edges if (end, start) not in edges}
    loop = [next(iter(following))]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    return loop


def extrude_forearm(vertices: Array, faces: Array, weights: Array, axis: Array) -> tuple[Array, Array, Array, Array]:
    """Continue the open wrist as a widening forearm, closed at its far end; it moves with the wrist."""
    loop = boundary_loop(faces)
    centre, size, first = vertices[loop].mean(0), len(loop), len(vertices)
    rings, strips, previous = [], [], list(loop)
    for ring in range(1, FOREARM_RINGS + 1):
        part = ring / FOREARM_RINGS
        rings.append(centre + (vertices[loop] - centre) * (1 + 0.6 * part**0.6) + axis * FOREARM_LENGTH * part**1.1)
        current = [first + (ring - 1) * size + step for step in range(size)]
        strips += strip(previous, current)
        previous = current
    end = first + FOREARM_RINGS * size
    strips += [(previous[(step + 1) % size], previous[step], end) for step in range(size)]
    vertices = np.concatenate([vertices, *rings, (centre + axis * FOREARM_LENGTH)[None]])
    weights = np.concatenate([weights, np.tile(np.eye(BONES)[0], (len(vertices) - first, 1))])
    forearm = np.arange(len(faces) + len(strips)) >= len(faces)
    return vertices, np.concatenate([faces, np.array(strips)]), weights, forearm


def strip(near: list[int], far: list[int]) -> list[tuple[int, int, int]]:
    """Triangles between two rings of vertices."""
    triangles = []
    for step in range(len(near)):
        following = (step + 1) % len(near)
        triangles.append((near[following], near[step], far[step]))
        triangles.append((near[following], far[step], far[following]))
    return triangles


def drop_unused(vertices: Array, faces: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Leave out vertices that no face uses."""
    used = np.unique(faces)
    place = np.full(len(vertices), -1)
    place[used] = np.arange(len(used))
    return vertices[used], place[faces], weights[used]


def strongest_four(weights: Array) -> tuple[Array, Array]:
    """The four bones that move a vertex most, and their weights of 255."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    shares = np.take_along_axis(weights, order, 1)
    return order.astype(np.uint8), (shares * 255).round().astype(np.uint8)


def fingertip_distances(vertices: Array, bind: Array) -> Array:
    """How far the skin lies beyond each tip joint, along its bone (-z)."""
    distances = []
    for joint in TIP_JOINTS:
        local = (vertices - bind[joint, :3, 3]) @ bind[joint, :3, :3]
        near_axis = (np.hypot(local[:, 0], local[:, 1]) < 0.005) & (np.abs(local[:, 2]) < 0.015)
        distances.append(-local[near_axis, 2].min())
    return np.array(distances)


if __name__ == "__main__":
    main()
