"""The smaller model that a pruned one equals, and its weights in the larger one."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from deepcompress.network.graphs import graph_of
from deepcompress.network.variables import named_variables
from deepcompress.shrinking.cloning import Clone, NotClonedError
from deepcompress.shrinking.folding import fold as fold_constants
from deepcompress.shrinking.graph import Graph
from deepcompress.shrinking.kept import Kept


def shrink(model: keras.Model, *, sort: bool = True, fold: bool = False) -> keras.Model:
    """Returns a smaller model that computes the same as a pruned one.

    Hidden units and filters that nothing reads are dropped, and so are those that
    nothing reaches: what such a unit outputs is a constant, which is added to the
    biases of its readers. Inputs and outputs stay, and of each layer one unit at least.

    Convolutions, dense layers, batch normalization, activations, pooling, dropout,
    flattening, addition, and concatenation are followed, also into nested models. A
    layer that is not followed keeps its inputs and its weights, and is named in a
    warning. A model that is neither `Sequential` nor functional is returned as it is,
    with a warning, and so is one with a layer that cannot be built from its config.

    Where devices share an axis of a weight, as `keras.distribution.ModelParallel` has
    it, so many units stay that each device has as many.

    The model that is returned is new, has the names of the old one and is compiled as
    that was, with the same losses, and an optimizer and metrics that are new. A file
    of it loads into the old one too: `HuffmanSerializer().load(path, model=model)`.

    Args:
        model: A built model. It is not changed.
        sort: Whether the units that stay are sorted, those with the fewest weights
            first. Their order means nothing to a model, and makes a file half a percent
            to a percent smaller. Defaults to `True`.
        fold: Whether batch normalization takes its means and variances into its scale
            and offset, its scale into the kernel before it unless that shares its
            weights, and biases that no activation follows go into those that come after
            them. They are 0 and 1 then, which a file holds in hardly a byte. The model
            computes the same, up to rounding, and is not one to train on where it
            normalizes batches. Defaults to `False`.

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
    if graph_of(model) is None:
        warnings.warn(
            f"{model.name!r} is of a class of its own, neither Sequential nor "
            "functional, which cannot be built anew, so it is returned as it is.",
            stacklevel=2,
        )
        return model
    graph = Graph(model)
    try:
        clone = Clone(graph, Kept(graph, graph.needed_units(), sort, evenly=True))
        small = clone.model(model)
    except NotClonedError as error:
        warnings.warn(
            f"{model.name!r} cannot be built anew, so it is returned as it is: {error}",
            stacklevel=2,
        )
        return model
    if left_alone := graph.left_alone():
        warnings.warn(
            f"Left alone, with all that they read: {', '.join(left_alone)}.",
            stacklevel=2,
        )
    for name, why in clone.uncompiled.items():
        warnings.warn(
            f"{name!r} cannot be compiled as it was, so the smaller model is not: "
            f"{why} Call `compile` on it before you train it.",
            stacklevel=2,
        )
    if fold:
        fold_constants(small)
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
        is_kept[maker.made()[: stored[id(maker.kernel)][-1]]] = True
    kept = Kept(graph, is_kept)
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
