"""A model from the architecture in a file, and the weights of a file in a model."""

import json
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from deepcompress.dcz.container import Container
from deepcompress.network import internals
from deepcompress.network.variables import named_variables
from deepcompress.saving.adapting import adapt
from deepcompress.saving.describing import ADAPTED
from deepcompress.saving.explaining import entries, explain, first_line
from deepcompress.saving.matching import match
from deepcompress.saving.reviving import revivers
from deepcompress.shrinking.shrink import places


def build(
    weights: Container,
    custom_objects: dict[str, Any],
    compile: bool,
    safe_mode: bool,
) -> keras.Model:
    """Returns the model of a file with an architecture, with its weights.

    Args:
        weights: The file.
        custom_objects: Classes and functions that Keras does not know, by name.
        compile: Whether the model is compiled as the saved one was.
        safe_mode: Whether code in the architecture is refused.

    Raises:
        CorruptFileError: The file is damaged.
        ValueError: Keras cannot build the architecture.
    """
    config = _config(weights, compile)
    adapted = config.pop(ADAPTED, [])
    compile_config = config.pop("compile_config", None)
    model = None
    # Code in the architecture may do anything, and is run as ever.
    if safe_mode and not adapted and _is_of_keras(config, custom_objects):
        model = _begun_with_values(weights, custom_objects, compile)
    if model is None:
        model = _deserialize(weights, custom_objects, compile, safe_mode)
        with keras.saving.CustomObjectScope(custom_objects):
            adapt(model, adapted)
        _check_is_built(model, weights)
        assign(model, weights)
    _order(model, weights)
    if compile_config:
        _compile(model, weights, custom_objects, safe_mode)
    return model


def assign(model: keras.Model, weights: Container) -> None:
    """Gives every variable of a model its value in a file.

    Args:
        model: A built model.
        weights: The file.

    Raises:
        CorruptFileError: The file is damaged. The model has not been changed.
        ValueError: The weights are not those of the model.
    """
    pairs = match(weights, model)
    shapes = {named.name: weights.shape(name) for name, named in pairs}
    larger = places(model, shapes)
    for name, named in pairs:
        shape, dtype = tuple(named.variable.shape), named.variable.dtype
        is_shape = shapes[named.name] == shape or named.name in larger
        if not is_shape or weights.dtype(name).name != dtype:
            raise ValueError(
                f"{name!r} is {weights.dtype(name)} of shape {weights.shape(name)} in "
                f"the file, but {named.name!r} is {dtype} of shape {shape} in the "
                "model."
            )
    # All is decoded before anything is assigned, so that a damaged file leaves a given
    # model as it was.
    variables, values = dict(pairs), {}
    for name, array in weights.decode():
        place = larger.get(variables[name].name)
        values[name] = place.enlarge(array) if place else array
    # Not as they came: processes that share a model assign to the same one at a time.
    for name, named in variables.items():
        internals.begin_with(named.variable, _maker(values.pop(name), named.variable))
    for layer in internals.flatten_layers(model):
        if internals.is_quantized(layer) and not internals.has_plain_kernel(layer):
            internals.calibrate(layer)


def _maker(value: np.ndarray, variable: Any) -> Callable[[], Any]:
    """Returns what makes an array a tensor, of the variable's dtype.

    That is put off, since TensorFlow keeps array and tensor for a while. A detour over
    Python numbers or another dtype would change NaN payloads.
    """
    return lambda: keras.ops.convert_to_tensor(value, dtype=variable.dtype)


def _begun_with_values(
    weights: Container, custom_objects: dict[str, Any], compile: bool
) -> keras.Model | None:
    """Returns a model whose variables begin with their values.

    Random weights, only to be replaced, would take most of the time of building. `None`
    where a layer needs the values of its variables as it is built.
    """
    config = _config(weights, compile)
    config.pop("compile_config", None)
    # Variables get no value before the scope ends, which is when Keras calls their
    # initializers.
    with keras.StatelessScope():
        try:
            model = keras.saving.deserialize_keras_object(
                config, custom_objects=custom_objects
            )
        except Exception:
            # If it is no matter of values, it is raised as the model is built as ever.
            return None
        if len(named_variables(model)) < len(weights):
            return None
        assign(model, weights)
    return model


def _is_of_keras(config: dict[str, Any], custom_objects: dict[str, Any]) -> bool:
    """Whether all layers of an architecture are Keras' own.

    A layer of the user's own may keep the value that a variable has as it is built.
    """
    if keras.distribution.distribution() is not None:
        return False
    for entry in entries(config):
        if entry.config["class_name"].startswith("__"):
            continue
        found = internals.known(entry.config, custom_objects)
        is_layer = isinstance(found, type) and issubclass(found, keras.Operation)
        if found is None or (is_layer and not found.__module__.startswith("keras.")):
            return False
    return True


def _config(weights: Container, compile: bool) -> dict[str, Any]:
    """Returns the config of a model, new each time: some layers empty theirs."""
    assert weights.architecture is not None
    config: dict[str, Any] = json.loads(weights.architecture)
    if not compile:
        for entry in list(entries(config)):
            entry.config.pop("compile_config", None)
    return config


def _deserialize(
    weights: Container, custom_objects: dict[str, Any], compile: bool, safe_mode: bool
) -> keras.Model:
    config = _config(weights, compile)
    config.pop("compile_config", None)
    try:
        with warnings.catch_warnings():
            # Then it is built layer by layer, or refused.
            warnings.filterwarnings("ignore", "Model .* had a build config")
            return keras.saving.deserialize_keras_object(
                config,
                custom_objects={**custom_objects, **revivers(config, custom_objects)},
                safe_mode=safe_mode,
            )
    except Exception as error:
        config = _config(weights, compile)
        line = explain(error, config, custom_objects, safe_mode)
        if line is None:
            raise
        raise ValueError(line) from error


def _check_is_built(model: keras.Model, weights: Container) -> None:
    """Says so where Keras has left a user's own model without its variables."""
    try:
        n = len(named_variables(model))
    except ValueError:
        n = 0
    if n < len(weights):
        raise ValueError(
            f"Keras has built {model.name!r} with {n} of its {len(weights)} weights. "
            f"Look at `from_config` and `build` of {type(model).__name__!r}, or load "
            "the weights into a model that you have called once: "
            "`HuffmanSerializer().load(path, model=model)`."
        )


def _order(model: keras.Model, weights: Container) -> None:
    """Puts the variables of each layer in the order in which they were saved."""
    ranks = {name: rank for rank, name in enumerate(weights)}
    rank = {id(named.variable): ranks[name] for name, named in match(weights, model)}
    if list(rank.values()) != sorted(rank.values()):
        for layer in internals.flatten_layers(model):
            internals.order_variables(layer, rank)


def _compile(
    model: keras.Model,
    weights: Container,
    custom_objects: dict[str, Any],
    safe_mode: bool,
) -> None:
    config = _config(weights, compile=True)
    scopes = keras.saving.CustomObjectScope(
        {**custom_objects, **revivers(config["compile_config"], custom_objects)}
    )
    try:
        with scopes, internals.safe_mode_scope(safe_mode):
            model.compile_from_config(config["compile_config"])
        internals.mark_compiled(model)
    except Exception as error:
        config = _config(weights, compile=True)
        line = explain(error, config, custom_objects, safe_mode) or (
            f"What {model.name!r} was compiled with cannot be restored: "
            f"{first_line(error)}. Leave it out with `compile=False`."
        )
        raise ValueError(line) from error
