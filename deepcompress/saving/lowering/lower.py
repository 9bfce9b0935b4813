"""`lower`: the program of a live model, or why it has none."""

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from deepcompress._display import in_short
from deepcompress.network import internals
from deepcompress.network.graphs import graph_of
from deepcompress.network.internals import symbols
from deepcompress.network.variables import named_variables
from deepcompress.runtime.feeding import paths
from deepcompress.runtime.program import Input, Program
from deepcompress.saving.lowering.builder import Builder, CannotRunError, Value
from deepcompress.saving.lowering.tracing import Tracer

_DTYPES = ("float32", "int32", "string")


def lower(model: keras.Model, assets: Mapping[str, bytes]) -> Program:
    """Returns what a model computes at inference, as a program.

    The model is followed as it is: layer by layer, and inside layers of one's own by
    what their `call` does with symbolic tensors. It is left as it was.

    Args:
        model: A built model.
        assets: What its layers keep besides weights, by name.

    Returns:
        The program; one with a `refusal` where the model cannot be run.
    """
    try:
        with warnings.catch_warnings(), symbols.leaving_no_calls(model):
            warnings.simplefilter("ignore")  # to what was said when it was built
            states = symbols.random_states(model)
            before = [state.numpy() for state in states]
            program = _lowered(model, assets)
            after = symbols.random_states(model)
            drawn = len(after) != len(before) or any(
                not np.array_equal(state.numpy(), value)
                for state, value in zip(states, before, strict=True)
            )
            if drawn:
                for state, value in zip(states, before, strict=True):
                    state.assign(value)
                raise CannotRunError("it draws random numbers")
            return program
    except CannotRunError as error:
        return Program(refusal=str(error))
    except Exception as error:
        # Whatever a model is, it is saved: what is not foreseen is said, as the rest.
        return Program(refusal=f"it cannot be followed ({in_short(error)})")


def _lowered(model: keras.Model, assets: Mapping[str, bytes]) -> Program:
    graph = graph_of(model)
    if graph is not None:
        return _Lowering(model, assets).run(list(graph.inputs), graph.input, graph)
    inner = internals.graph_of(model)
    if inner is not None:  # a functional model of a class of its own
        return _Lowering(model, assets).run(list(inner.inputs), inner.input, None)
    refusals = []
    for dtype in _DTYPES:
        # A subclassed model does not say which dtype its inputs have.
        structure = _inputs(model, dtype)
        try:
            flat = keras.tree.flatten(structure)
            return _Lowering(model, assets).run(flat, structure, None)
        except CannotRunError as error:
            refusals.append(error)
    raise refusals[0]


def _inputs(model: keras.Model, dtype: str) -> Any:
    """Returns symbolic inputs of a subclassed model, as it was called when built."""
    shapes = symbols.build_shapes(model)
    if len(shapes) != 1:
        raise CannotRunError(
            "it does not say which inputs it takes, or takes several arguments. Call "
            "it with one, which may be a list or a dictionary of arrays"
        )
    (shape,) = shapes.values()
    return keras.tree.map_shape_structure(
        lambda one: keras.Input(batch_shape=(None, *one[1:]), dtype=dtype), shape
    )


class _Lowering:
    """One try to follow a model."""

    def __init__(self, model: keras.Model, assets: Mapping[str, bytes]) -> None:
        self._model = model
        numbers = {
            id(named.variable): number
            for number, named in enumerate(named_variables(model))
        }
        texts = {data: name for name, data in assets.items()}
        self._builder = Builder(numbers, lambda text: texts.get(text.encode()))

    def run(self, inputs: list[Any], structure: Any, graph: Any) -> Program:
        """Returns the program.

        Args:
            inputs: Symbolic inputs.
            structure: How they are packed.
            graph: The model's graph, `None` where its `call` has to be traced.
        """
        builder = self._builder
        values = [
            Value(
                builder.input(),
                tuple(tensor.shape),
                keras.backend.standardize_dtype(tensor.dtype),
            )
            for tensor in inputs
        ]
        tracer = Tracer(builder)
        with tracer.inside(self._model):
            if graph is not None:
                made: Any = tracer.run(graph, values)
                outputs = keras.tree.pack_sequence_as(graph.output, made)
            else:
                packed = keras.tree.pack_sequence_as(structure, values)
                outputs = tracer.traced(self._model, (packed,), {})
        flat = keras.tree.flatten(outputs)
        is_mapping = isinstance(outputs, Mapping)
        return Program(
            inputs=tuple(
                Input(name, value.shape[1:], value.dtype)
                for name, value in zip(_names(inputs, structure), values, strict=True)
            ),
            operations=tuple(builder.operations),
            outputs=tuple(value.number for value in flat),
            names=tuple(paths(outputs)) if is_mapping else (),
            is_one=not isinstance(outputs, Mapping | list | tuple),
        ).without_unused()


def _names(inputs: list[Any], structure: Any) -> list[str]:
    if isinstance(structure, Mapping):
        return paths(structure)
    return [str(tensor.name) for tensor in inputs]
