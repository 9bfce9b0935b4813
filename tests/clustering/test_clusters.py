import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import entropy_kmeans1d, kmeans1d
from deepcompress.clustering.clusters import cluster

DTYPES = ["float16", "float32", "float64", ml_dtypes.bfloat16]


def sparse(rng, shape=(30, 40), dtype="float32"):
    values = rng.laplace(size=shape)
    values[rng.random(shape) < 0.5] = 0
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entropy_weight", [0.0, 0.01])
def test_zeros_stay_and_cost_one_code(rng, dtype, entropy_weight):
    value = sparse(rng, dtype=dtype)
    clusters = cluster(value, 8, entropy_weight=entropy_weight)
    shared = clusters.values()
    assert shared.dtype == value.dtype
    np.testing.assert_array_equal(shared == 0, value == 0)
    assert len(np.unique(shared)) == len(clusters.centers) + 1 <= 8
    assert clusters.is_shared


def test_curvature_is_the_weight_of_kmeans_with_a_floor(rng):
    value = sparse(rng)
    curvature = rng.lognormal(0, 3, value.shape).astype("float32")
    curvature[::3] = 0
    survivors = value[value != 0]
    weights = curvature[value != 0].astype("float64")
    weights = weights / weights.mean() + 1e-3
    expected = kmeans1d(survivors, 7, init="density", sample_weight=weights)
    clusters = cluster(value, 8, init="density", curvature=curvature)
    np.testing.assert_array_equal(clusters.centers, expected.centers)
    np.testing.assert_array_equal(clusters.codes, expected.labels)


def test_curvature_keeps_the_weights_that_matter(rng):
    value = sparse(rng)
    curvature = rng.lognormal(0, 3, value.shape).astype("float32")
    errors = [
        curvature * (cluster(value, 8, init="optimal", **each).values() - value) ** 2
        for each in ({"curvature": curvature}, {})
    ]
    assert errors[0].sum() < 0.8 * errors[1].sum()


def test_a_layer_without_gradients_is_clustered_as_without_curvature(rng):
    value = sparse(rng)
    dead = cluster(value, 8, curvature=np.zeros_like(value))
    np.testing.assert_array_equal(dead.centers, cluster(value, 8).centers)


def test_the_share_of_zeros_does_not_count_for_the_entropy(rng):
    dense = rng.laplace(size=500).astype("float32")
    value = np.concatenate([dense, np.zeros(5000, "float32")])
    expected = entropy_kmeans1d(dense, 15, 0.02)
    clusters = cluster(value, 16, init="optimal", entropy_weight=0.02)
    np.testing.assert_array_equal(clusters.centers, expected.centers)
    np.testing.assert_array_equal(clusters.codes, expected.labels)


def test_entropy_and_curvature_together(rng):
    value = sparse(rng)
    curvature = rng.lognormal(size=value.shape).astype("float32")
    weights = curvature[value != 0].astype("float64")
    weights = weights / weights.mean() + 1e-3
    expected = entropy_kmeans1d(value[value != 0], 15, 0.02, sample_weight=weights)
    clusters = cluster(
        value, 16, init="optimal", entropy_weight=0.02, curvature=curvature
    )
    np.testing.assert_array_equal(clusters.centers, expected.centers)
    np.testing.assert_array_equal(clusters.codes, expected.labels)


@pytest.mark.parametrize("entropy_weight", [0.0, 0.3])
def test_what_is_shared_already_is_kept(rng, entropy_weight):
    value = rng.choice(np.array([-2, 0, 1, 3], "float32"), 100)
    clusters = cluster(value, 8, entropy_weight=entropy_weight)
    np.testing.assert_array_equal(clusters.values(), value)


def test_fewer_weights_than_codes_are_shared_where_bits_are_dear(rng):
    value = np.array([1.0, 1.01, 0.0, 5.0, 5.01], "float32")
    assert not cluster(value, 8).is_shared
    np.testing.assert_array_equal(cluster(value, 8).values(), value)
    clusters = cluster(value, 8, entropy_weight=0.1)
    np.testing.assert_allclose(clusters.centers, [1.005, 5.005])


@pytest.mark.parametrize("entropy_weight", [0.0, 0.1])
def test_a_tensor_of_zeros_stays_so(entropy_weight):
    clusters = cluster(np.zeros((3, 4)), 4, entropy_weight=entropy_weight)
    assert not clusters.is_shared
    assert clusters.size == 12
    assert not clusters.values().any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entropy_weight", [0.0, 5.0])
def test_no_centroid_is_zero(dtype, entropy_weight):
    value = np.array([-3, -2, 0, 2, 3], dtype)
    clusters = cluster(value, 2, entropy_weight=entropy_weight, mantissa_bits=2)
    np.testing.assert_array_equal(clusters.values() == 0, value == 0)
    assert 0 < float(clusters.centers[0]) < 1e-4


@given(
    st.lists(st.integers(-9, 9) | st.floats(-9, 9, width=16), min_size=1, max_size=40),
    st.integers(2, 9),
    st.sampled_from([0.0, 0.02, 0.5]),
    st.none() | st.integers(1, 12),
    st.sampled_from(DTYPES),
)
def test_any_tensor_gets_few_values_and_keeps_its_zeros(
    values, n_codes, entropy_weight, digits, dtype
):
    value = np.array(values, dtype)
    shared = cluster(
        value, n_codes, entropy_weight=entropy_weight, mantissa_bits=digits
    ).values()
    np.testing.assert_array_equal(shared == 0, value == 0)
    assert len(np.unique(shared.astype("float64"))) <= n_codes


def test_centroids_of_few_digits_that_fall_together_are_one(rng):
    value = (1 + rng.random(200) / 100).astype("float32")
    clusters = cluster(value, 16, mantissa_bits=4)
    np.testing.assert_array_equal(clusters.centers, [1.0])
    np.testing.assert_array_equal(clusters.codes, np.zeros(200))
