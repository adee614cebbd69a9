"""Statistics agree with SciPy, with cases worked out by hand, and with their own promise of coverage."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from handbench.results.statistics import (
    EXACT_UP_TO,
    cluster_bootstrap,
    cluster_sums,
    effect_size,
    holm,
    improvement,
    mean_interval,
    sign_flip_p,
    smallest_p,
    too_small,
)


def numbers(count: int, seed: int = 0, mean: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, count)


@pytest.mark.parametrize("count", [2, 3, 6, 30])
def test_the_interval_is_scipys(count: int) -> None:
    found = stats.ttest_1samp(numbers(count), 0).confidence_interval(0.95)
    assert mean_interval(numbers(count)) == pytest.approx((found.low, found.high), rel=1e-12)


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_no_interval_of_less_than_two(count: int) -> None:
    assert all(math.isnan(end) for end in mean_interval(numbers(count)))


def test_the_interval_covers_the_true_mean_in_95_of_100_cases() -> None:
    """2,000 samples of 6: the share has a standard error of .0049; 4 of these are allowed, which fails once in 16,000 times."""
    trials = 2000
    samples = np.random.default_rng(7).normal(3.0, 2.0, (trials, 6))
    covered = sum(low <= 3.0 <= high for low, high in map(mean_interval, samples))
    assert covered / trials == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / trials))


@pytest.mark.parametrize("count", [2, 3, 5, 6, 9, 12])
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_sign_flips_are_scipys_permutations(count: int, mean: float) -> None:
    values = numbers(count, count, mean)
    found = stats.permutation_test(
        (values,), lambda flipped, axis: flipped.mean(axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert sign_flip_p(values) == pytest.approx(found.pvalue, rel=1e-12)


def test_sign_flips_by_a_slow_obvious_count() -> None:
    values = numbers(7, 3)
    means = [abs(np.mean(values * signs)) for signs in itertools.product((-1, 1), repeat=7)]
    assert sign_flip_p(values) == np.mean([mean >= abs(values.mean()) - 1e-12 for mean in means])


def test_sign_flips_of_ranks_are_wilcoxons() -> None:
    """The signed-rank test is the sign-flip test of the signed ranks."""
    values = numbers(9, 5)
    ranks = np.sign(values) * stats.rankdata(np.abs(values))
    assert sign_flip_p(ranks) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue, rel=1e-12)


def test_sign_flips_by_hand() -> None:
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 0.25  # all up or all down, of 8
    assert sign_flip_p(np.array([1.0, -1.0])) == 1.0
    assert sign_flip_p(np.array([4.0])) == 1.0
    assert sign_flip_p(np.array([0.1, 0.2, -0.3])) == 1.0  # a sum that is zero but for rounding
    assert math.isnan(sign_flip_p(np.array([])))


@pytest.mark.parametrize("count", range(1, 9))
def test_the_smallest_p_is_reached_and_never_passed(count: int) -> None:
    assert sign_flip_p(np.arange(1.0, count + 1)) == smallest_p(count) == min(1.0, 2.0 ** (1 - count))


def test_many_pairs_are_drawn_with_a_seed() -> None:
    """20,000 flips: p near .02 is known to .001 (one standard error); 4 are allowed."""
    values = numbers(EXACT_UP_TO + 7, 11, 0.4)
    assert sign_flip_p(values) == sign_flip_p(values)
    assert sign_flip_p(values, seed=1) != sign_flip_p(values)
    exact = stats.permutation_test(
        (values,),
        lambda flipped, axis: flipped.mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=200_000,
        rng=2,
    ).pvalue
    assert sign_flip_p(values) == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert sign_flip_p(np.full(30, 1.0)) == 1 / 20_001


def test_the_test_is_level() -> None:
    """Under no effect at most 5 % of the tests of 7 pairs reject; 3,000 trials, 4 standard errors of .004."""
    samples = np.random.default_rng(5).standard_t(3, (3000, 7))
    rejected = np.mean([sign_flip_p(sample) <= 0.05 for sample in samples])
    assert rejected <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 3000)
    assert rejected == pytest.approx(6 / 128, abs=4 * math.sqrt(0.05 * 0.95 / 3000))  # 6 of 128 flips reach p <= .05


@pytest.mark.parametrize(
    ("count", "comparisons", "small"), [(6, 1, False), (6, 2, True), (7, 3, False), (7, 4, True), (10, 25, False)]
)
def test_too_few_seeds_for_so_many_comparisons(count: int, comparisons: int, small: bool) -> None:
    assert too_small(count, comparisons) is small


def test_holm_by_hand_and_in_any_order() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]
    assert holm(p_values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(p_values[::-1]) == pytest.approx([0.02, 0.06, 0.06, 0.03])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.02], comparisons=5) == [0.1]
    with_gap = holm([0.01, math.nan, 0.03])
    assert with_gap[0] == pytest.approx(0.03)
    assert math.isnan(with_gap[1])
    assert with_gap[2] == pytest.approx(0.06)
    assert holm([]) == []


def test_holm_keeps_the_family_wise_error() -> None:
    """5 true nulls: at most 5 % of 4,000 families reject any; 4 standard errors of .0034."""
    families = np.random.default_rng(1).uniform(size=(4000, 5))
    share = np.mean([min(holm(family.tolist())) <= 0.05 for family in families])
    assert share <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


def test_the_effect_size_is_unbiased() -> None:
    """d_z of 5 pairs with a true 0.8 averages to 0.8; without the correction to 1.0. Bound: 4 standard errors."""
    samples = np.random.default_rng(2).normal(0.8, 1.0, (5000, 5))
    found = np.array([effect_size(sample) for sample in samples])
    bound = 4 * found.std() / math.sqrt(len(found))
    assert found.mean() == pytest.approx(0.8, abs=bound)
    assert abs((samples.mean(1) / samples.std(1, ddof=1)).mean() - 0.8) > 2 * bound


def test_effect_sizes_that_do_not_exist() -> None:
    assert math.isnan(effect_size(np.array([1.0, 2.0])))
    assert math.isnan(effect_size(np.array([0.1, 0.1, 0.1])))
    assert effect_size(-np.array([1.0, 2.0, 3.0])) == -effect_size(np.array([1.0, 2.0, 3.0]))


def test_improvement_counts_ties_half_and_knows_the_direction() -> None:
    gaps = np.array([-1.0, 2.0, 0.0, -3.0])
    assert improvement(gaps, lower_is_better=True) == 0.625
    assert improvement(gaps, lower_is_better=False) == 0.375
    assert math.isnan(improvement(np.array([]), lower_is_better=True))


def test_cluster_sums_leave_out_what_is_not_a_number() -> None:
    sums, counts = cluster_sums(np.array([1.0, 2.0, math.nan, 4.0]), np.array([0, 2, 2, 2]), 4)
    assert sums.tolist() == [1.0, 0.0, 6.0, 0.0]
    assert counts.tolist() == [1.0, 0.0, 2.0, 0.0]


def bootstrap(sums: np.ndarray, counts: np.ndarray | None = None, **more: int) -> np.ndarray:
    return cluster_bootstrap(sums[None], np.ones_like(sums)[None] if counts is None else counts[None], **more)[0]


def test_the_bootstrap_over_seeds_alone_is_scipys() -> None:
    """Clusters that are all alike add nothing, so what is left is the percentile bootstrap of the seeds' means."""
    seeds = numbers(8, 4)
    ours = bootstrap(np.repeat(seeds[:, None], 20, 1), resamples=40_000)
    theirs = stats.bootstrap((seeds,), np.mean, method="percentile", n_resamples=40_000, rng=1).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.03)  # 4 standard errors of a 2.5 % quantile of 40,000


def test_the_bootstrap_over_clusters_alone_is_scipys() -> None:
    """Seeds that are all alike leave the percentile bootstrap of the clusters: one draw of hands serves all seeds."""
    clusters = numbers(25, 6)
    ours = bootstrap(np.repeat(clusters[None], 5, 0), resamples=40_000)
    theirs = stats.bootstrap((clusters,), np.mean, method="percentile", n_resamples=40_000, rng=1).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.02)


def test_the_bootstrap_agrees_with_a_slow_loop() -> None:
    generator = np.random.default_rng(3)
    counts = generator.integers(1, 5, (4, 9)).astype(float)
    counts[1, 3] = 0  # a person whose hands one seed could not score
    sums = generator.normal(5, 2, (4, 9)) * counts
    means = []
    for _ in range(20_000):
        seeds, clusters = generator.integers(0, 4, 4), generator.integers(0, 9, 9)
        by_seed = [sums[seed, clusters].sum() / counts[seed, clusters].sum() for seed in seeds if counts[seed, clusters].any()]
        means.append(np.mean(by_seed))
    assert bootstrap(sums, counts, resamples=20_000) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.06)


def test_frames_of_one_video_are_no_independent_evidence() -> None:
    """Ten copies of every hand in its own cluster leave the interval as it was; as clusters of their own they would narrow it."""
    errors = np.random.default_rng(8).normal(10, 3, (5, 30))
    alone = bootstrap(errors)
    together = bootstrap(10 * errors, np.full((5, 30), 10.0))
    apart = bootstrap(np.repeat(errors, 10, axis=1))
    assert together == pytest.approx(alone, rel=1e-12)
    assert apart[1] - apart[0] < 0.75 * (alone[1] - alone[0])


def test_the_bootstrap_covers_the_true_mean() -> None:
    """Seeds and people both vary, in 300 studies of 8 seeds and 40 people.

    95 % percentile intervals of 8 seeds cover about 91 % (their variance is 7 / 8 of what it is); the share's standard error is
    .016, and 4 of these below .90 fail.
    """
    generator = np.random.default_rng(4)
    seeds = generator.normal(0, 0.5, (300, 8, 1))
    people = generator.normal(0, 1.5, (300, 1, 40))
    ends = cluster_bootstrap(seeds + people + generator.normal(0, 0.3, (300, 8, 40)), np.ones((300, 8, 40)), resamples=600)
    covered = np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0))
    assert 0.90 - 4 * 0.016 <= covered <= 0.95 + 4 * 0.016


def test_the_bootstrap_is_seeded_and_needs_two_of_each() -> None:
    sums = numbers(40).reshape(4, 10)
    assert bootstrap(sums).tolist() == bootstrap(sums).tolist()
    assert bootstrap(sums).tolist() != bootstrap(sums, seed=1).tolist()
    assert np.isnan(bootstrap(sums[:1])).all()
    assert np.isnan(bootstrap(sums[:, :1])).all()
    assert cluster_bootstrap(np.zeros((0, 3, 3)), np.zeros((0, 3, 3))).shape == (0, 2)
