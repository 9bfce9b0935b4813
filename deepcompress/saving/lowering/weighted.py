"""How Keras' layers with kernels become operations."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.internals import symbols
from deepcompress.saving.lowering.activations import activate, split_activation
from deepcompress.saving.lowering.builder import CannotRunError, Rule, Value

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

L = keras.layers


def check_plain(layer: Any) -> None:
    """Refuses a layer that Keras has quantized."""
    if internals.is_quantized(layer):
        raise CannotRunError(
            f"its weights are quantized by Keras ({layer.quantization_mode})"
        )


def _dense(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    check_plain(layer)
    name, after = split_activation(layer.activation)
    b = tracer.builder
    bias = layer.bias
    if getattr(layer, "lora_enabled", False):
        # The kernel is another matrix, and the product of two small ones.
        y = b.add("dense", x.number, weights=(symbols.kernel_of(layer), bias))
        low = b.add("dense", x.number, weights=(layer.lora_kernel_a, None))
        low = b.add("dense", low, weights=(layer.lora_kernel_b, None))
        factor = b.constant(np.float32(layer.lora_alpha / layer.lora_rank))
        y = b.add("binary", y, b.add("binary", low, factor, function="multiply"))
        return activate(tracer, y, x, layer.activation)
    y = b.add("dense", x.number, weights=(layer.kernel, bias), activation=name)
    return activate(tracer, y, x, after)


def _einsum_dense(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    check_plain(layer)
    b, kernel, bias = tracer.builder, symbols.kernel_of(layer), layer.bias
    is_lora = getattr(layer, "lora_enabled", False)
    n_axes = _contracted(layer.equation, len(x.shape), len(kernel.shape))
    fits = bias is None or tuple(bias.shape) == tuple(kernel.shape[n_axes or 0 :])
    if n_axes and fits and not is_lora:
        name, after = split_activation(layer.activation)
        y = b.add(
            "dense", x.number, weights=(kernel, bias), n_axes=n_axes, activation=name
        )
        return activate(tracer, y, x, after)
    weight = b.number(kernel)
    if is_lora:
        low = b.add(
            "matmul", b.number(layer.lora_kernel_a), b.number(layer.lora_kernel_b)
        )
        factor = b.constant(np.float32(layer.lora_alpha / layer.lora_rank))
        low = b.add("binary", low, factor, function="multiply")
        weight = b.add("binary", weight, low)
    y = b.add("einsum", x.number, weight, equation=layer.equation)
    if bias is not None:
        y = b.add("binary", y, b.number(bias))
    return activate(tracer, y, x, layer.activation)


def _contracted(equation: str, n_axes: int, n_kernel: int) -> int:
    """Returns how many axes at the end of a value meet the first ones of a kernel.

    0 where the equation is not a product of such matrices.
    """
    left, _, right = equation.replace(" ", "").partition("->")
    one, _, other = left.partition(",")
    for n in range(1, n_kernel + 1):
        met, made = other[:n], other[n:]
        if one.endswith(met) and right == one[: len(one) - n] + made:
            lead = one[: len(one) - n]
            return n if not set(lead) & set(other) or lead == "..." else 0
    return 0


def _embedding(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    check_plain(layer)
    b = tracer.builder
    y = b.add("embedding", x.number, weights=(symbols.table_of(layer),))
    if getattr(layer, "lora_enabled", False):
        low = b.add("embedding", x.number, weights=(layer.lora_embeddings_a,))
        low = b.add("dense", low, weights=(layer.lora_embeddings_b, None))
        factor = b.constant(np.float32(layer.lora_alpha / layer.lora_rank))
        y = b.add("binary", y, b.add("binary", low, factor, function="multiply"))
    return y


def channels_last(tracer: "Tracer", x: int, rank: int, layer: Any) -> int:
    """Returns a value with its channels at the end."""
    if getattr(layer, "data_format", "channels_last") != "channels_first":
        return x
    return tracer.builder.add("transpose", x, axes=(0, *range(2, rank), 1))


def channels_back(tracer: "Tracer", y: int, rank: int, layer: Any) -> int:
    """Returns a value with its channels where the layer has them."""
    if getattr(layer, "data_format", "channels_last") != "channels_first":
        return y
    return tracer.builder.add("transpose", y, axes=(0, rank - 1, *range(1, rank - 1)))


def window(layer: Any) -> dict[str, Any]:
    """Returns the fields of a window, without those that are all ones."""
    fields: dict[str, Any] = {"padding": layer.padding}
    for name, values in (
        ("strides", layer.strides),
        ("dilation", layer.dilation_rate),
    ):
        given = (values,) if isinstance(values, int) else tuple(values)
        if any(value != 1 for value in given):
            fields[name] = given
    return fields


def _conv(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    check_plain(layer)
    if getattr(layer, "lora_enabled", False):
        raise CannotRunError("its kernel has LoRA weights beside it")
    rank = len(x.shape)
    name, after = split_activation(layer.activation)
    first = channels_last(tracer, x.number, rank, layer)
    y = tracer.builder.add(
        "conv",
        first,
        weights=(layer.kernel, layer.bias),
        activation=name,
        groups=layer.groups,
        **window(layer),
    )
    return activate(tracer, channels_back(tracer, y, rank, layer), x, after)


def _depthwise(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    rank = len(x.shape)
    name, after = split_activation(layer.activation)
    first = channels_last(tracer, x.number, rank, layer)
    y = tracer.builder.add(
        "depthwise_conv",
        first,
        weights=(layer.kernel, layer.bias),
        activation=name,
        **window(layer),
    )
    return activate(tracer, channels_back(tracer, y, rank, layer), x, after)


def _separable(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    rank, b = len(x.shape), tracer.builder
    name, after = split_activation(layer.activation)
    first = channels_last(tracer, x.number, rank, layer)
    y = b.add(
        "depthwise_conv", first, weights=(layer.depthwise_kernel, None), **window(layer)
    )
    y = b.add("conv", y, weights=(layer.pointwise_kernel, layer.bias), activation=name)
    return activate(tracer, channels_back(tracer, y, rank, layer), x, after)


def _conv_transpose(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    check_plain(layer)
    rank = len(x.shape)
    more = layer.output_padding
    if more is not None:
        more = (more,) * (rank - 2) if isinstance(more, int) else tuple(more)
    name, after = split_activation(layer.activation)
    first = channels_last(tracer, x.number, rank, layer)
    y = tracer.builder.add(
        "conv_transpose",
        first,
        weights=(layer.kernel, layer.bias),
        activation=name,
        output_padding=more or (),
        **window(layer),
    )
    return activate(tracer, channels_back(tracer, y, rank, layer), x, after)


LAYERS: dict[type, Rule] = {
    L.Dense: _dense,
    L.EinsumDense: _einsum_dense,
    L.Embedding: _embedding,
    L.SeparableConv1D: _separable,
    L.SeparableConv2D: _separable,
    L.DepthwiseConv1D: _depthwise,
    L.DepthwiseConv2D: _depthwise,
    **dict.fromkeys((L.Conv1D, L.Conv2D, L.Conv3D), _conv),
    **dict.fromkeys(
        (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose),
        _conv_transpose,
    ),
}
