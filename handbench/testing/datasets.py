"""What every dataset promises: stable names, metres, OpenCV axes, the common joint order; bad files named and passed over."""

import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np

from handbench.data.cropping import crop
from handbench.data.decoding import EXTENSIONS
from handbench.errors import DataError, UnreadableSample
from handbench.pose.plausibility import Hands, misfit, oddities
from handbench.testing.contract import Subject, require
from handbench.types import FINGERS, Sample

LOOKED_AT = 24  # samples, spread over the dataset
PIXEL = 0.01  # between a joint's label and its projection
AMBIGUOUS = 0.02  # mean |log ratio| of bone lengths by which another order of fingers must fit better
COPIED = 200 * 2**20  # bytes; a larger folder is not copied to be damaged


def has_samples_with_names_of_their_own(subject: Subject) -> None:
    """It is not empty, and every sample has a key that no other has."""
    samples = _samples(subject)
    require(samples, f"{subject.name}: holds no sample that can be read")
    keys = [sample.key for sample in samples]
    require(len(set(keys)) == len(keys), f"{subject.name}: several samples have one key, e.g. {max(keys, key=keys.count)}")


def indices_are_stable(subject: Subject) -> None:
    """Two instances give the same sample for an index, whatever was read before, one by one or several at once."""
    first, second = _built(subject), _built(subject)
    require(len(first) == len(second), f"{subject.name}: two instances hold {len(first)} and {len(second)} samples")
    places = _places(first)
    several = second.samples(list(reversed(places)))[::-1]
    for place, sample in zip(places, several, strict=True):
        if isinstance(sample, Sample):
            _require_same(subject, first[place], sample, f"sample {place}")


def sample_is_what_it_says(subject: Subject) -> None:
    """Images are RGB of 8 bits, boxes lie on them, and the hand can be cut out."""
    for sample in _samples(subject):
        image = sample.image
        good = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        require(good, f"{subject.name}: {sample.key} is {image.dtype} of shape {image.shape}, expected uint8 (height, width, 3)")
        crop(sample, 32, _built(subject).context)
        require(sample.side in (None, "left", "right"), f"{subject.name}: {sample.key} has the side {sample.side!r}")
        require(
            sample.part in (None, "train", "validation", "test"), f"{subject.name}: {sample.key} has the part {sample.part!r}"
        )


def joints_are_metres_before_the_camera(subject: Subject) -> None:
    """Joints are in metres, before an OpenCV camera, and project to their pixels."""
    for sample in _posed(subject):
        joints, valid = np.asarray(sample.joints_3d), _valid(sample)
        behind = bool((joints[valid, 2] <= 0).any())
        require(
            not behind, f"{subject.name}: {sample.key} has joints behind the camera; z points forward (OpenGL axes are turned)"
        )
        if sample.joints_2d is not None and sample.intrinsics is not None:
            seen = joints @ np.asarray(sample.intrinsics).T
            off = np.linalg.norm(seen[:, :2] / seen[:, 2:] - sample.joints_2d, axis=1)[valid].max()
            require(off < PIXEL, f"{subject.name}: {sample.key}: joints project {off:.2f} pixels away from their 2D labels")


def hands_look_like_hands(subject: Subject) -> None:
    """Bone lengths, finger order and bending are those of hands in metres, in the common order, of the side that is stated."""
    for side in ("left", "right", None):
        hands = [np.asarray(sample.joints_3d, np.float64) for sample in _posed(subject) if sample.side == side]
        if hands:
            found = oddities(np.stack(hands), side=side)
            require(not found, f"{subject.name}: {'; '.join(found)}")
            fingers = best_fingers(np.stack(hands))
            said = ", ".join(f"{name} where {wanted} should be" for wanted, name in fingers.items() if wanted != name)
            require(not said, f"{subject.name}: the proportions of the bones put {said}")


def fingerprint_is_that_of_the_data(subject: Subject) -> None:
    """Two instances have one fingerprint; a changed or added image changes it."""
    one, two = (_built(subject).fingerprint() for _ in range(2))
    require(one == two, f"{subject.name}: the same data have the fingerprints {one} and {two}")
    if subject.root is None:
        return
    with _copied(subject) as (copy, images):
        before = _built(copy).fingerprint()
        images[0].write_bytes(images[0].read_bytes() + b"\0")
        after = _built(copy).fingerprint()
        require(before != after, f"{subject.name}: its fingerprint does not change when {images[0].name} does")


def bad_file_is_named_and_passed_over(subject: Subject) -> None:
    """A truncated image raises UnreadableSample naming it; all others are still read."""
    with _copied(subject) as (copy, images):
        broken = images[len(images) // 2]
        broken.write_bytes(broken.read_bytes()[: max(1, broken.stat().st_size // 3)])
        dataset = _built(copy)
        read = dataset.samples(range(len(dataset)))
        failed = [error for error in read if not isinstance(error, Sample)]
        wrong = [error for error in failed if not isinstance(error, UnreadableSample)]
        require(
            not wrong, f"{subject.name}: a truncated {broken.name} gives {wrong and repr(wrong[0])}, expected UnreadableSample"
        )
        require(failed, f"{subject.name}: no sample is unreadable although {broken.name} is truncated")
        named = any(broken.name in str(error) or broken.stem in str(error) for error in failed)
        require(named, f"{subject.name}: '{failed[0]}' does not name the truncated file {broken.name}")
        require(len(failed) < len(read), f"{subject.name}: no sample can be read any more after one file was truncated")


def missing_folder_is_said(subject: Subject) -> None:
    """A folder that is not there raises DataError, not something else."""
    if subject.root is None:
        return
    try:
        subject.target(subject.config(), root=subject.root / "no such folder")
    except DataError:
        return
    require(False, f"{subject.name}: a folder that is not there is no error")


def workers_can_have_it(subject: Subject) -> None:
    """A dataset read by worker processes survives pickling, with the same samples."""
    dataset = _built(subject)
    if dataset.parallel == "processes":
        copy = pickle.loads(pickle.dumps(dataset))
        for place in _places(dataset)[:3]:
            _require_same(subject, dataset[place], copy[place], f"sample {place} of an unpickled copy")


def best_fingers(hands: Hands) -> dict[str, str]:
    """Which finger the proportions of the bones take each finger for."""
    names = list(FINGERS)
    orders = list(permutations(names))
    misfits = [misfit(hands[:, [0, *(joint for name in order for joint in FINGERS[name])]]) for order in orders]
    clear = misfits[0] > min(misfits) + AMBIGUOUS  # of the order as it is, which comes first
    return dict(zip(names, orders[int(np.argmin(misfits))] if clear else names, strict=True))


def _built(subject: Subject) -> Any:
    return subject.target(subject.config(), root=subject.root)


def _places(dataset: Any) -> list[int]:
    return sorted({int(place) for place in np.linspace(0, len(dataset) - 1, LOOKED_AT)}) if len(dataset) else []


def _samples(subject: Subject) -> list[Sample]:
    """The samples that are looked at, without those that cannot be read."""
    dataset = _built(subject)
    read: Sequence[Sample | Exception] = dataset.samples(_places(dataset))
    return [sample for sample in read if isinstance(sample, Sample)]


def _posed(subject: Subject) -> list[Sample]:
    return [sample for sample in _samples(subject) if sample.joints_3d is not None]


def _valid(sample: Sample) -> Any:
    return np.ones(21, bool) if sample.valid is None else sample.valid


def _require_same(subject: Subject, one: Sample, two: Sample, what: str) -> None:
    for name, value in vars(one).items():
        other = getattr(two, name)
        same = np.array_equal(value, other) if isinstance(value, np.ndarray) else value == other
        require(same, f"{subject.name}: {what} ({one.key}) has another {name} the second time")


@contextmanager
def _copied(subject: Subject) -> Iterator[tuple[Subject, list[Path]]]:
    """A copy of the dataset's folder that may be damaged, and the images in it."""
    if subject.root is None:
        raise SkipTest(f"{subject.name} reads no folder")
    size = sum(path.stat().st_size for path in subject.root.rglob("*") if path.is_file())
    if size > COPIED:
        raise SkipTest(f"{subject.root} holds {size >> 20} MiB; give a small folder to see how damaged files are handled")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(subject.root, Path(folder) / subject.root.name))
        images = sorted(path for path in root.rglob("*") if path.suffix.lower() in EXTENSIONS and "mask" not in path.as_posix())
        require(images, f"{subject.name}: no image lies below {subject.root}")
        yield Subject(subject.name, subject.target, subject.settings, root), images


def promises(subject: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them; those about files only where there are files."""
    of_files = (bad_file_is_named_and_passed_over, missing_folder_is_said) if subject.root else ()
    return (
        has_samples_with_names_of_their_own,
        indices_are_stable,
        sample_is_what_it_says,
        joints_are_metres_before_the_camera,
        hands_look_like_hands,
        fingerprint_is_that_of_the_data,
        workers_can_have_it,
        *of_files,
    )
