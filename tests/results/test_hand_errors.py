"""Intervals over seeds and people come from hands.npz, only where its column is the score, and by cluster."""

from pathlib import Path

import numpy as np
import pytest
from fixtures import run_record

from handbench.files import as_npz
from handbench.results.hand_errors import HandErrors, intervals, paired
from handbench.results.statistics import cluster_bootstrap
from handbench.results.tables import compare
from handbench.types import Evidence

KEYS = [f"hand {number}" for number in range(12)]
PEOPLE = [f"person {number // 3}" for number in range(12)]


def write(folder: Path, errors: np.ndarray, keys: list[str] = KEYS, clusters: list[str] = PEOPLE) -> dict[str, object]:
    folder.mkdir(parents=True)
    (folder / "hands.npz").write_bytes(as_npz(key=keys, cluster=clusters, mpjpe=errors.astype(np.float32)))
    return {**run_record(folder.name, int(folder.name[-1]), {"mpjpe": float(np.nanmean(errors))}), "folder": str(folder)}


def errors_of(seed: int, level: float = 20.0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4, level / 4, len(KEYS))


def test_means_and_differences_get_the_hierarchical_interval(tmp_path: Path) -> None:
    records = [
        {**write(tmp_path / f"{name}-{seed}", errors_of(seed, level)), "objective": name}
        for name, level in (("none", 20.0), ("peclr", 15.0))
        for seed in range(4)
    ]
    (table,) = compare(Evidence(tmp_path, tuple(records)))
    cells = {row.labels[0]: row.cells[0] for row in table.rows}

    def sums(of: list[np.ndarray]) -> np.ndarray:
        return np.stack([errors.astype(np.float32).astype(float).reshape(4, 3).sum(1) for errors in of])[None]

    held = np.full((1, 4, 4), 3.0)
    expected = cluster_bootstrap(sums([errors_of(seed, 15.0) for seed in range(4)]), held)[0]
    found = cells["peclr"].clustered
    assert found is not None
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-6)
    gaps = [errors_of(seed, 15.0).astype(np.float32) - errors_of(seed, 20.0).astype(np.float32) for seed in range(4)]
    difference = cells["peclr"].difference
    assert difference is not None and difference.clustered is not None
    assert (difference.clustered.low, difference.clustered.high) == pytest.approx(
        cluster_bootstrap(sums(gaps), held)[0], rel=1e-5
    )


def test_a_column_that_is_not_the_score_is_not_taken(tmp_path: Path) -> None:
    record = write(tmp_path / "run-0", errors_of(0))
    value = float(errors_of(0).mean())
    assert HandErrors().of(record, "mpjpe", value) is not None
    assert HandErrors().of(record, "mpjpe", 1.01 * value) is None
    assert HandErrors().of(record, "pa_mpjpe", value) is None
    assert HandErrors().of(run_record("elsewhere"), "mpjpe", value) is None


def test_a_damaged_file_gives_no_interval_and_no_error(tmp_path: Path) -> None:
    record = write(tmp_path / "run-0", errors_of(0))
    (tmp_path / "run-0" / "hands.npz").write_bytes(b"PK\x03\x04 not an archive")
    assert HandErrors().of(record, "mpjpe", float(errors_of(0).mean())) is None


def test_other_hands_are_no_pair_but_share_their_people(tmp_path: Path) -> None:
    files = HandErrors()
    first, second = errors_of(0), errors_of(1)
    reversed_keys = write(tmp_path / "run-1", second, KEYS[::-1], PEOPLE[::-1])
    ours = files.of(write(tmp_path / "run-0", first), "mpjpe", float(first.mean()))
    theirs = files.of(reversed_keys, "mpjpe", float(second.mean()))
    assert ours is not None and theirs is not None
    assert paired(ours, theirs) is None
    sums, counts = files.sums([ours, theirs])
    assert counts.tolist() == [[3.0] * 4] * 2
    assert sums[1] == pytest.approx(second.reshape(4, 3).sum(1)[::-1], rel=1e-6)
    assert intervals(files, {"both": [ours, theirs], "one": [ours, None], "none": []}).keys() == {"both"}


def test_hands_that_could_not_be_scored_are_left_out(tmp_path: Path) -> None:
    errors = errors_of(2)
    errors[4] = np.nan
    files = HandErrors()
    hands = files.of(write(tmp_path / "run-0", errors), "mpjpe", float(np.nanmean(errors)))
    assert hands is not None
    assert files.sums([hands])[1].tolist() == [[3.0, 2.0, 3.0, 3.0]]
