"""What layers do to channels: which they make, pass on, and read.

A *unit* is a filter of a convolution or a neuron of a dense layer. Each tensor between
two layers says which unit every one of its channels comes from. Pooling passes units
on, flattening repeats them for each position, addition makes two units one, and a layer
that is not known here mixes them, so that all of them stay.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import keras
import numpy as np
from keras import layers

_ELEMENTWISE = {
    getattr(keras.activations, name)
    for name in (
        "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid",
        "hard_silu", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish",
        "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus",
        "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh",
        "tanh_shrink", "threshold",
    )
    if hasattr(keras.activations, name)  # not all of them in every Keras
}  # fmt: skip
_MIXING = {
    getattr(keras.activations, name)
    for name in ("glu", "log_softmax", "softmax", "sparsemax")
    if hasattr(keras.activations, name)
}


class Channels:
    """The channels of a tensor: its last axis.

    Attributes:
        shape: The tensor's shape.
        units: The unit that each channel belongs to.
        blocks: Which copy of its units a channel is in; flattening makes one for each
            position. Units may change places within a block.
        constants: The value of each channel that does not depend on the input of the
            model, and NaN for the others.
        needed: Whether the output of the model depends on each channel.
    """

    def __init__(self, shape: Any, units: np.ndarray, blocks: Any = 0) -> None:
        self.shape = tuple(shape)
        self.units = units
        self.blocks: np.ndarray = np.broadcast_to(np.asarray(blocks), units.shape)
        self.constants = np.full(units.shape, np.nan)
        self.needed = np.zeros(units.shape, bool)

    @property
    def is_known(self) -> bool:
        """Whether there is such an axis beside that of the batch."""
        return len(self.shape) > 1 and self.shape[-1] is not None


class Units(Protocol):
    """Where the numbers of units come from."""

    def new_units(self, shape: Any) -> np.ndarray:
        """Returns new units for the channels of a tensor."""

    def unite(self, some: np.ndarray, others: np.ndarray) -> None:
        """Makes units one that can only go together."""


class Step:
    """A layer that is not followed: every unit that goes in or comes out stays.

    Args:
        layer: The layer, or another operation of Keras.
        path: The layer's path in the model.
        inputs: The tensors it reads.
        outputs: The tensors it makes.
    """

    is_followed = False
    repeats = False  # whether it is followed if it is called more than once

    def __init__(
        self, layer: Any, path: str, inputs: list[Channels], outputs: list[Channels]
    ) -> None:
        self.layer, self.path = layer, path
        self.inputs, self.outputs = inputs, outputs

    @property
    def is_unknown(self) -> bool:
        """Whether more could go if the layer were known here."""
        return not self.is_followed and not _mixes(self.layer)

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        """Whether a layer can be followed, given its inputs and output shapes."""
        return True

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        """Returns the units of an output, and their blocks if there are several."""
        return (graph.new_units(shape),)

    def pinned(self) -> Iterator[Channels]:
        """Yields the channels that stay where they are, whatever the weights."""
        yield from self.inputs
        yield from self.outputs

    def infer(self) -> None:
        """Finds the constant channels of the output from those of the input."""

    def demand(self) -> None:
        """Marks the channels of the input that the needed output depends on."""
        for channels in self.inputs:
            channels.needed[:] = True

    def axes(self, variable: Any) -> dict[int, Channels]:
        """Returns the channels that axes of a weight run over, by axis from the end."""
        return {}

    def value(self, variable: Any, is_kept: np.ndarray) -> np.ndarray:
        """Returns a weight as it is once only some units are kept, but of all units."""
        value: np.ndarray = variable.numpy()
        return value

    def fill(self, variable: Any) -> float:
        """Returns what the weights of units that are not there are."""
        return 0.0

    def made(self) -> np.ndarray:
        """Returns the units that may go, which this layer makes."""
        return np.arange(0)

    def fan_in(self) -> np.ndarray:
        """Returns how many weights each of these has."""
        return np.arange(0)

    def settings(self, sizes: list[int]) -> dict[str, Any]:
        """Returns what changes in the layer's config with the number of channels.

        Args:
            sizes: The channels of the outputs.
        """
        return {}


class _Pass(Step):
    """A layer whose output channels are its input's, a constant one the same."""

    is_followed = True
    repeats = True

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        return inputs[0].units, inputs[0].blocks

    def pinned(self) -> Iterator[Channels]:
        yield from ()

    def infer(self) -> None:
        self.outputs[0].constants = self.inputs[0].constants

    def demand(self) -> None:
        self.inputs[0].needed |= self.outputs[0].needed

    def _constants(self, constants: list[np.ndarray]) -> np.ndarray:
        """Returns what the layer itself makes of constants."""
        rank = len(self.inputs[0].shape)
        return _apply(self.layer, constants, rank, self.layer.compute_dtype)


class _Pad(_Pass):
    """A layer that puts zeros around its input."""

    def infer(self) -> None:
        constants = self.inputs[0].constants
        self.outputs[0].constants = np.where(constants == 0, 0.0, np.nan)


class _Elementwise(_Pass):
    """A layer that computes each channel of its output from that of its input."""

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        return _is_elementwise(layer)

    def infer(self) -> None:
        constants = [self.inputs[0].constants]
        self.outputs[0].constants = self._constants(constants)


class _Merge(_Pass):
    """A layer that computes each channel from those of several inputs."""

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        first = inputs[0]
        return all(
            len(each.shape) == len(first.shape)
            and np.array_equal(each.blocks, first.blocks)
            for each in inputs
        )

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        for each in inputs[1:]:
            graph.unite(inputs[0].units, each.units)
        return inputs[0].units, inputs[0].blocks

    def infer(self) -> None:
        constants = [each.constants for each in self.inputs]
        self.outputs[0].constants = self._constants(constants)

    def demand(self) -> None:
        for each in self.inputs:
            each.needed |= self.outputs[0].needed


class _Concatenate(_Pass):
    """Concatenation of channels."""

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        return layer.axis in (-1, len(inputs[0].shape) - 1)

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        blocks, first = [], 0
        for each in inputs:
            blocks.append(each.blocks + first)
            first += int(each.blocks.max()) + 1
        return np.concatenate([each.units for each in inputs]), np.concatenate(blocks)

    def infer(self) -> None:
        constants = [each.constants for each in self.inputs]
        self.outputs[0].constants = np.concatenate(constants)

    def demand(self) -> None:
        bounds = np.cumsum([len(each.units) for each in self.inputs])[:-1]
        needed = np.split(self.outputs[0].needed, bounds)
        for each, part in zip(self.inputs, needed, strict=True):
            each.needed |= part


class _Flatten(_Pass):
    """A layer that puts the channels of many positions side by side."""

    repeats = False

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        size, wanted = 1, shapes[0][-1]
        for length in reversed(inputs[0].shape[1:]):
            if length is None or size > wanted:
                return False
            size *= length
            if size == wanted:
                return True
        return False

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        units, blocks = inputs[0].units, inputs[0].blocks
        n_positions = shape[-1] // len(units)
        firsts = np.arange(n_positions) * (int(blocks.max()) + 1)
        return np.tile(units, n_positions), np.add.outer(firsts, blocks).ravel()

    def infer(self) -> None:
        constants = self.inputs[0].constants
        self.outputs[0].constants = np.resize(constants, len(self.outputs[0].units))

    def demand(self) -> None:
        needed = self.outputs[0].needed.reshape(-1, len(self.inputs[0].units))
        self.inputs[0].needed |= needed.any(axis=0)

    def settings(self, sizes: list[int]) -> dict[str, Any]:
        target = getattr(self.layer, "target_shape", None)  # that of a Reshape
        if target is None or target[-1] == -1:
            return {}
        return {"target_shape": (*target[:-1], sizes[0])}


class _Normalization(_Pass):
    """Batch normalization of the channels."""

    repeats = False

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        return layer.axis in (-1, len(inputs[0].shape) - 1)

    def infer(self) -> None:
        constants = np.where(self._ignores, 0, self.inputs[0].constants)
        self.outputs[0].constants = self._constants([constants])

    def demand(self) -> None:
        self.inputs[0].needed |= self.outputs[0].needed & ~self._ignores

    @property
    def _ignores(self) -> Any:
        return self.layer.gamma.numpy() == 0 if self.layer.scale else np.False_

    def axes(self, variable: Any) -> dict[int, Channels]:
        return {-1: self.inputs[0]}

    def fill(self, variable: Any) -> float:
        return 1.0 if variable is self.layer.moving_variance else 0.0


class _Weighted(_Pass):
    """A layer that weighs channels and adds a bias: a dense layer or a convolution."""

    repeats = False

    @classmethod
    def fits(cls, layer: Any, inputs: list[Channels], shapes: list[Any]) -> bool:
        return (
            getattr(layer, "groups", 1) == 1
            and getattr(layer, "quantization_mode", None) is None
            and not getattr(layer, "lora_enabled", False)
        )

    @property
    def is_unknown(self) -> bool:
        return not _is_elementwise(self.layer) and not _mixes(self.layer)

    def pinned(self) -> Iterator[Channels]:
        if not _is_elementwise(self.layer):
            yield self.outputs[0]

    def infer(self) -> None:
        if not _is_elementwise(self.layer):
            return
        sums = self._folded(self._foldable)
        if self.layer.bias is not None:
            sums = sums + self.layer.bias.numpy().astype(np.float64)
        sums = np.where(self._is_varying(), np.nan, sums)
        dtype = self.layer.compute_dtype
        self.outputs[0].constants = _apply(self.layer.activation, [sums], 2, dtype)

    def demand(self) -> None:
        needed = self.outputs[0].needed
        if not _is_elementwise(self.layer):
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
        folded = value.astype(np.float64) + self._folded(is_folded)
        return np.asarray(folded.astype(value.dtype))

    @property
    def _foldable(self) -> np.ndarray:
        """Which channels of the input the bias can stand for."""
        constants = self.inputs[0].constants
        # Where a convolution pads with zeros, a constant is none at the border.
        pads = getattr(self.layer, "padding", "valid") != "valid"
        pads = pads and any(size > 1 for size in self.layer.kernel_size)
        if pads or self.layer.bias is None:
            return np.asarray(constants == 0)
        return np.asarray(np.isfinite(constants))

    def _taps(self) -> np.ndarray:
        """Returns whether a weight leads from each channel to each of the output."""
        kernel = self.layer.kernel.numpy()
        return np.asarray((kernel != 0).any(axis=tuple(range(kernel.ndim - 2))))

    def _sums(self, channels: np.ndarray) -> np.ndarray:
        """Returns the sums of the weights of some channels, over all positions."""
        kernel = self.layer.kernel.numpy()[..., channels, :].astype(np.float64)
        return np.asarray(kernel.sum(axis=tuple(range(kernel.ndim - 2))))

    def _is_varying(self) -> np.ndarray:
        """Returns which channels of the output the input of the model reaches."""
        raise NotImplementedError

    def _is_read(self, needed: np.ndarray) -> np.ndarray:
        """Returns which channels of the input needed ones of the output read."""
        raise NotImplementedError

    def _folded(self, which: np.ndarray) -> np.ndarray:
        """Returns what some constant channels of the input add to the output."""
        raise NotImplementedError


class _Kernel(_Weighted):
    """A layer that makes new units: each a weighted sum of all channels."""

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        return (graph.new_units(shape),)

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
        kernel = self.layer.kernel.numpy()
        return np.asarray(np.count_nonzero(kernel, axis=tuple(range(kernel.ndim - 1))))

    def _is_varying(self) -> np.ndarray:
        return np.asarray(self._taps()[~self._foldable].any(axis=0))

    def _is_read(self, needed: np.ndarray) -> np.ndarray:
        return np.asarray(self._taps()[:, needed].any(axis=1))

    def _folded(self, which: np.ndarray) -> np.ndarray:
        constants = self.inputs[0].constants
        channels = np.flatnonzero(which & (constants != 0))
        return np.asarray(constants[channels] @ self._sums(channels))


class _Depthwise(_Weighted):
    """A convolution of each channel by itself, to one channel or several."""

    @classmethod
    def units(cls, graph: Units, layer: Any, inputs: list[Channels], shape: Any) -> Any:
        n = layer.depth_multiplier
        return np.repeat(inputs[0].units, n), np.repeat(inputs[0].blocks, n)

    def axes(self, variable: Any) -> dict[int, Channels]:
        if len(variable.shape) == 1:
            return {-1: self.outputs[0]}
        return {-2: self.inputs[0]}

    def _is_varying(self) -> np.ndarray:
        return np.asarray(self._taps() & ~self._foldable[:, None]).ravel()

    def _is_read(self, needed: np.ndarray) -> np.ndarray:
        taps = self._taps()
        return np.asarray((taps & needed.reshape(taps.shape)).any(axis=1))

    def _folded(self, which: np.ndarray) -> np.ndarray:
        constants = np.where(which, self.inputs[0].constants, 0)
        sums = self._sums(np.arange(len(constants)))
        return np.asarray(constants[:, None] * sums).ravel()


def _of_every_rank(*names: str) -> list[type]:
    """Returns the layers of such names for one, two and three dimensions."""
    return [getattr(layers, f"{name}{n}D") for name in names for n in (1, 2, 3)]


_BY_KIND: dict[type[Step], list[type]] = {
    _Kernel: [layers.Dense, *_of_every_rank("Conv")],
    _Depthwise: [layers.DepthwiseConv1D, layers.DepthwiseConv2D],
    _Normalization: [layers.BatchNormalization],
    _Elementwise: [layers.Activation, layers.ELU, layers.LeakyReLU, layers.ReLU],
    _Flatten: [layers.Flatten, layers.Reshape],
    _Concatenate: [layers.Concatenate],
    _Merge: [
        *(layers.Add, layers.Average, layers.Maximum),
        *(layers.Minimum, layers.Multiply, layers.Subtract),
    ],
    _Pad: _of_every_rank("ZeroPadding"),
    _Pass: [
        *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise),
        layers.Identity,
        *_of_every_rank("MaxPooling", "AveragePooling", "Cropping", "SpatialDropout"),
        *_of_every_rank("GlobalMaxPooling", "GlobalAveragePooling"),
    ],
}
KINDS = {layer: kind for kind, known in _BY_KIND.items() for layer in known}


def _is_elementwise(layer: Any) -> bool:
    """Whether a layer's activation computes each channel by itself."""
    activation = getattr(layer, "activation", None)
    return activation is None or activation in _ELEMENTWISE


def _mixes(layer: Any) -> bool:
    """Whether a layer's activation is known to need all channels."""
    activation = getattr(layer, "activation", None)
    return isinstance(layer, layers.Softmax) or activation in _MIXING


def _apply(
    function: Any,
    constants: list[np.ndarray],
    rank: int,
    dtype: str,
) -> np.ndarray:
    """Returns the constants that a layer or an activation makes of constants."""
    is_varying = np.isnan(constants).any(axis=0)
    tensors = [
        keras.ops.convert_to_tensor(
            np.where(is_varying, 0, each).reshape((1,) * (rank - 1) + (-1,)), dtype
        )
        for each in constants
    ]
    result = function(tensors if len(tensors) > 1 else tensors[0])
    result = keras.ops.convert_to_numpy(result).astype(np.float64).ravel()
    return np.where(is_varying | ~np.isfinite(result), np.nan, result)
