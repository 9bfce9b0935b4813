"""Functional models that run on from where an earlier run has come to."""

import inspect
import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import keras

from deepcompress.network import internals
from deepcompress.network.graphs import calls_in, graph_of, inner_graph
from deepcompress.network.internals.masks import give_masks, masks_of

_NOTHING = object()
_INPUT = -1


class _Made(NamedTuple):
    """What a call has made, and the masks that it has where a run goes on.

    Layers take masks off the tensors that they read.
    """

    tensors: Any
    masks: list[Any]


class Start(NamedTuple):
    """Where runs begin.

    Args:
        at: So many calls of layers need not run again. Defaults to `0`.
        kept: For each batch what they have made that later ones read, by their numbers.
            Defaults to nothing.
    """

    at: int = 0
    kept: tuple[dict[int, _Made], ...] = ()

    def of_batch(self, number: int) -> dict[int, _Made]:
        """Returns what is kept of a batch."""
        return self.kept[number] if self.kept else {}


class _Call(NamedTuple):
    """A call of a layer: what it reads, and the elements of each tensor that it makes.

    Of inputs without batches, or with axes of any length, the elements are infinite.
    """

    reads: set[int]
    n_elements: list[float]


class _ReachedError(BaseException):
    """All that was asked for has been computed."""


class Passage:
    """The calls that a functional model is made of, as it computes what it predicts.

    Those in nested models take the place of these, so that a run may begin and end
    inside.

    Args:
        model: A built `Sequential` or functional model.

    Raises:
        ValueError: It is of another kind, or has states, which running on would skip.
    """

    def __init__(self, model: keras.Model) -> None:
        function = graph_of(model)
        if function is None:
            raise ValueError(f"{model.name!r} is no functional model.")
        nodes = list(calls_in(function, is_recursive=True))
        layers = [each for node in nodes for each in _with_inner(node.operation)]
        if any(getattr(layer, "stateful", False) for layer in layers):
            raise ValueError(f"{model.name!r} has states.")
        self._function = function
        self._uses = Counter(id(node.operation) for node in nodes)
        self._inner: dict[int, Any] = {}
        self._is_told: set[int] = set()  # which layers take `training`
        self._calls: list[_Call] = []
        self._makers = {id(tensor): _INPUT for tensor in function.inputs}
        self._walk(function)
        self._last_reads = [-1] * len(self._calls)
        for number, call in enumerate(self._calls):
            for read in call.reads - {_INPUT}:
                self._last_reads[read] = number
        for tensor in function.outputs:
            if (maker := self._makers[id(tensor)]) != _INPUT:
                self._last_reads[maker] = len(self._calls)
        # Elements that have to be kept of a sample to begin at each place.
        self._n_kept = [
            sum(math.fsum(self._calls[number].n_elements) for number in needed)
            for needed in map(self._needed, range(len(self._calls) + 1))
        ]
        #: The number of the call that runs.
        self.at = 0

    def cut(
        self, after: int, until: int, limit: float, whole: Iterable[tuple[int, int]]
    ) -> int | None:
        """Returns the last place where a run can begin with little, if there is one.

        Args:
            after: A place before it.
            until: The last place that will do.
            limit: The most elements of a sample that may have to be kept.
            whole: Ranges of calls that it must not part.
        """
        for place in range(until, after, -1):
            is_little = self._n_kept[place] <= limit
            if is_little and not any(a < place <= b for a, b in whole):
                return place
        return None

    def outputs(self, batch: Any, at: int, kept: dict[int, _Made]) -> Any:
        """Returns what the model makes of a batch.

        Args:
            batch: The inputs.
            at: The call to begin with.
            kept: What those before have made.
        """
        return self._run(batch, at, kept, len(self._calls), {})

    def made(
        self, batch: Any, at: int, kept: dict[int, _Made], end: int
    ) -> dict[int, _Made]:
        """Returns what has to be kept to begin with another call.

        Args:
            batch: The inputs.
            at: The call to begin with.
            kept: What those before have made.
            end: The other call.
        """
        needed = self._needed(end)
        found = {number: kept[number].tensors for number in needed if number < at}
        wanted: dict[int, Any] = {number: None for number in needed if number >= at}
        with suppress(_ReachedError):
            self._run(batch, at, kept, end, wanted)
        return {
            number: _Made(tensors, masks_of(tensors))
            for number, tensors in (found | wanted).items()
        }

    def _needed(self, place: int) -> list[int]:
        """Returns the calls before a place that are read from there on."""
        return [n for n in range(place) if self._last_reads[n] >= place]

    def _walk(self, function: Any) -> None:
        for node in calls_in(function):
            if any(id(tensor) not in self._makers for tensor in node.input_tensors):
                continue  # no input of the model leads here, and Keras skips it too
            makers = [self._makers[id(tensor)] for tensor in node.input_tensors]
            inner = inner_graph(node, self._uses)
            if inner is not None:
                own = {id(t): m for t, m in zip(inner.inputs, makers, strict=True)}
                self._makers.update(own)
                self._inner[id(node.operation)] = inner
                self._walk(inner)
                made = [self._makers[id(tensor)] for tensor in inner.outputs]
            else:
                if "training" in inspect.signature(node.operation.call).parameters:
                    self._is_told.add(id(node.operation))
                made = [len(self._calls)] * len(node.outputs)
                sizes = [_n_elements(tensor.shape) for tensor in node.outputs]
                self._calls.append(_Call(set(makers), sizes))
            own = {id(t): m for t, m in zip(node.outputs, made, strict=True)}
            self._makers.update(own)

    def _run(
        self,
        batch: Any,
        at: int,
        kept: dict[int, _Made],
        end: int,
        wanted: dict[int, Any],
    ) -> Any:
        number = -1
        for tensors, masks in kept.values():
            give_masks(tensors, masks)

        def call_for(operation: Any) -> Any:
            nonlocal number
            inner = self._inner.get(id(operation))
            if inner is not None:
                return lambda *args, **kwargs: internals.run_through_graph(
                    inner, _given(inner, args, kwargs), call_for
                )
            number += 1
            own = number
            if own == end:
                raise _ReachedError
            if own < at:
                nothing = _Made([_NOTHING] * len(self._calls[own].n_elements), [])
                return lambda *args, **kwargs: kept.get(own, nothing).tensors

            def called(*args: Any, **kwargs: Any) -> Any:
                self.at = own
                if id(operation) in self._is_told:
                    kwargs["training"] = False
                made = operation(*args, **kwargs)
                if own in wanted:
                    wanted[own] = made
                return made

            return called

        inputs = internals.standardized(self._function, batch)
        return internals.run_through_graph(self._function, inputs, call_for)


def _given(inner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Returns the inputs of a nested model, flat."""
    given = args[0] if args else next(iter(kwargs.values()))
    flat: list[Any] = keras.tree.flatten(given)
    if any(each is _NOTHING for each in flat):
        return flat
    return internals.standardized(inner, given)


def _with_inner(operation: Any) -> list[Any]:
    if not isinstance(operation, keras.Layer):
        return [operation]
    return list(internals.flatten_layers(operation))


def _n_elements(shape: tuple[Any, ...]) -> float:
    return math.inf if None in shape[1:] or not shape else math.prod(shape[1:])
