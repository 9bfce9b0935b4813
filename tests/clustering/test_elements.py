"""More values than are clustered one by one: what is found, and what it costs."""

import tracemalloc

import numpy as np
import pytest
from helpers.clusterings import SLOW_TWIN, check_shape_of, plain_elements
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcompress import _native, kmeans1d
from deepcompress.clustering.elements import join_values
from deepcompress.clustering.kmeans import Sizes, find_clusters
from deepcompress.clustering.values import Sorted

SMALL = Sizes(n_exact=4096, n_elements=4096)


@pytest.mark.parametrize("n_clusters", [2, 8, 16])
@pytest.mark.parametrize(
    "kind", ["normal", "laplace", "heavy tail", "pruned", "rounded"]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_large_inputs_end_within_a_millionth(kind, n_clusters, weighted):
    rng = np.random.default_rng(7)
    values = rng.normal(size=60_000) if kind == "normal" else rng.laplace(size=60_000)
    if kind == "heavy tail":
        values = np.exp(2 * rng.normal(size=60_000))
    if kind == "pruned":
        values += 2 * np.sign(values)
    if kind == "rounded":
        values = np.round(values, 5)
    weights = rng.uniform(0.5, 2, values.size) if weighted else None
    exact = kmeans1d(values, n_clusters, sample_weight=weights)
    n_distinct = len(np.unique(values))
    assert n_distinct > max(4096, 2048 * n_clusters)
    coarse = find_clusters(values, n_clusters, SMALL, sample_weight=weights)
    check_shape_of(coarse, values, n_clusters)
    assert coarse.inertia == pytest.approx(exact.inertia, rel=1e-6)
    assert coarse.inertia >= exact.inertia * (1 - 1e-12)


def test_large_inputs_that_are_nearly_all_ties():
    # Elements of 100 values would be fewer than clusters.
    values = np.concatenate((np.zeros(300_000), np.arange(5000.0) % 70 / 7e9, [1.0]))
    values = np.concatenate((values, 2 + np.arange(4200) * 1e-9))
    result = find_clusters(values, 30, SMALL)
    check_shape_of(result, values, 30)
    distinct, counts = np.unique(values, return_counts=True)
    assert distinct.size > 4096
    exact = kmeans1d(distinct, 30, sample_weight=counts)
    assert result.inertia == pytest.approx(exact.inertia, rel=1e-6)


several_scales = st.builds(
    lambda whole, exponent: whole * 2.0**exponent,
    st.integers(-99, 99),
    st.sampled_from([-30, -3, 0, 0, 0, 20]),
)


@SLOW_TWIN
@given(
    st.lists(several_scales, min_size=2, max_size=200),
    st.integers(1, 30),
    st.floats(1e-6, 1e6),
)
def test_elements_are_those_of_the_twin(values, max_count, max_spread):
    values = np.sort(values) + 0.0
    nodes, starts = np.empty((201, 4)), np.empty(201, np.int64)
    n = _native.kmeans_nodes(values, None, 0.0, max_count, max_spread, nodes, starts)
    expected = plain_elements(values, max_count, max_spread)
    assert starts[: n + 1].tolist() == expected
    np.testing.assert_array_equal(np.diff(nodes[: n + 1, 0]), np.diff(expected))
    for e in range(n):
        part = values[expected[e] : expected[e + 1]]
        close = {"rel": 1e-9, "abs": 1e-6 * np.abs(values).max()}
        assert nodes[e + 1, 1] - nodes[e, 1] == pytest.approx(part.sum(), **close)


@settings(max_examples=300, deadline=None)
@given(st.lists(several_scales, min_size=2, max_size=300), st.integers(1, 40))
def test_elements_are_about_as_many_as_asked_for(values, limit):
    values = np.sort(values) + 0.0
    n_distinct = len(np.unique(values))
    # More than there is room for would be an error.
    elements = join_values(Sorted(values, None), n_distinct, limit)
    assert elements.starts[0] == 0
    assert elements.starts[-1] == len(values)
    assert (np.diff(elements.starts) > 0).all()
    if n_distinct <= limit:
        assert len(elements.starts) == n_distinct + 1


def test_far_apart_groups_do_not_make_elements_too_coarse():
    # Nearly all of the range is the gap between the groups; one value lies far out.
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_200_000) + 1e4 * rng.integers(0, 2, 1_200_000)
    values[0] = 1e6
    result = kmeans1d(values, 33)
    parts = [kmeans1d(values[values < 5e3], 16), kmeans1d(values[values > 5e3][1:], 16)]
    best = sum(part.inertia for part in parts)
    assert result.inertia == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e-145, 0.0), (1e-157, 1e-145), (1e140, 0.0), (1e300, 0.0)]
)
def test_the_elements_of_denormal_and_huge_squares(scale, shift):
    values = np.random.default_rng(0).laplace(size=20_000)
    result = find_clusters(values * scale + shift, 4, SMALL)
    check_shape_of(result, values * scale + shift, 4)
    if shift == 0:
        expected = find_clusters(values, 4, SMALL)
        np.testing.assert_allclose(result.centers, expected.centers * scale, rtol=1e-6)


@pytest.fixture
def calls(monkeypatch):
    """What each kernel is given and returns, in the order of the calls."""
    calls = {}

    def watch(name):
        kernel, seen = getattr(_native, name), calls.setdefault(name, [])

        def watched(*arguments):
            result = kernel(*arguments)
            seen.append((arguments, result))
            return result

        monkeypatch.setattr(_native, name, watched)

    for name in ("distinct", "nodes", "optimal", "summary", "lloyd"):
        watch(f"kmeans_{name}")
    return calls


@pytest.mark.parametrize("n", [100_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("n_clusters", [2, 32, 256])
def test_the_work_does_not_outgrow_the_values(calls, n, n_clusters):
    values = np.random.default_rng(0).standard_exponential(n, dtype=np.float32)
    kmeans1d(values, n_clusters)
    programs = calls["kmeans_optimal"]
    # One dynamic program over all elements, and small ones that find its penalty.
    assert programs[-1][1][1] <= 2
    assert sum(len(nodes) * passes for (nodes, *_), (_, passes) in programs) <= 16 * n
    # The values themselves are gone through a fixed number of times.
    for name in ("distinct", "nodes", "summary", "lloyd"):
        assert len(calls[f"kmeans_{name}"]) <= 2
    assert all(iterations <= 50 for _, iterations in calls["kmeans_lloyd"])


@pytest.mark.parametrize("n_clusters", [32, 256])
def test_the_memory_beside_alexnets_largest_layer(n_clusters):
    values = np.random.default_rng(0).standard_normal(9216 * 4096, dtype=np.float32)
    tracemalloc.start()
    try:
        labels = kmeans1d(values, n_clusters).labels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert labels.dtype == np.uint8
    # The sorted copy, and what is found on it; the labels come when both are gone.
    assert 1.0 < peak / values.nbytes < 1.2
