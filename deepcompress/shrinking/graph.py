"""How units run through a model: from the layer that computes them to their readers."""

from collections import Counter
from typing import Any

import keras
import numpy as np

from deepcompress.network.graphs import calls_in, graph_of, inner_graph, is_plain
from deepcompress.shrinking.channels import Channels, Units, has_channels
from deepcompress.shrinking.kinds import RULES
from deepcompress.shrinking.rules import HasWeights, MakesUnits, Opaque, Rule


class Graph:
    """The layers of a model by their rules, and the units that run through it.

    Args:
        model: A built `Sequential` or functional model.

    Attributes:
        rules: The rule of each layer in the order in which they run; those of a nested
            model take its place.
        weighted: Those of them that have weights.
        makers: Those of these that make units.
        tensors: The channels of each tensor, by its `id`.
        outputs: Those of the outputs of the model.
        is_pinned: For each unit whether it stays in its place whatever the weights are:
            inputs, outputs, and what a layer that is not followed reads or makes.

    """

    def __init__(self, model: keras.Model) -> None:
        function = graph_of(model)
        self.rules: list[Rule] = []
        self.tensors: dict[int, Channels] = {}
        self._units = Units()
        self._uses = Counter(
            id(node.operation) for node in calls_in(function, is_recursive=True)
        )
        for tensor in function.inputs:
            units = self._units.new(tensor.shape)
            self.tensors[id(tensor)] = Channels(tensor.shape, units)
        self._inputs = list(self.tensors.values())
        self._walk(function, "")
        self.weighted = [rule for rule in self.rules if isinstance(rule, HasWeights)]
        self.makers = [rule for rule in self.rules if isinstance(rule, MakesUnits)]
        # A layer that is called more than once goes by its first call.
        self._rules = {id(rule.layer): rule for rule in reversed(self.rules)}
        united = self._units.united()
        for channels in self.tensors.values():
            channels.units = united[channels.units]
        self.outputs = [self.tensors[id(tensor)] for tensor in function.outputs]
        self.is_pinned = np.zeros(self._units.n, bool)
        ends = self._inputs + self.outputs
        for channels in ends + [each for rule in self.rules for each in rule.pinned()]:
            self.is_pinned[channels.units] = True

    def needed_units(self) -> np.ndarray:
        """Returns for each unit whether the outputs depend on it, by the weights."""
        for rule in self.rules:
            rule.infer()
        for channels in self.outputs:
            channels.needed[:] = True
        for rule in reversed(self.rules):
            rule.demand()
        is_needed = self.is_pinned.copy()
        for channels in self.tensors.values():
            is_needed[channels.units[channels.needed]] = True
        return is_needed

    def moved_biases(self) -> list[tuple[Any, np.ndarray]]:
        """Returns biases as they are once they are added as late as can be.

        Where no activation follows, a bias goes through pooling and the next kernel
        into the bias that comes after, or into the mean of batch normalization.
        """
        for channels in self.outputs:
            channels.takes[:] = False
        for rule in reversed(self.rules):
            rule.take()
        return [pair for rule in self.rules for pair in rule.shift()]

    def rule_of(self, layer: Any) -> Rule | None:
        """Returns the rule of a layer; `None` for a model that is followed inside."""
        return self._rules.get(id(layer))

    def left_alone(self) -> list[str]:
        """Returns the paths of the layers that stop units from being removed."""
        is_free = np.ones(self._units.n, bool)
        for rule in self.rules:
            for channels in rule.outputs if isinstance(rule, Opaque) else []:
                is_free[channels.units] = False
        for channels in self._inputs:
            is_free[channels.units] = False
        stopping = {}
        for rule in self.weighted:
            has_kernel = any(len(weight.shape) > 1 for weight in rule.weights)
            reads = any(is_free[each.units].any() for each in rule.inputs)
            if rule.is_unknown and (has_kernel or reads):
                stopping[rule.path] = True
        return list(stopping)

    def _walk(self, function: Any, path: str) -> None:
        for node in calls_in(function):
            layer = node.operation
            if any(id(tensor) not in self.tensors for tensor in node.input_tensors):
                continue  # no input of the model leads here, and Keras skips it too
            inputs = [self.tensors[id(tensor)] for tensor in node.input_tensors]
            inner = inner_graph(node, self._uses)
            if inner is not None:
                self.tensors.update(
                    {id(t): each for t, each in zip(inner.inputs, inputs, strict=True)}
                )
                self._walk(inner, f"{path}{layer.name}/")
                outputs = [self.tensors[id(tensor)] for tensor in inner.outputs]
            else:
                rule = self._rule(node, path + layer.name, inputs)
                rule.run(self._units, [tensor.shape for tensor in node.outputs])
                self.rules.append(rule)
                outputs = rule.outputs
            self.tensors.update(
                {id(t): each for t, each in zip(node.outputs, outputs, strict=True)}
            )

    def _rule(self, node: Any, path: str, inputs: list[Channels]) -> Rule:
        """Returns how the layer of a node carries its units."""
        layer = node.operation
        rule = RULES.get(type(layer), Opaque)(layer, path, inputs)
        shapes = [tensor.shape for tensor in node.outputs]
        is_followed = (
            is_plain(node)
            and all(each.is_known for each in inputs)
            and all(map(has_channels, shapes))
            and getattr(layer, "data_format", "channels_last") != "channels_first"
            and (self._uses[id(layer)] == 1 or rule.repeats)
            and rule.fits(shapes)
        )
        return rule if is_followed else Opaque(layer, path, inputs)
