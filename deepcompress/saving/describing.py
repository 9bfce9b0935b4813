"""The architecture of a model as text, or the layer that has none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import keras

from deepcompress.network import internals
from deepcompress.network.graphs import is_of_keras
from deepcompress.network.internals import flatten_layers
from deepcompress.network.variables import walk
from deepcompress.saving.adapting import adaptations
from deepcompress.saving.explaining import first_line, lost_lambdas

# What the architecture has beside what Keras writes.
ADAPTED = "adapted"
_ALONE = (
    "save the weights alone with `HuffmanSerializer(include_architecture=False)` and "
    "load them into a model that you build."
)


class UnstorableError(ValueError):
    """An architecture that no file can hold.

    Args:
        reason: Why not, and what to change, as a sentence without its end.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}, or {_ALONE}")
        #: Why not, and what to change.
        self.reason = f"{reason}."


def describe(model: keras.Model) -> str:
    """Returns the architecture of a model: Keras' JSON.

    Args:
        model: A built model.

    Raises:
        UnstorableError: A layer, or what the model was compiled with, cannot be stored.
        ValueError: A layer cannot be built again as it is.
    """
    with _without_calibration(model):
        adapted = adaptations(model)
        try:
            config = json.loads(model.to_json())
        except Exception as error:
            raise UnstorableError(_refusal(model, error)) from error
    for entry, key in lost_lambdas(config):
        raise UnstorableError(
            f"The layer {entry.path[-1]!r} has a lambda as its `{key}`, which Keras "
            "cannot read again. Make it a function with a name"
        )
    _check_names(model)
    _check_places(model)
    if adapted:
        config[ADAPTED] = adapted
    return json.dumps(config, separators=(",", ":"), ensure_ascii=False)


def _check_names(model: keras.Model) -> None:
    """Refuses functions that a file, which has their names, takes for each other."""
    found: dict[str, tuple[str, Any]] = {}
    for place, function in _functions(model):
        other, first = found.setdefault(function.__name__, (place, function))
        if not _do_the_same(first, function):
            raise UnstorableError(
                f"Two functions are named {function.__name__!r}, that of {other} and "
                f"that of {place}: a file would take one for the other. Give them "
                "names of their own, as `__name__`"
            )


def _check_places(model: keras.Model) -> None:
    """Refuses layers that Keras would build once for each model that they stand in."""
    places: dict[int, keras.Model] = {}
    for part in flatten_layers(model):
        graph = internals.graph_of(part)
        if graph is None or not is_of_keras(type(part).get_config):
            continue
        for node in internals.nodes(graph):
            layer = node.operation
            other = places.setdefault(id(layer), part)
            if other is not part and getattr(layer, "weights", []):
                raise UnstorableError(
                    f"The layer {layer.name!r} stands in {other.name!r} and in "
                    f"{part.name!r}, and Keras would build two of it. Let it stand in "
                    "one of these models alone"
                )


def _functions(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yields the functions of the user's own that the architecture has by name."""
    for path, layer in walk(model):
        own = {
            name: value
            for name, value in vars(layer).items()
            if _is_own(value) and not hasattr(type(layer), name)
        }
        config = layer.get_config() if own else {}
        yield from (
            (f"the layer {path!r}", own[name]) for name in own if name in config
        )
    if model.compiled:
        given = keras.tree.flatten(list(internals.compiled_with(model).values()))
        yield from (("the compilation", each) for each in given if _is_own(each))


def _is_own(value: Any) -> bool:
    return (
        isinstance(value, FunctionType)
        and value.__name__ != "<lambda>"
        and not is_of_keras(value)
    )


def _do_the_same(first: FunctionType, second: FunctionType) -> bool:
    """Whether two functions are one, or were made of the same values."""
    if first.__code__ is not second.__code__:
        return False
    cells = [each.__closure__ or () for each in (first, second)]
    values = [[cell.cell_contents for cell in each] for each in cells]
    try:
        return first is second or bool(values[0] == values[1])
    except ValueError:  # arrays
        return False


def _refusal(model: keras.Model, error: Exception) -> str:
    """Says in one line what it is that Keras cannot store."""
    failing = [
        (path, layer, reason)
        for path, layer in walk(model)
        if (reason := _failure(layer)) is not None
    ]
    if failing:
        # The innermost one is to blame for those around it.
        path, layer, reason = max(failing, key=lambda each: each[0].count("/"))
        return (
            f"The layer {path!r} of class {type(layer).__name__!r} cannot be stored: "
            f"{first_line(reason)}. Give the class a `get_config`"
        )
    try:
        json.dumps(keras.saving.serialize_keras_object(model.get_config()))
    except Exception:
        return (
            f"The architecture of {model.name!r} cannot be stored: "
            f"{first_line(error)}. Give its class a `get_config`"
        )
    return (
        f"What {model.name!r} was compiled with cannot be stored: {first_line(error)}. "
        "Give the class a `get_config`, compile the model with what Keras can store"
    )


def _failure(layer: Any) -> Exception | None:
    try:
        json.dumps(keras.saving.serialize_keras_object(layer))
    except Exception as error:
        return error
    return None


@contextmanager
def _without_calibration(model: keras.Model) -> Iterator[None]:
    """Takes away for a while what a calibration was told of the layers around it.

    It holds the layers themselves, whose configs hold it: a circle.
    """
    configs = {
        id(config): config
        for layer in flatten_layers(model)
        if (config := getattr(layer, "quantization_config", None)) is not None
    }
    name = "quantization_layer_structure"
    kept = [
        (each, getattr(each, name)) for each in configs.values() if hasattr(each, name)
    ]
    try:
        for config, _ in kept:
            setattr(config, name, None)
        yield
    finally:
        for config, structure in kept:
            setattr(config, name, structure)
