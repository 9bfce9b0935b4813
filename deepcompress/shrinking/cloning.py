"""A model built anew from the layers of another one, with the channels that stay."""

import warnings
from types import FunctionType
from typing import Any

import keras

from deepcompress.network import assets, internals
from deepcompress.network.distribution import lay_out_as, scope_of
from deepcompress.network.graphs import graph_of, is_of_keras
from deepcompress.network.variables import finalize
from deepcompress.shrinking.compiling import (
    NotCompiledError,
    compile_as,
    first_sentence,
    own_objects,
)
from deepcompress.shrinking.graph import Graph
from deepcompress.shrinking.kept import Kept

_ADVICE = "Give {!r} a `get_config` that holds the arguments of `__init__`. "

_PARTS = (
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.initializers.Initializer,
)


class NotClonedError(Exception):
    """A model cannot be built anew; the message says which layer and why."""


class Clone:
    """Builds a model anew, with the channels that stay.

    Args:
        graph: The model's graph.
        kept: The units that stay.

    Attributes:
        uncompiled: Why a model, by its name, could not be compiled as the old one.
    """

    def __init__(self, graph: Graph, kept: Kept) -> None:
        self.uncompiled: dict[str, str] = {}
        self._graph, self._kept = graph, kept
        self._clones: dict[int, Any] = {}
        self._models: list[tuple[keras.Model, keras.Model]] = []

    def model(self, model: keras.Model) -> keras.Model:
        """Returns the smaller model with its weights.

        Raises:
            NotClonedError: A layer cannot be built from its config.
        """
        with scope_of(model):
            return self._filled(model)

    def _filled(self, model: keras.Model) -> keras.Model:
        try:
            clone = self._model(model)
        except NotClonedError:
            raise
        except Exception as error:  # the code of any layer has run
            raise NotClonedError(first_sentence(error)) from error
        for rule in self._graph.rules:
            if isinstance(rule.layer, keras.layers.Layer):
                _set_up(self._clones[id(rule.layer)], rule.layer, rule.path)
        self._copy_weights()
        if len(clone.weights) != len(model.weights):
            raise NotClonedError("it has weights that no layer in its graph has.")
        # Optimizers take their variables to the devices that those of the model are on.
        self._compile()
        finalize(clone)
        assets.copy(model, clone)
        return clone

    def _model(self, model: keras.Model) -> keras.Model:
        inputs = keras.tree.map_structure(self._input, graph_of(model).input)
        settings = {"name": model.name, "trainable": model.trainable}
        if isinstance(model, keras.Sequential):
            layers = [self._layer(layer) for layer in model.layers]
            clone = type(model)([*keras.tree.flatten(inputs), *layers], **settings)
        else:
            outputs = internals.run_through_graph(model, inputs, self._layer)
            clone = type(model)(inputs, outputs, **settings)
        self._models.append((clone, model))
        return clone

    def _compile(self) -> None:
        for clone, model in self._models:
            try:
                compile_as(clone, model)
            except NotCompiledError as error:
                self.uncompiled[model.name] = str(error)

    def _copy_weights(self) -> None:
        copies: dict[int, Any] = {}
        for rule in self._graph.weighted:
            # The operations that masks add to a Sequential come with its layers.
            new = getattr(self._clones.get(id(rule.layer)), "weights", [])
            if len(new) != len(rule.weights):
                raise _differs(rule.path)
            for variable, smaller in zip(rule.weights, new, strict=True):
                value = rule.value(variable, self._kept.is_kept)
                for axis, channels in rule.axes(variable).items():
                    value = value.take(self._kept(channels), axis)
                if value.shape != tuple(smaller.shape):
                    raise _differs(rule.path)
                if copies.setdefault(id(variable), smaller) is not smaller:
                    raise NotClonedError(
                        f"the layer {rule.path!r} shares a weight with another layer, "
                        "and would have one of its own if built from its config."
                    )
                lay_out_as(smaller, variable)
                smaller.assign(value)
                if smaller.trainable != variable.trainable:
                    smaller.trainable = variable.trainable

    def _input(self, tensor: Any) -> Any:
        shape = tensor.shape
        operation, _ = internals.maker_of(tensor)
        channels = self._graph.tensors.get(id(tensor))  # none inside what is opaque
        if channels is not None and channels.is_known:
            shape = (*shape[:-1], len(self._kept(channels)))
        return keras.Input(
            batch_shape=shape,
            dtype=tensor.dtype,
            name=tensor.name,
            sparse=tensor.sparse,
            optional=getattr(operation, "optional", False),
        )

    def _layer(self, layer: Any) -> Any:
        if id(layer) not in self._clones:
            if graph_of(layer) is not None:
                clone = self._model(layer)
            elif not isinstance(layer, keras.layers.Layer):
                clone = internals.copy_of(layer)
            else:
                rule, settings = self._graph.rule_of(layer), {}
                if rule is not None:
                    sizes = [len(self._kept(channels)) for channels in rule.outputs]
                    settings = rule.settings(sizes)
                path = layer.name if rule is None else rule.path
                clone = like(layer, settings, path)
            self._clones[id(layer)] = clone
        return self._clones[id(layer)]


def like(layer: Any, settings: dict[str, Any], path: str) -> Any:
    """Returns a layer like another one, with the user's own functions as they are.

    Args:
        layer: The layer.
        settings: What is different in the config of the new one.
        path: The layer's path, for an error.

    Raises:
        NotClonedError: The layer cannot be built from its config.
    """
    try:
        with warnings.catch_warnings():
            # That one cannot be stored, which it need not be.
            warnings.filterwarnings("ignore", ".* includes a `lambda`")
            clone = _revived(layer, {**_config(layer), **settings})
    except Exception as error:  # the code of any layer has run
        kind = type(layer)
        raise NotClonedError(
            f"the layer {path!r} cannot be built from its config. "
            + ("" if is_of_keras(kind) else _ADVICE.format(kind.__name__))
            + first_sentence(error)
        ) from error
    give_functions(layer, clone)
    return clone


def give_functions(layer: Any, clone: Any) -> None:
    """Gives a layer of Keras' the functions that the user has given another one.

    A function that is stored and loaded does not know the names around it.
    """
    for name, value in vars(layer).items():
        if isinstance(value, FunctionType) and not hasattr(type(layer), name):
            setattr(clone, name, value)


def _config(layer: Any) -> dict[str, Any]:
    """Returns the config of a layer, with parts of the user's own that have none."""
    try:
        return dict(layer.get_config())
    except Exception:  # the code of any class has run
        own = _own_parts(layer)
        stand_in = internals.stand_in(layer, dict.fromkeys(own))
        if hasattr(layer, "cell"):  # of which an RNN of Keras' asks
            of_cell = _own_parts(layer.cell)
            cell = internals.stand_in(layer.cell, dict.fromkeys(of_cell))
            stand_in.__dict__["cell"] = cell
            own |= of_cell
        config = dict(stand_in.get_config())
        # Keras leaves this one out where there is none.
        if not own.keys() <= config.keys() | {"activity_regularizer"}:
            raise
        return config | own


def _own_parts(layer: Any) -> dict[str, Any]:
    """Returns the regularizers and the like of the user's own, by attribute."""
    return {
        name: value
        for name, value in layer.__dict__.items()
        if isinstance(value, _PARTS) and not is_of_keras(type(value))
    }


def _revived(layer: Any, config: dict[str, Any]) -> Any:
    """Returns what a layer's class makes of a config."""
    options = {}
    if isinstance(layer, keras.layers.Lambda):
        options = {"safe_mode": False}  # its code runs here already
    else:
        given = {name: getattr(layer, name, None) for name in config}
        config.update({k: v for k, v in given.items() if isinstance(v, FunctionType)})
    inner = internals.flatten_layers(layer)
    parts = [part for each in inner for part in (each, *vars(each).values())]
    with keras.saving.CustomObjectScope(own_objects(parts)):
        return type(layer).from_config(config, **options)


def _set_up(clone: Any, layer: Any, path: str) -> None:
    """Gives a built layer what neither its config nor its weights tell."""
    pairs = [list(internals.flatten_layers(each)) for each in (clone, layer)]
    if len(pairs[0]) != len(pairs[1]):
        raise _differs(path)
    for new, old in zip(*pairs, strict=True):
        if new.trainable != old.trainable:
            new.trainable = old.trainable
        if getattr(old, "lora_enabled", False) and not new.lora_enabled:
            new.enable_lora(old.lora_rank, lora_alpha=old.lora_alpha)


def _differs(path: str) -> NotClonedError:
    return NotClonedError(
        f"the layer {path!r} has other weights if built from its config."
    )
