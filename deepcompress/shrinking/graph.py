"""How units run through a model: from the layer that computes them to their readers."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from deepcompress.shrinking.rules import KINDS, Channels, Step


class Graph:
    """The steps of a model and the units that run through it.

    Args:
        model: A built `Sequential` or functional model.

    Attributes:
        steps: The layers in the order in which they run; those of a nested model take
            its place.
        tensors: The channels of each tensor, by its `id`.
        is_pinned: For each unit whether it stays in its place whatever the weights are:
            inputs, outputs, and what a layer that is not followed reads or makes.

    """

    def __init__(self, model: keras.Model) -> None:
        function = graph_of(model)
        self.steps: list[Step] = []
        self.tensors: dict[int, Channels] = {}
        self._n_units = 0
        self._united: list[tuple[np.ndarray, np.ndarray]] = []
        self._uses = Counter(id(node.operation) for node in _nodes(function, True))
        for tensor in function.inputs:
            units = self.new_units(tensor.shape)
            self.tensors[id(tensor)] = Channels(tensor.shape, units)
        self._inputs = list(self.tensors.values())
        self._walk(function, "")
        self._unite()
        self._outputs = [self.tensors[id(tensor)] for tensor in function.outputs]
        self.is_pinned = np.zeros(self._n_units, bool)
        ends = self._inputs + self._outputs
        for channels in ends + [each for step in self.steps for each in step.pinned()]:
            self.is_pinned[channels.units] = True

    def new_units(self, shape: Any) -> np.ndarray:
        """Returns new units for the channels of a tensor."""
        is_known = len(shape) > 1 and shape[-1] is not None
        units = np.arange(self._n_units, self._n_units + (shape[-1] if is_known else 0))
        self._n_units += len(units)
        return units

    def unite(self, some: np.ndarray, others: np.ndarray) -> None:
        """Makes units one that can only go together."""
        self._united.append((some, others))

    def needed_units(self) -> np.ndarray:
        """Returns for each unit whether the outputs depend on it, by the weights."""
        for step in self.steps:
            step.infer()
        for channels in self._outputs:
            channels.needed[:] = True
        for step in reversed(self.steps):
            step.demand()
        is_needed = self.is_pinned.copy()
        for channels in self.tensors.values():
            is_needed[channels.units[channels.needed]] = True
        return is_needed

    def step_of(self, layer: Any) -> Step | None:
        """Returns the step of a layer; `None` for a model that is followed inside."""
        return next((step for step in self.steps if step.layer is layer), None)

    def left_alone(self) -> list[str]:
        """Returns the paths of the layers that stop units from being removed."""
        is_free = np.ones(self._n_units, bool)
        for step in self.steps:
            for channels in [] if step.is_followed else step.outputs:
                is_free[channels.units] = False
        for channels in self._inputs:
            is_free[channels.units] = False
        stopping = {}
        for step in self.steps:
            has_kernel = any(
                len(w.shape) > 1 for w in getattr(step.layer, "weights", [])
            )
            reads = any(is_free[each.units].any() for each in step.inputs)
            if step.is_unknown and (has_kernel or reads):
                stopping[step.path] = True
        return list(stopping)

    def _walk(self, function: Any, path: str) -> None:
        for node in _nodes(function):
            layer = node.operation
            inputs = [self.tensors[id(tensor)] for tensor in node.input_tensors]
            inner = self._inner(node)
            if inner is not None:
                self.tensors.update(
                    {id(t): each for t, each in zip(inner.inputs, inputs, strict=True)}
                )
                self._walk(inner, f"{path}{layer.name}/")
                outputs = [self.tensors[id(tensor)] for tensor in inner.outputs]
            else:
                kind = self._kind(node, inputs)
                outputs = [
                    Channels(t.shape, *kind.units(self, layer, inputs, t.shape))
                    for t in node.outputs
                ]
                self.steps.append(kind(layer, path + layer.name, inputs, outputs))
            self.tensors.update(
                {id(t): each for t, each in zip(node.outputs, outputs, strict=True)}
            )

    def _inner(self, node: Any) -> Any:
        """Returns the graph of a nested model that can be followed, or `None`."""
        inner = graph_of(node.operation)
        if (
            inner is None
            or isinstance(inner.input, dict)
            or not _is_plain(node)
            or any(
                self._uses[id(each.operation)] > 1 for each in [node, *_nodes(inner)]
            )
            or [t.shape[1:] for t in inner.inputs]
            != [t.shape[1:] for t in node.input_tensors]
        ):
            return None
        return inner

    def _kind(self, node: Any, inputs: list[Channels]) -> type[Step]:
        """Returns how the layer of a node is followed."""
        layer = node.operation
        kind = KINDS.get(type(layer), Step)
        shapes = [tensor.shape for tensor in node.outputs]
        is_followed = (
            _is_plain(node)
            and all(each.is_known for each in inputs)
            and all(len(shape) > 1 and shape[-1] is not None for shape in shapes)
            and getattr(layer, "data_format", "channels_last") != "channels_first"
            and (self._uses[id(layer)] == 1 or kind.repeats)
            and kind.fits(layer, inputs, shapes)
        )
        return kind if is_followed else Step

    def _unite(self) -> None:
        """Gives units that can only go together one number."""
        number = np.arange(self._n_units)
        before = None
        while before is None or (before != number).any():
            before = number.copy()
            for some, others in self._united:
                low = np.minimum(number[some], number[others])
                np.minimum.at(number, some, low)
                np.minimum.at(number, others, low)
        for channels in self.tensors.values():
            channels.units = number[channels.units]


def graph_of(model: Any) -> Any:
    """Returns the graph of a `Sequential` or functional model, or `None`."""
    if not isinstance(model, keras.Model) or not _is_of_keras(type(model).call):
        return None
    function = getattr(model, "_functional", model)
    return function if hasattr(function, "_nodes_by_depth") else None


def _is_of_keras(function: Any) -> bool:
    return str(function.__module__).split(".")[0] == "keras"


def _nodes(function: Any, is_recursive: bool = False) -> Iterator[Any]:
    """Yields the calls of a graph in the order in which they run."""
    by_depth = function._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if node.is_input:
                continue
            yield node
            inner = graph_of(node.operation) if is_recursive else None
            if inner is not None:
                yield from _nodes(inner, True)


def _is_plain(node: Any) -> bool:
    """Whether a layer is called with tensors alone, and without a mask."""
    arguments = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return all(
        isinstance(argument, keras.KerasTensor) or argument is None or argument is False
        for argument in arguments
    ) and all(getattr(t, "_keras_mask", None) is None for t in node.input_tensors)
