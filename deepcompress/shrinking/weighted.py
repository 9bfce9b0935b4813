"""How layers with weights carry units: normalization, dense layers, convolutions."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import activations, layers

from deepcompress.network.normalization import exactly
from deepcompress.shrinking.activations import apply, is_elementwise, mixes
from deepcompress.shrinking.channels import Channels, Units
from deepcompress.shrinking.rules import HasWeights, MakesUnits, Pass


class Normalization(HasWeights, Pass):
    """Batch normalization of the channels."""

    repeats = False

    def fits(self, shapes: list[Any]) -> bool:
        return self.layer.axis in (-1, len(self.inputs[0].shape) - 1)

    def infer(self) -> None:
        constants = np.where(self._ignores, 0, self.inputs[0].constants)
        self.outputs[0].constants = self.computed([constants])

    def demand(self) -> None:
        self.inputs[0].needed |= self.outputs[0].needed & ~self._ignores

    def take(self) -> None:
        pass  # its mean takes all

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        mean = self.layer.moving_mean
        yield mean, exactly(mean) - self.inputs[0].shifts
        if self.layer.center:
            yield self.layer.beta, _left(exactly(self.layer.beta), self.outputs[0])

    @property
    def _ignores(self) -> Any:
        return self.layer.gamma.numpy() == 0 if self.layer.scale else np.False_

    def axes(self, variable: Any) -> dict[int, Channels]:
        return {-1: self.inputs[0]}

    def fill(self, variable: Any) -> float:
        return 1.0 if variable is self.layer.moving_variance else 0.0


class Weighted(HasWeights):
    """A layer that weighs channels and adds a bias: a dense layer or a convolution."""

    @property
    def is_unknown(self) -> bool:
        return not is_elementwise(self.layer) and not mixes(self.layer)

    def fits(self, shapes: list[Any]) -> bool:
        return (
            getattr(self.layer, "groups", 1) == 1
            and getattr(self.layer, "quantization_mode", None) is None
            and not getattr(self.layer, "lora_enabled", False)
        )

    def pinned(self) -> Iterator[Channels]:
        if not is_elementwise(self.layer):
            yield self.outputs[0]

    def infer(self) -> None:
        if not is_elementwise(self.layer):
            return
        sums = self._folded(np.where(self._foldable, self.inputs[0].constants, 0))
        if self.layer.bias is not None:
            sums = sums + exactly(self.layer.bias)
        sums = np.where(self._is_varying(), np.nan, sums)
        dtype = self.layer.compute_dtype
        self.outputs[0].constants = apply(self.layer.activation, [sums], 2, dtype)

    def demand(self) -> None:
        needed = self.outputs[0].needed
        if not is_elementwise(self.layer):
            needed = np.full(needed.shape, needed.any())
        self.inputs[0].needed |= self._is_read(needed) & ~self._foldable

    def value(self, variable: Any, is_kept: np.ndarray) -> np.ndarray:
        value = super().value(variable, is_kept)
        if variable is not self.layer.bias:
            return value
        is_folded = self._foldable & ~is_kept[self.inputs[0].units]
        is_folded &= self.inputs[0].constants != 0
        if not is_folded.any():
            return value
        constants = np.where(is_folded, self.inputs[0].constants, 0)
        folded = value.astype(np.float64) + self._folded(constants)
        return np.asarray(folded.astype(value.dtype))

    def take(self) -> None:
        self.inputs[0].takes &= self._folds

    def shift(self) -> Iterator[tuple[Any, np.ndarray]]:
        bias = self.layer.bias
        if bias is None:
            return
        value = exactly(bias) + self._folded(self.inputs[0].shifts)
        if self.layer.activation is activations.linear:
            value = _left(value, self.outputs[0])
        yield bias, value

    @property
    def _folds(self) -> bool:
        """Whether the bias can stand for a constant in the input."""
        # Where a convolution pads with zeros, a constant is none at the border.
        pads = getattr(self.layer, "padding", "valid") != "valid"
        pads = pads and any(size > 1 for size in self.layer.kernel_size)
        return self.layer.bias is not None and not pads

    @property
    def _foldable(self) -> np.ndarray:
        """Which channels of the input the bias can stand for."""
        constants = self.inputs[0].constants
        return np.asarray(np.isfinite(constants) if self._folds else constants == 0)

    def _taps(self) -> np.ndarray:
        """Returns whether a weight leads from each channel to each of the output."""
        kernel = self.layer.kernel.numpy()
        return np.asarray((kernel != 0).any(axis=tuple(range(kernel.ndim - 2))))

    def _sums(self, channels: np.ndarray) -> np.ndarray:
        """Returns the sums of the weights of some channels, over all positions."""
        kernel = self.layer.kernel.numpy()[..., channels, :].astype(np.float64)
        return np.asarray(kernel.sum(axis=tuple(range(kernel.ndim - 2))))

    @abstractmethod
    def scaled(self, factors: np.ndarray) -> tuple[Any, np.ndarray]:
        """Returns the last kernel, and it for outputs that are so many times larger."""

    @abstractmethod
    def _is_varying(self) -> np.ndarray:
        """Returns which channels of the output the input of the model reaches."""

    @abstractmethod
    def _is_read(self, needed: np.ndarray) -> np.ndarray:
        """Returns which channels of the input needed ones of the output read."""

    @abstractmethod
    def _folded(self, constants: np.ndarray) -> np.ndarray:
        """Returns what constants in the channels of the input add to the output."""


class Kernel(Weighted, MakesUnits):
    """A layer that makes new units: each a weighted sum of all channels."""

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        return units.new(shape), 0

    def axes(self, variable: Any) -> dict[int, Channels]:
        if len(variable.shape) == 1:
            return {-1: self.outputs[0]}
        return {-2: self.inputs[0], -1: self.outputs[0]}

    def settings(self, sizes: list[int]) -> dict[str, Any]:
        name = "units" if isinstance(self.layer, layers.Dense) else "filters"
        return {name: sizes[0]}

    def made(self) -> np.ndarray:
        return self.outputs[0].units

    def fan_in(self) -> np.ndarray:
        kernel = self.kernel.numpy()
        return np.asarray(np.count_nonzero(kernel, axis=tuple(range(kernel.ndim - 1))))

    def scaled(self, factors: np.ndarray) -> tuple[Any, np.ndarray]:
        return self.kernel, exactly(self.kernel) * factors

    def _is_varying(self) -> np.ndarray:
        return np.asarray(self._taps()[~self._foldable].any(axis=0))

    def _is_read(self, needed: np.ndarray) -> np.ndarray:
        return np.asarray(self._taps()[:, needed].any(axis=1))

    def _folded(self, constants: np.ndarray) -> np.ndarray:
        channels = np.flatnonzero(constants)
        return np.asarray(constants[channels] @ self._sums(channels))


class Depthwise(Weighted):
    """A convolution of each channel by itself, to one channel or several."""

    def units(self, units: Units, shape: Any) -> tuple[np.ndarray, Any]:
        n = self.layer.depth_multiplier
        return np.repeat(self.inputs[0].units, n), np.repeat(self.inputs[0].blocks, n)

    def axes(self, variable: Any) -> dict[int, Channels]:
        if len(variable.shape) == 1:
            return {-1: self.outputs[0]}
        return {-2: self.inputs[0]}

    def scaled(self, factors: np.ndarray) -> tuple[Any, np.ndarray]:
        kernel = exactly(self.layer.kernel)
        return self.layer.kernel, kernel * factors.reshape(kernel.shape[-2:])

    def _is_varying(self) -> np.ndarray:
        return np.asarray(self._taps() & ~self._foldable[:, None]).ravel()

    def _is_read(self, needed: np.ndarray) -> np.ndarray:
        taps = self._taps()
        return np.asarray((taps & needed.reshape(taps.shape)).any(axis=1))

    def _folded(self, constants: np.ndarray) -> np.ndarray:
        sums = self._sums(np.arange(len(constants)))
        return np.asarray(constants[:, None] * sums).ravel()


class Separable(Kernel):
    """A depthwise convolution, and a pointwise one that makes units of what it gives.

    What lies between the two belongs to the units of the input, several for each.
    """

    @property
    def kernel(self) -> Any:
        return self.layer.pointwise_kernel

    def axes(self, variable: Any) -> dict[int, Channels]:
        if variable is self.layer.depthwise_kernel:
            return {-2: self.inputs[0]}
        if variable is not self.layer.pointwise_kernel:
            return super().axes(variable)
        its, n = self.inputs[0], self.layer.depth_multiplier
        units, blocks = np.repeat(its.units, n), np.repeat(its.blocks, n)
        between = Channels((*its.shape[:-1], len(units)), units, blocks)
        return {-2: between, -1: self.outputs[0]}

    def _taps(self) -> np.ndarray:
        depthwise, pointwise = self._kernels()
        is_there = (depthwise != 0).any(axis=0)[..., None] & (pointwise != 0)
        return np.asarray(is_there.any(axis=1))

    def _sums(self, channels: np.ndarray) -> np.ndarray:
        depthwise, pointwise = self._kernels()
        sums = depthwise[:, channels].astype(np.float64).sum(axis=0)
        return np.asarray(np.einsum("im,imo->io", sums, pointwise[channels]))

    def _kernels(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the kernels by position, channel, and copy; channel, copy, and unit.

        The depthwise one has no unit, the pointwise one no position.
        """
        depthwise = self.layer.depthwise_kernel.numpy()
        n_channels, n = depthwise.shape[-2:]
        pointwise = self.layer.pointwise_kernel.numpy()
        return (
            depthwise.reshape(-1, n_channels, n),
            pointwise.reshape(n_channels, n, -1),
        )


def _left(bias: np.ndarray, channels: Channels) -> np.ndarray:
    """Returns what is left of a bias once all that can be is taken off channels."""
    is_taken = channels.takes & np.isfinite(bias)
    channels.shifts = np.where(is_taken, bias, 0)
    return np.where(is_taken, 0, bias)
