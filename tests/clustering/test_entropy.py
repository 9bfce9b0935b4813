"""k-means with the bits in view against slow, plain twins, and hand-made cases."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import entropy_kmeans1d, kmeans1d

WEIGHTS = st.sampled_from([0.25, 1.0, 1.25, 8.0])
VALUES = st.lists(
    st.integers(-20, 20).map(float) | st.floats(-10, 10, width=32),
    min_size=1,
    max_size=30,
)


# ---- The twins -------------------------------------------------------------------


def objective(values, labels, entropy_weight, weights=None):
    """What is minimised, from the labels alone: the centers are the best for them."""
    values = np.asarray(values, np.float64)
    weights = np.ones(values.shape) if weights is None else np.asarray(weights)
    inertia = bits = 0.0
    for label in set(labels.tolist()):
        own = labels == label
        n_own = np.count_nonzero(own)
        inertia += inertia_of(values[own], weights[own])
        bits -= n_own * np.log2(n_own / len(values))
    whole = inertia_of(values, weights)
    distortion = inertia / whole if whole else 0.0
    return distortion + entropy_weight * bits / len(values)


def inertia_of(values, weights):
    """The weighted squared distances to the weighted mean."""
    return weights @ (values - weights @ values / weights.sum()) ** 2


@functools.cache
def partitions(n, n_clusters):
    """Every way to label `n` values, clusters in the order of their first value."""
    return [
        np.array(labels)
        for labels in itertools.product(range(n_clusters), repeat=n)
        if (first := list(dict.fromkeys(labels))) == list(range(len(first)))
    ]


def intervals(n, n_clusters):
    """Every way to cut `n` sorted values into so many intervals or fewer."""
    for k in range(1, n_clusters + 1):
        for cuts in itertools.combinations(range(1, n), k - 1):
            yield np.searchsorted(cuts, np.arange(n), side="right")


def entropy(labels):
    share = np.bincount(labels.ravel()) / labels.size
    return -share @ np.log2(share)


# ---- The optimum -----------------------------------------------------------------


def test_without_a_price_it_is_kmeans1d(rng):
    values = rng.normal(size=(40, 50)).astype("float32")
    weights = rng.lognormal(size=values.shape)
    for init in ("optimal", "linear", "kmeans++"):
        for sample_weight in (None, weights):
            arguments = {"init": init, "sample_weight": sample_weight, "seed": 3}
            actual = entropy_kmeans1d(values, 9, 0.0, **arguments)
            for one, other in zip(
                actual, kmeans1d(values, 9, **arguments), strict=True
            ):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("entropy_weight", [0.01, 0.05, 0.3])
def test_near_the_best_of_all_partitions_of_few_values(rng, entropy_weight):
    """A local optimum, so not always the best; never far from it, and often it."""
    ratios = []
    for _ in range(25):
        values = np.round(rng.normal(size=7), 2)
        best = min(objective(values, p, entropy_weight) for p in partitions(7, 4))
        labels = entropy_kmeans1d(values, 4, entropy_weight).labels
        ratios.append(objective(values, labels, entropy_weight) / best)
    assert min(ratios) > 1 - 1e-9
    assert max(ratios) < 1.25
    assert np.mean(np.array(ratios) < 1 + 1e-9) > 0.5


def test_the_best_of_all_partitions_is_made_of_intervals(rng):
    """What the search relies on where all weights are the same."""
    for entropy_weight in (0.02, 0.2):
        values = np.sort(rng.normal(size=7))
        cells = min(objective(values, p, entropy_weight) for p in intervals(7, 3))
        all_ = min(objective(values, p, entropy_weight) for p in partitions(7, 3))
        assert cells == pytest.approx(all_)


@given(VALUES, st.integers(1, 6), st.floats(0, 2), st.data())
def test_no_value_and_no_pair_of_neighbours_would_rather_move(values, k, price, data):
    """Local optimality, by the definitions, with weights of values or without."""
    n = len(values)
    weights = data.draw(st.none() | st.lists(WEIGHTS, min_size=n, max_size=n))
    centers, labels, inertia = entropy_kmeans1d(values, k, price, sample_weight=weights)
    values = np.array(values)
    weights = np.ones(n) if weights is None else np.array(weights)
    assert 1 <= len(centers) <= min(k, len(np.unique(values)))
    assert (np.diff(centers) > 0).all()
    counts = np.bincount(labels, minlength=len(centers))
    assert (counts > 0).all()
    means = np.bincount(labels, weights * values) / np.bincount(labels, weights)
    np.testing.assert_allclose(centers, means, atol=1e-9)
    assert inertia == pytest.approx(weights @ (values - means[labels]) ** 2, abs=1e-9)
    if price == 0:
        return

    total = weights @ (values - np.average(values, weights=weights)) ** 2
    bits = -np.log2(counts / n)
    costs = weights[:, None] * (values[:, None] - centers) ** 2 / max(total, 1e-300)
    costs += price * bits / n
    own = costs[np.arange(n), labels]
    assert (own <= costs.min(axis=1) + 1e-7 * (1 + own)).all()
    now = objective(values, labels, price, weights)
    for pair in range(len(centers) - 1):
        joined = np.where(labels == pair + 1, pair, labels)
        assert objective(values, joined, price, weights) >= now - 1e-9


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("entropy_weight", [0.003, 0.03, 0.3])
def test_the_objective_never_increases(rng, entropy_weight, weighted):
    values = rng.laplace(size=2000)
    weights = 2.0 ** rng.integers(-6, 6, size=2000) if weighted else None

    def after(n):
        result = entropy_kmeans1d(
            values, 16, entropy_weight, sample_weight=weights, max_iter=n
        )
        return objective(values, result.labels, entropy_weight, weights)

    start = kmeans1d(values, 16, sample_weight=weights).labels
    path = [objective(values, start, entropy_weight, weights)]
    path += [after(n) for n in (*range(1, 40), 1000)]
    assert path[-1] < path[0]
    assert (np.diff(path) < 1e-12).all()


def test_bits_fall_and_the_error_grows_with_their_price(rng):
    values = rng.laplace(size=200_000).astype("float32")
    bits, errors = [], []
    for entropy_weight in (0.0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0):
        centers, labels, inertia = entropy_kmeans1d(values, 32, entropy_weight)
        assert len(np.unique(labels)) == len(centers)
        bits.append(entropy(labels))
        errors.append(inertia / (values.var(dtype=np.float64) * values.size))
    assert (np.diff(bits) < 0).all()
    assert (np.diff(errors) > 0).all()
    assert bits[0] == pytest.approx(4.4, abs=0.1)


def test_better_than_kmeans_with_fewer_clusters_at_the_same_bits(rng):
    values = rng.laplace(size=100_000)
    plain = kmeans1d(values, 16)
    result = entropy_kmeans1d(values, 64, 0.016)
    assert entropy(result.labels) <= entropy(plain.labels)
    assert result.inertia < 0.8 * plain.inertia


def test_clusters_of_equal_shares_are_joined_where_bits_are_dear():
    """Shares alone would never make any of these unequal."""
    values = np.linspace(-1, 1, 1024)
    n_clusters = [
        len(entropy_kmeans1d(values, 16, price).centers)
        for price in (1e-6, 0.01, 0.1, 10.0)
    ]
    assert n_clusters[0] == 16
    assert n_clusters[-1] == 1
    assert (np.diff(n_clusters) < 0).all()


def test_weights_decide_which_values_give_way():
    """Light values go to the frequent cluster, heavy ones keep their own."""
    values = np.repeat([0.0, 1.0, 1.0], [90, 5, 5])
    weights = np.repeat([1.0, 1.0, 1e-3], [90, 5, 5])
    labels = entropy_kmeans1d(values, 2, 0.1, sample_weight=weights).labels
    np.testing.assert_array_equal(labels, np.repeat([0, 1, 0], [90, 5, 5]))


# ---- Shapes, dtypes, extremes ----------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", ">f4"])
def test_shape_and_dtype_of_the_result_are_those_of_kmeans1d(rng, dtype):
    values = (rng.laplace(size=(8, 5, 6)) * 10).astype(dtype)
    expected = kmeans1d(values, 6)
    for each in (values, values.transpose(2, 0, 1)):
        centers, labels, _ = entropy_kmeans1d(each, 6, 0.01)
        assert centers.dtype == expected.centers.dtype
        assert labels.dtype == np.uint8
        assert labels.shape == each.shape
    assert entropy_kmeans1d(values, 300, 1e-9).labels.dtype == np.uint8
    many = rng.normal(size=2000)
    assert entropy_kmeans1d(many, 300, 1e-9).labels.dtype == np.uint16


def test_the_unit_of_values_and_weights_does_not_matter(rng):
    values = rng.laplace(size=1000)
    weights = 2.0 ** rng.integers(0, 3, size=1000)
    first = entropy_kmeans1d(values, 16, 0.02, sample_weight=weights)
    for factor in (2.0**-900, 2.0**900):
        other = entropy_kmeans1d(
            values * factor, 16, 0.02, sample_weight=weights * factor
        )
        np.testing.assert_array_equal(other.labels, first.labels)
        np.testing.assert_array_equal(other.centers, first.centers * factor)


def test_the_order_of_the_values_does_not_matter(rng):
    values, weights = rng.laplace(size=1000), 2.0 ** rng.integers(0, 3, size=1000)
    first = entropy_kmeans1d(values, 16, 0.02, sample_weight=weights)
    order = rng.permutation(1000)
    other = entropy_kmeans1d(values[order], 16, 0.02, sample_weight=weights[order])
    np.testing.assert_array_equal(other.labels, first.labels[order])


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12),
    st.integers(1, 5),
    st.floats(0, allow_infinity=False),
    st.data(),
)
def test_extremes_do_no_harm(values, k, price, data):
    n = len(values)
    weight = st.floats(0, exclude_min=True, allow_infinity=False)
    weights = data.draw(st.none() | st.lists(weight, min_size=n, max_size=n))
    if price == 0:
        weights = None
    centers, labels, inertia = entropy_kmeans1d(values, k, price, sample_weight=weights)
    assert np.isfinite(centers).all()
    assert labels.max() < len(centers) <= k
    assert inertia >= 0


def test_a_mean_is_not_rounded_past_the_largest_number():
    largest = np.finfo(np.float64).max
    result = entropy_kmeans1d([0.0] * 8 + [largest], 2, 1.0)
    np.testing.assert_array_equal(result.centers, [0, largest])


def test_a_large_price_leaves_one_cluster(rng):
    values = rng.normal(size=500)
    centers, labels, inertia = entropy_kmeans1d(values, 8, 1e300)
    assert centers == pytest.approx([values.mean()])
    assert not labels.any()
    assert inertia == pytest.approx(500 * values.var())


@pytest.mark.parametrize("price", [-0.1, np.nan, np.inf])
def test_a_bad_price_is_refused(price):
    with pytest.raises(
        ValueError, match=r"`entropy_weight` must be a number in \[0, inf\)"
    ):
        entropy_kmeans1d([1.0, 2.0], 2, price)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"values": []}, ValueError, "at least one number"),
        ({"values": [1.0, np.nan]}, ValueError, "NaN"),
        ({"n_clusters": 0}, ValueError, "`n_clusters` must be at least 1"),
        ({"n_clusters": 1.5}, TypeError, "`n_clusters` must be an integer"),
        ({"max_iter": 0}, ValueError, "`max_iter` must be at least 1"),
        ({"init": "forgy"}, ValueError, "`init` must be one of"),
        (
            {"sample_weight": [1.0, 0.0, 2.0]},
            ValueError,
            "must be positive.* Received: 0.0",
        ),
        (
            {"sample_weight": [1.0, np.nan, 2.0]},
            ValueError,
            "must be positive.* Received: nan",
        ),
        ({"sample_weight": [1.0, np.inf, 2.0]}, ValueError, "finite"),
        ({"sample_weight": [1.0, 2.0]}, ValueError, "shape"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    good = {"values": [1.0, 2.0, 4.0], "n_clusters": 2, "entropy_weight": 0.1}
    with pytest.raises(error, match=message):
        entropy_kmeans1d(**{**good, **arguments})
