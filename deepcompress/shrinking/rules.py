"""How layers carry units: which they make, pass on, and read.

Pooling passes units on, flattening repeats them for each position, addition makes two
units one, and a layer that is not known here mixes them, so that all of them stay. The
rules of layers that have no weights are here; `weighted` has those of the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import layers

from deepcompress.shrinking.activations import apply, is_elementwise, mixes
from deepcompress.shrinking.channels import Channels, Units


class Rule(ABC):
    """How one layer, or another operation of Keras, carries its units.

    Args:
        layer: The layer.
        path: The layer's path in the model.
        inputs: The tensors it reads.

    Attributes:
        layer: As given.
        path: As given.
        inputs: As given.
        outputs: The tensors it makes, once it has run.
        repeats: Whether the rule holds for a layer that is called more than once.
    """

    repeats = False

    def __init__(self, layer: Any, path: str, inputs: list[Channels]) -> None:
        self.layer, self.path = layer, path
        self.inputs, self.outputs = inputs, list[Channels]()

    def run(self, units: Units, shapes: list[Any]) -> None:
        """Makes the outputs, given their shapes."""
        self.outputs = [Channels(shape, *self.units(units, shape)) for shape in shapes]

    @abstractmethod
    def fits(self, shapes: list[Any]) -> bool:
        """Whether the rule holds for the layer, given the shapes of its outputs."""

    @abstractmethod
    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        """Returns the unit of each channel of an output, and its block."""

    @abstractmethod
    def pinned(self) -> Iterator[Channels]:
        """Yields the channels that stay where they are, whatever the weights."""

    @abstractmethod
    def infer(self) -> None:
        """Finds the constant channels of the output from those of the input."""

    @abstractmethod
    def demand(self) -> None:
        """Marks the channels of the input that the needed output depends on."""

    def take(self) -> None:
        """Marks the channels of the inputs that no constant can be taken off."""
        for channels in self.inputs:
            channels.takes[:] = False

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields weights, and their values once the inputs have been shifted."""
        yield from ()

    def settings(self, sizes: list[int]) -> dict[str, Any]:
        """Returns what changes in the layer's config with the number of channels.

        Args:
            sizes: The channels of the outputs.
        """
        return {}


class HasWeights(Rule):
    """A rule for a layer with weights, whose axes may run over channels."""

    @property
    def weights(self) -> list[Any]:
        """The variables of the layer; an operation has none."""
        return list(getattr(self.layer, "weights", []))

    @property
    def is_unknown(self) -> bool:
        """Whether more units could go if the layer were known better."""
        return False

    @abstractmethod
    def axes(self, variable: Any) -> dict[int, Channels]:
        """Returns the channels that axes of a weight run over, by axis from the end."""

    def value(self, variable: Any, is_kept: np.ndarray) -> np.ndarray:
        """Returns a weight as it is once only some units are kept, but of all units."""
        value: np.ndarray = variable.numpy()
        return value

    def fill(self, variable: Any) -> float:
        """Returns what the weights of units that are not there are."""
        return 0.0


class MakesUnits(HasWeights):
    """A rule for a layer that makes units, with weights of their own."""

    @property
    def kernel(self) -> Any:
        """The weight whose last axis runs over the units."""
        return self.layer.kernel

    @abstractmethod
    def made(self) -> np.ndarray:
        """Returns the units."""

    @abstractmethod
    def fan_in(self) -> np.ndarray:
        """Returns how many weights each of them has."""

    @abstractmethod
    def settings(self, sizes: list[int]) -> dict[str, Any]:
        """Returns the number of units, as the layer's config has it."""


class Opaque(HasWeights):
    """A layer that is not followed: every unit that goes in or comes out stays."""

    @property
    def is_unknown(self) -> bool:
        return not mixes(self.layer)

    def fits(self, shapes: list[Any]) -> bool:
        return True

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        return units.new(shape), 0

    def pinned(self) -> Iterator[Channels]:
        yield from self.inputs
        yield from self.outputs

    def infer(self) -> None:
        pass  # no constant is known

    def demand(self) -> None:
        for channels in self.inputs:
            channels.needed[:] = True

    def axes(self, variable: Any) -> dict[int, Channels]:
        return {}  # its weights stay whole


class Pass(Rule):
    """A layer whose output channels are its input's, a constant one the same."""

    repeats = True

    def fits(self, shapes: list[Any]) -> bool:
        return True

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        return self.inputs[0].units, self.inputs[0].blocks

    def pinned(self) -> Iterator[Channels]:
        yield from ()

    def infer(self) -> None:
        self.outputs[0].constants = self.inputs[0].constants

    def demand(self) -> None:
        self.inputs[0].needed |= self.outputs[0].needed

    def take(self) -> None:
        self.inputs[0].takes &= self.outputs[0].takes

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        self.outputs[0].shifts = self.inputs[0].shifts
        yield from ()

    def computed(self, constants: list[np.ndarray]) -> np.ndarray:
        """Returns what the layer itself makes of constants."""
        rank = len(self.inputs[0].shape)
        return apply(self.layer, constants, rank, self.layer.compute_dtype)


class Pad(Pass):
    """A layer that puts zeros around its input."""

    def infer(self) -> None:
        constants = self.inputs[0].constants
        self.outputs[0].constants = np.where(constants == 0, 0.0, np.nan)

    def take(self) -> None:
        Rule.take(self)


class Elementwise(Pass):
    """A layer that computes each channel of its output from that of its input."""

    def fits(self, shapes: list[Any]) -> bool:
        return is_elementwise(self.layer)

    def infer(self) -> None:
        self.outputs[0].constants = self.computed([self.inputs[0].constants])

    def take(self) -> None:
        Rule.take(self)


class Merge(Pass):
    """A layer that computes each channel from those of several inputs."""

    def fits(self, shapes: list[Any]) -> bool:
        first = self.inputs[0]
        return all(
            len(each.shape) == len(first.shape)
            and np.array_equal(each.blocks, first.blocks)
            for each in self.inputs
        )

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        for each in self.inputs[1:]:
            units.unite(self.inputs[0].units, each.units)
        return super().units(units, shape)

    def infer(self) -> None:
        constants = [each.constants for each in self.inputs]
        self.outputs[0].constants = self.computed(constants)

    def demand(self) -> None:
        for each in self.inputs:
            each.needed |= self.outputs[0].needed

    def take(self) -> None:
        is_linear = isinstance(self.layer, (layers.Add, layers.Average))
        for each in self.inputs:
            each.takes &= is_linear & self.outputs[0].takes

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        shifts = [each.shifts for each in self.inputs]
        if any(map(np.any, shifts)):
            self.outputs[0].shifts = self.computed(shifts)
        yield from ()


class Concatenate(Pass):
    """Concatenation of channels."""

    def fits(self, shapes: list[Any]) -> bool:
        return self.layer.axis in (-1, len(self.inputs[0].shape) - 1)

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        blocks, first = [], 0
        for each in self.inputs:
            blocks.append(each.blocks + first)
            first += int(each.blocks.max()) + 1
        joined = np.concatenate([each.units for each in self.inputs])
        return joined, np.concatenate(blocks)

    def infer(self) -> None:
        constants = [each.constants for each in self.inputs]
        self.outputs[0].constants = np.concatenate(constants)

    def demand(self) -> None:
        for each, part in self._parts(self.outputs[0].needed):
            each.needed |= part

    def take(self) -> None:
        for each, part in self._parts(self.outputs[0].takes):
            each.takes &= part

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        self.outputs[0].shifts = np.concatenate([each.shifts for each in self.inputs])
        yield from ()

    def _parts(self, array: np.ndarray) -> Iterator[tuple[Channels, np.ndarray]]:
        """Yields each input, and what of an array of the output is of it."""
        bounds = np.cumsum([len(each.units) for each in self.inputs])[:-1]
        yield from zip(self.inputs, np.split(array, bounds), strict=True)


class Flatten(Pass):
    """A layer that puts the channels of many positions side by side."""

    repeats = False

    def fits(self, shapes: list[Any]) -> bool:
        size, wanted = 1, shapes[0][-1]
        for length in reversed(self.inputs[0].shape[1:]):
            if length is None or size > wanted:
                return False
            size *= length
            if size == wanted:
                return True
        return False

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        its, blocks = self.inputs[0].units, self.inputs[0].blocks
        n_positions = shape[-1] // len(its)
        firsts = np.arange(n_positions) * (int(blocks.max()) + 1)
        return np.tile(its, n_positions), np.add.outer(firsts, blocks).ravel()

    def infer(self) -> None:
        constants = self.inputs[0].constants
        self.outputs[0].constants = np.resize(constants, len(self.outputs[0].units))

    def demand(self) -> None:
        needed = self.outputs[0].needed.reshape(-1, len(self.inputs[0].units))
        self.inputs[0].needed |= needed.any(axis=0)

    def take(self) -> None:
        takes = self.outputs[0].takes.reshape(-1, len(self.inputs[0].units))
        self.inputs[0].takes &= takes.all(axis=0)

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        shifts = self.inputs[0].shifts
        self.outputs[0].shifts = np.resize(shifts, len(self.outputs[0].units))
        yield from ()

    def settings(self, sizes: list[int]) -> dict[str, Any]:
        target = getattr(self.layer, "target_shape", None)  # that of a Reshape
        if target is None or target[-1] == -1:
            return {}
        return {"target_shape": (*target[:-1], sizes[0])}
