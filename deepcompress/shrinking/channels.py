"""What a tensor carries between two layers: channels, and the units they come from.

A *unit* is a filter of a convolution or a neuron of a dense layer.
"""

from typing import Any

import numpy as np


class Channels:
    """The channels of a tensor: its last axis.

    Args:
        shape: The tensor's shape.
        units: The unit that each channel belongs to.
        blocks: Which copy of its units a channel is in; flattening makes one for each
            position. Units may change places within a block.

    Attributes:
        shape: As given.
        units: As given.
        blocks: As given.
        constants: The value of each channel that does not depend on the input of the
            model, and NaN for the others.
        needed: Whether the output of the model depends on each channel.
        takes: Whether all that reads a channel computes the same once a constant is
            taken off it, if its biases change.
        shifts: What has been taken off each channel.
    """

    def __init__(self, shape: Any, units: np.ndarray, blocks: Any = 0) -> None:
        self.shape = tuple(shape)
        self.units = units
        self.blocks: np.ndarray = np.broadcast_to(np.asarray(blocks), units.shape)
        self.constants = np.full(units.shape, np.nan)
        self.needed = np.zeros(units.shape, bool)
        self.takes = np.ones(units.shape, bool)
        self.shifts: np.ndarray = np.zeros(units.shape)

    @property
    def is_known(self) -> bool:
        """Whether there is such an axis beside that of the batch."""
        return has_channels(self.shape)


class Units:
    """Gives units their numbers, and one number to those that can only go together.

    Attributes:
        n: How many numbers there are.
    """

    def __init__(self) -> None:
        self.n = 0
        self._united: list[tuple[np.ndarray, np.ndarray]] = []

    def new(self, shape: Any) -> np.ndarray:
        """Returns new units for the channels of a tensor."""
        first = self.n
        self.n += shape[-1] if has_channels(shape) else 0
        return np.arange(first, self.n)

    def unite(self, some: np.ndarray, others: np.ndarray) -> None:
        """Makes units one that can only go together."""
        self._united.append((some, others))

    def united(self) -> np.ndarray:
        """Returns the number of every unit: the lowest of those it is one with."""
        numbers = np.arange(self.n)
        before = None
        while before is None or (before != numbers).any():
            before = numbers.copy()
            for some, others in self._united:
                low = np.minimum(numbers[some], numbers[others])
                np.minimum.at(numbers, some, low)
                np.minimum.at(numbers, others, low)
        return numbers


def has_channels(shape: Any) -> bool:
    """Whether a shape has a last axis of known length beside that of the batch."""
    return len(shape) > 1 and shape[-1] is not None
