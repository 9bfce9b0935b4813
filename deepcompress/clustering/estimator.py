"""`kmeans1d` behind the conventions of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from deepcompress.clustering.kmeans import kmeans1d
from deepcompress.clustering.labels import assign_labels

__all__ = ["KMeans1D"]


class KMeans1D(ClusterMixin, BaseEstimator):
    """k-means of one feature as a scikit-learn estimator.

    The same clustering as `kmeans1d`, by default the exact optimum, with the
    parameters and attributes of `sklearn.cluster.KMeans` where they apply.

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
    the sum of the (weighted) squared distances as a float, `n_features_in_` is 1.

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
        centers, labels, inertia = kmeans1d(
            column,
            self.n_clusters,
            init=init,
            sample_weight=sample_weight,
            max_iter=self.max_iter,
            n_threads=self.n_threads,
            seed=seed,
        )
        self.cluster_centers_ = centers.reshape(-1, 1)
        self.labels_ = labels.astype(np.int32)
        self.inertia_ = inertia
        return self

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

    def _column(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:  # noqa: N803
        array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        if array.shape[1] != 1:
            raise ValueError(
                "`X` must be one column, for example `X[:, [0]]`. "
                f"Received: X.shape={array.shape}"
            )
        return np.require(array[:, 0], requirements=("C", "A"))
