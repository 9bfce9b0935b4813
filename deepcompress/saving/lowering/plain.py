"""How Keras' layers without kernels become operations."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepcompress.saving.lowering.activations import activate
from deepcompress.saving.lowering.builder import CannotRunError, Rule, Value
from deepcompress.saving.lowering.weighted import channels_back, channels_last

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

L = keras.layers

# In the shape of a program: as long as the first axis.
AS_FIRST = -2
_LARGE_NEGATIVE = -1e9  # what `Softmax` adds where a mask is false


def same(_tracer: "Tracer", _layer: Any, x: Value, *_args: Any, **_kwargs: Any) -> int:
    """Leaves a value as it is, as layers do that only act in training."""
    return x.number


def _pool(function: str) -> Rule:
    def rule(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
        rank = len(x.shape)
        size = layer.pool_size
        size = (size,) * (rank - 2) if isinstance(size, int) else tuple(size)
        strides = layer.strides
        strides = (
            (strides,) * (rank - 2) if isinstance(strides, int) else tuple(strides)
        )
        first = channels_last(tracer, x.number, rank, layer)
        y = tracer.builder.add(
            "pool",
            first,
            function=function,
            size=size,
            strides=() if strides == size else strides,
            padding=layer.padding,
        )
        return channels_back(tracer, y, rank, layer)

    return rule


def _global_(function: str) -> Rule:
    def rule(
        tracer: "Tracer", layer: Any, x: Value, mask: Value | None = None, **_: Any
    ) -> int:
        rank, b = len(x.shape), tracer.builder
        axes = tuple(range(1, rank - 1))
        if layer.data_format == "channels_first":
            axes = tuple(range(2, rank))
        if mask is not None and function == "mean":
            # The mean of the places that count.
            weight = b.add("cast", mask.number, dtype="float32")
            weight = b.add("expand_dims", weight, axes=(2,) if axes == (1,) else (1,))
            total = b.add("binary", x.number, weight, function="multiply")
            keep = int(layer.keepdims)
            total, n = (
                b.add("reduce", v, function="sum", axes=axes, keepdims=keep)
                for v in (total, weight)
            )
            return b.add("binary", total, n, function="divide")
        return b.add(
            "reduce",
            x.number,
            function=function,
            axes=axes,
            keepdims=int(layer.keepdims),
        )

    return rule


def _flatten(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    first, rank = x.number, len(x.shape)
    if layer.data_format == "channels_first" and rank > 1:
        first = channels_last(tracer, first, rank, layer)
    return tracer.builder.add("flatten", first)


def _reshape(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    return tracer.builder.add(
        "reshape", x.number, shape=(AS_FIRST, *map(int, layer.target_shape))
    )


def _permute(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    return tracer.builder.add("transpose", x.number, axes=(0, *layer.dims))


def _repeat_vector(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    y = tracer.builder.add("expand_dims", x.number, axes=(1,))
    return tracer.builder.add("repeat", y, times=layer.n, axis=1)


def _upsampling(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    rank, b = len(x.shape), tracer.builder
    sizes = layer.size
    sizes = (sizes,) * (rank - 2) if isinstance(sizes, int) else tuple(sizes)
    y = channels_last(tracer, x.number, rank, layer)
    how = getattr(layer, "interpolation", "nearest")
    if how == "nearest":
        for axis, times in enumerate(sizes, 1):
            if times != 1:
                y = b.add("repeat", y, times=times, axis=axis)
    else:
        is_first = layer.data_format == "channels_first"
        inner = x.shape[2:] if is_first else x.shape[1:-1]
        if how != "bilinear" or None in inner:
            raise CannotRunError(f"images of any size by {how!r} cannot be resized")
        new = tuple(int(n or 0) * s for n, s in zip(inner, sizes, strict=True))
        y = b.add("resize", y, size=new, function=how)
    return channels_back(tracer, y, rank, layer)


def _pairs(layer: Any, name: str, rank: int) -> tuple[int, ...]:
    """Returns how much is added or cut, before and behind each axis, one by one."""
    given = getattr(layer, name)
    pairs = [given] if rank == 3 else list(given)
    inner = [n for pair in pairs for n in pair]
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        return (0, 0, 0, 0, *inner)
    return (0, 0, *inner, 0, 0)


def _zero_padding(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    widths = _pairs(layer, "padding", len(x.shape))
    return tracer.builder.add("pad", x.number, widths=widths)


def _cropping(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    widths = _pairs(layer, "cropping", len(x.shape))
    return tracer.builder.add("crop", x.number, widths=widths)


def _batch_normalization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    variables = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    return normalized(
        tracer,
        "batch_normalization",
        x,
        variables,
        epsilon=layer.epsilon,
        axis=_from_end(layer.axis, len(x.shape)),
    )


def normalized(
    tracer: "Tracer", kind: str, x: Value, variables: Any, **settings: Any
) -> int:
    """Adds a normalization with those of its weights that there are."""
    there = tuple(v for v in variables if v is not None)
    has = sum(1 << i for i, v in enumerate(variables) if v is not None)
    settings["epsilon"] = float(np.float32(settings["epsilon"]))
    return tracer.builder.add(kind, x.number, weights=there, has=has, **settings)


def _from_end(axis: Any, rank: int) -> int:
    return int(axis if axis < 0 else axis - rank)


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    given = [axis] if isinstance(axis, int) else list(axis)
    return tuple(sorted(_from_end(a, rank) for a in given))


def _layer_normalization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    return normalized(
        tracer,
        "layer_normalization",
        x,
        (layer.gamma, layer.beta),
        epsilon=layer.epsilon,
        axes=_axes(layer.axis, len(x.shape)),
    )


def _rms_normalization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    return normalized(
        tracer,
        "layer_normalization",
        x,
        (layer.scale, None),
        epsilon=layer.epsilon,
        axes=_axes(layer.axis, len(x.shape)),
        is_rms=1,
    )


def _group_normalization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    if _from_end(layer.axis, len(x.shape)) != -1:
        raise CannotRunError("it normalizes groups of another axis than the last")
    return normalized(
        tracer,
        "group_normalization",
        x,
        (layer.gamma, layer.beta),
        epsilon=layer.epsilon,
        groups=layer.groups,
    )


def _activation(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    return activate(tracer, x.number, x, layer.activation)


def relu(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    """Adds Keras' ReLU: of a layer, or of an operation with the same attributes."""
    return tracer.builder.add(
        "unary",
        x.number,
        function="relu",
        alpha=float(layer.negative_slope),
        beta=0.0 if layer.max_value is None else float(layer.max_value),
        gamma=float(layer.threshold),
    )


def _leaky_relu(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    slope = float(layer.negative_slope)
    return tracer.builder.add("unary", x.number, function="leaky_relu", alpha=slope)


def _elu(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    return tracer.builder.add(
        "unary", x.number, function="elu", alpha=float(layer.alpha)
    )


def _prelu(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    b = tracer.builder
    zero = b.constant(np.float32(0))
    above = b.add("unary", x.number, function="relu")
    below = b.add("binary", x.number, zero, function="minimum")
    below = b.add("binary", below, b.number(layer.alpha), function="multiply")
    return b.add("binary", above, below)


def _softmax(
    tracer: "Tracer", layer: Any, x: Value, mask: Value | None = None, **_: Any
) -> int:
    b, y, axis = tracer.builder, x.number, layer.axis
    if mask is not None:
        there = b.add("cast", mask.number, dtype="float32")
        missing = b.add("binary", b.constant(1.0), there, function="subtract")
        least = b.constant(np.float32(_LARGE_NEGATIVE))
        y = b.add("binary", y, b.add("binary", missing, least, function="multiply"))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1:
        return b.add("unary", y, function="softmax", axis=axes[0])
    total = b.add("reduce", y, function="logsumexp", axes=axes, keepdims=1)
    y = b.add("binary", y, total, function="subtract")
    return b.add("unary", y, function="exp")


def _attention(
    tracer: "Tracer", layer: Any, query: Value, value: Value, *args: Any, **kwargs: Any
) -> Any:
    """Traces into an attention, whose causal mask asks how long its values are."""
    is_given = kwargs.get("attention_mask") is not None
    if kwargs.get("use_causal_mask") and not is_given and query.number == value.number:
        n = query.shape[1]
        mask = tracer.builder.add("causal_mask_like", query.number, axis=1)
        kwargs["attention_mask"] = Value(mask, (1, n, n), "bool")
        kwargs["use_causal_mask"] = False
    return tracer.traced(layer, (query, value, *args), kwargs)


def _merge(function: str) -> Rule:
    def rule(tracer: "Tracer", layer: Any, xs: list[Value], **_: Any) -> int:
        ranks = {len(x.shape) for x in xs}
        if len(ranks) > 1:
            raise CannotRunError("it merges arrays of unlike numbers of axes")
        b, y = tracer.builder, xs[0].number
        for x in xs[1:]:
            y = b.add("binary", y, x.number, function=function)
        if isinstance(layer, keras.layers.Average):
            n = b.constant(np.float32(1 / len(xs)))
            y = b.add("binary", y, n, function="multiply")
        return y

    return rule


def _concatenate(tracer: "Tracer", layer: Any, xs: list[Value], **_: Any) -> int:
    numbers = [x.number for x in xs]
    return tracer.builder.add("concatenate", *numbers, axis=layer.axis)


LAYERS: dict[type, Rule] = {
    L.Flatten: _flatten,
    L.Reshape: _reshape,
    L.Permute: _permute,
    L.RepeatVector: _repeat_vector,
    L.BatchNormalization: _batch_normalization,
    L.LayerNormalization: _layer_normalization,
    L.RMSNormalization: _rms_normalization,
    L.GroupNormalization: _group_normalization,
    L.Activation: _activation,
    L.ReLU: relu,
    L.LeakyReLU: _leaky_relu,
    L.ELU: _elu,
    L.PReLU: _prelu,
    L.Softmax: _softmax,
    L.MultiHeadAttention: _attention,
    L.GroupQueryAttention: _attention,
    L.Add: _merge("add"),
    L.Average: _merge("add"),
    L.Subtract: _merge("subtract"),
    L.Multiply: _merge("multiply"),
    L.Maximum: _merge("maximum"),
    L.Minimum: _merge("minimum"),
    L.Concatenate: _concatenate,
    **dict.fromkeys((L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D), _pool("max")),
    **dict.fromkeys(
        (L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D),
        _pool("average"),
    ),
    **dict.fromkeys(
        (L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D),
        _global_("max"),
    ),
    **dict.fromkeys(
        (L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D),
        _global_("mean"),
    ),
    **dict.fromkeys((L.UpSampling1D, L.UpSampling2D, L.UpSampling3D), _upsampling),
    **dict.fromkeys((L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D), _zero_padding),
    **dict.fromkeys((L.Cropping1D, L.Cropping2D, L.Cropping3D), _cropping),
    **dict.fromkeys(
        (
            L.Identity,
            L.Dropout,
            L.AlphaDropout,
            L.SpatialDropout1D,
            L.SpatialDropout2D,
            L.SpatialDropout3D,
            L.GaussianDropout,
            L.GaussianNoise,
            L.ActivityRegularization,
        ),
        same,
    ),
}
