"""Values by seed, or errors by hand and seed, go in; intervals, effect sizes and exact p-values of paired comparisons come out.

Everything here is a pure function of float64 arrays. Two runs are paired when they share a seed; hands of one person or one video
are one cluster, because they do not vary independently. SciPy does what SciPy has.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from scipy import special, stats

from handbench.streams import seed_of

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
ALPHA = 0.05
EXACT_UP_TO = 13  # pairs: 8192 flips, all of them; above, so many are drawn that p is known to about 0.001
DRAWN_FLIPS = 20_000
ROUNDING = 1e-12  # relative; flips that differ by less are ties
RESAMPLES = 2000


def mean_interval(values: Float[np.ndarray, "n"], level: float = LEVEL) -> tuple[float, float]:
    """Student's t interval of a mean: exact for normal values, whatever their number.

    Returns:
        Low and high; NaN below 2 values.

    Example:
        >>> [round(end, 3) for end in mean_interval(np.array([1.0, 2.0, 3.0]))]  # 2 ± 4.303 / √3
        [-0.484, 4.484]
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(values))
    centre = float(np.mean(values))
    return centre - half, centre + half


def effect_size(differences: Float[np.ndarray, "n"]) -> float:
    """Paired effect size d_z = mean / sd of the differences, times Hedges' exact correction J(n - 1) for small samples.

    d_z alone is too large in small samples, by 1 / J on average: 1.38 times for 4 pairs.

    Returns:
        NaN below 3 differences, where the correction does not exist, and where all are equal.

    Source:
        Hedges, J. Educ. Stat. 6 (1981), eq. 6e; d_z: Cohen 1988, and Lakens, Front. Psychol. 4:863 (2013).

    Example:
        >>> round(effect_size(np.array([1.0, 2.0, 3.0])), 4)  # 2 / 1 times Γ(1) / (√1 Γ(1/2))
        1.1284
    """
    freedom = len(differences) - 1
    if freedom < 2:
        return math.nan
    deviation = float(np.std(differences, ddof=1))
    if deviation <= 1e-12 * float(np.max(np.abs(differences))):  # equal but for rounding
        return math.nan
    correction = math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return correction * float(np.mean(differences)) / deviation


def smallest_p(n: int) -> float:
    """The smallest p that a two-sided sign-flip test of n pairs can give: both extremes of 2^n flips.

    Example:
        >>> smallest_p(6)
        0.03125
    """
    return min(1.0, 2.0 ** (1 - n))


def too_small(n: int, comparisons: int) -> bool:
    """Whether n pairs cannot come out below .05 in any of so many comparisons, however large the effect.

    Example:
        >>> too_small(6, 1), too_small(6, 2), too_small(5, 1)
        (False, True, True)
    """
    return comparisons * smallest_p(n) > ALPHA


def sign_flip_p(differences: Float[np.ndarray, "n"], seed: int = 0) -> float:
    """Two-sided p of "each difference might as well have had the other sign", from the mean of all 2^n flips.

    It assumes symmetry about zero and nothing else. Up to EXACT_UP_TO pairs every flip is made; above, DRAWN_FLIPS are drawn, and
    the observed one counts among them. The same as scipy.stats.permutation_test, a hundred times faster: reports make thousands.

    Args:
        differences: paired, in any unit.
        seed: of the drawn flips.

    Returns:
        At least 2^(1-n); NaN without differences.
    """
    n = len(differences)
    if n < 2:
        return 1.0 if n else math.nan
    exact = n <= EXACT_UP_TO
    signs = _all_signs(n) if exact else _drawn_signs(n, seed_of(seed, "sign flips", n))
    reached = np.abs(signs @ differences)
    observed = abs(float(np.sum(differences)))
    extreme = int(np.count_nonzero(reached >= observed * (1 - ROUNDING)))
    return extreme / len(signs) if exact else (extreme + 1) / (len(signs) + 1)


@functools.lru_cache(maxsize=EXACT_UP_TO + 1)
def _all_signs(n: int) -> Floats:
    """Every choice of n signs, (2^n, n)."""
    signs: Floats = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
    return signs


@functools.lru_cache(maxsize=8)
def _drawn_signs(n: int, seed: int) -> Floats:
    """So many choices of n signs, drawn, (DRAWN_FLIPS, n)."""
    signs: Floats = np.random.default_rng(seed).integers(0, 2, (DRAWN_FLIPS, n)).astype(np.float64) * 2.0 - 1.0
    return signs


def holm(p_values: Sequence[float], comparisons: int | None = None) -> list[float]:
    """Holm's step-down correction: adjusted p-values that may be held against .05, one by one, whatever their dependence.

    Args:
        p_values: of one family; NaN stays NaN and still counts as a comparison.
        comparisons: size of the family, where it is larger than what is given.

    Source:
        Holm, Scand. J. Stat. 6 (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    count = max(comparisons or 0, len(p_values))
    adjusted = [math.nan] * len(p_values)
    reached = 0.0
    order = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, place) in enumerate(order):
        reached = max(reached, min(1.0, (count - rank) * p))
        adjusted[place] = reached
    return adjusted


def improvement(differences: Float[np.ndarray, "n"], lower_is_better: bool) -> float:
    """Share of the pairs in which the first side is better; a tie counts half; NaN without pairs.

    Example:
        >>> improvement(np.array([-1.0, -2.0, 0.0, 3.0]), lower_is_better=True)
        0.625
    """
    if not len(differences):
        return math.nan
    gains = -differences if lower_is_better else differences
    return float(np.mean(np.where(gains > 0, 1.0, np.where(gains == 0, 0.5, 0.0))))


def cluster_sums(
    errors: Float[np.ndarray, "hands"], clusters: Int[np.ndarray, "hands"], number: int
) -> tuple[Float[np.ndarray, "number"], Float[np.ndarray, "number"]]:
    """Sum and count of the errors in each cluster; NaN errors are left out.

    Args:
        errors: by hand.
        clusters: the cluster of each, 0 to number - 1.
        number: of clusters.
    """
    known = np.isfinite(errors)
    sums = np.bincount(clusters[known], errors[known].astype(np.float64), minlength=number)
    counts = np.bincount(clusters[known], minlength=number).astype(np.float64)
    return sums, counts


def cluster_bootstrap(
    sums: Float[np.ndarray, "cells seeds clusters"],
    counts: Float[np.ndarray, "cells seeds clusters"],
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Float[np.ndarray, "cells 2"]:
    """Percentile intervals of mean errors over seeds and over clusters of test hands, both drawn with replacement.

    Seeds and clusters are crossed: every seed is scored on the same hands. So one draw of clusters serves all seeds of a
    resample; drawing clusters anew for each seed would take the hands' part of the variance for noise that averages out.
    A frame is never drawn by itself. A resample's mean is that over seeds of means over hands, as the table's is.
    Percentiles of few seeds are narrow: their variance comes out (seeds - 1) / seeds of what it is.

    Args:
        sums, counts: of the errors (or of the paired differences) in each cluster, by seed; a cluster without hands counts 0.
        resamples: draws, the same for every cell.
        level: of the interval.
        seed: of the draws; equal seeds give equal intervals.

    Returns:
        Low and high of each cell; NaN where there is a single seed or cluster, because one cannot speak for others.

    Source:
        Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1 (2007).
    """
    cells, seeds, clusters = sums.shape
    if seeds < 2 or clusters < 2 or not cells:
        return np.full((cells, 2), math.nan)
    by_seed, by_cluster = (
        _draws(count, resamples, seed_of(seed, name)) for name, count in (("seeds", seeds), ("clusters", clusters))
    )
    total, held = (np.tensordot(by_cluster, part, ((1,), (2,))) for part in (sums, counts))  # resamples, cells, seeds
    weights = np.where(held > 0, by_seed[:, None], 0.0)
    seed_means = np.divide(total, held, out=np.zeros_like(total), where=held > 0)
    drawn = weights.sum(2)
    means = np.divide((weights * seed_means).sum(2), drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)
    ends: Floats = np.nanpercentile(means, [50 * (1 - level), 50 * (1 + level)], axis=0).T
    return ends


@functools.lru_cache(maxsize=8)
def _draws(count: int, resamples: int, seed: int) -> Floats:
    """How often each of `count` things is drawn in each resample (resamples, count)."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return drawn.astype(np.float64)
