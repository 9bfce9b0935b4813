"""What following a live model needs of what Keras keeps to itself.

The rest of it is in the package; nothing is to be kept of what happens here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state

from deepcompress.network.internals import flatten_layers, graph_of
from deepcompress.network.variables import every_variable


def kernel_of(layer: Any) -> Any:
    """Returns the kernel of a dense layer as it is held.

    `Dense._kernel`: with LoRA weights, `kernel` is a sum that is computed anew.
    """
    return layer._kernel


def table_of(layer: Any) -> Any:
    """Returns the embeddings of a layer as they are held.

    `Embedding._embeddings`: with LoRA weights, `embeddings` is a sum.
    """
    return layer._embeddings


def build_shapes(layer: Any) -> dict[str, Any]:
    """Returns the shapes that a layer was built for, by the argument of `build`.

    `Layer._build_shapes_dict`: `get_build_config` has them with other things.
    """
    return dict(getattr(layer, "_build_shapes_dict", None) or {})


def mask_of(tensor: Any) -> Any | None:
    """Returns the symbolic tensor that masks another, or `None`.

    `KerasTensor._keras_mask`.
    """
    return getattr(tensor, "_keras_mask", None)


def give_mask(tensor: Any, mask: Any) -> None:
    """Lets a symbolic tensor carry a mask.

    `KerasTensor._keras_mask`, which layers that are called with it look for.
    """
    tensor._keras_mask = mask


@contextmanager
def leaving_no_calls(model: Any) -> Iterator[None]:
    """Takes back what calls of layers with symbolic tensors leave behind in a model.

    `Operation._inbound_nodes` and `Operation._outbound_nodes`, without which
    `Layer.output` would raise; and the numbers of automatic names, which the user's
    next layers count on from. `add_loss` and metrics, which are of training and take
    arrays, do nothing meanwhile; and whoever assigns to a variable gets an error.
    """
    layers = list(flatten_layers(model))
    graphs = [graph for layer in layers if (graph := graph_of(layer)) is not None]
    operations = {id(op): op for graph in graphs for op in graph.operations}
    operations.update({id(layer): layer for layer in layers})
    calls = [
        (getattr(op, name), len(getattr(op, name)))
        for op in operations.values()
        for name in ("_inbound_nodes", "_outbound_nodes")
    ]
    numbers = global_state.get_global_attribute("object_name_uids")
    kept = None if numbers is None else dict(numbers)
    metrics = [metric for layer in layers for metric in getattr(layer, "_metrics", [])]
    replaced = [(layer, "add_loss", _do_nothing) for layer in layers]
    replaced += [(metric, "update_state", _do_nothing) for metric in metrics]
    changing = [*every_variable(model), *_random_states(model)]
    replaced += [(variable, "assign", _refuse) for variable in changing]
    seed = global_state.get_global_attribute(_SEED)
    try:
        for owner, name, function in replaced:
            vars(owner)[name] = function
        with _symbolic_operators():
            yield
    finally:
        for owner, name, _ in replaced:
            vars(owner).pop(name, None)
        if global_state.get_global_attribute(_SEED) is not seed:
            global_state.set_global_attribute(_SEED, seed)
        for nodes_of, n in calls:
            del nodes_of[n:]
        if kept is not None:
            numbers.clear()
            numbers.update(kept)


_SEED = "global_seed_generator"


def _do_nothing(*_: Any, **__: Any) -> None:
    """Takes what layers tell of their training, which must be arrays."""


def _refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError("it changes its weights, or draws random numbers")


def _random_states(model: Any) -> list[Any]:
    """Returns what says which random numbers come next, in a model and outside of it.

    `Layer._seed_generators`, and the generator of calls without a seed.
    """
    generators = [
        each
        for layer in flatten_layers(model)
        for each in getattr(layer, "_seed_generators", [])
    ]
    shared = global_state.get_global_attribute(_SEED)
    return [each.state for each in [*generators, *([shared] if shared else [])]]


@contextmanager
def _symbolic_operators() -> Iterator[None]:
    """Lets `variable * tensor` make a symbolic tensor, as `tensor * variable` does.

    `KerasVariable.__mul__` and its like, which hand symbolic tensors to the backend.
    """
    kind = keras.Variable
    plain = {name: getattr(kind, name) for name in _OPERATORS}

    def aware(name: str) -> Callable[[Any, Any], Any]:
        operation = getattr(keras.ops, _OPERATORS[name])

        def operator(self: Any, other: Any) -> Any:
            if isinstance(other, keras.KerasTensor):
                return operation(self, other)
            return plain[name](self, other)

        return operator

    own = {name: name in vars(kind) for name in _OPERATORS}
    try:
        for name in _OPERATORS:
            setattr(kind, name, aware(name))
        yield
    finally:
        for name in _OPERATORS:
            if own[name]:
                setattr(kind, name, plain[name])
            else:
                delattr(kind, name)


_OPERATORS = {
    "__add__": "add",
    "__sub__": "subtract",
    "__mul__": "multiply",
    "__truediv__": "divide",
    "__matmul__": "matmul",
    "__pow__": "power",
}
