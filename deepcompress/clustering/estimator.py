"""`kmeans1d` behind the conventions of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from deepcompress.clustering.kmeans import Sizes, find_and_count
from deepcompress.clustering.labels import assign_labels

__all__ = ["KMeans1D"]


class KMeans1D(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """k-means of one feature as a scikit-learn estimator.

    The same clustering as `kmeans1d`, by default the exact optimum, with the
    parameters, methods and attributes of `sklearn.cluster.KMeans` where they apply: it
    works in a `Pipeline` and a `GridSearchCV`, and on a column of a data frame.

    Args:
        n_clusters: The number of clusters, at most that of distinct values.
            Defaults to `8`.
        init: `"optimal"`, or where Lloyd's iteration starts: `"linear"`,
            `"density"`, `"random"`, `"kmeans++"`, or an array of `n_clusters`
            starting centers. Defaults to `"optimal"`.
        max_iter: The most iterations of Lloyd. Defaults to `300`.
        n_threads: Threads that label the values; `None` for one a processor.
            Defaults to `None`.
        random_state: For `"random"` and `"kmeans++"`: an int, a
            `numpy.random.RandomState`, or `None` for NumPy's global one. Defaults
            to `None`.

    Once fitted, `cluster_centers_` is an ascending array of shape
    `(n_clusters, 1)`, `labels_` an int32 array of shape `(n_samples,)`, `inertia_`
    the sum of the (weighted) squared distances as a float, `n_iter_` the number of
    Lloyd's iterations, 1 for the optimum, `n_features_in_` is 1, and
    `feature_names_in_` the name of the column if it has one.

    References:
        - Grønlund et al., "Fast Exact k-Means, k-Medians and Bregman Divergence
          Clustering in 1D", arXiv 1701.07204, 2017.

    Example:

    >>> import numpy as np
    >>> from deepcompress import KMeans1D
    >>> X = np.array([[1.0], [9.5], [1.5], [2.0], [8.5]])
    >>> model = KMeans1D(n_clusters=2).fit(X)
    >>> model.cluster_centers_
    array([[1.5],
           [9. ]])
    >>> model.predict([[0.0], [7.0]])
    array([0, 1], dtype=int32)
    >>> model.transform([[0.0], [7.0]])
    array([[1.5, 9. ],
           [5.5, 2. ]])
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | ArrayLike = "optimal",
        max_iter: int = 300,
        n_threads: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> KMeans1D:
        """Clusters one column of numbers.

        Args:
            X: Real numbers of shape `(n_samples, 1)`.
            y: Not used; present because scikit-learn passes it. Defaults to `None`.
            sample_weight: Weights of shape `(n_samples,)`, not negative. Defaults to
                `None`, all 1.

        Returns:
            The estimator itself.

        Raises:
            TypeError: If a parameter is of the wrong type.
            ValueError: If `X` is not one column of finite numbers, has fewer distinct
                values than `n_clusters`, or a parameter is out of range.
        """
        column = self._column(X, reset=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, column)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        init = self.init
        if not isinstance(init, str):
            init = np.asarray(init).reshape(-1)
        (centers, labels, inertia), n_iter = find_and_count(
            column,
            self.n_clusters,
            Sizes(),
            init=init,
            sample_weight=sample_weight,
            max_iter=self.max_iter,
            n_threads=self.n_threads,
            seed=seed,
        )
        self.cluster_centers_ = centers.reshape(-1, 1)
        self.labels_ = labels.astype(np.int32)
        self.inertia_ = inertia
        self.n_iter_ = n_iter
        self._n_features_out = len(centers)
        return self

    def fit_transform(
        self,
        X: ArrayLike,  # noqa: N803
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """Clusters one column of numbers, and returns their distances to the centers.

        Args:
            X: Real numbers of shape `(n_samples, 1)`.
            y: Not used; present because scikit-learn passes it. Defaults to `None`.
            sample_weight: As in `fit`. Defaults to `None`.

        Returns:
            The distances, an array of shape `(n_samples, n_clusters)`.

        Raises:
            TypeError: As in `fit`.
            ValueError: As in `fit`.
        """
        distances: NDArray[Any] = self.fit(X, y, sample_weight).transform(X)
        return distances

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:  # noqa: N803
        """Labels numbers with their nearest centers.

        Args:
            X: Real numbers of shape `(n_samples, 1)`.

        Returns:
            The labels, an int32 array of shape `(n_samples,)`.

        Raises:
            NotFittedError: If `fit` has not been called.
            ValueError: If `X` is not one column of finite numbers.
        """
        check_is_fitted(self)
        column = self._column(X, reset=False)
        labels = assign_labels(column, self.cluster_centers_.ravel(), self.n_threads)
        result: NDArray[np.int32] = labels.astype(np.int32)
        return result

    def transform(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Returns the distance of numbers to each center.

        Args:
            X: Real numbers of shape `(n_samples, 1)`.

        Returns:
            The distances, an array of shape `(n_samples, n_clusters)`.

        Raises:
            NotFittedError: If `fit` has not been called.
            ValueError: If `X` is not one column of finite numbers.
        """
        check_is_fitted(self)
        column = self._column(X, reset=False)
        distances = np.abs(column[:, np.newaxis] - self.cluster_centers_.ravel())
        return np.asarray(distances.astype(column.dtype, copy=False))

    def score(
        self,
        X: ArrayLike,  # noqa: N803
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Returns how well the centers stand for numbers: more is better.

        Args:
            X: Real numbers of shape `(n_samples, 1)`.
            y: Not used; present because scikit-learn passes it. Defaults to `None`.
            sample_weight: Weights of shape `(n_samples,)`. Defaults to `None`, all 1.

        Returns:
            The sum of the (weighted) squared distances to the nearest centers,
            negative.

        Raises:
            NotFittedError: If `fit` has not been called.
            ValueError: If `X` is not one column of finite numbers, or the weights do
                not fit it.
        """
        check_is_fitted(self)
        column = self._column(X, reset=False)
        weights = _check_sample_weight(sample_weight, column, dtype=np.float64)
        centers = self.cluster_centers_.ravel()
        nearest = centers[assign_labels(column, centers, self.n_threads)]
        squares = np.square(column.astype(np.float64) - nearest)
        return -float(weights @ squares)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _column(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:  # noqa: N803
        array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        if array.shape[1] != 1:
            raise ValueError(
                "`X` must be one column, for example `X[:, [0]]`. "
                f"Received: X.shape={array.shape}"
            )
        return np.require(array[:, 0], requirements=("C", "A"))
