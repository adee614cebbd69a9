"""YouTube 3D Hands in its official layout goes in; hands in video frames come out, each with a box, with 2D joints on request.

Kulon et al., CVPR 2020. The annotations are meshes in pixels of the frame (2.5D): the box needs nothing else, so the set serves
pre-training as it is. Joints need the user's own MANO file. There are no intrinsics and no metric depth, so no 3D pose. Videos
vanish: annotations whose frame is not there are counted and left out.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from PIL import Image

from handbench.data.cache import MANIFEST, default_cache
from handbench.data.decoding import one_by_one, read_rgb
from handbench.data.mano import VERTICES, joint_regressor
from handbench.errors import DataError
from handbench.files import as_npz, write_bytes, write_json
from handbench.types import Part, Sample

PARTS: dict[str, Part] = {"train": "train", "val": "validation", "test": "test"}
TABLE = "annotations.npz"
FORMAT = 1


@dataclass(frozen=True)
class Annotations:
    """What is kept of one annotation file, a row a hand.

    Args:
        key: id of the annotation.
        name: of the frame, below the root.
        size: width and height in pixels that the vertices refer to.
        left: whether it is a left hand.
        box: x, y, width, height in pixels, around the vertices.
        joints: pixels; NaN without a MANO file.
    """

    key: Int[np.ndarray, "rows"]
    name: Shaped[np.ndarray, "rows"]
    size: Int[np.ndarray, "rows 2"]
    left: Bool[np.ndarray, "rows"]
    box: Float[np.ndarray, "rows 4"]
    joints: Float[np.ndarray, "rows 21 2"]


@dataclass(frozen=True)
class _Hand:
    """One annotation, reduced: its id, its frame's id, whether it is a left hand, box and joints in pixels."""

    key: int
    image: Any
    left: bool
    box: Float[np.ndarray, "4"]
    joints: Float[np.ndarray, "21 2"]


class YouTube3D:
    """Hands in YouTube videos: 47,125 training, 1,525 validation and 1,525 test annotations."""

    context = 1.5
    parallel: Literal["threads", "processes", "none"] = "threads"

    @dataclass(frozen=True)
    class Config:
        """What is read of YouTube 3D Hands.

        Args:
            mano: your own MANO_RIGHT.pkl, or an .npy/.npz with its J_regressor, for 2D joints; left hands get joints where
                MANO_LEFT lies beside it. Empty for boxes only.
        """

        mano: str = ""

    def __init__(self, config: Config, root: Path | None = None) -> None:
        if root is None:
            raise DataError("dataset 'youtube3d' needs its folder: --data FOLDER, with youtube_train.json and youtube/ in it")
        self.config, self.root = config, Path(root)
        files = {part: self.root / f"youtube_{part}.json" for part in PARTS}
        there = {part: path for part, path in files.items() if path.is_file()}
        if not there:
            raise DataError(
                f"{self.root}: none of youtube_train.json, youtube_val.json and youtube_test.json is there, "
                "so this is not YouTube 3D Hands' layout"
            )
        self._regressors = _regressors(config.mano)
        self._states = _frames(self.root)
        self._annotations = {part: _annotations(path, config.mano, self._regressors) for part, path in there.items()}
        every = [(part, row) for part, table in self._annotations.items() for row in range(len(table.key))]
        self._entries = [(part, row) for part, row in every if str(self._annotations[part].name[row]) in self._states]
        self.missing = len(every) - len(self._entries)
        if not self._entries:
            wanted = self._annotations[every[0][0]].name[0]
            raise DataError(
                f"{self.root}: none of the {len(every)} annotated frames is there, e.g. {wanted}; extract the frames first"
            )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one hand: its frame, resized to the annotations' resolution where it has another.

        Raises:
            UnreadableSample: the frame is broken.
        """
        part, row = self._entries[index]
        table = self._annotations[part]
        name, joints = str(table.name[row]), table.joints[row]
        x, y, width, height = map(float, table.box[row])
        known = bool(np.isfinite(joints).all())
        folders = Path(name).parts
        return Sample(
            f"{name}#{table.key[row]}",
            _resized(read_rgb(self.root / name, name), *map(int, table.size[row])),
            box=(x, y, width, height),
            joints_2d=joints if known else None,
            valid=np.ones(21, bool) if known else None,
            side="left" if table.left[row] else "right",
            part=PARTS[part],
            sequence=folders[1] if len(folders) > 1 else "",
            frame=Path(name).stem,
            source=name,
        )

    def samples(self, indices: Sequence[int]) -> Sequence[Sample | Exception]:
        """Several samples, an UnreadableSample standing where one failed."""
        return one_by_one(self.__getitem__, indices)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know."""
        gone = f"{self.missing} of {self.missing + len(self)} annotated hands were left out: their frames are not there"
        bare = "no 2D joints: they need your own MANO file, dataset.mano=MANO_RIGHT.pkl"
        return (*((gone,) if self.missing else ()), *(() if self._regressors else (bare,)))

    def fingerprint(self) -> str:
        """Digest the annotation files' sizes and times, and the frames' names and sizes."""
        digest = hashlib.blake2b(repr(self.config).encode(), digest_size=16)
        digest.update(json.dumps(sorted(self._states.items())).encode())
        for path in [*sorted(self.root.glob("youtube_*.json")), *map(Path, filter(None, [self.config.mano]))]:
            state = path.stat()
            digest.update(f"{path.name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def _regressors(mano: str) -> dict[bool, Float[np.ndarray, "21 778"]]:
    """Joint regressors by whether the hand is a left one; empty without a file."""
    if not mano:
        return {}
    right = Path(mano).expanduser()
    left = right.with_name(right.name.replace("RIGHT", "LEFT"))
    found = {False: joint_regressor(right)}
    return found | ({True: joint_regressor(left)} if left != right and left.is_file() else {})


def _frames(root: Path) -> dict[str, int]:
    """Size of every frame below youtube/, by name."""
    found: dict[str, int] = {}
    for folder, _, names in os.walk(root / "youtube"):
        place = Path(folder).relative_to(root).as_posix()
        found |= {f"{place}/{name}": (Path(folder) / name).stat().st_size for name in names if name.endswith((".png", ".jpg"))}
    return found


def _annotations(path: Path, mano: str, regressors: dict[bool, Float[np.ndarray, "21 778"]]) -> Annotations:
    """The table of one annotation file, from the cache where it was made before: a gigabyte of JSON takes a minute to read."""
    cache, state = default_cache(), path.stat()
    facts = [
        FORMAT,
        str(path.resolve()),
        state.st_size,
        state.st_mtime_ns,
        mano,
        [matrix.tobytes() for matrix in regressors.values()],
    ]
    folder = cache.folder / f"{path.stem}-annotations-{hashlib.blake2b(repr(facts).encode(), digest_size=6).hexdigest()}"
    with cache.lock(folder.name):
        if not (folder / MANIFEST).is_file():
            table = _parsed(path, regressors)
            write_bytes(folder / TABLE, as_npz(**vars(table)))
            write_json(folder / MANIFEST, {"dataset": "youtube3d", "count": len(table.key), "annotations of": str(path)})
        with np.load(folder / TABLE, allow_pickle=False) as archive:
            return Annotations(**{field.name: archive[field.name] for field in fields(Annotations)})


def _parsed(path: Path, regressors: dict[bool, Float[np.ndarray, "21 778"]]) -> Annotations:
    """Read an annotation file, each mesh reduced as soon as it is parsed: 110 million numbers would take several gigabytes."""

    def reduced(entry: dict[str, Any]) -> Any:
        return _hand(entry, regressors) if "vertices" in entry else entry

    try:
        content = json.loads(path.read_bytes(), object_hook=reduced)
        frames = {frame["id"]: frame for frame in content["images"]}
        hands: list[_Hand] = list(content["annotations"])
        seen = [frames[hand.image] for hand in hands]
        size = np.array([(frame["width"], frame["height"]) for frame in seen], np.int64).reshape(-1, 2)
        names = np.array([str(frame["name"]) for frame in seen], np.str_)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is not an annotation file of YouTube 3D Hands ({type(error).__name__}: {error})") from error
    if not hands:
        raise DataError(f"{path}: holds no annotations")
    return Annotations(
        key=np.array([hand.key for hand in hands], np.int64),
        name=names,
        size=size,
        left=np.array([hand.left for hand in hands], bool),
        box=np.array([hand.box for hand in hands]),
        joints=np.array([hand.joints for hand in hands]),
    )


def _hand(entry: dict[str, Any], regressors: dict[bool, Float[np.ndarray, "21 778"]]) -> _Hand:
    """Box and joints of one annotated mesh."""
    vertices, left = np.asarray(entry["vertices"], np.float64), bool(entry["is_left"])
    if vertices.shape != (VERTICES, 3) or not np.isfinite(vertices).all():
        raise ValueError(f"annotation {entry['id']} has vertices of shape {vertices.shape}, expected ({VERTICES}, 3) numbers")
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    joints = regressors[left] @ vertices[:, :2] if left in regressors else np.full((21, 2), np.nan)
    return _Hand(int(entry["id"]), entry["image_id"], left, np.concatenate([low, high - low]), joints)


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The frame at the resolution its annotations refer to; some were downloaded at another."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), np.uint8)
