"""The sharing of a tensor of very many weights, such as an embedding.

A pass over such a tensor may take longer than all the rest of a step. What an optimizer
adds to it is led to the centroids, which takes one pass to add up and one to write the
weights; where few rows have a gradient, as those of an embedding on TensorFlow, only
these are added up. Whatever else is written is tied by the constraint, as ever.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

from deepcompress.clustering.clusters import Clusters, scatter
from deepcompress.network import internals
from deepcompress.network.moments import stepping
from deepcompress.network.ties import Gradient, Tie, TieSet, means

# More weights than these are no longer summed up in float32 but with an error.
_MANY = 1 << 16
_ZERO_CODES = 8
# Where fewer than a quarter survive, their positions are less to go through.
_MOST_ZEROS = 4


def is_table(clusters: Clusters) -> bool:
    """Whether a tensor has so many weights that a `TableTie` is better for it."""
    n_members = len(clusters.codes)
    return n_members > _MANY and _MOST_ZEROS * n_members >= clusters.size


class TableTie(Tie):
    """Keeps the weights of a cluster equal, in a tensor of very many.

    It adds up changes, or how far the members are from one of them: sums of a hundred
    thousand weights drift by a thousandth in each step. Zeros have the last codes,
    which do not move; several, as sums of one code wait for each other.

    Args:
        ties: Makes the variables that the tie reads in the step.
        variable: The tensor.
        clusters: The clusters of the tensor.
        gradient: What moves a centroid: `"mean"` or `"sum"`.
        inner: The user's own constraint, or `None`.
    """

    def __init__(
        self,
        ties: TieSet,
        variable: Any,
        clusters: Clusters,
        gradient: Gradient,
        inner: Any | None,
    ) -> None:
        super().__init__(inner)
        self.n_centers = n_centers = len(clusters.centers)
        codes = np.full(clusters.size, -1, "int32")
        codes[... if clusters.positions is None else clusters.positions] = (
            clusters.codes
        )
        zeros = np.flatnonzero(codes < 0)
        codes[zeros] = n_centers + np.arange(len(zeros)) % _ZERO_CODES
        self.n_codes = n_centers + min(len(zeros), _ZERO_CODES)
        counts = np.bincount(codes, minlength=self.n_codes)
        firsts = np.zeros(self.n_codes, "int32")
        firsts[codes[::-1]] = np.arange(clusters.size)[::-1]
        divisors = counts if gradient == "mean" else np.ones_like(counts)
        divisors[n_centers:] = 0
        self.firsts = ties.state(firsts)
        self.divisors = ties.state(divisors.astype("float32"))
        self.codes = ties.state(
            codes.reshape(clusters.shape).astype(_code_dtype(self.n_codes)), variable
        )
        self.centers = None
        if gradient == "sum":
            self.centers = ties.state(clusters.values().ravel()[firsts])
        self._add = _compiled(self._added)
        self._spread = _into_one_place() if _is_torch() else _compiled(_spread)

    def impose(self, w: Any) -> Any:
        """Returns the weights with one value a cluster."""
        w = ops.stop_gradient(w)
        before = _made(self._before(w))
        behind = self._spread(before, self.codes.value)
        behind -= ops.cast(w, before.dtype)  # in place, on PyTorch
        sums = self._add(behind, self.codes.value)
        return self._moved(w.dtype, before, -sums)

    def move(self, w: Any, changes: Any, rows: Any | None = None) -> Any:
        """Returns tied weights after a change, tied again.

        Args:
            w: The weights, with one value a cluster.
            changes: What is to be added to them.
            rows: The rows that it is to be added to, one perhaps several times;
                `None` for all.
        """
        before, codes = self._before(w), self.codes.value
        changes = ops.cast(changes, before.dtype)
        if rows is None:
            sums = self._add(changes, codes)
        else:
            # Not by XLA, which would compile anew for each number of rows.
            sums = self._added(changes, ops.take(codes, rows, axis=0))
        return self._moved(w.dtype, before, sums)

    def project(self, w: np.ndarray) -> np.ndarray:
        """Returns the weights with every member at the mean of its cluster."""
        codes, flat, positions = self.codes.numpy().ravel(), w.ravel(), None
        if self.n_codes > self.n_centers:
            positions = np.flatnonzero(codes < self.n_centers)
            codes, flat = codes[positions], flat[positions]
        return scatter(means(flat, codes, self.n_centers)[codes], positions, w.shape)

    def _before(self, w: Any) -> Any:
        """Returns the value that each code had, 0 for those of zeros."""
        dtype = keras.backend.standardize_dtype(w.dtype)
        exact = "float64" if dtype == "float64" else "float32"
        if self.centers is not None:
            return ops.cast(self.centers.value, exact)
        firsts = ops.take(ops.reshape(w, (-1,)), self.firsts.value)
        firsts = ops.stop_gradient(firsts)
        return ops.where(self.divisors.value > 0, ops.cast(firsts, exact), 0)

    def _moved(self, dtype: Any, before: Any, sums: Any) -> Any:
        """Returns the weights after changes, which are given summed up by code."""
        divisors = ops.cast(self.divisors.value, before.dtype)
        centers = _made(before + ops.divide_no_nan(sums, divisors))
        if self.centers is not None:
            self.centers.assign(centers)
        return self._spread(ops.cast(centers, dtype), self.codes.value)

    def _added(self, changes: Any, codes: Any) -> Any:
        return _sums(changes, codes, self.n_codes)


def lead_updates(
    ties: TieSet, model: keras.Model, tied: Sequence[tuple[Any, Tie]]
) -> None:
    """Leads what the optimizers of a model add to tables to their ties.

    Args:
        ties: Holds what is replaced.
        model: A compiled model.
        tied: Variables and their ties.
    """
    tables = [
        (variable, tie)
        for variable, tie in tied
        # A constraint of the user's own has to see what it constrains.
        if isinstance(tie, TableTie) and tie.inner is None
    ]
    # A replica updates its copy of a variable, not the variable. And JAX, which has no
    # sparse gradients, makes more of one constraint than of sums within the update.
    is_led = internals.num_replicas(model) == 1 and not internals.is_jax()
    if tables and is_led:
        for optimizer in stepping(model):
            _lead(ties, optimizer, tables)


def _lead(ties: TieSet, optimizer: Any, tables: list[tuple[Any, TableTie]]) -> None:
    apply = optimizer.apply
    loose: set[int] = set()  # the ties of what this `apply` has written otherwise

    def apply_and_lead(grads: Any, trainable_variables: Any = None) -> None:
        loose.clear()
        loose.update(id(tie) for _, tie in tables if not _keeps(optimizer, tie))
        try:
            apply(grads, trainable_variables)
        finally:
            for variable, tie in tables:
                variable.constraint = tie

    def leading(write: Callable[..., None], sign: int) -> Callable[..., None]:
        def write_or_lead(target: Any, value: Any) -> None:
            for variable, tie in tables:
                if target is not variable and target is not variable.value:
                    continue
                if sign and id(tie) not in loose:
                    # Only TensorFlow has it; to ask for the type would import it.
                    is_sparse = type(value).__name__ == "IndexedSlices"
                    changes = sign * (value.values if is_sparse else value)
                    rows = value.indices if is_sparse else None
                    variable.assign(tie.move(variable.value, changes, rows))
                    variable.constraint = None  # nothing to impose in this `apply`
                    return
                loose.add(id(tie))
                variable.constraint = tie
            write(target, value)

        return write_or_lead

    for name, sign in (("assign", 0), ("assign_add", 1), ("assign_sub", -1)):
        ties.replace(optimizer, name, leading(getattr(optimizer, name), sign))
    ties.replace(optimizer, "apply", apply_and_lead)


def _keeps(optimizer: Any, tie: TableTie) -> bool:
    """Whether weights stay tied in all that an optimizer does beside its update.

    What a class of the user's own does is not known, and averages go back to weights
    from before the tie. A decay leaves equal weights equal, but not a sum what it was.
    """
    is_of_keras = type(optimizer).__module__.split(".")[0] == "keras"
    has_decay = optimizer.weight_decay is not None
    return (
        is_of_keras
        and not optimizer.use_ema
        and not (has_decay and tie.centers is not None)
    )


def _is_torch() -> bool:
    return bool(keras.backend.backend() == "torch")


def _code_dtype(n_codes: int) -> Any:
    """Returns the smallest type of codes that the backend takes as indices."""
    return np.dtype("int32") if _is_torch() else np.min_scalar_type(n_codes - 1)


# The functions of `keras.ops` look for negative indices first, one pass or two more.


def _spread(values: Any, codes: Any) -> Any:
    """Returns the value of each code."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415  (where it is the backend)

        return tf.gather(values, tf.cast(codes, "int32"))
    return values.at[codes].get(mode="promise_in_bounds")


def _into_one_place() -> Callable[..., Any]:
    """Returns `_spread` for PyTorch, which takes longer to get memory than to fill it.

    What is returned holds until the next call.
    """
    places: dict[Any, Any] = {}

    def spread(values: Any, codes: Any) -> Any:
        import torch  # noqa: PLC0415  (where it is the backend)

        if values.dtype not in places:
            places[values.dtype] = values.new_empty(codes.numel())
        place = places[values.dtype]
        torch.index_select(values, 0, codes.ravel(), out=place)
        return place.reshape(codes.shape)

    return spread


def _sums(values: Any, codes: Any, n_codes: int) -> Any:
    """Returns the sums of the values of each code."""
    values, codes = ops.reshape(values, (-1,)), ops.reshape(codes, (-1,))
    if internals.is_jax():
        import jax  # noqa: PLC0415  (where it is the backend)

        # Else each value is computed by itself, in the loop that adds it up.
        barrier: Any = jax.lax.optimization_barrier
        values = barrier(values)
    if _is_torch():
        return ops.zeros(n_codes, values.dtype).index_add_(0, codes, values)
    return ops.segment_sum(values, ops.cast(codes, "int32"), n_codes)


def _made(values: Any) -> Any:
    """Returns values that XLA computes once, not anew for each element of a table.

    It fuses what is computed of single elements into the loop that reads it, sums not.
    """
    n_values = values.shape[0]
    return ops.segment_sum(values, ops.arange(n_values), n_values)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function compiled by XLA, on TensorFlow, whose own passes are slow."""
    if keras.backend.backend() != "tensorflow" or not _has_xla():
        return function
    import tensorflow as tf  # noqa: PLC0415  (where it is the backend)

    compiled = tf.function(function, jit_compile=True)

    def of_values(*arguments: Any) -> Any:
        # XLA reads no variable that is on the device of another replica.
        return compiled(*map(tf.convert_to_tensor, arguments))

    return of_values


@cache
def _has_xla() -> bool:
    """Whether this TensorFlow was built with XLA."""
    import tensorflow as tf  # noqa: PLC0415  (where it is the backend)

    try:
        tf.function(tf.negative, jit_compile=True)(tf.zeros(1))
    except (tf.errors.OpError, ValueError):
        return False
    return True
