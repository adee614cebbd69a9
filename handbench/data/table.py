"""Samples and the matrices of their crops in, rows of the label table out; and the table's file."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from handbench.errors import DataError
from handbench.types import JOINTS, Labels, Sample

NAMES = ("key", "side", "label", "part", "subject", "sequence", "frame", "camera", "source")


def tabulate(samples: Sequence[Sample], crops: Sequence[Float[np.ndarray, "3 3"]]) -> Labels:
    """Put samples' labels into a table, moved to the pixels of their crops.

    Args:
        samples: one a row.
        crops: pixel of the sample's image -> pixel of the crop.
    """
    pairs = list(zip(samples, crops, strict=True))
    names = {name: np.array([getattr(sample, name) or "" for sample in samples], dtype=np.str_) for name in NAMES}
    joints_2d = _stacked([_moved(sample, crop) for sample, crop in pairs], (JOINTS, 2))
    joints_3d = _stacked([_or_nan(sample.joints_3d, (JOINTS, 3)) for sample in samples], (JOINTS, 3))
    return Labels(
        **names,
        joints_2d=joints_2d,
        joints_3d=joints_3d,
        valid=_valid(samples, joints_2d, joints_3d),
        visible=_flags([sample.visible for sample in samples], missing=False),
        intrinsics=_stacked([crop @ _or_nan(sample.intrinsics, (3, 3)) for sample, crop in pairs], (3, 3)),
        scale=np.array([np.nan if sample.scale is None else sample.scale for sample in samples], np.float64),
        crop=_stacked(crops, (3, 3)),
    )


def join(tables: Sequence[Labels]) -> Labels:
    """One table of the rows of several, in their order."""
    return Labels(**{field.name: np.concatenate([getattr(table, field.name) for table in tables]) for field in fields(Labels)})


def save(labels: Labels, path: Path) -> None:
    """Write a table as an npz file."""
    with path.open("wb") as file:
        np.savez(file, **{field.name: getattr(labels, field.name) for field in fields(Labels)})


def load(path: Path) -> Labels:
    """Read what `save` wrote.

    Raises:
        DataError: the file is not such a table.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Labels(**{field.name: archive[field.name] for field in fields(Labels)})
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is not a label table ({error})") from error


def _moved(sample: Sample, crop: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "21 2"]:
    """The sample's 2D joints in pixels of its crop."""
    if sample.joints_2d is None:
        return np.full((JOINTS, 2), np.nan)
    return np.asarray(sample.joints_2d @ crop[:2, :2].T + crop[:2, 2], np.float64)


def _or_nan(numbers: Float[np.ndarray, "*shape"] | None, shape: tuple[int, ...]) -> Float[np.ndarray, "*shape"]:
    return np.full(shape, np.nan) if numbers is None else np.asarray(numbers, np.float64)


def _valid(
    samples: Sequence[Sample], joints_2d: Float[np.ndarray, "rows 21 2"], joints_3d: Float[np.ndarray, "rows 21 3"]
) -> Bool[np.ndarray, "rows 21"]:
    """Joints that can be scored: said to be valid where the dataset says so, and finite in every space that is labelled."""
    flat = np.array([sample.joints_2d is not None for sample in samples], bool)[:, None]
    spatial = np.array([sample.joints_3d is not None for sample in samples], bool)[:, None]
    finite = (np.isfinite(joints_2d).all(-1) | ~flat) & (np.isfinite(joints_3d).all(-1) | ~spatial)
    valid = _flags([sample.valid for sample in samples], missing=True)
    return np.asarray(valid & finite & (flat | spatial))


def _flags(flags: Sequence[Bool[np.ndarray, "21"] | None], missing: bool) -> Bool[np.ndarray, "rows 21"]:
    return np.array([np.full(JOINTS, missing) if flag is None else flag for flag in flags], bool).reshape(-1, JOINTS)


def _stacked(rows: Sequence[Float[np.ndarray, "*shape"]], shape: tuple[int, ...]) -> Float[np.ndarray, "rows *shape"]:
    return np.array(rows, np.float64).reshape(-1, *shape)
