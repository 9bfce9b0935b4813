"""The exact optimum against slow, plain twins of it, and hand-made cases."""

import numpy as np
import pytest
from helpers.clusterings import (
    INITS,
    SLOW_TWIN,
    brute_force,
    check_shape_of,
    exact_optimum,
    inertia_of,
    quadratic_optimum,
    samples,
    slack,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepcompress import kmeans1d

offset_samples = st.lists(
    st.integers(-999, 999).map(lambda i: 1e6 + i * 1e-6), min_size=1, max_size=12
)


tiny_samples = st.lists(
    st.integers(-9, 9).map(lambda i: i * 2.0**-1064), min_size=1, max_size=9
)


huge_samples = st.lists(
    st.integers(-9, 9).map(lambda i: i * 1.9e307), min_size=1, max_size=9
)


@SLOW_TWIN
@given(st.one_of(samples, offset_samples), st.data())
@example([1e6 + i * 1e-3 for i in (0, 1, 5, 6, 9)], 3)
@example([1e6, 1e6, 1e6 + 1e-6], 1)
def test_the_default_is_the_exact_optimum(values, data):
    distinct = len({v + 0.0 for v in values})
    is_given = isinstance(data, int)
    n_clusters = data if is_given else data.draw(st.integers(1, distinct))
    result = kmeans1d(values, n_clusters)
    check_shape_of(result, values, n_clusters)
    best = float(exact_optimum(values, np.ones(len(values)), n_clusters))
    assert result.inertia == pytest.approx(best, rel=1e-9, abs=slack(values))
    real = inertia_of(values, 1, result)
    assert real == pytest.approx(best, rel=1e-9, abs=slack(values))


@SLOW_TWIN
@given(samples, st.data())
def test_weights_are_part_of_the_optimum(values, data):
    weight = st.sampled_from([0.0, 0.25, 1.0, 3.0, 1e-3, 50.0])
    weights = data.draw(
        st.lists(weight, min_size=len(values), max_size=len(values)).filter(any)
    )
    seen = {v + 0.0 for v, w in zip(values, weights, strict=True) if w}
    n_clusters = data.draw(st.integers(1, len(seen)))
    result = kmeans1d(values, n_clusters, sample_weight=weights)
    check_shape_of(result, values, n_clusters)
    best = float(exact_optimum(values, weights, n_clusters))
    limit = 50 * slack(values)
    assert result.inertia == pytest.approx(best, rel=1e-9, abs=limit)
    assert inertia_of(values, weights, result) == pytest.approx(
        best, rel=1e-9, abs=limit
    )


@SLOW_TWIN
@given(st.one_of(tiny_samples, huge_samples), st.data())
def test_denormal_and_huge_values(values, data):
    n_clusters = data.draw(st.integers(1, len({v + 0.0 for v in values})))
    result = kmeans1d(values, n_clusters)
    check_shape_of(result, values, n_clusters)
    # Their squares are out of range, so the same values are compared in whole units.
    unit = 2.0**-1064 if max(map(abs, values)) < 1 else 1.9e307
    whole = [round(v / unit) for v in values]
    best = float(exact_optimum(whole, np.ones(len(whole)), n_clusters))
    labels = result.labels
    parts = [np.array(whole)[labels == j] for j in range(n_clusters)]
    found = sum(((part - part.mean()) ** 2).sum() for part in parts)
    assert found == pytest.approx(best, rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(50, 300),
    st.integers(1, 40),
    st.sampled_from(["normal", "lattice", "ties", "heavy tail", "two scales"]),
)
def test_hundreds_of_values(seed, n, n_clusters, kind):
    rng = np.random.default_rng(seed)
    values = {
        "normal": lambda: rng.normal(size=n),
        "lattice": lambda: np.arange(n, dtype=np.float64),
        "ties": lambda: rng.integers(0, 60, n).astype(np.float64),
        "heavy tail": lambda: rng.standard_cauchy(n),
        "two scales": lambda: rng.normal(size=n) * 10.0 ** rng.integers(-3, 1, n),
    }[kind]()
    n_clusters = min(n_clusters, len(np.unique(values)))
    result = kmeans1d(values, n_clusters)
    check_shape_of(result, values, n_clusters)
    best = quadratic_optimum(values, n_clusters)
    assert result.inertia == pytest.approx(best, rel=1e-9, abs=slack(values))


@pytest.mark.parametrize("n_clusters", range(1, 8))
def test_all_partitions_of_few_values(n_clusters):
    values = [3.1, -2.0, 0.5, 0.75, 8.0, 8.25, -1.9, 4.4]
    best = brute_force(values, n_clusters)
    assert kmeans1d(values, n_clusters).inertia == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("n_clusters", [2, 3, 7, 30, 31, 64, 99])
def test_a_lattice_has_many_optima_at_the_same_penalty(n_clusters):
    values = np.arange(100.0)
    small, more = divmod(100, n_clusters)
    best = (n_clusters - more) * (small**3 - small) / 12
    best += more * ((small + 1) ** 3 - (small + 1)) / 12
    assert kmeans1d(values, n_clusters).inertia == pytest.approx(best, rel=1e-12)


def test_by_hand():
    centers, labels, inertia = kmeans1d([[0, 1], [10, 12]], 2)
    assert centers.tolist() == [0.5, 11.0]
    assert labels.tolist() == [[0, 0], [1, 1]]
    assert inertia == 0.5 + 2.0


def test_one_cluster_is_the_mean():
    values = np.array([1e6 - 1e-3, 1e6, 1e6 + 2e-3])
    centers, _, inertia = kmeans1d(values, 1)
    assert centers[0] == pytest.approx(values.mean(), rel=1e-15)
    assert inertia == pytest.approx(((values - values.mean()) ** 2).sum(), rel=1e-6)


def test_as_many_clusters_as_values():
    values = np.array([3.0, -0.0, 0.0, 1.5, 3.0])
    centers, labels, inertia = kmeans1d(values, 3)
    assert centers.tolist() == [0.0, 1.5, 3.0]
    assert labels.tolist() == [2, 0, 0, 1, 2]
    assert inertia == 0.0


def test_neighbouring_floats_are_told_apart():
    first = 1.0
    second = np.nextafter(first, 2)
    third = np.nextafter(second, 2)
    for init in INITS:
        result = kmeans1d([third, first, second], 3, init=init, seed=0)
        assert result.centers.tolist() == [first, second, third]
        assert result.labels.tolist() == [2, 0, 1]


def test_an_outlier_does_not_hide_the_rest():
    values = np.concatenate((np.arange(6.0) // 3 + np.arange(6) % 3 * 1e-3, [1e9]))
    result = kmeans1d(values, 3)
    assert result.labels.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert result.inertia == pytest.approx(2 * 2e-6, rel=1e-6)


def test_integer_weights_count_as_repetitions():
    rng = np.random.default_rng(3)
    values, counts = rng.normal(size=50), rng.integers(0, 4, 50)
    weighted = kmeans1d(values, 5, sample_weight=counts)
    repeated = kmeans1d(np.repeat(values, counts), 5)
    np.testing.assert_allclose(weighted.centers, repeated.centers, rtol=1e-12)
    assert weighted.inertia == pytest.approx(repeated.inertia, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e300])
def test_the_scale_of_weights_is_free(scale):
    values, weights = np.array([0.0, 1.0, 5.0, 7.0]), np.array([1.0, 2.0, 1.0, 3.0])
    plain = kmeans1d(values, 2, sample_weight=weights)
    scaled = kmeans1d(values, 2, sample_weight=weights * scale)
    np.testing.assert_allclose(scaled.centers, plain.centers, rtol=1e-12)
    assert scaled.inertia == pytest.approx(plain.inertia * scale, rel=1e-12)
