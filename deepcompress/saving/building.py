"""A model from the architecture in a file, and the weights of a file in a model."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from deepcompress.dcz.container import Container
from deepcompress.network import internals
from deepcompress.network.variables import named_variables
from deepcompress.saving.matching import match
from deepcompress.shrinking.shrink import places

# What errors say where a layer misses the value of a variable: Keras, of a variable
# that is made from a value; Python, of what that value would have offered.
_MISSES = ("in a stateless scope", "has no attribute")


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
    # Code in the architecture may do anything, and is run as ever.
    if safe_mode and keras.distribution.distribution() is None:
        model = _begun_with_values(weights, custom_objects, compile)
        if model is not None:
            return model
    model = _deserialize(_config(weights, compile), custom_objects, safe_mode)
    assign(model, weights)
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
    pairs = match(weights, named_variables(model))
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
    # model as it was. As a tensor of the variable's dtype: a detour over Python numbers
    # or another dtype would change NaN payloads.
    variables, values = dict(pairs), []
    for name, array in weights.decode():
        variable, place = variables[name].variable, larger.get(variables[name].name)
        whole = place.enlarge(array) if place else array
        value = keras.ops.convert_to_tensor(whole, dtype=variable.dtype)
        values.append((variable, value))
    for variable, value in values:
        internals.begin_with(variable, value)


def _begun_with_values(
    weights: Container, custom_objects: dict[str, Any], compile: bool
) -> keras.Model | None:
    """Returns a model whose variables begin with their values.

    Random weights, only to be replaced, would take most of the time of building. `None`
    where a layer needs the values of its variables as it is built.
    """
    config = _config(weights, compile)
    compile_config = config.pop("compile_config", None)
    # Variables get no value before the scope ends, which is when Keras calls their
    # initializers.
    with keras.StatelessScope():
        try:
            model = _deserialize(config, custom_objects, safe_mode=True)
        except (AttributeError, ValueError) as error:
            if any(miss in str(error) for miss in _MISSES):
                return None
            raise
        # Keras swallows what the `build` of a user's own model raises, and leaves the
        # model without some of its variables.
        if len(named_variables(model)) < len(weights):
            return None
        assign(model, weights)
    if compile_config:
        with keras.saving.CustomObjectScope(custom_objects), _explained():
            model.compile_from_config(compile_config)
            internals.mark_compiled(model)
    return model


def _config(weights: Container, compile: bool) -> dict[str, Any]:
    """Returns the config of a model, new each time: some layers empty theirs."""
    assert weights.architecture is not None
    config: dict[str, Any] = json.loads(weights.architecture)
    if not compile:
        config.pop("compile_config", None)
    return config


def _deserialize(
    config: dict[str, Any], custom_objects: dict[str, Any], safe_mode: bool
) -> keras.Model:
    with _explained():
        return keras.saving.deserialize_keras_object(
            config, custom_objects=custom_objects, safe_mode=safe_mode
        )


@contextmanager
def _explained() -> Iterator[None]:
    """Says what to do where Keras does not know a class or a function."""
    try:
        yield
    except TypeError as error:
        raise ValueError(
            "Keras cannot build the architecture in the file. Pass the classes and "
            "functions that it does not know as `custom_objects`, leave its loss out "
            f"with `compile=False`, or pass a `model` to load into.\n{error}"
        ) from error
