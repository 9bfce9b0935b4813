"""What the layers of a model are given, for a few inputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
)
from typing import Any

import keras
import numpy as np

from deepcompress._checks import one_of
from deepcompress.calibration.passage import Passage, Start
from deepcompress.calibration.synthetic import SYNTHETIC, synthetic_inputs
from deepcompress.network.distribution import scope_of
from deepcompress.network.inputs import (
    batch_size_of,
    n_elements_of,
    some_inputs,
    within,
)
from deepcompress.network.trial import states_kept
from deepcompress.network.variables import walk

#: Inputs that are looked at: more tell hardly more. Of large ones, which take longer
#: and of which each tells more, fewer are, so that they have so many elements together.
N_INPUTS = (128, 1024)
_ELEMENTS_OF_INPUTS = 1 << 25
# A call takes some time however small its batch, and memory by its elements.
_BATCH_SIZES = (8, 256)
_ELEMENTS_OF_BATCH = 1 << 19
# Samples whose outputs are compared: fewer of larger inputs, which take longer.
_N_OUTPUTS = (32, 256)
_ELEMENTS_OF_OUTPUTS = 1 << 23
# Bytes of what layers have made that are kept, so that others run on from there.
_KEPT_BYTES = 1 << 27
# The number of the batch, a layer, what it is given, and whether it is a table of words
# that is multiplied by.
See = Callable[[int, Any, np.ndarray, bool], None]
_BEGIN = Start()


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
        arrays = [keras.tree.flatten(batch) for batch in batches]
        n_samples = sum(len(own[0]) for own in arrays)
        self._limit = _KEPT_BYTES / 4 / n_samples
        n_elements = max(1, sum(array.size for own in arrays for array in own))
        n_outputs = _ELEMENTS_OF_OUTPUTS * n_samples // n_elements
        self._n_outputs = within(_N_OUTPUTS, n_outputs)
        self._passage = _passage_of(model, batches[0])
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
        self._ranges: dict[int, tuple[int, int]] = {}
        self._reversed: set[int] = set()
        reached: dict[int, Any] = {}

        def seer(layer: Any) -> Callable[..., None]:
            def see(*args: Any, **kwargs: Any) -> None:
                reached.setdefault(id(layer), layer)
                self._n_calls[id(layer)] = self._n_calls.get(id(layer), 0) + 1
                at = self._passage.at if self._passage else 0
                first, _ = self._ranges.get(id(layer), (at, at))
                self._ranges[id(layer)] = first, at
                if _is_reverse(layer, args, kwargs):
                    self._reversed.add(id(layer))

            return see

        with self._watched(layers, seer):
            self._run(0, Start())
        return list(reached.values())

    def is_reversed(self, layer: Any) -> bool:
        """Whether a layer that is reached is a table of words that is multiplied by."""
        return id(layer) in self._reversed

    def nearer(self, start: Start, layer: Any) -> Start:
        """Returns a start nearer to a layer, if little has to be kept for it.

        Args:
            start: A start. What comes before the layer is not changed any more.
            layer: A layer that is reached.
        """
        if self._passage is None:
            return start
        first, _ = self._ranges[id(layer)]
        place = self._passage.cut(start.at, first, self._limit, self._ranges.values())
        if place is None:
            return start
        kept = []
        with _without_gradients(), self._running():
            for number, batch in enumerate(self._batches):
                own = start.of_batch(number)
                kept.append(self._passage.made(batch, start.at, own, place))
        return Start(place, tuple(kept))

    def record(self, layers: Sequence[Any], see: See, start: Start = _BEGIN) -> None:
        """Shows what layers are given.

        Args:
            layers: Layers that are reached.
            start: Where to begin, before all of them. Defaults to the inputs.
            see: Is shown each call of theirs.
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
                see(at, layer, inputs, _is_reverse(layer, args, kwargs))
                left[id(layer)] -= 1
                if not any(left.values()):
                    raise _SeenAllError

            return shown

        with self._watched(layers, seer):
            for number in range(len(self._batches)):
                at = number
                left.update({id(layer): self._n_calls[id(layer)] for layer in layers})
                self._run(number, start)

    def outputs(self, start: Start = _BEGIN) -> list[np.ndarray]:
        """Returns what the model makes of the first inputs, some hundred.

        Args:
            start: Where to begin. Defaults to the inputs.
        """
        found: list[list[np.ndarray]] = []
        n_samples = 0
        with self._running():
            for number, batch in enumerate(self._batches):
                if n_samples >= self._n_outputs:
                    break
                n_samples += len(keras.tree.flatten(batch)[0])
                outputs = keras.tree.flatten(self._run(number, start))
                found.append([keras.ops.convert_to_numpy(each) for each in outputs])
        return [np.concatenate(each) for each in zip(*found, strict=True)]

    @contextmanager
    def _watched(
        self, layers: Sequence[Any], seer: Callable[[Any], Callable[..., None]]
    ) -> Iterator[None]:
        with ExitStack() as stack, self._running():
            for layer in layers:
                seen = self._around.get(id(layer), layer)
                stack.enter_context(_intercepted(seen, seer(layer)))
            yield

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Lets each pass over the inputs begin with the same states."""
        with scope_of(self._model), states_kept(self._model):
            yield

    def _run(self, number: int, start: Start) -> Any:
        batch = self._batches[number]
        try:
            with _without_gradients():
                if self._passage is None:
                    return self._model(batch, training=False)
                own = start.of_batch(number)
                return self._passage.outputs(batch, start.at, own)
        except _SeenAllError:
            return None


def batches_for(model: keras.Model, data: Any) -> list[Any]:
    """Returns batches of some of the inputs, of a size that a model can be run on.

    Args:
        model: A built model.
        data: Inputs in a form that `predict` takes, or `"synthetic"`: images that are
            made up.
    """
    fixed = batch_size_of(model)
    n_elements = n_elements_of(model) or _ELEMENTS_OF_BATCH // 32
    n_inputs = within(N_INPUTS, _ELEMENTS_OF_INPUTS // n_elements)
    if isinstance(data, str):
        one_of("data", data, (SYNTHETIC,))
        data = synthetic_inputs(model, n_inputs)
    batches = some_inputs(
        data,
        n_inputs,
        batch_size=fixed or within(_BATCH_SIZES, _ELEMENTS_OF_BATCH // n_elements),
    )
    if fixed is None:
        return batches
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    whole = [b for b, n in zip(batches, sizes, strict=True) if n == fixed]
    if not whole:
        raise ValueError(
            f"The model {model.name!r} takes batches of {fixed} samples, and "
            f"`data` holds {sum(sizes)}."
        )
    return whole


def _is_reverse(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call multiplies by a table of words, and does not look them up."""
    if not isinstance(layer, keras.layers.ReversibleEmbedding):
        return False
    return bool(args[1] if len(args) > 1 else kwargs.get("reverse", False))


def _passage_of(model: keras.Model, batch: Any) -> Passage | None:
    """Returns how a model can run on from anywhere, `None` where it cannot.

    Args:
        model: A built model.
        batch: Inputs by which it is tried.
    """
    try:
        passage = Passage(model)
        with _without_gradients(), scope_of(model):
            own = keras.tree.flatten(model(batch, training=False))
            others = keras.tree.flatten(passage.outputs(batch, 0, {}))
    except Exception:
        return None
    pairs = zip(own, others, strict=True)
    arrays = [tuple(map(keras.ops.convert_to_numpy, pair)) for pair in pairs]
    is_same = all(
        np.allclose(a, b, rtol=0, atol=1e-3 * np.abs(b).max(), equal_nan=True)
        for a, b in arrays
    )
    return passage if is_same else None


@contextmanager
def _intercepted(layer: Any, see: Callable[..., None]) -> Iterator[None]:
    """Shows a function what a layer is called with, by its own attribute `call`."""
    call = layer.call

    def seen(*args: Any, **kwargs: Any) -> Any:
        see(*args, **kwargs)
        return call(*args, **kwargs)

    layer.call = seen
    try:
        yield
    finally:
        del layer.call


def _without_gradients() -> AbstractContextManager[Any]:
    """Returns a scope in which nothing is kept for gradients.

    Keras opens it in `predict`, and not in calls.
    """
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch  # noqa: PLC0415  (only where it computes)

    scope: AbstractContextManager[Any] = torch.no_grad()
    return scope
