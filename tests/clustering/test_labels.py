"""The label of each value."""

import numpy as np
import pytest
from helpers.clusterings import INITS, SLOW_TWIN
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native, kmeans1d
from deepcompress.clustering.kmeans import Sizes, find_clusters


def test_a_value_halfway_belongs_to_the_lower_center():
    labels = kmeans1d([0.0, 2.0, 1.0], 2, sample_weight=[1, 1, 0]).labels
    assert labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("n_clusters", "dtype"),
    [(1, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")],
)
def test_the_smallest_dtype_of_labels(n_clusters, dtype):
    values = np.arange(70_000, dtype=np.float32)[::-1]
    result = kmeans1d(values, n_clusters)
    assert result.labels.dtype == dtype
    assert result.labels[0] == n_clusters - 1
    assert result.labels[-1] == 0
    expected = np.searchsorted(
        (result.centers[1:].astype(float) + result.centers[:-1]) / 2, values
    )
    np.testing.assert_array_equal(result.labels, expected)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_number_of_threads_changes_nothing(init, weighted):
    sizes = Sizes(labels_per_thread=100)
    rng = np.random.default_rng(0)
    values = rng.normal(size=5003).astype(np.float32)
    weights = rng.uniform(size=5003) if weighted else None
    results = [
        find_clusters(
            values, 9, sizes, init=init, sample_weight=weights, seed=4, n_threads=n
        )
        for n in (1, 2, 3, 8, None)
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result.labels, results[0].labels)
        np.testing.assert_array_equal(result.centers, results[0].centers)
        assert result.inertia == results[0].inertia


def test_nine_million_values_on_up_to_eight_threads():
    values = np.random.default_rng(0).standard_normal(9_000_001, dtype=np.float32)
    one = kmeans1d(values, 32, n_threads=1)
    for n_threads in (2, 3, 8):
        result = kmeans1d(values, 32, n_threads=n_threads)
        np.testing.assert_array_equal(result.labels, one.labels)
        np.testing.assert_array_equal(result.centers, one.centers)
        assert result.inertia == one.inertia


@SLOW_TWIN
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40, unique=True),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40),
)
def test_labels_are_the_number_of_thresholds_below(thresholds, values):
    thresholds = np.sort(np.array(thresholds))
    flat = np.concatenate((thresholds, np.array(values, np.float64)))
    for dtype in (np.uint8, np.uint16, np.uint32):
        labels = np.empty(flat.size, dtype)
        _native.kmeans_labels(flat, thresholds, labels)
        np.testing.assert_array_equal(labels, np.searchsorted(thresholds, flat))
