"""A tensor's weights as few clusters."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from deepcompress.clustering.entropy import entropy_kmeans1d
from deepcompress.clustering.kmeans import kmeans1d
from deepcompress.clustering.rounding import least_normal, round_mantissa
from deepcompress.dcz.coding.codebook import shared_values

Init = Literal["linear", "density", "random", "kmeans++", "optimal"]

# A weight that has had no gradient counts for this part of the mean.
_LEAST_CURVATURE = 1e-3


@dataclass
class Clusters:
    """A tensor's surviving weights, each with its centroid.

    Attributes:
        shape: The shape of the tensor.
        positions: int32 array of shape `(n,)`: the survivors in the flattened tensor;
            `None` where no weight is zero.
        codes: int32 array of shape `(n,)`: the cluster of each.
        centers: Array of shape `(k,)`, ascending: the centroids.
    """

    shape: tuple[int, ...]
    positions: np.ndarray | None
    codes: np.ndarray
    centers: np.ndarray

    @property
    def size(self) -> int:
        """The number of weights, zeros included."""
        return int(np.prod(self.shape))

    @property
    def is_shared(self) -> bool:
        """Whether two weights have one value that is not zero."""
        return len(self.codes) > len(self.centers)

    def values(self) -> np.ndarray:
        """Returns the tensor with every weight at its centroid."""
        return scatter(self.centers[self.codes], self.positions, self.shape)


def cluster(
    value: np.ndarray,
    n_codes: int,
    *,
    init: Init = "linear",
    seed: int | None = 0,
    entropy_weight: float = 0.0,
    curvature: np.ndarray | None = None,
    mantissa_bits: int | None = None,
) -> Clusters:
    """Clusters the weights of a tensor that are not zero.

    Args:
        value: A finite tensor.
        n_codes: The most distinct values, zero included.
        init: Where k-means starts. Defaults to `"linear"`.
        seed: Seed of `"random"` and `"kmeans++"`. Defaults to `0`.
        entropy_weight: What a bit of a code costs, as in `entropy_kmeans1d`. Defaults
            to `0.0`.
        curvature: How much the squared error of each weight counts, in the shape of
            the tensor and not negative. Defaults to `None`: all the same.
        mantissa_bits: Binary digits of the centroids behind the leading one. Defaults
            to `None`: all that the dtype has.

    Example:

    >>> import numpy as np
    >>> cluster(np.array([0.0, 1.0, 1.2, 0.0, 3.0, 3.1]), n_codes=3).values()
    array([0.  , 1.1 , 1.1 , 0.  , 3.05, 3.05])
    """
    positions = np.flatnonzero(value)
    survivors = value.ravel()[positions]
    n_centers = n_codes - (len(positions) < value.size)
    few = shared_values(survivors.view(f"u{value.itemsize}"), n_centers)
    is_shared = few is not None and len(few.codebook) < len(survivors)
    if few is not None and (is_shared or not entropy_weight or not len(survivors)):
        centers, codes = few.codebook.view(value.dtype), few.codes
    else:
        exact = np.float64 if value.dtype.itemsize == 8 else np.float32
        numbers = survivors.astype(exact)
        weight = None if curvature is None else _weights(curvature.ravel()[positions])
        if entropy_weight:
            result = entropy_kmeans1d(
                numbers,
                n_centers,
                entropy_weight,
                init=init,
                sample_weight=weight,
                seed=seed,
            )
        else:
            result = kmeans1d(
                numbers, n_centers, init=init, sample_weight=weight, seed=seed
            )
        centers, codes = result.centers.astype(value.dtype), result.labels
        # Between weights of both signs; what has survived stays so.
        centers[centers == 0] = least_normal(value.dtype)
    if mantissa_bits is not None:
        centers = round_mantissa(centers, mantissa_bits)
    # Few digits can make two centroids one.
    centers, merged = np.unique(centers, return_inverse=True)
    return Clusters(
        shape=value.shape,
        positions=None if len(positions) == value.size else positions.astype("int32"),
        codes=merged[codes].astype("int32"),
        centers=centers,
    )


def scatter(
    values: np.ndarray, positions: np.ndarray | None, shape: tuple[int, ...]
) -> np.ndarray:
    """Returns values at flat positions of a tensor, everywhere if `None`, else 0."""
    flat = values
    if positions is not None:
        flat = np.zeros(int(np.prod(shape)), values.dtype)
        flat[positions] = values
    return flat.reshape(shape)


def _weights(curvature: np.ndarray) -> np.ndarray:
    """Returns positive weights in proportion to the curvature, 1 in the mean."""
    mean = curvature.mean(dtype=np.float64)
    if not mean:
        return np.ones(curvature.shape)
    weights: np.ndarray = curvature / mean + _LEAST_CURVATURE
    return weights
