"""What the layers of a model are given, for a few inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
)
from typing import Any

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.distribution import scope_of
from deepcompress.network.variables import walk

_N_OUTPUTS = 256
See = Callable[[int, Any, np.ndarray], None]


class _SeenAllError(BaseException):
    """All that was wanted has been seen; what comes after need not be computed."""


class Recorder:
    """Runs a model over a few inputs, and shows what its layers are given.

    Args:
        model: A built model; it is run as in `predict`.
        batches: Batches of inputs.
    """

    def __init__(self, model: keras.Model, batches: Sequence[Any]) -> None:
        self._model = model
        self._batches = batches
        # A layer in a wrapper that runs it over time is seen by what the wrapper gets.
        self._around = {
            id(layer.layer): layer
            for _, layer in walk(model)
            if isinstance(layer, keras.layers.TimeDistributed)
        }

    def order(self, layers: Sequence[Any]) -> list[Any]:
        """Returns the layers that are reached, in the order in which they are.

        Args:
            layers: Layers of the model.
        """
        self._n_calls: dict[int, int] = {}
        reached: dict[int, Any] = {}

        def seer(layer: Any) -> Callable[..., None]:
            def see(*args: Any, **kwargs: Any) -> None:
                reached.setdefault(id(layer), layer)
                self._n_calls[id(layer)] = self._n_calls.get(id(layer), 0) + 1

            return see

        with self._watched(layers, seer):
            self._run(self._batches[0])
        return list(reached.values())

    def record(
        self, layers: Sequence[Any], see: Callable[[int, Any, Any], None]
    ) -> None:
        """Shows what layers are given.

        Args:
            layers: Layers that are reached.
            see: Is given the number of the batch, the layer, and what the layer is
                given, as an array.
        """
        left: dict[int, int] = {}
        at = 0

        def seer(layer: Any) -> Callable[..., None]:
            def shown(*args: Any, **kwargs: Any) -> None:
                given = args[0] if args else next(iter(kwargs.values()))
                inputs = keras.ops.convert_to_numpy(given)
                if inputs.dtype.kind not in "iu":
                    inputs = inputs.astype(np.float32)
                if id(layer) in self._around:
                    inputs = inputs.reshape(-1, *inputs.shape[2:])
                see(at, layer, inputs)
                left[id(layer)] -= 1
                if not any(left.values()):
                    raise _SeenAllError

            return shown

        with self._watched(layers, seer):
            for number, batch in enumerate(self._batches):
                at = number
                left.update({id(layer): self._n_calls[id(layer)] for layer in layers})
                self._run(batch)

    def outputs(self) -> list[np.ndarray]:
        """Returns what the model makes of the first inputs, some hundred."""
        found: list[list[np.ndarray]] = []
        n_samples = 0
        for batch in self._batches:
            if n_samples >= _N_OUTPUTS:
                break
            n_samples += len(keras.tree.flatten(batch)[0])
            with _without_gradients(), scope_of(self._model):
                outputs = keras.tree.flatten(self._model(batch, training=False))
            found.append([keras.ops.convert_to_numpy(each) for each in outputs])
        return [np.concatenate(each) for each in zip(*found, strict=True)]

    @contextmanager
    def _watched(
        self, layers: Sequence[Any], seer: Callable[[Any], Callable[..., None]]
    ) -> Iterator[None]:
        with ExitStack() as stack, scope_of(self._model):
            for layer in layers:
                seen = self._around.get(id(layer), layer)
                stack.enter_context(internals.intercepted(seen, seer(layer)))
            yield

    def _run(self, batch: Any) -> None:
        try:
            with _without_gradients():
                self._model(batch, training=False)
        except _SeenAllError:
            pass


def _without_gradients() -> AbstractContextManager[Any]:
    """Returns a scope in which nothing is kept for gradients.

    Keras opens it in `predict`, and not in calls.
    """
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch  # noqa: PLC0415  (only where it computes)

    scope: AbstractContextManager[Any] = torch.no_grad()
    return scope
