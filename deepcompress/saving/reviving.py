"""Objects of the user's own whose `__init__` takes less than Keras' config holds."""

import inspect
from typing import Any

import keras

from deepcompress.network import internals
from deepcompress.network.graphs import is_of_keras
from deepcompress.saving.explaining import entries

# What Keras writes of every layer, loss or metric, and `__init__` may leave to it.
_OF_KERAS = ("name", "trainable", "dtype", "reduction")


def revivers(config: dict[str, Any], custom_objects: dict[str, Any]) -> dict[str, Any]:
    """Returns what builds an architecture in the place of its own classes.

    A class such as that of most tutorials, with an `__init__` that takes nothing, is
    refused by Keras: its config has a name all the same.

    Args:
        config: The architecture.
        custom_objects: As in `HuffmanSerializer.load`.

    Returns:
        Custom objects for the classes that Keras would not build, and that need no more
        than their config has.

    Example:

    >>> class Net(keras.layers.Layer):
    ...     def __init__(self):
    ...         super().__init__()
    >>> config = keras.saving.serialize_keras_object(Net())
    >>> layer = keras.saving.deserialize_keras_object(
    ...     config, revivers(config, {"Net": Net})
    ... )
    >>> type(layer) is Net
    True
    """
    found = {}
    for entry in entries(config):
        kind, inner = internals.known(entry.config, custom_objects), entry.config
        if isinstance(kind, type) and isinstance(inner["config"], dict):
            taken = _taken(kind)
            needless = {*inner["config"]} - {*(taken or ())}
            if taken is not None and {*taken} <= {*inner["config"]} and needless:
                found[entry.key] = _Reviver(kind, taken)
    return found


class _Reviver:
    """Stands for a class as Keras builds an object from its config.

    Args:
        kind: The class.
        taken: What its `__init__` takes.
    """

    def __init__(self, kind: type[Any], taken: list[str]) -> None:
        self._kind, self._taken = kind, taken

    def from_config(self, config: dict[str, Any]) -> Any:
        """Returns the object, with what `__init__` does not take set afterwards."""
        rest = {k: v for k, v in config.items() if k not in self._taken}
        made = self._kind(
            **{k: v for k, v in config.items() if k not in rest or k not in _OF_KERAS}
        )
        for name, value in rest.items():
            if name == "dtype" and isinstance(made, keras.layers.Layer):
                made.dtype_policy = keras.dtype_policies.get(value)
            elif name != "dtype":
                setattr(made, name, value)
        return made


def _taken(kind: type[Any]) -> list[str] | None:
    """Returns the arguments of a class of the user's own, `None` if it takes any."""
    if is_of_keras(kind.__init__) or not is_of_keras(kind.from_config):
        return None
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters]
