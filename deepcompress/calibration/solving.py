"""Matrices pruned and shared so that what they make of a few inputs stays near."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController

# Damping of the second moments, in parts of their mean: some hundred inputs say little
# about directions in which they hardly differ.
_LEAST_DAMPING, _MOST_SHRINKAGE = 0.01, 0.9
# Pruning goes in rounds, so that what is pruned later is chosen with the weights that
# those before have moved.
_LEFT_BY_ROUND = 0.55
# Multiplications that a round may cost; beyond, it goes by what all inputs tell.
_MOST_MULTIPLICATIONS = 3e11
# Outputs that tell what pruning a kernel costs.
_MOST_OUTPUTS = 128
# Inputs that are settled together before what they leave over moves the others.
_BLOCK = 64
_N_SWEEPS = 4
_N_ALTERNATIONS = 3
_N_SWEEPS_ALONE = 20
# How strongly centroids are held where they are, in parts of their own moments.
_HELD = 1e-4
# Where no weight is zero, a zero is not free: it takes so many bits to tell of one.
_DENSEST = 0.999

# Takes the scores of all weights, -1 for those that are zero, and how many are to be
# left; returns what is kept.
Choose = Callable[[np.ndarray, int], np.ndarray]
# Takes a kernel, and how much the squared error of each weight counts; returns it with
# few values, and zeros where they were.
Share = Callable[[np.ndarray, np.ndarray], np.ndarray]
Round = Callable[[np.ndarray], np.ndarray]


@dataclass
class Problem:
    """A kernel as matrices, and what is known of their inputs.

    A layer computes `inputs @ kernel` for each of its groups. The distance that is
    kept small is `trace((kernel - target).T @ moments @ (kernel - target))`.

    Attributes:
        kernel: float64 array of shape `(groups, inputs, outputs)`.
        target: What would be best, were nothing pruned or shared; the same shape.
        moments: Damped second moments of the inputs, of shape
            `(groups, inputs, inputs)`, or `(groups, inputs)` where they do not go
            together, as the rows of an embedding.
    """

    kernel: np.ndarray
    target: np.ndarray
    moments: np.ndarray

    @property
    def is_diagonal(self) -> bool:
        """Whether each input is by itself, so that none makes up for another."""
        return self.moments.ndim == 2

    @property
    def diagonal(self) -> np.ndarray:
        """The second moment of every input, of shape `(groups, inputs)`."""
        if self.is_diagonal:
            return self.moments
        return np.diagonal(self.moments, axis1=1, axis2=2)

    def distance(self) -> float:
        """How far what the kernel makes of its inputs is from what it should be."""
        error = self.kernel - self.target
        if self.is_diagonal:
            return float((error**2 * self.moments[..., None]).sum())
        return float(np.vdot(error, self.moments @ error))


def problem(
    kernel: np.ndarray,
    moments: np.ndarray,
    cross: np.ndarray,
    *,
    noise: np.ndarray | float = 0.0,
    damping: np.ndarray | float = _LEAST_DAMPING,
) -> Problem:
    """Returns the problem of a kernel whose inputs have changed.

    Args:
        kernel: Of shape `(groups, inputs, outputs)`.
        moments: Second moments of the inputs as they are now, of shape
            `(groups, inputs, inputs)`.
        cross: Moments of these with the outputs that are wanted, in the kernel's
            shape.
        noise: What the moments of each input are known to, of shape
            `(groups, inputs)`. Defaults to `0.0`.
        damping: What is added to those of each input, in parts of their mean, for each
            group. Defaults to `0.01`.
    """
    diagonal = np.einsum("gii->gi", moments)
    mean = np.maximum(diagonal.mean(1, keepdims=True), 0.0)
    added = np.broadcast_to(damping, len(moments))[:, None] * mean + noise
    added = np.broadcast_to(added, diagonal.shape).copy()
    added[added == 0] = 1.0
    damped = moments.copy()
    np.einsum("gii->gi", damped)[...] = np.maximum(diagonal, 0.0) + added
    target = np.linalg.solve(damped, cross + added[..., None] * kernel)
    return Problem(kernel, target, damped)


def shrinkage(moments: np.ndarray, variance: np.ndarray | float) -> np.ndarray:
    """Returns how much is added to moments, in parts of their mean, for each group.

    Moments of few inputs are further apart than those of many. So much of the mean
    makes the expected squared error least.

    Args:
        moments: Of shape `(groups, inputs, inputs)`.
        variance: Their expected squared error, summed over a group.

    References:
        Ledoit, Wolf 2004, "A well-conditioned estimator for large-dimensional
        covariance matrices", equation 14.
    """
    diagonal = np.einsum("gii->gi", moments)
    n_inputs = diagonal.shape[1]
    apart = sum_of_squares(moments) - n_inputs * diagonal.mean(1) ** 2
    part = np.minimum(variance / np.maximum(apart, 1e-300), _MOST_SHRINKAGE)
    found: np.ndarray = np.maximum(part / (1 - part), _LEAST_DAMPING)
    return found


def sum_of_squares(moments: np.ndarray) -> np.ndarray:
    """Returns the sum of the squares of the moments of each group."""
    found: np.ndarray = np.einsum("gij,gij->g", moments, moments)
    return found


def prune(problem: Problem, n_kept: int, choose: Choose) -> None:
    """Prunes a kernel, and lets the weights that are left make up for it.

    What has been zero stays so.

    Args:
        problem: The kernel, which is replaced.
        n_kept: Weights to leave.
        choose: Tells which weights are kept.

    References:
        Hassibi, Stork 1993, "Second order derivatives for network pruning: optimal
        brain surgeon", equations 5 and 6; Frantar, Alistarh 2022, "Optimal brain
        compression", section 4.
    """
    keep = problem.kernel != 0
    if not keep.any():
        keep[...] = True
    values, n_before = problem.kernel, int(keep.sum())
    n_rounds = 1
    if not problem.is_diagonal and n_kept < n_before:
        n_rounds = math.ceil(math.log(n_kept / n_before, _LEFT_BY_ROUND))
    for i in range(1, n_rounds + 1):
        values, scores = _solved(problem, values, keep)
        n_left = round(n_before * (n_kept / n_before) ** (i / n_rounds))
        keep &= choose(np.where(keep, scores, -1.0), max(n_left, n_kept))
    problem.kernel, _ = _solved(problem, values, keep, is_scored=False)


def losses(problem: Problem, densities: Sequence[float]) -> tuple[list[float], Problem]:
    """Returns the distance of a kernel that is pruned to ever fewer weights.

    Of many outputs some speak for all.

    Args:
        problem: A kernel that is its own target. It is the same afterwards.
        densities: Parts of the weights that are left, descending.

    Returns:
        The distances, and the kernel with these outputs at half of their weights, or
        the next fewer.
    """
    n_outputs = problem.kernel.shape[2]
    most = min(_MOST_OUTPUTS, n_outputs)
    outputs = np.linspace(0, n_outputs - 1, most).round().astype(np.intp)
    part = replace(
        problem,
        kernel=problem.kernel[:, :, outputs],
        target=problem.target[:, :, outputs],
    )
    keep = part.kernel != 0
    n_before = int(keep.sum())
    found: list[float] = []
    half = problem.kernel.copy()
    is_half = False
    values, scores = _solved(part, part.kernel, keep)
    for density in densities:
        n_zeros = keep.size - max(1, round(density * n_before))
        scores = np.where(keep, scores, -1.0)
        keep &= scores > np.partition(scores, n_zeros - 1, axis=None)[n_zeros - 1]
        values, scores = _solved(part, values, keep)
        pruned = replace(part, kernel=values)
        found.append(n_outputs / most * pruned.distance())
        if not is_half and density <= 0.5:
            half[:, :, outputs] = values
            is_half = True
    return found, replace(problem, kernel=half)


def share(
    problem: Problem,
    shared: Share,
    rounded: Round = np.asarray,
    *,
    entropy_weight: float = 0.0,
) -> None:
    """Lets the weights of a kernel share few values.

    Zeros stay zero. Where bits cost something, what does not pay becomes zero too.

    Args:
        problem: The kernel, which is replaced.
        shared: Shares it for a start.
        rounded: Takes centroids, and returns them with few digits. Defaults to a
            function that changes nothing.
        entropy_weight: What a bit of a file costs, in parts of what a single centroid
            would be off, for each weight. Defaults to `0.0`.

    References:
        Frantar et al. 2023, "GPTQ", section 3; Behdin et al. 2023, "QuantEase",
        section 3: coordinate descent. Wiedemann et al. 2020, "DeepCABAC", section
        III: distortion and bits.
    """
    keep = problem.kernel != 0
    weights = np.broadcast_to(problem.diagonal[..., None], keep.shape)
    values = shared(problem.kernel, weights)
    centers = np.unique(values[keep])
    if problem.is_diagonal or len(centers) >= np.count_nonzero(keep):
        problem.kernel = values
        return
    price = entropy_weight * _variance(problem.kernel[keep], weights[keep])
    codes = _settled(problem, keep, centers)
    for _ in range(_N_ALTERNATIONS):
        centers, codes = _best_centers(problem, keep, codes, centers, rounded)
        values = np.where(keep, centers[codes], 0.0)
        choices, prices = _choices(centers, codes, keep, price)
        values = _descended(problem, values, keep, choices, prices)
        if not values.any():  # nothing pays
            break
        keep = values != 0
        codes = _nearest(centers, values)
    centers, codes = _best_centers(problem, keep, codes, centers, rounded)
    problem.kernel = np.where(keep, centers[codes], 0.0)


def _choices(
    centers: np.ndarray, codes: np.ndarray, keep: np.ndarray, price: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values that a weight may take, and what the bits of each cost.

    Where bits have a price, zero is the last of them. Another value costs the bits of
    its place besides, among those of inputs and outputs that have any weights.
    """
    if not price:
        return centers, np.zeros(len(centers))
    n_outputs, n_inputs = (np.count_nonzero(keep.any(at), axis=1) for at in (1, 2))
    n_living = int((n_outputs * n_inputs).sum())
    density = min(np.count_nonzero(keep) / n_living, _DENSEST)
    of_place = math.log2((1 - density) / density)
    bits = of_place + _bits(codes[keep], len(centers))
    return np.append(centers, 0.0), np.append(price * bits, 0.0)


def _variance(values: np.ndarray, weights: np.ndarray) -> float:
    """Returns the weighted squared distance of values from their mean, for each."""
    total = weights.sum() or 1.0
    mean = (weights * values).sum() / total
    return float((weights * (values - mean) ** 2).mean())


def _solved(
    problem: Problem, values: np.ndarray, keep: np.ndarray, *, is_scored: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best weights where they are kept, and what each is worth.

    That is what the distance rises by when it is pruned and all others of its output
    make up for it.
    """
    if problem.is_diagonal:
        values = np.where(keep, problem.target, 0.0)
        return values, values**2 * problem.moments[..., None]
    shares = keep.sum(1)
    is_same = (keep == keep[:, :, :1]).all()
    n_solved = len(keep) if is_same else shares.size
    if n_solved * float(shares.max()) ** 3 > _MOST_MULTIPLICATIONS and not is_same:
        values = np.where(keep, values, 0.0)
        values = _descended(problem, values, keep, n_sweeps=_N_SWEEPS_ALONE)
        inverses = np.linalg.inv(problem.moments)
        return values, values**2 / np.einsum("gii->gi", inverses)[..., None]
    best, scores = np.zeros(keep.shape), np.zeros(keep.shape)
    right = problem.moments @ problem.target
    outputs = [slice(None)] if is_same else range(keep.shape[2])
    # Threads wait for each other longer than such small matrices take.
    with nullcontext() if is_same else _blas().limit(limits=1, user_api="blas"):
        for group, moments in enumerate(problem.moments):
            for output in outputs:
                at = keep[group, :, 0 if is_same else output]
                kept = np.flatnonzero(at)
                if not len(kept):
                    continue
                wanted = right[group, kept, output]
                found, worth = _solution(moments[np.ix_(kept, kept)], wanted, is_scored)
                best[group, kept, output] = found
                if is_scored:
                    scores[group, kept, output] = (found.T**2 / worth).T
    return best, scores


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _solution(
    moments: np.ndarray, right: np.ndarray, is_scored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Solves for weights; returns the diagonal of the inverse too, if it is asked for.

    What is only to tell which weights are worth least is known well enough in single
    precision, which is three times as fast.
    """
    for kind in (np.float32, np.float64) if is_scored else (np.float64,):
        factorize, solve, invert = lapack.get_lapack_funcs(
            ("potrf", "potrs", "trtri"), dtype=kind
        )
        lower, failed = factorize(moments.astype(kind), lower=1, clean=1)
        found, _ = solve(lower, right.astype(kind), lower=1)
        inverse, _ = invert(lower, lower=1) if is_scored else (np.ones((1, 1)), 0)
        diagonal = np.einsum("ij,ij->j", inverse, inverse)
        if not failed and np.isfinite(found).all() and np.isfinite(diagonal).all():
            break
    return found, diagonal


def _settled(problem: Problem, keep: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Returns codes, input by input, the error of each moving those that come after."""
    codes = np.zeros(keep.shape, np.intp)
    for group, diagonal in enumerate(problem.diagonal):
        order = np.argsort(-diagonal, kind="stable")
        moments = problem.moments[group][np.ix_(order, order)]
        # The factor of the inverse, without the inverse, which need not have one.
        lower = np.linalg.cholesky(moments[::-1, ::-1])
        upper = lapack.dtrtri(lower, lower=1)[0][::-1, ::-1]
        left, kept = problem.kernel[group][order], keep[group][order]
        found = np.zeros(left.shape, np.intp)
        for begin in range(0, len(left), _BLOCK):
            end = min(begin + _BLOCK, len(left))
            errors = np.empty((end - begin, left.shape[1]))
            for i in range(begin, end):
                found[i] = _nearest(centers, left[i])
                value = np.where(kept[i], centers[found[i]], 0.0)
                errors[i - begin] = (left[i] - value) / upper[i, i]
                left[i:end] -= np.outer(upper[i, i:end], errors[i - begin])
            left[end:] -= upper[begin:end, end:].T @ errors
        codes[group, order] = found
    return codes


def _descended(
    problem: Problem,
    values: np.ndarray,
    keep: np.ndarray,
    centers: np.ndarray | None = None,
    prices: np.ndarray | None = None,
    *,
    n_sweeps: int = _N_SWEEPS,
) -> np.ndarray:
    """Returns weights of which hardly a single one can be bettered by itself."""
    values = values.copy()
    for own, target, moments, kept in zip(
        values, problem.target, problem.moments, keep, strict=True
    ):
        gradient = moments @ (own - target)
        for _ in range(n_sweeps):
            before_all = own.copy()
            for begin in range(0, len(own), _BLOCK):
                end = min(begin + _BLOCK, len(own))
                before = own[begin:end].copy()
                local = gradient[begin:end]
                for i in range(begin, end):
                    best = own[i] - local[i - begin] / moments[i, i]
                    if centers is not None and prices is not None:
                        cost = (best - centers[:, None]) ** 2 * moments[i, i]
                        best = centers[np.argmin(cost + prices[:, None], axis=0)]
                    moved = np.where(kept[i], best - own[i], 0.0)
                    if moved.any():
                        local += np.outer(moments[begin:end, i], moved)
                        own[i] += moved
                moved = own[begin:end] - before
                gradient[:begin] += moments[:begin, begin:end] @ moved
                gradient[end:] += moments[end:, begin:end] @ moved
            if np.allclose(own, before_all, rtol=1e-4, atol=1e-12):
                break
    return values


def _bits(codes: np.ndarray, k: int) -> np.ndarray:
    """Returns how many bits each of `k` codes takes in a file."""
    counts = np.maximum(np.bincount(codes, minlength=k), 0.5)
    bits: np.ndarray = -np.log2(counts / len(codes))
    return bits


def _best_centers(
    problem: Problem,
    keep: np.ndarray,
    codes: np.ndarray,
    centers: np.ndarray,
    rounded: Round,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the centroids that bring a kernel nearest to its target, and its codes.

    They come in ascending order.
    """
    k = len(centers)
    normal, right = np.zeros((k, k)), np.zeros(k)
    for moments, target, kept, own in zip(
        problem.moments, problem.target, keep, codes, strict=True
    ):
        wanted = moments @ target
        for code in range(k):
            members = kept & (own == code)
            right[code] += wanted[members].sum()
            seen = moments @ members.astype(np.float64)
            normal[code] += np.bincount(own[kept], seen[kept], minlength=k)
    used = np.flatnonzero(normal.diagonal() > 0)
    normal = normal[np.ix_(used, used)]
    # Those that the inputs hardly tell apart stay where they are.
    held = _HELD * normal.diagonal()
    normal[np.diag_indices(len(used))] += held
    found = rounded(np.linalg.solve(normal, right[used] + held * centers[used]))
    centers, merged = np.unique(found, return_inverse=True)
    ranks = np.zeros(k, np.intp)
    ranks[used] = merged
    return centers, ranks[codes]


def _nearest(centers: np.ndarray, values: np.ndarray) -> Any:
    return np.searchsorted((centers[1:] + centers[:-1]) / 2, values)
