"""What keeps a mask or a sharing true during training, on every backend.

Keras optimizers call a variable's constraint right after each update, inside the
compiled step. A tie is such a constraint: it sets the masked weights back to zero,
or the members of a cluster back to one value.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from deepcompress.clustering.clusters import scatter
from deepcompress.network import internals
from deepcompress.network.distribution import lay_out_as
from deepcompress.network.moments import optimizers, stepping

Gradient = Literal["mean", "sum"]

# As Adam's beta_2: the memory of a second moment is about a thousand steps.
_DECAY = 0.999


class Tie(keras.constraints.Constraint):
    """A constraint that holds on top of the one that the user has set.

    Args:
        inner: The user's own constraint, applied first, or `None`.
    """

    def __init__(self, inner: Any | None) -> None:
        self.inner = inner
        self.held_by: TieSet  # from `TieSet.attach` on

    def __call__(self, w: Any) -> Any:
        """Returns the updated weights, tied again."""
        value = ops.convert_to_tensor(w)
        return self.impose(value if self.inner is None else self.inner(value))

    @abstractmethod
    def impose(self, w: Any) -> Any:
        """Returns the weights with the tie imposed, after an update."""

    @abstractmethod
    def project(self, w: np.ndarray) -> np.ndarray:
        """Returns the nearest weights that keep the tie; none where they do."""


class MaskTie(Tie):
    """Keeps pruned weights at zero.

    Args:
        mask: `keras.Variable` of the weights' shape and dtype: 1 for what is kept, else
            0. It may change at any time between two steps.
        inner: The user's own constraint, or `None`.
    """

    def __init__(self, mask: Any, inner: Any | None) -> None:
        super().__init__(inner)
        self.mask = mask

    def impose(self, w: Any) -> Any:
        """Returns the weights with zeros outside the mask."""
        # By 1, or by 0, which makes 0.0 of -0.0 and NaN too, as a product would not;
        # `where`, or a mask that had to be cast, takes longer.
        return ops.divide_no_nan(w, ops.convert_to_tensor(self.mask))

    def project(self, w: np.ndarray) -> np.ndarray:
        """Returns the weights with zeros outside the mask."""
        w = w.copy()
        np.copyto(w, 0, where=self.mask.numpy() == 0)
        return w


class SharingTie(Tie):
    """Keeps the weights of a cluster equal while their value is trained.

    After an update the members of a cluster differ by their updates. Their new
    value is the centroid moved by the mean of these, which is the mean of the
    members, or by their sum.

    Args:
        positions: int32 `keras.Variable` of shape `(n,)`: the surviving weights in
            the flattened tensor; `None` where no weight is zero.
        codes: int32 `keras.Variable` of shape `(n,)`: the cluster of each.
        counts: float32 `keras.Variable` of shape `(k,)`: the members of each cluster.
        centers: float `keras.Variable` of shape `(k,)`: the centroids; needed for
            the sum alone, else `None`.
        inner: The user's own constraint, or `None`.

    References:
        Han, Mao, Dally 2016, "Deep Compression", section 3.3, equation 3.
    """

    def __init__(
        self,
        positions: Any | None,
        codes: Any,
        counts: Any,
        centers: Any | None,
        inner: Any | None,
    ) -> None:
        super().__init__(inner)
        self.positions = positions
        self.codes = codes
        self.counts = counts
        self.centers = centers
        self.n_clusters = int(counts.shape[0])

    def impose(self, w: Any) -> Any:
        """Returns the weights with one value a cluster."""
        shape, dtype = w.shape, keras.backend.standardize_dtype(w.dtype)
        exact = "float64" if dtype == "float64" else "float32"
        codes = ops.convert_to_tensor(self.codes)
        counts = ops.cast(ops.convert_to_tensor(self.counts), exact)
        values = ops.reshape(w, (-1,))
        if self.positions is not None:
            positions = ops.convert_to_tensor(self.positions)
            values = ops.take(values, positions)
        centers = (
            ops.segment_sum(ops.cast(values, exact), codes, self.n_clusters) / counts
        )
        if self.centers is not None:
            before = ops.cast(ops.convert_to_tensor(self.centers), exact)
            centers = before + (centers - before) * counts
            self.centers.assign(centers)
        shared = ops.take(ops.cast(centers, dtype), codes)
        if self.positions is not None:
            # Sums of one value each: a scatter takes many times as long.
            shared = ops.segment_sum(shared, positions, int(np.prod(shape)))
        return ops.reshape(shared, shape)

    def project(self, w: np.ndarray) -> np.ndarray:
        """Returns the weights with every member at the mean of its cluster."""
        codes = self.codes.numpy()
        flat = w.ravel()
        positions = None
        if self.positions is not None:
            positions = self.positions.numpy()
            flat = flat[positions]
        return scatter(means(flat, codes, self.n_clusters)[codes], positions, w.shape)


def means(values: np.ndarray, codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Returns the mean of the values of each code, exact where all are equal."""
    around = np.empty(n_codes, values.dtype)
    around[codes] = values
    offsets = (values - around[codes]).astype(np.float64)
    moved = around + np.bincount(codes, offsets) / np.bincount(codes)
    return moved.astype(values.dtype)


class TieSet:
    """The ties that one callback holds on a model during one training.

    Args:
        model: A compiled model, in training.
        owner: The callback.

    Raises:
        ValueError: The model is not compiled, on JAX.
    """

    def __init__(self, model: keras.Model, owner: keras.callbacks.Callback) -> None:
        self._model = model
        self._owner = type(owner).__name__
        self._fit = internals.fit_of(owner)
        self._ties: list[tuple[Any, Tie]] = []
        self._states: list[Any] = []
        self._replaced: list[tuple[Any, str, Any]] = []
        # What a training that was interrupted has left behind.
        for variable in model.trainable_variables:
            tie = variable.constraint
            if isinstance(tie, Tie) and tie.held_by._fit is not self._fit:
                tie.held_by.detach()
        if internals.is_jax():
            if getattr(model, "optimizer", None) is None:
                raise ValueError(
                    f"The model {model.name!r} is not compiled. On JAX the optimizer "
                    "carries what a training step reads: call `model.compile` first."
                )
            model.optimizer.build(model.trainable_variables)
            for optimizer in optimizers(model):
                self._checkpoint_only_present_variables(optimizer)

    def check(self, model: keras.Model) -> None:
        """Raises where the callback that holds the ties has come to another model.

        Raises:
            RuntimeError: It has.
        """
        if model is not self._model:
            raise RuntimeError(
                f"One {self._owner} is used in two trainings at once, of "
                f"{self._model.name!r} and {model.name!r}. Make one for each."
            )

    def state(self, value: np.ndarray, like: Any | None = None) -> Any:
        """Returns a variable that a tie reads inside the compiled step.

        Args:
            value: What it begins with.
            like: A variable of the same shape, which devices share as they share this.
        """
        dtype = str(value.dtype)
        if internals.is_jax():
            # A variable that the optimizer does not track is baked into the step
            # as a constant, and changes go unseen.
            *_, updating = optimizers(self._model)
            variable = updating.add_variable(value.shape, dtype=dtype)
            if like is not None:
                lay_out_as(variable, like)
            variable.assign(value)
        else:
            variable = keras.Variable(value, dtype=dtype, trainable=False)
        self._states.append(variable)
        return variable

    def inner(self, variable: Any) -> Any | None:
        """Returns the user's own constraint on a variable.

        Raises:
            ValueError: Another callback ties the variable in this training.
        """
        tie = variable.constraint
        if isinstance(tie, Tie):
            owner = tie.held_by._owner
            tie.held_by.detach()
            raise ValueError(
                f"A {owner} ties {variable.path!r} in this training already. "
                "Prune in one fit and share in the next."
            )
        return tie

    def attach(self, variable: Any, tie: Tie) -> None:
        """Puts a tie on a variable and imposes it at once."""
        tie.held_by = self
        variable.constraint = tie
        self._ties.append((variable, tie))

    def project(self, kind: type[Tie] = Tie) -> None:
        """Makes the weights keep their ties now, outside the training step.

        Args:
            kind: Only the ties of a class. Defaults to `Tie`: all.
        """
        for variable, tie in self._ties:
            if isinstance(tie, kind):
                variable.assign(tie.project(variable.numpy()))

    def watch(self, variables: Sequence[Any]) -> dict[int, Any]:
        """Follows the second moments of gradients.

        For optimizers that keep none themselves. As Adam's, they are running means
        over some thousand steps, beginning at zero.

        Args:
            variables: Trainable variables of the model.

        Returns:
            Variables with the moments, by the `id` of what they are of; each is there
            once the training step hands an optimizer the gradient.
        """
        moments = {
            id(v): self.state(np.zeros(v.shape, "float32"), v) for v in variables
        }
        watched: dict[int, Any] = {}
        for optimizer in stepping(self._model):
            self.replace(optimizer, "apply", _watching(optimizer, moments, watched))
        return watched

    def retrace(self) -> None:
        """Makes the training step anew, so that it has the ties there are now."""
        internals.retrace(self._model)

    def synchronise(self) -> None:
        """Makes the variables hold their current values in the midst of an epoch."""
        internals.synchronise(self._model)

    def detach(self) -> None:
        """Takes the ties off and leaves what the user had before."""
        for variable, tie in self._ties:
            variable.constraint = tie.inner
        for target, name, before in reversed(self._replaced):
            if before is None:
                del vars(target)[name]
            else:
                setattr(target, name, before)
        if internals.is_jax():
            for optimizer in optimizers(self._model):
                internals.forget_variables(optimizer, self._states)
            # Averages (`use_ema`) that Keras has made the weights are still the
            # optimizer's too, and no step takes one array for two variables.
            for variable in self._model.trainable_variables:
                variable.assign(ops.copy(variable))
        self.retrace()
        self._ties.clear()
        self._states.clear()
        self._replaced.clear()

    def _checkpoint_only_present_variables(self, optimizer: Any) -> None:
        """Keeps states out of checkpoints, which Keras could not load with them.

        Nor with them there: what a checkpoint holds goes to the others alone.
        """
        present, load = optimizer.variables, optimizer.load_own_variables

        def save_own_variables(store: Any) -> None:
            for index, variable in enumerate(present):
                store[str(index)] = variable.numpy()

        def load_own_variables(store: Any) -> None:
            if len(store.keys()) != len(present):
                load(store)  # says what does not fit
                return
            for index, variable in enumerate(present):
                variable.assign(store[str(index)])

        self.replace(optimizer, "save_own_variables", save_own_variables)
        self.replace(optimizer, "load_own_variables", load_own_variables)

    def replace(self, target: Any, name: str, method: Any) -> None:
        """Gives an object a method of its own until the ties are taken off."""
        self._replaced.append((target, name, vars(target).get(name)))
        setattr(target, name, method)


def _watching(
    optimizer: Any, moments: Mapping[int, Any], watched: dict[int, Any]
) -> Callable[..., None]:
    """Returns the `apply` of an optimizer that updates moments first."""
    apply = optimizer.apply

    def apply_and_watch(grads: Any, trainable_variables: Any = None) -> None:
        trained = list(trainable_variables or internals.trained_variables(optimizer))
        for gradient, variable in zip(grads, trained, strict=True):
            moment = moments.get(id(variable))
            if moment is None:
                continue
            watched[id(variable)] = moment
            if gradient is not None:
                # Of a sparse gradient a row may come several times: their sum counts.
                dense = ops.add(ops.zeros(moment.shape, "float32"), gradient)
                square = ops.square(dense)
                moment.assign(_DECAY * moment + (1 - _DECAY) * square)
        apply(grads, trained)

    return apply_and_watch


class TyingCallback(keras.callbacks.Callback):
    """A callback that holds ties on a model, from the beginning of a fit to its end.

    A subclass puts them on in `tie`. Whatever goes wrong there, the model is left
    without ties.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ties: TieSet | None = None

    @abstractmethod
    def tie(self, ties: TieSet) -> None:
        """Puts ties on the variables of `self.model`."""

    def check(self) -> TieSet:
        """Returns the ties of the fit that is running.

        Raises:
            RuntimeError: The callback is used in two fits at once.
        """
        assert self._ties is not None
        self._ties.check(self.model)
        return self._ties

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Takes hold of the weights."""
        ties = TieSet(self.model, self)
        try:
            self.tie(ties)
        except BaseException:
            ties.detach()
            raise
        ties.retrace()
        self._ties = ties

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets go of the weights, which are as they were tied."""
        if self._ties is not None:
            ties, self._ties = self._ties, None
            # Averaging (`use_ema`) writes the weights anew after the last update.
            ties.project()
            ties.detach()
