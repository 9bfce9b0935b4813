"""Lloyd's iteration against a plain twin, and where it starts."""

import numpy as np
import pytest
from helpers.clusterings import (
    INITS,
    SLOW_TWIN,
    check_shape_of,
    exact_optimum,
    plain_lloyd,
    samples,
    slack,
)
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import kmeans1d
from deepcompress.clustering.elements import join_values
from deepcompress.clustering.kmeans import Sizes, find_clusters
from deepcompress.clustering.starts import starting_centers
from deepcompress.clustering.values import Sorted


@SLOW_TWIN
@given(
    st.integers(0, 2**32 - 1),
    st.integers(20, 200),
    st.integers(1, 12),
    st.sampled_from([1, 3, 300]),
    st.booleans(),
)
def test_lloyd_is_lloyd(seed, n, n_clusters, max_iter, outside):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    start = rng.normal(size=n_clusters) + 20 * outside
    result = kmeans1d(values, n_clusters, init=start, max_iter=max_iter)
    expected = plain_lloyd(values, start, max_iter)
    np.testing.assert_allclose(result.centers, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_elements", [1, 7, 1000])
def test_lloyd_does_not_depend_on_the_elements(n_elements):
    values = np.random.default_rng(1).normal(size=500)
    expected = plain_lloyd(values, [-1.0, 0.0, 0.5], 300)
    sizes = Sizes(n_lloyd=n_elements)
    result = find_clusters(values, 3, sizes, init=[-1.0, 0.0, 0.5])
    np.testing.assert_allclose(result.centers, expected, rtol=1e-12)


@SLOW_TWIN
@given(samples, st.sampled_from(INITS[1:]), st.data())
def test_every_start_gives_all_the_clusters(values, init, data):
    n_clusters = data.draw(st.integers(1, len({v + 0.0 for v in values})))
    result = kmeans1d(values, n_clusters, init=init, seed=0)
    check_shape_of(result, values, n_clusters)
    best = float(exact_optimum(values, np.ones(len(values)), n_clusters))
    assert result.inertia >= best * (1 - 1e-9) - slack(values)


@pytest.mark.parametrize("init", ["random", "kmeans++", "density"])
def test_starts_from_fewer_elements_than_clusters(init):
    values = np.random.default_rng(0).normal(size=100)
    result = find_clusters(values, 40, Sizes(n_lloyd=2), init=init, seed=0)
    check_shape_of(result, values, 40)


def test_starting_points_by_hand():
    def start(values, n_clusters, init, seed=None):
        data = Sorted(np.array(values), None)
        elements = join_values(data, len(values), len(values))
        return starting_centers(data, elements, n_clusters, init, seed).tolist()

    values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 20.0]
    assert start(values, 3, "linear") == [0.0, 10.0, 20.0]
    assert start(values, 4, "density") == [1.0, 3.0, 5.0, 20.0]
    for init in ("random", "kmeans++"):
        assert len(set(start(values, 4, init, seed=1)) & set(values)) == 4
    # The farthest value is all but certain to be drawn by squared distance.
    for seed in range(5):
        assert start([0.0, 1e-6, 2e-6, 1e6], 2, "kmeans++", seed)[1] == 1e6


def test_linear_falls_short_where_the_values_are_uneven():
    values = np.random.default_rng(0).laplace(size=5000) ** 3
    best = kmeans1d(values, 16).inertia
    assert kmeans1d(values, 16, init="linear").inertia > 1.01 * best


def test_the_empty_cluster_takes_the_farthest_value():
    # 0 and 1 go to the first center, 10 to the second, none to the third; 1 is the
    # farthest from its center.
    result = kmeans1d([0.0, 1.0, 10.0], 3, init=[0.0, 10.0, 50.0])
    assert result.centers.tolist() == [0.0, 1.0, 10.0]


def test_max_iter_stops_lloyd():
    values = np.random.default_rng(0).normal(size=1000)
    start = [-3.0, -2.9, -2.8, -2.7]
    short = kmeans1d(values, 4, init=start, max_iter=1).inertia
    longer = kmeans1d(values, 4, init=start, max_iter=5).inertia
    assert kmeans1d(values, 4, init=start).inertia < longer < short


@pytest.mark.parametrize("init", ["random", "kmeans++"])
def test_seeds(init):
    values = np.random.default_rng(0).normal(size=2000)

    def run(seed):
        return kmeans1d(values, 12, init=init, seed=seed, max_iter=1).centers.tolist()

    assert run(5) == run(5) == run(np.random.default_rng(5))
    assert run(5) != run(6)
