"""The smaller model that a pruned one equals, and its weights in the larger one."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.variables import finalize, named_variables
from deepcompress.shrinking.channels import Channels
from deepcompress.shrinking.graph import Graph, graph_of


def shrink(model: keras.Model, *, sort: bool = True) -> keras.Model:
    """Returns a smaller model that computes the same as a pruned one.

    Hidden units and filters that nothing reads are dropped, and so are those that
    nothing reaches: what such a unit outputs is a constant, which is added to the
    biases of its readers. Inputs and outputs stay, and of each layer one unit at least.

    Convolutions, dense layers, batch normalization, activations, pooling, dropout,
    flattening, addition, and concatenation are followed, also into nested models. A
    layer that is not followed keeps its inputs and its weights, and is named in a
    warning. A model that is neither `Sequential` nor functional is returned as it is,
    with a warning.

    The model that is returned is new, has the names of the old one and is compiled as
    that was, with a fresh optimizer. A file of it loads into the old one too:
    `HuffmanSerializer().load(path, model=model)`.

    Args:
        model: A built model. It is not changed.
        sort: Whether the units that stay are sorted, those with the fewest weights
            first. Their order means nothing to a model, and makes a file half a percent
            to a percent smaller. Defaults to `True`.

    Raises:
        ValueError: The model has not been built.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(6, activation="relu"),
    ...     keras.layers.Dense(2),
    ... ])
    >>> model.layers[1].set_weights([np.eye(6, 2), np.zeros(2)])  # reads two of six
    >>> shrink(model).layers[0].units
    2
    """
    named_variables(model)  # says what is wrong with what is no built model
    small = None
    if graph_of(model) is not None:
        graph = Graph(model)
        kept = _Kept(graph, graph.needed_units(), sort)
        small = _Clone(graph, kept).model(model)
    if type(small) is not type(model):
        warnings.warn(
            f"{model.name!r} is of a class of its own, neither Sequential nor "
            "functional, which cannot be built anew, so it is returned as it is.",
            stacklevel=2,
        )
        return model
    if left_alone := graph.left_alone():
        warnings.warn(
            f"Left alone, with all that they read: {', '.join(left_alone)}.",
            stacklevel=2,
        )
    return small


@dataclass(frozen=True)
class Place:
    """Where the weights of a shrunk model stand in those of a larger one.

    Attributes:
        shape: The larger shape.
        index: The places of the smaller array, as `numpy.ix_` gives them.
        fill: What stands in the other places.
    """

    shape: tuple[int, ...]
    index: tuple[np.ndarray, ...]
    fill: float

    def enlarge(self, array: np.ndarray) -> np.ndarray:
        """Returns the larger array."""
        larger = np.full(self.shape, self.fill, array.dtype)
        larger[self.index] = array
        return larger


def places(
    model: keras.Model, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Place]:
    """Finds where the weights of a shrunk model go in the model that it came from.

    A model computes the same in whatever order its hidden units are. So the units of
    the smaller one become the first units of the larger one, and the others do nothing.

    Args:
        model: The larger model.
        shapes: The shapes of the smaller model's weights, under the names that they
            have in the larger one.

    Returns:
        The places of the weights whose shapes differ, or nothing where the weights are
        not those of a smaller model.
    """
    variables = named_variables(model)
    is_same = all(shapes[v.name] == tuple(v.variable.shape) for v in variables)
    is_like = all(len(shapes[v.name]) == len(v.variable.shape) for v in variables)
    if is_same or not is_like or graph_of(model) is None:
        return {}
    stored = {id(v.variable): shapes[v.name] for v in variables}
    graph = Graph(model)
    is_kept = graph.is_pinned.copy()
    for maker in graph.makers:
        is_kept[maker.made()[: stored[id(maker.layer.kernel)][-1]]] = True
    kept = _Kept(graph, is_kept)
    found = {}
    for rule in graph.weighted:
        for variable in rule.weights:
            shape = tuple(variable.shape)
            axes = [np.arange(size) for size in shape]
            for axis, channels in rule.axes(variable).items():
                axes[axis] = kept(channels)
            if tuple(map(len, axes)) != stored[id(variable)]:
                return {}
            found[id(variable)] = Place(shape, np.ix_(*axes), rule.fill(variable))
    return {
        v.name: found[id(v.variable)]
        for v in variables
        if id(v.variable) in found and shapes[v.name] != tuple(v.variable.shape)
    }


class _Kept:
    """Which units stay, and in which order."""

    def __init__(self, graph: Graph, is_kept: np.ndarray, sort: bool = False) -> None:
        # No layer can do without units.
        for maker in graph.makers:
            if not is_kept[maker.made()].any():
                is_kept[maker.made()[:1]] = True
        self.is_kept = is_kept
        weights = np.zeros(len(is_kept))
        for maker in graph.makers if sort else []:
            np.add.at(weights, maker.made(), maker.fan_in())
        weights[graph.is_pinned] = 0
        self._weights = weights

    def __call__(self, channels: Channels) -> np.ndarray:
        """Returns the positions of the channels that stay, in their new order."""
        at = np.flatnonzero(self.is_kept[channels.units])
        units = channels.units[at]
        order = np.lexsort((units, self._weights[units], channels.blocks[at]))
        return at[order]


class _Clone:
    """Builds a model anew, with the channels that stay."""

    def __init__(self, graph: Graph, kept: _Kept) -> None:
        self._graph, self._kept = graph, kept
        self._clones: dict[int, Any] = {}

    def model(self, model: keras.Model) -> keras.Model:
        """Returns the smaller model with its weights."""
        clone = self._model(model)
        for rule in self._graph.weighted:
            new = getattr(self._clones[id(rule.layer)], "weights", [])
            for variable, smaller in zip(rule.weights, new, strict=True):
                value = rule.value(variable, self._kept.is_kept)
                for axis, channels in rule.axes(variable).items():
                    value = value.take(self._kept(channels), axis)
                smaller.assign(value)
        finalize(clone)
        return clone

    def _model(self, model: keras.Model) -> keras.Model:
        inputs = keras.tree.map_structure(self._input, graph_of(model).input)
        compiled_with = internals.compiled_with(model)
        parts = keras.tree.flatten(list(compiled_with.values()))
        with keras.saving.CustomObjectScope(own_objects(parts)):
            return keras.models.clone_model(model, inputs, self._layer)

    def _input(self, tensor: Any) -> Any:
        shape = tensor.shape
        operation, _ = internals.maker_of(tensor)
        channels = self._graph.tensors[id(tensor)]
        if channels.is_known:
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
            rule = self._graph.rule_of(layer)
            if rule is None:
                clone = self._model(layer)
            else:
                sizes = [len(self._kept(channels)) for channels in rule.outputs]
                config = {**layer.get_config(), **rule.settings(sizes)}
                # The code of a Lambda runs here already.
                is_lambda = isinstance(layer, keras.layers.Lambda)
                options = {"safe_mode": False} if is_lambda else {}
                with keras.saving.CustomObjectScope(own_objects(vars(layer).values())):
                    clone = type(layer).from_config(config, **options)
            self._clones[id(layer)] = clone
        return self._clones[id(layer)]


def own_objects(parts: Iterable[Any]) -> dict[str, Any]:
    """Returns the user's own functions and classes, which Keras may not know."""
    objects = {}
    for part in parts:
        named = part if isinstance(part, FunctionType) else type(part)
        if str(named.__module__).split(".")[0] not in ("builtins", "keras"):
            objects[named.__name__] = named
    return objects
