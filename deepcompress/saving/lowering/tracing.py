"""Follows a live model: through its graph, or through what its `call` does."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.graphs import graph_of, is_of_keras
from deepcompress.network.internals import symbols
from deepcompress.runtime.program import Operation
from deepcompress.saving.lowering.builder import BATCH, Builder, CannotRunError, Value
from deepcompress.saving.lowering.layers import LAYERS
from deepcompress.saving.lowering.operations import OPERATIONS

# Of the batch and of other axes, unlike all that a model has.
_LENGTHS = ((BATCH, 5), (BATCH, 11))


class Tracer:
    """Makes a program out of the calls of layers and operations.

    Args:
        builder: What the operations are added to.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._path: list[str] = []
        self._scopes: list[dict[int, Value]] = []
        self._kept: list[Any] = []  # so that no `id` is given to another tensor

    def run(self, graph: Any, inputs: list[Value]) -> list[Value]:
        """Returns what a graph makes of its inputs."""
        self._kept.append(graph)
        self._scopes.append(
            {id(t): v for t, v in zip(graph.inputs, inputs, strict=True)}
        )
        for node in internals.nodes(graph):
            if all(id(t) in self._scopes[-1] for t in node.input_tensors):
                self._lower(node)
        outputs = [self._value_of(tensor) for tensor in graph.outputs]
        self._scopes.pop()
        return outputs

    def call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns what a layer makes of values, whatever layer it is.

        Args:
            layer: A layer, or a function that computes with `keras.ops`.
            *args: Its arguments, with `Value` for tensors.
            **kwargs: Its arguments by name.
        """
        rule = self._rule_of(layer)
        if rule is not None:
            return rule(self, layer, *args, **kwargs)
        graph = graph_of(layer) if isinstance(layer, keras.Model) else None
        if graph is not None:
            made = self.run(graph, _flat(graph.input, args[0]))
            return made[0] if len(made) == 1 else made
        return self.traced(layer, args, kwargs)

    @contextmanager
    def inside(self, layer: Any) -> Iterator[None]:
        """Says of errors in which layer they are."""
        self._path.append(f"{layer.name!r} of class {type(layer).__name__!r}")
        try:
            yield
        except CannotRunError as error:
            if str(error).startswith("the layer "):
                raise
            where = " in ".join(dict.fromkeys(reversed(self._path)))
            raise CannotRunError(f"the layer {where}: {error}") from None
        finally:
            self._path.pop()

    def _rule_of(self, operation: Any) -> Any:
        """Returns how an operation is lowered, `None` for one that has to be traced."""
        kind = type(operation)
        if not isinstance(operation, keras.layers.Layer):
            return OPERATIONS.get(kind.__name__) if is_of_keras(kind) else None
        for base in kind.__mro__:
            if base in LAYERS:
                is_plain = kind.call is vars(base).get("call", kind.call)
                return LAYERS[base] if is_plain else None
        return None

    def _lower(self, node: Any) -> None:
        operation = node.operation

        def value(argument: Any) -> Any:
            if isinstance(argument, keras.KerasTensor):
                return self._value_of(argument)
            return argument

        args, kwargs = keras.tree.map_structure(
            value, (node.arguments.args, node.arguments.kwargs)
        )
        if isinstance(operation, keras.layers.Layer):
            with self.inside(operation):
                kwargs = self._masked(operation, args, kwargs)
                made = self.call(operation, *args, **kwargs)
        elif (rule := self._rule_of(operation)) is not None:
            made = rule(self, operation, *args, **kwargs)
        else:
            raise CannotRunError(f"the operation {type(operation).__name__!r}")
        flat = [m for m in keras.tree.flatten(made) if isinstance(m, int | Value)]
        if len(flat) < len(node.outputs):
            raise CannotRunError("it makes another number of values than it says")
        for tensor, each in zip(node.outputs, flat, strict=False):
            number = each.number if isinstance(each, Value) else each
            self._scopes[-1][id(tensor)] = self._new(tensor, number)

    def _masked(self, layer: Any, args: Any, kwargs: Any) -> dict[str, Any]:
        """Returns arguments by name with the masks that Keras adds to them."""

        def mask_of(value: Any) -> Any:
            has = isinstance(value, Value) and value.mask is not None
            return self._value_of(value.mask) if has else None

        signature = inspect.signature(layer.call)
        if "training" not in signature.parameters:
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        given = signature.bind(*args, **kwargs).arguments
        with_values = {
            name: value
            for name, value in given.items()
            if any(isinstance(each, Value) for each in keras.tree.flatten(value))
        }
        names = {name: f"{name}_mask" for name in with_values}
        if len(names) == 1:
            names = dict.fromkeys(names, "mask")
        wanted = {
            mask: name
            for name, mask in names.items()
            if mask in signature.parameters and given.get(mask) is None
        }
        masks = {
            mask: keras.tree.map_structure(mask_of, with_values[name])
            for mask, name in wanted.items()
        }
        there = {
            mask: value
            for mask, value in masks.items()
            if any(each is not None for each in keras.tree.flatten(value))
        }
        return {**kwargs, **there}

    def _new(self, tensor: Any, number: int) -> Value:
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        mask = symbols.mask_of(tensor)
        return Value(number, tuple(tensor.shape), dtype, mask)

    def _value_of(self, tensor: Any) -> Value:
        """Returns the value of a tensor, computed now where it has not been yet."""
        for scope in reversed(self._scopes):
            if id(tensor) in scope:
                return scope[id(tensor)]
        operation, call = internals.maker_of(tensor)
        node = internals.calls_of(operation)[call]
        if node.is_input:
            raise CannotRunError("it depends on an input that the model does not have")
        self._lower(node)
        return self._scopes[-1][id(tensor)]

    def traced(self, layer: Any, args: Any, kwargs: Any) -> Any:
        """Returns what a `call` makes of values, by calling it on symbolic tensors."""
        values = [v for v in keras.tree.flatten((args, kwargs)) if isinstance(v, Value)]
        for value in values:
            if value.mask is not None:
                self._value_of(value.mask)  # now, since a trial keeps nothing
        begin = len(self.builder.operations)
        try:
            made = self._followed(layer, args, kwargs, ())
        except CannotRunError:
            raise
        except Exception as error:
            try:
                # It may ask how many examples there are: as many as nothing else.
                return self._followed(layer, args, kwargs, (BATCH,))
            except Exception:
                words = " ".join(str(error).split())[:120]
                raise CannotRunError(
                    "what its `call` does cannot be followed. Let it compute with "
                    f"`keras.ops` alone ({type(error).__name__}: {words})"
                ) from error
        is_own = not is_of_keras(getattr(layer, "call", layer))
        if is_own and any(None in value.shape for value in values):
            self._check_lengths(layer, args, kwargs, self.builder.operations[begin:])
        return made

    def _check_lengths(
        self, layer: Any, args: Any, kwargs: Any, operations: list[Operation]
    ) -> None:
        """Refuses a `call` that makes other arrays of inputs of another length.

        An unknown length is `None`, which `ops.arange(0, n)` and `table[:n]` take
        without a word for none at all, and for all there is.
        """
        for lengths in _LENGTHS:
            try:
                other = self.builder.trial(
                    partial(self._followed, layer, args, kwargs, lengths)
                )
            except Exception:
                other = []
            if _fixed(other) != _fixed(operations):
                raise CannotRunError(
                    "what it computes with depends on how long its inputs are. Give "
                    "the model inputs of a fixed length"
                )

    def _followed(
        self, layer: Any, args: Any, kwargs: Any, lengths: tuple[int, ...]
    ) -> Any:
        """Returns what a `call` makes of values, with lengths for unknown ones."""
        scope: dict[int, Value] = {}
        made = self._called(layer, args, kwargs, scope, lengths)
        self._kept.append(made)
        self._scopes.append(scope)
        try:
            flat = keras.tree.flatten(made)
            for node in self._graph(scope, flat):
                self._lower(node)
            values = [self._made(each) for each in flat]
        finally:
            self._scopes.pop()
        return keras.tree.pack_sequence_as(made, values)

    def _called(
        self,
        layer: Any,
        args: Any,
        kwargs: Any,
        scope: dict[int, Value],
        lengths: tuple[int, ...],
    ) -> Any:
        """Calls a layer on symbolic tensors, which stand for values in a scope."""

        def symbol(argument: Any) -> Any:
            if not isinstance(argument, Value):
                return argument
            given = dict(enumerate(lengths))  # of the batch, and of all other axes
            shape = tuple(
                given.get(min(axis, 1)) if n is None else n
                for axis, n in enumerate(argument.shape)
            )
            made = keras.Input(batch_shape=shape, dtype=argument.dtype)
            scope[id(made)] = argument
            self._kept.append(made)
            if argument.mask is not None:
                # Layers inside look for it, as they do when the model runs.
                symbols.give_mask(made, symbol(self._value_of(argument.mask)))
            return made

        args, kwargs = keras.tree.map_structure(symbol, (args, kwargs))
        function = layer.call if isinstance(layer, keras.layers.Layer) else layer
        return function(*args, **kwargs)

    def _made(self, each: Any) -> Value:
        """Returns the value of what a `call` has returned."""
        if isinstance(each, keras.KerasTensor):
            return self._value_of(each)
        return Value(self.builder.number(each), tuple(each.shape), "float32")

    def _graph(self, scope: dict[int, Value], outputs: list[Any]) -> list[Any]:
        """Returns the calls that lead to tensors, in the order in which they run."""
        order: list[Any] = []
        seen: set[int] = set()
        waiting = [(tensor, False) for tensor in outputs[::-1]]
        while waiting:
            tensor, is_done = waiting.pop()
            if not isinstance(tensor, keras.KerasTensor) or id(tensor) in scope:
                continue
            operation, call = internals.maker_of(tensor)
            node = internals.calls_of(operation)[call]
            if is_done:
                order.append(node)
            elif id(node) not in seen and not node.is_input:
                seen.add(id(node))
                waiting.append((tensor, True))
                waiting += [(each, False) for each in node.input_tensors]
        return order


def _fixed(operations: list[Operation]) -> list[tuple[Any, ...]]:
    """Returns what of operations must not depend on lengths.

    Weights are handed out once, by whoever asks first.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return str(value.dtype), value.shape, value.tobytes()
        return value

    return [
        (
            each.kind,
            each.weights,
            {name: plain(v) for name, v in each.settings.items() if name != "shape"},
        )
        for each in operations
        if each.kind != "weight"
    ]


def _flat(structure: Any, given: Any) -> list[Value]:
    """Returns values in the order of a graph's inputs, by name if they have names."""
    if isinstance(structure, Mapping) and isinstance(given, Mapping):
        given = {name: given[name] for name in structure}
    return [each for each in keras.tree.flatten(given) if isinstance(each, Value)]
