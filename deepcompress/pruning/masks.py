"""Which weights go when so many are to be pruned: single ones, N of M, or filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from deepcompress.network.variables import NamedVariable

Structure = tuple[int, int] | Literal["channel"] | None


def check_structure(structure: Structure) -> Structure:
    """Returns a structure that can be pruned to.

    Args:
        structure: `None`, `"channel"`, or a pair `(n, m)` with 0 < n < m.

    Raises:
        ValueError: It is none of these.
    """
    if structure is None or structure == "channel":
        return structure
    if (
        isinstance(structure, tuple | list)
        and len(structure) == 2
        and all(isinstance(number, int) for number in structure)
        and 0 < structure[0] < structure[1]
    ):
        return structure[0], structure[1]
    raise ValueError(
        "`structure` must be None, 'channel', or a pair (n, m) that keeps n of every m "
        f"weights, such as (2, 4). Received: structure={structure!r}"
    )


@dataclass(frozen=True)
class Tensor:
    """A tensor in the competition for what is kept.

    Attributes:
        named: The variable.
        scores: The score of each weight, in the variable's shape: not negative, but -1
            where a weight is zero already, which goes before all others.
    """

    named: NamedVariable
    scores: np.ndarray


def masks(
    tensors: Sequence[Tensor], n_zeros: int, structure: Structure
) -> list[np.ndarray]:
    """Returns what to keep of each tensor when so many weights together go.

    Args:
        tensors: The tensors that compete.
        n_zeros: Weights to prune; at most those that the structure allows.
        structure: `None` prunes the weights with the lowest scores. `(n, m)` keeps
            the n best of every m neighbours along the input axis. `"channel"` prunes
            whole filters, as many as come nearest to `n_zeros`; what is zero in the
            others counts.

    Raises:
        ValueError: The structure does not fit a tensor, or allows fewer zeros.
    """
    if structure == "channel":
        return _filter_masks(tensors, n_zeros)
    scores = [tensor.scores for tensor in tensors]
    if structure is not None:
        scores = [_with_protected(tensor, *structure) for tensor in tensors]
        n_free = sum(int(np.isfinite(each).sum()) for each in scores)
        n, m = structure
        if n_zeros > n_free:
            raise ValueError(
                f"Keeping {n} of every {m} weights allows a sparsity of {1 - n / m:g}, "
                "not more. Lower the sparsity of the schedule."
            )
        if n_zeros >= sum(each.size // m * (m - n) for each in scores):
            # With more zeros in some groups, all others have to come to n too.
            n_zeros = n_free
    if n_zeros == 0:
        return [np.ones(each.shape, bool) for each in scores]
    flat = np.concatenate([each.ravel() for each in scores])
    flat.partition(n_zeros - 1)
    threshold = flat[n_zeros - 1]
    # Of weights that score the same as the last to go, the first ones go.
    n_ties = n_zeros - int(np.count_nonzero(flat[:n_zeros] < threshold))
    del flat
    kept = []
    for each in scores:
        keep = np.greater(each, threshold, order="C")
        ties = np.flatnonzero(each == threshold)
        keep.reshape(-1)[ties[n_ties:]] = True
        n_ties = max(0, n_ties - len(ties))
        kept.append(keep)
    return kept


def _with_protected(tensor: Tensor, n: int, m: int) -> np.ndarray:
    """Returns the scores with infinity for the n best of every m, but for zeros."""
    axis = tensor.named.input_axis
    n_inputs = tensor.scores.shape[axis]
    if n_inputs % m:
        raise ValueError(
            f"{tensor.named.name!r} has {n_inputs} inputs, which groups of {m} do not "
            "divide. Leave the layer out with `layers`."
        )
    scores = np.moveaxis(tensor.scores.astype(np.float64), axis, -1)
    groups = scores.reshape(*scores.shape[:-1], n_inputs // m, m)
    best = np.argsort(groups, axis=-1, kind="stable")[..., m - n :]
    is_zero = groups < 0
    np.put_along_axis(groups, best, np.inf, axis=-1)
    groups[is_zero] = -1
    return np.moveaxis(groups.reshape(scores.shape), -1, axis)


def _filter_masks(tensors: Sequence[Tensor], n_zeros: int) -> list[np.ndarray]:
    """Returns masks that prune the filters whose weights score lowest on average."""
    means, counts = [], []
    for tensor in tensors:
        axes = tensor.named.output_axes
        others = tuple(
            axis
            for axis in range(tensor.scores.ndim)
            if axis - tensor.scores.ndim not in axes
        )
        scores = np.maximum(tensor.scores, 0).astype(np.float64)
        means.append(scores.mean(axis=others, keepdims=True))
        counts.append(np.count_nonzero(tensor.scores >= 0, axis=others).ravel())
    n_left = np.concatenate(counts)
    # Of filters that score the same, those that are zero already go first.
    order = np.lexsort((n_left > 0, np.concatenate([m.ravel() for m in means])))
    n_left = n_left[order]
    n_zeros -= sum(tensor.scores.size for tensor in tensors) - int(n_left.sum())
    # Half a filter more or less: the number of zeros that comes nearest.
    pruned = np.cumsum(n_left) - n_left / 2 < n_zeros
    keep = np.ones(len(order), bool)
    keep[order[pruned]] = False
    bounds = np.cumsum([mean.size for mean in means])[:-1]
    return [
        part.reshape(mean.shape) & (tensor.scores >= 0)
        for part, mean, tensor in zip(
            np.split(keep, bounds), means, tensors, strict=True
        )
    ]
