"""The conventions of scikit-learn."""

import numpy as np
import pytest
from helpers.clusterings import INITS
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

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
        array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        return np.ascontiguousarray(array[:, 0])


# None of them is expected to fail.
@parametrize_with_checks([FirstColumn(2), FirstColumn(3, init="kmeans++")])
def test_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)


VALUES = np.random.default_rng(0).normal(size=(60, 1))


def test_distances_and_scores_are_those_of_k_means():
    weights = np.random.default_rng(1).uniform(size=60)
    model = KMeans1D(3, init=[-1.0, 0.0, 1.0]).fit(VALUES, sample_weight=weights)
    other = KMeans(3, init=[[-1.0], [0.0], [1.0]], n_init=1, tol=0)
    other.fit(VALUES, sample_weight=weights)
    new = np.linspace(-3, 3, 7)[:, None]
    np.testing.assert_allclose(model.transform(new), other.transform(new), rtol=1e-6)
    np.testing.assert_array_equal(
        model.fit_transform(VALUES, sample_weight=weights), model.transform(VALUES)
    )
    assert model.score(new) == pytest.approx(other.score(new))
    weighted = model.score(VALUES, sample_weight=weights)
    assert weighted == pytest.approx(-model.inertia_)


def test_float32_stays_float32():
    model = KMeans1D(3).fit(VALUES.astype("float32"))
    assert model.transform(VALUES.astype("float32")).dtype == np.float32
    assert model.transform(VALUES).dtype == np.float64


def test_iterations_are_counted():
    assert KMeans1D(3).fit(VALUES).n_iter_ == 1  # the optimum is computed
    for max_iter in (1, 2, 300):
        model = KMeans1D(5, init="linear", max_iter=max_iter).fit(VALUES)
        assert 1 <= model.n_iter_ <= max_iter
    assert 2 < model.n_iter_ < 300


def test_a_pipeline_and_a_search_over_the_number_of_clusters():
    pipeline = make_pipeline(StandardScaler(), KMeans1D(2))
    search = GridSearchCV(pipeline, {"kmeans1d__n_clusters": [2, 3, 6]}, cv=3)
    search.fit(VALUES)
    # More clusters are always nearer, and that is what is searched for.
    assert search.best_params_ == {"kmeans1d__n_clusters": 6}
    assert search.best_estimator_.predict(VALUES).max() == 5
    first = make_pipeline(KMeans1D(4), LinearRegression())
    assert first.fit(VALUES, np.abs(VALUES)).score(VALUES, np.abs(VALUES)) > 0.9


def test_a_clone_has_the_parameters_and_nothing_that_was_fitted():
    model = KMeans1D(3, init="random", max_iter=7, random_state=1).fit(VALUES)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "cluster_centers_")
    np.testing.assert_array_equal(copy.fit(VALUES).labels_, model.labels_)


def test_the_names_of_what_comes_out():
    model = KMeans1D(3).fit(VALUES)
    assert list(model.get_feature_names_out()) == [
        "kmeans1d0",
        "kmeans1d1",
        "kmeans1d2",
    ]
    assert not hasattr(model, "feature_names_in_")
    with pytest.raises(NotFittedError):
        KMeans1D(3).get_feature_names_out()


def test_a_column_of_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": VALUES[:, 0], "other": 0.0})
    model = KMeans1D(3).set_output(transform="pandas").fit(frame[["age"]])
    assert list(model.feature_names_in_) == ["age"]
    distances = model.transform(frame[["age"]])
    assert list(distances.columns) == list(model.get_feature_names_out())
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["other"]])
