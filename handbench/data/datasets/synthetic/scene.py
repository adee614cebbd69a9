"""Parts and indices of images go in; everything that decides what they show comes out, labels in float64.

Each image has its own streams for pose, camera and surroundings; its subject and scene are drawn from pools by number and have
streams of their own. Keys hold the part, so that training, validation and test share neither subject nor scene, and the index
within the part, so that an image stays the same when the counts change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from handbench.data.datasets.synthetic import backdrops, camera, lights, occluders, pose, sensor, skins
from handbench.data.datasets.synthetic.backdrops import Backdrops
from handbench.data.datasets.synthetic.columns import Columns, columns
from handbench.data.datasets.synthetic.config import GENERATOR_VERSION, Config
from handbench.data.datasets.synthetic.lights import Lights
from handbench.data.datasets.synthetic.occluders import Occluders
from handbench.data.datasets.synthetic.rig import Skeleton, articulate, load_rig, skin
from handbench.data.datasets.synthetic.sensor import Sensors
from handbench.data.datasets.synthetic.skins import Skins, Sleeves
from handbench.streams import Key
from handbench.types import Part

SURROUNDINGS = 1 + skins.SLEEVE_COLUMNS + occluders.COLUMNS + lights.COLUMNS + sensor.COLUMNS


@dataclass(frozen=True)
class Address:
    """Which image: its part, its number there, the hand it shows and on which backdrop, of several with the same hand."""

    part: Part
    number: int
    hand: int
    version: int


@dataclass(frozen=True)
class Scenes:
    """A batch of images before they are rendered.

    Args:
        addresses: which images they are.
        subjects, places: numbers of their subjects and scenes in the pools of their parts.
        skeleton: posed bones, in the hand's frame.
        cameras: where the hands stand.
        skins, sleeves, occluders, lights, backdrops, sensors: what the renderer needs.
    """

    addresses: tuple[Address, ...]
    subjects: tuple[int, ...]
    places: tuple[int, ...]
    skeleton: Skeleton
    cameras: camera.Cameras
    skins: Skins
    sleeves: Sleeves
    occluders: Occluders
    lights: Lights
    backdrops: Backdrops
    sensors: Sensors

    @property
    def joints(self) -> Float[np.ndarray, "batch 21 3"]:
        """Joints in the camera frame, metres."""
        return self.cameras.see(self.skeleton.joints)


class Stage:
    """Composes images of one Config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def compose(self, addresses: Sequence[Address]) -> Scenes:
        """Draw everything about the given images."""
        preset, hands = self._config.preset, [address.hand for address in addresses]
        around = self._open("surroundings", addresses, hands, SURROUNDINGS)
        subjects = [
            int(share * preset.subjects[address.part]) for share, address in zip(around.uniform(), addresses, strict=True)
        ]
        places = self._places(addresses)
        people = self._open("subject", addresses, subjects, pose.SHAPE_COLUMNS + skins.SKIN_COLUMNS)
        skeleton, cameras = self._hands(addresses, pose.draw_scales(people))
        return Scenes(
            addresses=tuple(addresses),
            subjects=tuple(subjects),
            places=tuple(places),
            skeleton=skeleton,
            cameras=cameras,
            skins=skins.draw_skins(people),
            sleeves=skins.draw_sleeves(around),
            occluders=occluders.draw_occluders(around, preset, skeleton, cameras),
            lights=lights.draw_lights(around),
            backdrops=backdrops.draw_backdrops(self._open("scene", addresses, places, backdrops.COLUMNS), busy=preset.busy),
            sensors=sensor.draw_sensors(around),
        )

    def _hands(self, addresses: Sequence[Address], scales: Float[np.ndarray, "batch 25 3"]) -> tuple[Skeleton, camera.Cameras]:
        """Pose the hands, keep the best candidate of each, and set the cameras before them."""
        rig, preset, size = load_rig(), self._config.preset, self._config.size
        hands = [address.hand for address in addresses]
        angles = pose.draw_angles(self._open("pose", addresses, hands, pose.COLUMNS))
        every = np.repeat(scales, pose.CANDIDATES, axis=0)
        candidates = articulate(rig, angles.reshape(-1, angles.shape[-1]), every)
        best = (
            pose.choose(candidates.joints.reshape(len(hands), pose.CANDIDATES, 21, 3)) + np.arange(len(hands)) * pose.CANDIDATES
        )
        skeleton = Skeleton(candidates.frames[best], candidates.skinning[best], candidates.joints[best])
        stream = self._open("camera", addresses, hands, camera.COLUMNS)
        turn, left = camera.draw_turns(
            stream, rig.bind[0, :3, :3], facing=preset.facing, roll=self._config.roll_prior, left=preset.left
        )
        outline = skin(rig, skeleton.skinning, rig.outline_vertices)
        return skeleton, camera.place(stream, turn, left, skeleton.joints, outline, size)

    def _places(self, addresses: Sequence[Address]) -> list[int]:
        """Draw the scene of each image, one for each version of a hand, from the pool of its part."""
        keys = [self._key("place", address.part, address.hand, address.version) for address in addresses]
        pools = [self._config.preset.scenes[address.part] for address in addresses]
        return [int(share * pool) for share, pool in zip(columns(keys, 1).uniform(), pools, strict=True)]

    def _open(self, stream: str, addresses: Sequence[Address], numbers: Sequence[int], width: int) -> Columns:
        """Open the streams of one kind for the given subjects, scenes or hands."""
        return columns(
            [self._key(stream, address.part, number) for address, number in zip(addresses, numbers, strict=True)], width
        )

    def _key(self, stream: str, part: Part, *numbers: int) -> tuple[Key, ...]:
        return ("synthetic", GENERATOR_VERSION, self._config.domain, self._config.seed, part, stream, *numbers)
