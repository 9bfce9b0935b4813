"""What is refused."""

import numpy as np
import pytest
from helpers.running import run_program

from deepcompress import _native, kmeans1d


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], 1), ValueError, r"`values` must hold at least one.*values.shape=\(0,\)"),
        (([1.0, np.nan], 1), ValueError, r"`values` must be finite: .* Received: nan"),
        (([1.0, np.inf], 1), ValueError, r"`values` must be finite: .* Received: inf"),
        (([-np.inf, 1.0], 1), ValueError, r"must be finite: .* Received: -inf"),
        ((["a"], 1), TypeError, r"`values` must be real numbers: .*dtype=<U1"),
        (([1j], 1), TypeError, r"`values` must be real numbers: .*dtype=complex"),
        (([True], 1), TypeError, r"`values` must be real numbers: .*dtype=bool"),
        (([1.0], 0), ValueError, "must be at least 1. Received: n_clusters=0"),
        (([1.0], -3), ValueError, "must be at least 1. Received: n_clusters=-3"),
        (([1.0], 1.0), TypeError, r"`n_clusters` must be an integer .* n_clusters=1.0"),
        (([1.0], True), TypeError, r"must be an integer .* n_clusters=True"),
        (
            ([1.0, 1.0, 2.0], 3),
            ValueError,
            "at most 2, the number of distinct values. Received: n_clusters=3",
        ),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        kmeans1d(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"init": "best"},
            ValueError,
            r"must be one of \('optimal', .*, or an array of 2 centers. .* init='best'",
        ),
        ({"init": [1.0]}, ValueError, r"an array of 2 centers. .* init.shape=\(1,\)"),
        ({"init": ["a", "b"]}, ValueError, r"array of 2 centers. .* init.dtype=<U1"),
        ({"init": [1.0, np.nan]}, ValueError, r"must be finite. .* init=\[1.0, nan\]"),
        ({"max_iter": 0}, ValueError, "must be at least 1. Received: max_iter=0"),
        ({"max_iter": 1.5}, TypeError, r"must be an integer .* max_iter=1.5"),
        ({"n_threads": 0}, ValueError, "must be at least 1. Received: n_threads=0"),
        ({"n_threads": "2"}, TypeError, r"must be an integer .* n_threads='2'"),
        (
            {"sample_weight": [1.0, 1.0]},
            ValueError,
            r"in the shape \(3,\). Received: sample_weight.shape=\(2,\)",
        ),
        ({"sample_weight": [1.0, -1.0, 1.0]}, ValueError, r"not negative. .*: -1.0"),
        ({"sample_weight": [1.0, np.nan, 1.0]}, ValueError, r"not negative. .*: nan"),
        ({"sample_weight": [1.0, np.inf, 1.0]}, ValueError, r"be finite and .*: inf"),
        ({"sample_weight": [0.0, 0.0, 0.0]}, ValueError, "Received: zero for all"),
        ({"sample_weight": ["a"] * 3}, TypeError, r"must be real numbers. .*dtype=<U1"),
        ({"sample_weight": [0.0, 0.0, 1.0]}, ValueError, "at most 1, the number of"),
    ],
)
def test_errors_of_options(options, error, message):
    with pytest.raises(error, match=message):
        kmeans1d([1.0, 2.0, 3.0], 2, **options)


def test_a_weight_of_zero_does_not_excuse_a_nan():
    with pytest.raises(ValueError, match="`values` must be finite"):
        kmeans1d([1.0, np.nan], 1, sample_weight=[1.0, 0.0])


def test_the_kernels_refuse_what_does_not_fit():
    values, cuts = np.arange(4.0), np.array([0, 2, 4])
    nodes, starts = np.empty((5, 4)), np.empty(5, np.int64)
    _native.kmeans_nodes(values, None, 0.0, 1, np.inf, nodes, starts)
    small = np.arange(4, dtype=np.int16)
    for call, error in [
        (lambda: _native.kmeans_distinct(small, 4), TypeError),
        (lambda: _native.kmeans_distinct(values, -1), ValueError),
        (
            lambda: _native.kmeans_nodes(
                values, None, 0.0, 1, np.inf, nodes[:4], starts[:4]
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_nodes(
                values, values[:2], 0.0, 1, np.inf, nodes, starts
            ),
            ValueError,
        ),
        (lambda: _native.kmeans_optimal(nodes, 0.0, np.empty(7, np.int64)), ValueError),
        (lambda: _native.kmeans_optimal(nodes, 0.0, np.empty(3, "i4")), TypeError),
        (
            lambda: _native.kmeans_lloyd(
                values, None, nodes, starts[::-1].copy(), 0.0, 9, np.zeros(2), cuts
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_lloyd(
                values, None, nodes, starts, 0.0, 9, np.zeros(3), cuts
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_summary(
                values, None, np.array([0, 5, 4]), np.empty(2)
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_labels(
                values, np.zeros(3, "f4"), np.empty(4, np.uint8)
            ),
            TypeError,
        ),
        (
            lambda: _native.kmeans_labels(values, np.zeros(3), np.empty(3, np.uint8)),
            ValueError,
        ),
        (
            lambda: _native.kmeans_labels(values, np.zeros(300), np.empty(4, "u1")),
            ValueError,
        ),
    ]:
        with pytest.raises(error):
            call()
    flat = np.zeros(4)
    _native.kmeans_nodes(flat, None, 0.0, 1, np.inf, nodes, starts)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.kmeans_lloyd(
            flat, None, nodes[:2], starts[:2], 0.0, 9, np.zeros(2), cuts
        )


def test_the_room_is_light():
    ended = run_program("cluster_numbers")
    assert ended.returncode == 0, ended.stderr
    loaded = ended.stdout.split()
    assert "deepcompress.clustering.entropy" in loaded
    assert not {"tensorflow", "keras", "sklearn"} & set(loaded)
