"""Copies of the user's model, compiled with the user's own objects, also from files."""

import warnings
from collections.abc import Iterable
from types import MethodType
from typing import Any

import keras

from deepcompress._display import in_short
from deepcompress.network import assets, internals
from deepcompress.network.distribution import give, lay_out_as, values_of
from deepcompress.network.internals import flatten_layers
from deepcompress.network.variables import finalize
from deepcompress.saving.adapting import adapt, adaptations
from deepcompress.saving.describing import UnstorableError, describe
from deepcompress.saving.serializer import HuffmanSerializer
from deepcompress.shrinking.cloning import give_functions, like
from deepcompress.shrinking.compiling import own_objects
from deepcompress.shrinking.shrink import shrink

# What may be set anew, whatever a config has made of it.
_SETTINGS = (int, float, str, bool, keras.losses.Loss)

_INPUT = keras.layers.InputLayer


class Copier:
    """Copies a model, and nets made from it, and writes and reads their files.

    What belongs to the user, such as losses, metrics and schedules, is used as it is: a
    function that is made again from its name may be another one.

    Args:
        model: A built and compiled model. Its own functions and classes need no
            registration.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        #: What the user should know, each said once.
        self.notes: list[str] = []
        self._compiled_with = internals.compiled_with(model)
        layers = list(flatten_layers(model))
        given = keras.tree.flatten(list(self._compiled_with.values()))
        parts = [*layers, *given]
        for part in [*layers, *given]:
            parts += getattr(part, "__dict__", {}).values()
        self._own = own_objects(parts)
        # What cannot be stored is left out of the files, and said.
        self._is_compilation_stored = bool(self._compiled_with)
        self._is_architecture_stored = True
        # Code that is in the model runs here already.
        self._is_safe = True
        try:
            with internals.uncompiled(model):
                self._is_safe = "__lambda__" not in describe(model)
        except Exception as error:
            self._is_architecture_stored = False
            told = error.reason if isinstance(error, UnstorableError) else None
            self.note(
                "The file holds the weights alone, and loads by "
                f"`load(path, model=model)`: {told or in_short(error)}"
            )
        else:
            try:
                self._is_safe &= "__lambda__" not in describe(model)
            except Exception as error:
                self._is_compilation_stored = False
                self.note(
                    "The file does not hold what the model is compiled with: "
                    f"{in_short(error)}"
                )

    def copy(self, net: keras.Model) -> keras.Model:
        """Returns a model with the same weights, names, and compilation.

        By Keras' own way if it has one, which is its config; otherwise attribute by
        attribute.

        Args:
            net: The model, or a net made from it.

        Raises:
            ValueError: A layer can be copied in neither way.
        """
        try:
            with internals.uncompiled(net):
                copy = keras.saving.deserialize_keras_object(
                    keras.saving.serialize_keras_object(net),
                    custom_objects=self._own,
                    safe_mode=self._is_safe,
                )
                with keras.saving.CustomObjectScope(self._own):
                    adapt(copy, adaptations(net))
            _check_alike(net, copy)
            self._give_what_is_own(net, copy)
        except Exception as error:
            try:
                with internals.uncompiled(net):
                    copy = _Twins(self).of(net)
                _check_alike(net, copy)
            except Exception as reason:
                raise ValueError(
                    f"The model {net.name!r} cannot be copied: {in_short(reason)} "
                    f"Give its class a `get_config`. ({in_short(error)})"
                ) from reason
        for ours, theirs in zip(net.weights, copy.weights, strict=True):
            lay_out_as(theirs, ours)
            give(theirs, values_of(ours))
        return self._finished(net, copy)

    def load(self, data: bytes) -> keras.Model:
        """Returns the model of a file.

        Of a file that does not load by itself, it is a copy of the model with the
        weights of the file.
        """
        if self._is_architecture_stored:
            try:
                net = HuffmanSerializer().loads(
                    data,
                    custom_objects=self._own,
                    compile=False,
                    safe_mode=self._is_safe,
                )
                self._give_what_is_own(self._model, net)
                for ours, theirs in zip(self._model.weights, net.weights, strict=True):
                    lay_out_as(theirs, ours)
            except Exception as error:
                self.note(
                    "The file does not load by itself, but by "
                    f"`load(path, model=model)`: {in_short(error)}"
                )
            else:
                return self._finished(self._model, net)
        return HuffmanSerializer().loads(data, model=self.copy(self._model))

    def dumps(self, net: keras.Model, coder: str = "huffman") -> bytes:
        """Returns the file of a net, with all of it that can be stored."""
        serializer = HuffmanSerializer(
            include_architecture=self._is_architecture_stored, coder=coder
        )
        if self._is_compilation_stored:
            return serializer.dumps(net)
        with internals.uncompiled(net):
            return serializer.dumps(net)

    def shrink(self, net: keras.Model) -> keras.Model:
        """Returns a net without the units that do nothing; as it is if it must be.

        A net of which the file does not hold the architecture is loaded into the model,
        and keeps its shape.
        """
        if not self._is_architecture_stored:
            return net
        try:
            with (
                internals.uncompiled(net),
                warnings.catch_warnings(record=True) as said,
            ):
                warnings.simplefilter("always")
                small = shrink(net)
        except Exception as error:
            self.note(
                f"Units that do nothing are kept: {type(error).__name__}: "
                f"{in_short(error)}"
            )
            return net
        for each in said:
            text = str(each.message)
            if small is net:
                self.note(f"Units that do nothing are kept: {text}")
            elif text.startswith("Left alone"):
                self.note(f"Units that do nothing are kept in some layers. {text}")
            else:
                warnings.warn_explicit(text, each.category, each.filename, each.lineno)
        return net if small is net else self._finished(net, small)

    def compile(self, net: keras.Model) -> None:
        """Compiles a net with what the model was compiled with, if it was."""
        if not self._compiled_with:
            return
        arguments = dict(self._compiled_with)
        arguments["optimizer"] = self.fresh_optimizer(arguments.get("optimizer"))
        for name in ("metrics", "weighted_metrics"):
            if arguments.get(name) is not None:
                arguments[name] = keras.tree.map_structure(
                    fresh_metric, arguments[name]
                )
        compile_as_keras(net, **arguments)
        self.reset_metrics()

    def reset_metrics(self) -> None:
        """Lets the user's own metrics begin anew.

        Keras does so before each evaluation, but for the first of a model: a metric
        that another model has been measured with would go on from there.
        """
        for name in ("metrics", "weighted_metrics"):
            for metric in keras.tree.flatten(self._compiled_with.get(name)):
                if isinstance(metric, keras.metrics.Metric):
                    metric.reset_state()

    def fresh_optimizer(self, optimizer: Any) -> Any:
        """Returns an optimizer that has not stepped; one serves one model only."""
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            return optimizer
        if type(optimizer) is keras.optimizers.LossScaleOptimizer:
            return keras.optimizers.LossScaleOptimizer(
                self.fresh_optimizer(optimizer.inner_optimizer),
                initial_scale=optimizer.initial_scale,
                dynamic_growth_steps=optimizer.dynamic_growth_steps,
            )
        try:
            config = internals.optimizer_config(optimizer)
            with keras.saving.CustomObjectScope(self._own):
                return type(optimizer).from_config(config)
        except Exception as error:
            self.note(
                f"Models are returned with Adam in place of {type(optimizer).__name__},"
                f" which cannot be made anew: {in_short(error)}"
            )
            return keras.optimizers.Adam()

    def _finished(self, net: keras.Model, copy: keras.Model) -> keras.Model:
        """Gives a copy what neither config nor weights hold, and compiles it."""
        for ours, theirs in _pairs(net, copy):
            theirs.name = ours.name
            if theirs.trainable != ours.trainable:
                theirs.trainable = ours.trainable
        finalize(copy)
        assets.copy(net, copy)
        self.compile(copy)
        return copy

    def _give_what_is_own(self, net: keras.Model, copy: keras.Model) -> None:
        """Gives a copy from a config what the user has set since, as by `compile`."""
        twins = _Twins(self)
        twins.memo = {id(ours): theirs for ours, theirs in _pairs(net, copy)}
        for ours, theirs in _pairs(net, copy):
            if type(ours).__module__.startswith("keras."):
                give_functions(ours, theirs)
                continue
            present = internals.own_attributes(theirs)
            for name, value in internals.own_attributes(ours).items():
                is_missing = present.get(name) is None and value is not None
                if is_missing or isinstance(value, _SETTINGS):
                    setattr(theirs, name, twins.value(value))

    def note(self, text: str) -> None:
        """Keeps a word for the user."""
        if text not in self.notes:
            self.notes.append(text)


class _Twins:
    """Copies layers attribute by attribute, as their `__init__` might have made them.

    Args:
        copier: Makes optimizers.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier = copier
        #: The copy of each object, by the `id` of the object.
        self.memo: dict[int, Any] = {}

    def of(self, layer: Any) -> Any:
        """Returns the copy of a layer."""
        if id(layer) not in self.memo:
            # Inner layers first know themselves; the layer is known before them, since
            # they may point back to it.
            self._copy(layer)
        return self.memo[id(layer)]

    def value(self, value: Any) -> Any:
        """Returns what a copy has in the place of a value."""
        if id(value) in self.memo:
            return self.memo[id(value)]
        if isinstance(value, keras.layers.Layer):
            return self.of(value)
        if isinstance(value, keras.Variable):
            new = keras.Variable(
                value.numpy(),
                trainable=value.trainable,
                dtype=value.dtype,
                name=value.name,
            )
        elif isinstance(value, keras.metrics.Metric):
            new = fresh_metric(value)
        elif isinstance(value, keras.optimizers.Optimizer):
            new = self._copier.fresh_optimizer(value)
        elif isinstance(value, keras.random.SeedGenerator):
            new = keras.random.SeedGenerator.from_config(value.get_config())
        elif isinstance(value, dict):
            return {name: self.value(each) for name, each in value.items()}
        elif isinstance(value, list):
            return [self.value(each) for each in value]
        elif type(value) is tuple:
            return tuple(self.value(each) for each in value)
        elif isinstance(value, MethodType) and id(value.__self__) in self.memo:
            return MethodType(value.__func__, self.memo[id(value.__self__)])
        else:
            _check_holds_no_layer(value)
            return value
        self.memo[id(value)] = new
        return new

    def _copy(self, layer: Any) -> None:
        if internals.graph_of(layer) is not None:
            self.memo[id(layer)] = keras.models.clone_model(
                layer, clone_function=self.of
            )
        elif type(layer).__module__.startswith("keras."):
            new = like(layer, {}, layer.name)
            if layer.built:
                new.build_from_config(layer.get_build_config())
            self.memo[id(layer)] = new
        else:
            self._copy_own(layer)

    def _copy_own(self, layer: Any) -> None:
        base = keras.Model if isinstance(layer, keras.Model) else keras.layers.Layer
        kind: Any = type(layer)
        new = kind.__new__(kind)
        base.__init__(
            new, name=layer.name, trainable=layer.trainable, dtype=layer.dtype_policy
        )
        self.memo[id(layer)] = new
        new.supports_masking = layer.supports_masking
        internals.give_build_config(layer, new)
        for name, value in internals.own_attributes(layer).items():
            setattr(new, name, self.value(value))
        new.built = layer.built


def compile_as_keras(net: keras.Model, *arguments: Any, **named: Any) -> None:
    """Compiles a net by Keras' own `compile`: the user's may take other things."""
    keras.Model.compile(net, *arguments, **named)


def fresh_metric(metric: Any) -> Any:
    """Returns a metric of a model's own, where it is of a class of Keras'.

    A metric of the user's own is used as it is, by one model after the other, with
    `Copier.reset_metrics` in between.
    """
    if (
        isinstance(metric, keras.metrics.Metric)
        and type(metric).__module__.startswith("keras.")
        # It holds a function, which may be the user's.
        and type(metric) is not keras.metrics.MeanMetricWrapper
    ):
        return type(metric).from_config(metric.get_config())
    return metric


def _pairs(net: keras.Model, copy: keras.Model) -> list[tuple[Any, Any]]:
    """Returns the layers of two models that stand in the same place."""
    # Inputs aside: a model and one inside it may have one, of which a config makes two.
    ours, theirs = (
        [part for part in flatten_layers(each) if type(part) is not _INPUT]
        for each in (net, copy)
    )
    if [type(layer) for layer in ours] != [type(layer) for layer in theirs]:
        raise ValueError(
            f"a copy of {net.name!r} has other layers: "
            f"{_names(ours)} became {_names(theirs)}."
        )
    return list(zip(ours, theirs, strict=True))


def _check_alike(net: keras.Model, copy: keras.Model) -> None:
    """Refuses a copy that lacks some of the weights, or has others."""
    _pairs(net, copy)
    ours, theirs = (
        [(tuple(v.shape), v.dtype) for v in model.weights] for model in (net, copy)
    )
    if ours != theirs:
        raise ValueError(
            f"a copy of {net.name!r} has {len(theirs)} weights, not the {len(ours)} of "
            "the model, or others."
        )
    for mine, its in zip(net.weights, copy.weights, strict=True):
        if mine is its:
            raise ValueError(f"a copy of {net.name!r} shares {mine.path!r} with it.")


def _check_holds_no_layer(value: Any) -> None:
    """Refuses a function that would go on with the layers of the model."""
    bound = getattr(value, "__self__", None)
    cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or []]
    for each in [bound, *cells]:
        if isinstance(each, keras.layers.Layer | keras.Variable):
            raise ValueError(f"{value!r} holds {each.name!r}.")


def _names(layers: Iterable[Any]) -> str:
    return ", ".join(type(layer).__name__ for layer in layers)
