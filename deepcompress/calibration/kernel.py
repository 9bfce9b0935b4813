"""A kernel that can be changed, with what is known of its inputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepcompress.calibration import solving
from deepcompress.calibration.matrices import Form, Layout
from deepcompress.calibration.solving import (
    Choose,
    Problem,
    Round,
    Share,
    problem,
    shrinkage,
    sum_of_squares,
)

# A word counts for this part of the mean at least.
_LEAST_COUNT = 0.01
# Words that are looked up need all of their elements, and not only those that tell the
# next word: this part of the mean moment is added to each.
_TIED = 1.0
# Inputs are float32, and sums of their products known to so large a part.
_PRECISION = 1e-5


@dataclass
class Sums:
    """Sums over the rows that a kernel or a normalization has seen.

    Attributes:
        n_parts: Parts of the rows that are given together. How much these differ tells
            what all of them are worth. Defaults to `1`.
    """

    n_parts: int = 1
    n: int = 0
    mean: Any = 0.0
    moments: Any = 0.0
    cross: Any = 0.0
    wanted_mean: Any = 0.0
    outputs: list[np.ndarray] = field(default_factory=list)
    variance: Any = 0.0
    _shift: Any = None
    _shift_of_outputs: Any = 0.0
    _n_seen_parts: int = 0
    _parts: Any = 0.0

    def add(self, rows: np.ndarray, made: np.ndarray | None) -> None:
        """Adds rows, in single precision about a mean of theirs.

        Of inputs that hardly vary nothing would be left of their variance otherwise.

        Args:
            rows: Of shape `(rows, groups, inputs)`.
            made: What is wanted of them, of shape `(rows, groups, outputs)`, or `None`.
        """
        if self._shift is None:
            self._shift = rows.mean(0)
            self._shift_of_outputs = 0.0 if made is None else made.mean(0)
        rows = rows - self._shift
        self.n += len(rows)
        self.mean = self.mean + rows.sum(0, dtype=np.float64)
        by_group = np.ascontiguousarray(rows.transpose(1, 2, 0))
        for part in np.array_split(by_group, min(self.n_parts, len(rows)), axis=2):
            squares = (part @ part.transpose(0, 2, 1)).astype(np.float64)
            self.moments = self.moments + squares
            self._parts = self._parts + sum_of_squares(squares)
            self._n_seen_parts += 1
        if made is not None:
            made = (made - self._shift_of_outputs).transpose(1, 0, 2)
            self.cross = self.cross + (by_group @ made).astype(np.float64)

    def end(self) -> None:
        """Makes the sums such as they are about zero."""
        if self._shift is None:
            return
        self.variance = self._variance()
        shift = self._shift.astype(np.float64)
        if np.ndim(self.cross):
            outputs = np.asarray(self._shift_of_outputs, np.float64)
            of_outputs = self.wanted_mean.reshape(outputs.shape)
            self.cross = (
                self.cross
                + shift[..., None] * of_outputs[:, None, :]
                + self.mean[..., None] * outputs[:, None, :]
            )
        about = self.mean[..., None] * shift[:, None, :]
        squared = self.n * shift[..., None] * shift[:, None, :]
        self.moments = self.moments + about + about.transpose(0, 2, 1) + squared
        self.mean = self.mean + self.n * shift

    def _variance(self) -> np.ndarray:
        """Returns the squared error of the mean moments of each group."""
        n = self._n_seen_parts
        if n < 2:
            return np.zeros(len(self.moments))
        apart = self._parts - sum_of_squares(self.moments) / n
        found: np.ndarray = np.maximum(apart, 0.0) * n / (n - 1) / self.n**2
        return found


class Kernel:
    """A kernel that can be changed, with what is known of its inputs.

    Args:
        value: The kernel.
        layout: How it is a stack of matrices.
        problem: The matrices.
    """

    def __init__(self, value: np.ndarray, layout: Layout, problem: Problem) -> None:
        self._value = value
        self._layout = layout
        self._problem = problem

    @property
    def value(self) -> np.ndarray:
        """The kernel, in its own shape and dtype."""
        return self._own(self._problem.kernel).astype(self._value.dtype)

    def prune(self, n_kept: int, choose: Choose) -> None:
        """Prunes it, and lets the weights that are left make up for it.

        Args:
            n_kept: Weights to leave.
            choose: Takes scores in the kernel's shape, -1 where a weight is zero, and
                how many weights are to be left; returns what is kept.
        """
        solving.prune(
            self._problem,
            n_kept,
            lambda scores, n_left: self._stacked(choose(self._own(scores), n_left)),
        )

    def share(
        self, shared: Share, rounded: Round, *, entropy_weight: float = 0.0
    ) -> None:
        """Lets its weights share few values.

        Args:
            shared: Takes the kernel, and how much the squared error of each weight
                counts; returns it with few values for a start.
            rounded: Takes centroids, and returns them with few digits.
            entropy_weight: What a bit of a code costs. Defaults to `0.0`.
        """
        dtype = self._value.dtype

        def start(kernel: np.ndarray, weights: np.ndarray) -> np.ndarray:
            values = shared(self._own(kernel).astype(dtype), self._own(weights))
            return self._stacked(values).astype(np.float64)

        solving.share(
            self._problem,
            start,
            lambda centers: rounded(centers.astype(dtype)),
            entropy_weight=entropy_weight,
        )

    def _own(self, matrices: np.ndarray) -> np.ndarray:
        return self._layout.kernel(matrices).reshape(self._value.shape)

    def _stacked(self, kernel: np.ndarray) -> np.ndarray:
        return self._layout.matrices(kernel)


def problem_of(form: Form, kernel: np.ndarray, sums: Sums) -> Problem:
    """Returns the problem of a kernel, given what it has seen."""
    if form.is_lookup:
        return Problem(kernel, kernel, _expected(sums.moments)[None])
    moments, mean = sums.moments / sums.n, sums.mean / sums.n
    if not (np.isfinite(moments).all() and np.isfinite(sums.cross).all()):
        raise ValueError(
            f"What {form.variable.path!r} is given, or makes of it, is NaN, infinite, "
            "or too large to be squared. Did the training diverge?"
        )
    noise = _PRECISION * np.einsum("gii->gi", moments)
    if form.bias is not None:  # which makes up for what all rows have in common
        moments = moments - mean[:, :, None] * mean[:, None, :]
    damping = shrinkage(moments, sums.variance) + _TIED * form.is_tied
    if np.ndim(sums.cross) == 0:
        return problem(kernel, moments, moments @ kernel, noise=noise, damping=damping)
    cross = sums.cross / sums.n
    if form.bias is not None:
        cross = cross - mean[:, :, None] * (sums.wanted_mean / sums.n)[:, None, :]
    return problem(kernel, moments, cross, noise=noise, damping=damping)


def _expected(counts: np.ndarray) -> np.ndarray:
    """Returns how often words are expected in as many inputs more.

    Those that do not occur take the place of those that occur once.

    References:
        Good 1953, "The population frequencies of species and the estimation of
        population parameters", equation 9.
    """
    never = counts == 0
    once = float(np.sum(counts == 1) / max(1, never.sum()))
    expected = np.where(never, min(once, 1.0), counts)
    found: np.ndarray = np.maximum(expected, _LEAST_COUNT * expected.mean())
    return found
