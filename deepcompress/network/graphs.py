"""The calls of layers that functional models are made of."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from deepcompress.network import internals


def graph_of(model: Any) -> Any:
    """Returns the graph of a `Sequential` or functional model, or `None`.

    A model that has a `call` of its own may compute something else than its graph, and
    one with a constructor of its own cannot be built from another graph.
    """
    kind = type(model)
    is_own = isinstance(model, keras.Model) and all(
        map(is_of_keras, (kind.call, kind.__init__))
    )
    return internals.graph_of(model) if is_own else None


def inner_graph(node: Any, uses: Mapping[int, int]) -> Any:
    """Returns the graph of a nested model that can be followed, or `None`.

    Args:
        node: A call.
        uses: How often each layer is called, by its `id`.
    """
    inner = graph_of(node.operation)
    if (
        inner is None
        or not is_plain(node)
        or not _has_same_names(inner.input, node.arguments.args)
        or any(uses[id(each.operation)] > 1 for each in [node, *calls_in(inner)])
        or [t.shape[1:] for t in inner.inputs]
        != [t.shape[1:] for t in node.input_tensors]
    ):
        return None
    return inner


def is_of_keras(function: Any) -> bool:
    """Whether a function or a class is Keras' own."""
    return str(getattr(function, "__module__", "")).split(".")[0] == "keras"


def calls_in(function: Any, *, is_recursive: bool = False) -> Iterator[Any]:
    """Yields the calls of a graph in the order in which they run.

    Args:
        function: The graph of a model.
        is_recursive: Whether those in nested models follow the call of these. Defaults
            to `False`.
    """
    for node in internals.nodes(function):
        yield node
        inner = graph_of(node.operation) if is_recursive else None
        if inner is not None:
            yield from calls_in(inner, is_recursive=True)


def is_plain(node: Any) -> bool:
    """Whether a layer is called with tensors alone, and without a mask."""
    arguments = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return all(
        isinstance(argument, keras.KerasTensor) or argument is None or argument is False
        for argument in arguments
    ) and not any(map(internals.is_masked, node.input_tensors))


def _has_same_names(inputs: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a model with inputs in a dict is called with just these."""
    given = arguments[0] if arguments else None
    if not isinstance(inputs, dict) and not isinstance(given, dict):
        return True
    paths = [
        [path for path, _ in keras.tree.flatten_with_path(each)]
        for each in (inputs, given)
    ]
    return paths[0] == paths[1]
