"""A model compiled as another one is, with what the user gave."""

import inspect
import re
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import keras

from deepcompress.network import internals
from deepcompress.network.graphs import is_of_keras

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class NotCompiledError(Exception):
    """A model cannot be compiled as another one; the message says why."""


def compile_as(model: keras.Model, other: keras.Model) -> None:
    """Compiles a model as another one of the same class is.

    Losses and functions are used as they are. What has a state, which is the optimizer
    and metrics, is made anew by its own class.

    Args:
        model: A built model.
        other: The model that is compiled, or not. It is not changed.

    Raises:
        NotCompiledError: It was compiled in a way of its own, or with an optimizer that
            cannot be made anew.
    """
    if not other.compiled:
        return
    given = internals.compiled_with(other)
    try:
        if not is_of_keras(type(other).compile):
            _compile_by_config(model, other)
            return
        # Keras scales the loss of a float16 model with an optimizer around the given.
        is_scaled = other.optimizer is not given["optimizer"]
        for name in ("metrics", "weighted_metrics"):
            given[name] = keras.tree.map_structure(_metric, given[name])
        given["optimizer"] = _optimizer(given["optimizer"])
        model.compile(**given, auto_scale_loss=is_scaled)
        if model.optimizer is not None:
            model.optimizer.build(model.trainable_variables)
    except NotCompiledError:
        raise
    except Exception as error:  # the code of the user's own objects has run
        raise NotCompiledError(first_sentence(error)) from error


def own_objects(parts: Iterable[Any]) -> dict[str, Any]:
    """Returns the user's own functions and classes, which Keras may not know."""
    objects = {}
    for part in parts:
        named = part if isinstance(part, FunctionType) else type(part)
        if str(named.__module__).split(".")[0] not in ("builtins", "keras"):
            objects[named.__name__] = named
    return objects


def first_sentence(error: Exception) -> str:
    """Returns the first sentence of what an error says, in one line."""
    text = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())
    sentence = re.split(r"(?<=\.) ", text)[0] or type(error).__name__
    return sentence if sentence.endswith(".") else f"{sentence}."


def _compile_by_config(model: keras.Model, other: keras.Model) -> None:
    """Compiles a model with a `compile` of its own in the way that Keras loads one."""
    if is_of_keras(type(model).compile_from_config):
        raise NotCompiledError(
            "its class has a `compile` of its own, and no `compile_from_config`."
        )
    parts = keras.tree.flatten(list(internals.compiled_with(other).values()))
    with keras.saving.CustomObjectScope(own_objects(parts)):
        model.compile_from_config(other.get_compile_config())


def _optimizer(optimizer: Any) -> Any:
    """Returns an optimizer like another one, that follows the same schedule."""
    if optimizer is None:
        return None
    return _made_anew(optimizer, internals.optimizer_config(optimizer))


def _metric(metric: Any) -> Any:
    """Returns a metric like another one; a name or a function is what it is."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return _made_anew(metric, metric.get_config())


def _made_anew(part: Any, config: dict[str, Any]) -> Any:
    """Returns an object of the same class, if its config tells all that made it."""
    kind = type(part)
    builder, teller = (
        next(each for each in kind.__mro__ if name in vars(each))
        for name in ("__init__", "get_config")
    )
    if not issubclass(teller, builder):
        _, *own = inspect.signature(vars(builder)["__init__"]).parameters.values()
        named = {each.name for each in own if each.kind not in _VARIABLE}
        if not named <= set(config):
            raise NotCompiledError(
                f"{kind.__name__!r} has no `get_config` that holds the arguments of "
                "`__init__`."
            )
        if len(named) == len(own):
            config = {name: config[name] for name in named}
    with keras.saving.CustomObjectScope(own_objects([part, *vars(part).values()])):
        return kind.from_config(config)
