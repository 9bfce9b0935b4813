"""The conventions of scikit-learn."""

import numpy as np
import pytest
from helpers.clusterings import INITS

from deepcompress import KMeans1D, kmeans1d


def test_the_estimator_finds_the_same():
    values = np.random.default_rng(0).normal(size=(300, 1))
    weights = np.random.default_rng(1).uniform(size=300)
    for init in (*INITS, [[-1.0], [0.0], [1.0]]):
        model = KMeans1D(3, init=init, random_state=0)
        model.fit(values, sample_weight=weights)
        assert model.cluster_centers_.shape == (3, 1)
        assert model.labels_.dtype == np.int32
        assert model.n_features_in_ == 1
        np.testing.assert_array_equal(model.predict(values), model.labels_)
        if init == "optimal":
            expected = kmeans1d(values[:, 0], 3, sample_weight=weights)
            assert model.inertia_ == expected.inertia
            np.testing.assert_array_equal(model.cluster_centers_[:, 0], expected[0])
    labels = KMeans1D(3).fit_predict(values)
    np.testing.assert_array_equal(labels, kmeans1d(values[:, 0], 3).labels)


def test_the_estimator_wants_one_column():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        KMeans1D(2).fit([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"`X` must be one column.* X.shape=\(2, 2\)"):
        KMeans1D(2).fit([[1.0, 2.0], [3.0, 4.0]])


class FirstColumn(KMeans1D):
    """KMeans1D for the checks of scikit-learn, whose data has several features."""

    def _column(self, X, *, reset):
        from sklearn.utils.validation import validate_data

        array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        return np.ascontiguousarray(array[:, 0])


def test_the_conventions_of_scikit_learn():
    from sklearn.utils.estimator_checks import check_estimator

    expected = {
        "check_non_transformer_estimators_n_iter": "the default does not iterate",
    }
    results = check_estimator(
        FirstColumn(n_clusters=2),
        expected_failed_checks=expected,
        on_skip=None,
        on_fail=None,
    )
    failed = [
        (r["check_name"], r["exception"]) for r in results if r["status"] == "failed"
    ]
    assert failed == []
    assert sum(r["status"] == "passed" for r in results) > 40
