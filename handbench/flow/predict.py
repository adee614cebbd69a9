"""Prediction: pictures and a trained run, or a released checkpoint, in; hands in every picture, as files and overlays, out.

Pictures are read, predicted and let go in batches; what stays is 21 joints a picture.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from handbench.data.pictures import Picture, Pictures, assumed_camera
from handbench.data.sheets import png, sheet
from handbench.errors import DataError, UnreadableSample
from handbench.files import ensure_writable, write_bytes, write_json
from handbench.progress import Progress
from handbench.results import predictions
from handbench.results.predictions import Hands
from handbench.types import JOINTS, Sample

OVERLAY_SIDE = (320, 720)  # least and most pixels of an overlay


@dataclass(frozen=True)
class Loaded:
    """A picture in memory with the camera to use for it, its own or the assumed one."""

    key: str
    image: UInt8[np.ndarray, "height width 3"]
    intrinsics: Float[np.ndarray, "3 3"]


@dataclass(frozen=True)
class Found:
    """Hands of a batch: pixels of the pictures; camera frame in lengths of the bone middle MCP - middle PIP."""

    joints_2d: Float[np.ndarray, "rows 21 2"]
    joints_3d: Float[np.ndarray, "rows 21 3"]
    solvable: Bool[np.ndarray, "rows"]
    clamped: Bool[np.ndarray, "rows"]


@dataclass(frozen=True)
class Predictor:
    """A network behind one function.

    Args:
        name: for messages and about.json.
        hands: pictures -> hands.
        instead: metres, camera frame: stands in a submission for a hand that could not be lifted; None where all can be.
    """

    name: str
    hands: Callable[[Sequence[Loaded]], Found]
    instead: Float[np.ndarray, "21 3"] | None = None


@dataclass(frozen=True)
class Request:
    """What to predict, with what, where to.

    Args:
        pictures: the input.
        predictor: the network.
        out: a folder.
        overlays: how many pictures to draw the hand into, spread evenly over the input.
        batch: pictures in memory at a time.
        say: takes a line for the user.
    """

    pictures: Pictures
    predictor: Predictor
    out: Path
    overlays: int = 0
    batch: int = 32
    say: Callable[[str], None] = print


def predict(request: Request) -> list[Path]:
    """Predict every picture and write what was found.

    Returns:
        The files: pred.json and pred.zip of FreiHAND's evaluation set; always predictions.npz, predictions.csv, about.json and
        the overlays.

    Raises:
        DataError: a picture of an evaluation set cannot be read or has no scale; or no picture can be read at all.
    """
    pictures = request.pictures
    if pictures.official and any(item.scale is None for item in pictures.items):
        raise DataError("pred.json is in metres, and evaluation_scale.json is not there: give --scale, a number or a JSON list")
    ensure_writable(request.out)
    drawn = set(np.linspace(0, len(pictures.items) - 1, min(request.overlays, len(pictures.items))).round().astype(int).tolist())
    skipped: list[str] = []
    rows: list[tuple[list[Picture], list[Loaded], Found]] = []
    overlays: list[Path] = []
    with Progress(len(pictures.items), "predicting", "pictures") as progress:
        for start, chunk in _chunks(pictures.items, request.batch):
            kept, loaded = _read(chunk, pictures.official, skipped)
            if loaded:
                found = request.predictor.hands(loaded)
                wanted = {item.key for place, item in enumerate(chunk, start) if place in drawn}
                overlays += _overlays(request.out, loaded, found, wanted)
                rows.append((kept, [Loaded(one.key, one.image[:0], one.intrinsics) for one in loaded], found))
            progress.advance(len(chunk))
    if not rows:
        raise DataError(f"none of {len(pictures.items)} pictures can be read: {'; '.join(skipped[:3])}")
    hands = _joined(rows)
    return [*_write(request, hands, skipped), *overlays]


def _chunks(items: Sequence[Picture], size: int) -> Iterator[tuple[int, Sequence[Picture]]]:
    for start in range(0, len(items), size):
        yield start, items[start : start + size]


def _read(chunk: Sequence[Picture], official: bool, skipped: list[str]) -> tuple[list[Picture], list[Loaded]]:
    """Load a chunk; broken pictures are named, and refused where every one is wanted."""
    kept, loaded = [], []
    for item in chunk:
        try:
            image = item.read()
        except UnreadableSample as error:
            if official:
                raise DataError(f"{error}; pred.json needs every image of the set: extract the archive again") from error
            skipped.append(str(error))
            continue
        camera = assumed_camera(image.shape[1], image.shape[0]) if item.intrinsics is None else item.intrinsics
        kept.append(item)
        loaded.append(Loaded(item.key, image, camera))
    return kept, loaded


def _joined(rows: Sequence[tuple[list[Picture], list[Loaded], Found]]) -> Hands:
    items = [item for kept, _, _ in rows for item in kept]
    metric = all(item.scale is not None for item in items)
    lengths = np.array([item.scale if metric and item.scale else 1.0 for item in items])
    found = [part for _, _, part in rows]
    return Hands(
        key=np.array([item.key for item in items]),
        joints_2d=np.concatenate([part.joints_2d for part in found]),
        joints_3d=np.concatenate([part.joints_3d for part in found]) * lengths[:, None, None],
        intrinsics=np.stack([one.intrinsics for _, loaded, _ in rows for one in loaded]),
        solvable=np.concatenate([part.solvable for part in found]),
        clamped=np.concatenate([part.clamped for part in found]),
        unit="m" if metric else "bone",
    )


def _write(request: Request, hands: Hands, skipped: Sequence[str]) -> list[Path]:
    """The submission, the predictions, and what a reader must know of them."""
    notes = _notes(request, hands, skipped)
    for note in notes:
        request.say(f"note: {note}")
    paths = []
    if request.pictures.official:
        paths += predictions.write_submission(request.out, _complete(hands, request.predictor))
    paths += predictions.write(request.out, hands)
    counts = {"pictures": len(hands.key), "skipped": len(skipped)}
    counts |= {"unsolvable": int((~hands.solvable).sum()), "clamped": int(hands.clamped.sum())}
    about = {"predictor": request.predictor.name, "unit": hands.unit, **counts, "notes": notes}
    write_json(request.out / "about.json", about)
    return [*paths, request.out / "about.json"]


def _complete(hands: Hands, predictor: Predictor) -> Float[np.ndarray, "rows 21 3"]:
    """All hands in metres: the stand-in where one could not be lifted, which the notes count."""
    lifted = np.isfinite(hands.joints_3d).all((1, 2))
    instead = np.full((JOINTS, 3), np.nan) if predictor.instead is None else predictor.instead
    return np.where(lifted[:, None, None], hands.joints_3d, instead)


def _notes(request: Request, hands: Hands, skipped: Sequence[str]) -> list[str]:
    notes = []
    count = len(hands.key)
    if any(item.intrinsics is None for item in request.pictures.items):
        focal = assumed_camera(224, 224)[0, 0]
        notes.append(
            f"no camera is known: FreiHAND's was assumed, a focal length of {focal:g} px for 224 px of the longer side, "
            "looking at the middle; give --camera fx,fy,cx,cy if you know it"
        )
    if hands.unit == "bone":
        notes.append(
            "no scale is known: 3D joints are in lengths of the bone middle MCP - middle PIP, not metres; give --scale METRES"
        )
    unsolvable, clamped = int((~hands.solvable).sum()), int(hands.clamped.sum())
    if unsolvable:
        first = hands.key[~hands.solvable][0]
        mean = request.pictures.official and request.predictor.instead is not None
        instead = "; pred.json holds the mean training hand there" if mean else ""
        notes.append(f"no root depth fits {unsolvable} of {count} hands (e.g. {first}){instead}")
    if clamped:
        notes.append(f"the root depth of {clamped} of {count} hands was clamped to the range that the checkpoint was trained in")
    if skipped:
        notes.append(f"{len(skipped)} pictures were skipped: {'; '.join(skipped[:5])}{'; …' if len(skipped) > 5 else ''}")
    return notes


def _overlays(out: Path, loaded: Sequence[Loaded], found: Found, wanted: set[str]) -> list[Path]:
    """Draw the predicted skeleton into the wanted pictures."""
    paths = []
    for one, joints in zip(loaded, found.joints_2d, strict=True):
        if one.key in wanted:
            least, most = OVERLAY_SIDE
            side = min(max(*one.image.shape[:2], least), most)
            path = out / "overlays" / f"{Path(one.key).with_suffix('').as_posix().replace('/', '_')}.png"
            write_bytes(path, png(sheet([Sample(one.key, one.image, joints_2d=joints)], 1.0, side)))
            paths.append(path)
    return paths
