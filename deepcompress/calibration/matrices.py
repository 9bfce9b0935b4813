"""Kernels as matrices, and what a layer is given as the rows that they multiply."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# Of more inputs than this the second moments are taken in blocks.
_WIDEST = 4096

# Chooses some of so many rows.
Choose = Callable[[int], np.ndarray]
Rows = Callable[[np.ndarray, Choose], np.ndarray]


@dataclass(frozen=True)
class Form:
    """How a kernel is a stack of matrices, one for each group of inputs.

    Attributes:
        variable: The kernel.
        rows: Takes what the layer is given, and a function that chooses among so many
            rows; returns the chosen rows, of shape `(rows, groups, inputs)`.
        layout: Which axes of the kernel are groups, inputs and outputs.
        bias: The bias that is added to what the kernel computes, which has an element
            for each output of each group. `None` where there is no such thing.
        is_lookup: Whether the inputs are indices of the kernel's rows.
        is_reverse: Whether the kernel is a table of words that is multiplied by, to
            tell the next word, as `ReversibleEmbedding` does.
        is_tied: Whether words are looked up in it too.
    """

    variable: Any
    rows: Rows
    layout: "Layout"
    bias: Any = None
    is_lookup: bool = False
    is_reverse: bool = False
    is_tied: bool = False


@dataclass(frozen=True)
class Layout:
    """The axes of a kernel as groups, inputs and outputs.

    Of more inputs than can go together blocks are made, each a group by itself; the
    last one is filled up with zeros.

    Attributes:
        shape: The kernel's shape, an axis of several meanings split into them.
        groups: The axes that tell the groups.
        inputs: The axes that a sum runs over.
        outputs: The others.
        is_whole: Whether no blocks are made.
    """

    shape: tuple[int, ...]
    groups: tuple[int, ...] = ()
    inputs: tuple[int, ...] = (0,)
    outputs: tuple[int, ...] = (1,)
    is_whole: bool = False

    @property
    def n_blocks(self) -> int:
        """Blocks of inputs of each group."""
        return 1 if self.is_whole else -(-self._size(self.inputs) // _WIDEST)

    @property
    def n_inputs(self) -> int:
        """Inputs of a block."""
        return -(-self._size(self.inputs) // self.n_blocks)

    @property
    def n_groups(self) -> int:
        """Groups, the blocks of each counted apart."""
        return self._size(self.groups) * self.n_blocks

    @property
    def n_outputs(self) -> int:
        """Outputs of all groups together."""
        return self._size(self.groups) * self._size(self.outputs)

    def matrices(self, kernel: np.ndarray) -> np.ndarray:
        """Returns a kernel as an array of shape `(groups, inputs, outputs)`."""
        split = kernel.reshape(self.shape).transpose(self._order)
        whole = split.reshape([self._size(axes) for axes in self._axes])
        return self._in_blocks(whole, 1)

    def kernel(self, matrices: np.ndarray) -> np.ndarray:
        """Returns matrices as the kernel that they are of, in the shape given here."""
        groups, inputs, outputs = (self._size(axes) for axes in self._axes)
        whole = matrices.reshape(groups, -1, outputs)[:, :inputs]
        split = whole.reshape([self.shape[axis] for axis in self._order])
        return split.transpose(np.argsort(self._order))

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows of shape `(rows, groups, inputs)` in blocks."""
        return self._in_blocks(rows, 2)

    @property
    def _axes(self) -> tuple[tuple[int, ...], ...]:
        return self.groups, self.inputs, self.outputs

    @property
    def _order(self) -> tuple[int, ...]:
        return (*self.groups, *self.inputs, *self.outputs)

    def _size(self, axes: tuple[int, ...]) -> int:
        return int(np.prod([self.shape[axis] for axis in axes], dtype=np.int64))

    def _in_blocks(self, array: np.ndarray, axis: int) -> np.ndarray:
        """Cuts the inputs at an axis, behind that of the groups."""
        if self.n_blocks == 1:
            return array
        more = self.n_blocks * self.n_inputs - array.shape[axis]
        padding = [(0, more if at == axis else 0) for at in range(array.ndim)]
        shape = list(array.shape)
        shape[axis - 1 : axis + 1] = [shape[axis - 1] * self.n_blocks, self.n_inputs]
        return np.pad(array, padding).reshape(shape)


def forms(layer: Any, *, is_reversed: bool = False) -> list[Form]:
    """Returns how the kernels of a layer are matrices; none of layers not known.

    Args:
        layer: A built layer.
        is_reversed: Whether the table of words that it is, if it is one, is multiplied
            by. Defaults to `False`.
    """
    if is_reversed:
        return _reversible(layer)
    for kind, maker in _MAKERS:
        if isinstance(layer, kind):
            # What a kernel is not, but the sum of several, is no variable.
            return [form for form in maker(layer) if _is_own(form.variable)]
    return []


def _is_own(kernel: Any) -> bool:
    return isinstance(kernel, keras.Variable)


def _dense(layer: Any) -> list[Form]:
    kernel = layer.kernel
    return [Form(kernel, _vectors, Layout(tuple(kernel.shape)), layer.bias)]


def _vectors(inputs: np.ndarray, choose: Choose) -> np.ndarray:
    """Returns chosen vectors along the last axis."""
    flat = inputs.reshape(-1, 1, inputs.shape[-1])
    return flat[choose(len(flat))]


def _embedding(layer: Any) -> list[Form]:
    table = layer.embeddings

    def rows(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        return inputs.reshape(-1, 1, 1)

    return [
        Form(table, rows, Layout(tuple(table.shape), is_whole=True), is_lookup=True)
    ]


def _reversible(layer: Any) -> list[Form]:
    if not layer.tie_weights:
        kernel = layer.reverse_embeddings
        reverse = Form(kernel, _vectors, Layout(tuple(kernel.shape)), is_reverse=True)
        return [*_embedding(layer), reverse]
    shape = tuple(layer.embeddings.shape)
    layout = Layout(shape, inputs=(1,), outputs=(0,))
    return [Form(layer.embeddings, _vectors, layout, is_reverse=True, is_tied=True)]


def _einsum(layer: Any) -> list[Form]:
    operands, output = layer.equation.replace(" ", "").split("->")
    given, own = operands.split(",")
    if "..." in given:
        if not given.startswith("..."):
            return []
        given, output = given[3:], output[3:]
    summed = [letter for letter in own if letter in given and letter not in output]
    shared = [letter for letter in own if letter in given and letter in output]
    outer = [letter for letter in own if letter not in given]
    if not summed or any(letter not in output for letter in outer):
        return []
    free = [letter for letter in given if letter not in own]
    if any(letter not in output for letter in free):
        return []
    at = own.index
    layout = Layout(
        tuple(layer.kernel.shape),
        tuple(map(at, shared)),
        tuple(map(at, summed)),
        tuple(map(at, outer)),
    )

    def rows(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        n_more = inputs.ndim - len(given)
        place = {letter: i + n_more for i, letter in enumerate(given)}
        last = [place[letter] for letter in [*shared, *summed]]
        others = [axis for axis in range(inputs.ndim) if axis not in last]
        moved = inputs.transpose([*others, *last])
        n_groups = int(np.prod([inputs.shape[place[c]] for c in shared], dtype=int))
        n_inputs = int(np.prod([inputs.shape[place[c]] for c in summed], dtype=int))
        flat = moved.reshape(-1, n_groups, n_inputs)
        return flat[choose(len(flat))]

    bias = layer.bias
    if bias is not None:
        # Only a bias of its own for each output can make up for a mean.
        expected = [
            layer.kernel.shape[at(letter)]
            for letter in output
            if letter in outer or letter in shared
        ]
        in_order = [letter for letter in output if letter in [*shared, *outer]]
        fits = [n for n in bias.shape if n != 1] == [n for n in expected if n != 1]
        if not fits or in_order != [*shared, *outer]:
            bias = None
    return [Form(layer.kernel, rows, layout, bias)]


def _conv(layer: Any) -> list[Form]:
    *window, n_in, n_out = layer.kernel.shape
    groups, rank = layer.groups, len(window)
    layout = Layout(
        (*window, n_in, groups, n_out // groups),
        (rank + 1,),
        tuple(range(rank + 1)),
        (rank + 2,),
    )
    patches = _patches(layer, window)

    def rows(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        found = patches(inputs, choose)  # (rows, window, channels)
        split = found.reshape(*found.shape[:-1], groups, n_in)
        moved = np.moveaxis(split, -2, 1)
        return moved.reshape(len(moved), groups, -1)

    return [Form(layer.kernel, rows, layout, layer.bias)]


def _depthwise(layer: Any) -> list[Form]:
    return [_depthwise_form(layer, layer.kernel, layer.bias)]


def _depthwise_form(layer: Any, kernel: Any, bias: Any) -> Form:
    *window, n_in, n_each = kernel.shape
    rank = len(window)
    layout = Layout((*window, n_in, n_each), (rank,), tuple(range(rank)), (rank + 1,))
    patches = _patches(layer, window)

    def rows(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        found = patches(inputs, choose)
        return np.moveaxis(found, -1, 1).reshape(len(found), n_in, -1)

    return Form(kernel, rows, layout, bias)


def _separable(layer: Any) -> list[Form]:
    first = _depthwise_form(layer, layer.depthwise_kernel, None)
    kernel = layer.pointwise_kernel
    n_in, n_out = kernel.shape[-2:]

    def rows(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        seen = first.rows(inputs, choose)
        values = layer.depthwise_kernel.numpy().astype(np.float32)
        depthwise = first.layout.matrices(values)
        made: np.ndarray = np.einsum("rgi,gio->rgo", seen, depthwise)
        return made.reshape(len(made), 1, n_in)

    return [first, Form(kernel, rows, Layout((n_in, n_out)), layer.bias)]


def _transposed(layer: Any) -> list[Form]:
    *window, n_out, n_in = layer.kernel.shape
    rank = len(window)
    layout = Layout((*window, n_out, n_in), (), (*range(rank), rank + 1), (rank,))
    dilations = _tuple(layer.dilation_rate, rank)
    strides = _tuple(layer.strides, rank)

    def rows(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        if layer.data_format == "channels_first":
            inputs = np.moveaxis(inputs, 1, -1)
        sizes = inputs.shape[1:-1]
        spread = [(n - 1) * s + 1 for n, s in zip(sizes, strides, strict=True)]
        around = [(k - 1) * d for k, d in zip(window, dilations, strict=True)]
        shape = [n + 2 * a for n, a in zip(spread, around, strict=True)]
        wide = np.zeros((len(inputs), *shape, inputs.shape[-1]), inputs.dtype)
        inner = [
            slice(a, a + n, s) for a, n, s in zip(around, spread, strides, strict=True)
        ]
        wide[(slice(None), *inner)] = inputs
        found = _windows(wide, window, (1,) * rank, dilations, choose)
        back = (slice(None), *[slice(None, None, -1)] * rank)
        return found[back].reshape(len(found), 1, -1)

    return [Form(layer.kernel, rows, layout, layer.bias)]


def _patches(layer: Any, window: list[int]) -> Rows:
    """Returns what cuts the patches of a convolution, `(rows, *window, channels)`."""
    rank = len(window)
    dilations = _tuple(layer.dilation_rate, rank)
    strides = _tuple(layer.strides, rank)

    def patches(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        if layer.data_format == "channels_first":
            inputs = np.moveaxis(inputs, 1, -1)
        reach = [(k - 1) * d for k, d in zip(window, dilations, strict=True)]
        padding = [(0, 0)] * rank
        if layer.padding == "causal":
            padding = [(r, 0) for r in reach]
        elif layer.padding == "same":
            padding = [
                _same(n, r, s)
                for n, r, s in zip(inputs.shape[1:-1], reach, strides, strict=True)
            ]
        if any(map(any, padding)):
            inputs = np.pad(inputs, [(0, 0), *padding, (0, 0)])
        return _windows(inputs, window, strides, dilations, choose)

    return patches


def _same(size: int, reach: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
    return total // 2, total - total // 2


def _windows(
    inputs: np.ndarray,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    choose: Choose,
) -> np.ndarray:
    """Returns chosen windows of images, of shape `(rows, *window, channels)`."""
    rank = len(window)
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilations, strict=True)]
    axes = tuple(range(1, rank + 1))
    every = sliding_window_view(inputs, reach, axis=axes)
    steps = tuple(slice(None, None, s) for s in strides)
    inner = tuple(slice(None, None, d) for d in dilations)
    every = every[(slice(None), *steps, slice(None), *inner)]
    shape = every.shape[: rank + 1]
    chosen = np.unravel_index(choose(int(np.prod(shape))), shape)
    return np.moveaxis(every[chosen], 1, -1)  # (rows, channels, *window) before


def _tuple(setting: Any, rank: int) -> tuple[int, ...]:
    return (setting,) * rank if isinstance(setting, int) else tuple(setting)


def _recurrent(layer: Any) -> list[Form]:
    cell = layer.cell

    def states(inputs: np.ndarray, choose: Choose) -> np.ndarray:
        return _vectors(_states(layer, inputs)[:, :-1], choose)

    bias = cell.bias if cell.bias is not None and cell.bias.ndim == 1 else None
    return [
        Form(cell.kernel, _vectors, Layout(tuple(cell.kernel.shape)), bias),
        Form(cell.recurrent_kernel, states, Layout(tuple(cell.recurrent_kernel.shape))),
    ]


def _states(layer: Any, inputs: np.ndarray) -> np.ndarray:
    """Returns the states of a recurrent layer after every step."""
    changes = {"return_sequences": True, "return_state": False, "stateful": False}
    every = type(layer).from_config({**layer.get_config(), **changes})
    every.build(inputs.shape)
    for own, other in zip(every.cell.weights, layer.cell.weights, strict=True):
        own.assign(other)
    found: np.ndarray = keras.ops.convert_to_numpy(every(inputs))
    return found


_L = keras.layers
_MAKERS: tuple[tuple[Any, Callable[[Any], list[Form]]], ...] = (
    (_L.Embedding, _embedding),
    ((_L.LSTM, _L.GRU, _L.SimpleRNN), _recurrent),
    (_L.EinsumDense, _einsum),
    (_L.Dense, _dense),
    ((_L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose), _transposed),
    ((_L.SeparableConv1D, _L.SeparableConv2D), _separable),
    ((_L.DepthwiseConv1D, _L.DepthwiseConv2D), _depthwise),
    ((_L.Conv1D, _L.Conv2D, _L.Conv3D), _conv),
)
