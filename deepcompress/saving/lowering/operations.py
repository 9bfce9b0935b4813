"""How the operations of `keras.ops` become those of a program, by their class' name."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepcompress.saving.lowering.builder import (
    AS_BATCH,
    BATCH,
    CannotRunError,
    Rule,
    Value,
)
from deepcompress.saving.lowering.plain import normalized, relu
from deepcompress.saving.lowering.weighted import channels_back, channels_last

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

FITTING = -1


def _unary(function: str, **fixed: float) -> Rule:
    def rule(tracer: "Tracer", operation: Any, x: Value, *_: Any, **__: Any) -> int:
        settings: dict[str, Any] = dict(fixed)
        for name, attribute in _PARAMETERS.get(function, {}).items():
            settings[name] = getattr(operation, attribute)
        if function == "gelu" and operation.approximate:
            return tracer.builder.add("unary", x.number, function="gelu_tanh")
        return tracer.builder.add("unary", x.number, function=function, **settings)

    return rule


# Which attribute of an operation a field of `unary` is.
_PARAMETERS = {
    "leaky_relu": {"alpha": "negative_slope"},
    "elu": {"alpha": "alpha"},
    "celu": {"alpha": "alpha"},
    "squareplus": {"alpha": "b"},
    "soft_shrink": {"alpha": "threshold"},
    "hard_shrink": {"alpha": "threshold"},
    "threshold": {"alpha": "threshold", "beta": "default_value"},
    "glu": {"axis": "axis"},
}


def _soft(function: str) -> Rule:
    def rule(tracer: "Tracer", operation: Any, x: Value) -> int:
        if not isinstance(operation.axis, int):
            raise CannotRunError(f"{function} over the axes {operation.axis}")
        axis = operation.axis
        return tracer.builder.add("unary", x.number, function=function, axis=axis)

    return rule


def _binary(function: str) -> Rule:
    def rule(tracer: "Tracer", _operation: Any, x: Any, y: Any) -> int:
        numbers = _both(tracer, x, y)
        return tracer.builder.add("binary", *numbers, function=function)

    return rule


def _both(tracer: "Tracer", x: Any, y: Any) -> list[int]:
    like = [each if isinstance(each, Value) else None for each in (y, x)]
    return [tracer.builder.number(v, w) for v, w in zip((x, y), like, strict=True)]


def _reduce(function: str) -> Rule:
    def rule(tracer: "Tracer", operation: Any, x: Value) -> int:
        axis = operation.axis
        axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        keep = int(bool(operation.keepdims))
        number = x.number
        if x.dtype == "bool" and function in ("sum", "mean"):
            dtype = "int32" if function == "sum" else "float32"
            number = tracer.builder.add("cast", number, dtype=dtype)
        return tracer.builder.add(
            "reduce", number, function=function, axes=axes, keepdims=keep
        )

    return rule


def _shape_like(tracer: "Tracer", shape: Any, x: Value, kind: str) -> int:
    """Makes a shape, some axes of which may be as long as those of another value."""
    known = [FITTING if n is None else int(n) for n in shape]
    if any(n and n % BATCH == 0 for n in known):
        whole = [AS_BATCH if n == BATCH else n for n in known]
        whole = [FITTING if n > 0 and n % BATCH == 0 else n for n in whole]
        if whole.count(FITTING) > 1 or (kind == "broadcast" and FITTING in whole):
            raise CannotRunError(f"it makes the shape {tuple(shape)} of a batch")
        return tracer.builder.add(kind, x.number, 0, shape=tuple(whole))
    if known.count(FITTING) > 1:
        known = [
            -2 - axis if n == FITTING and axis < len(x.shape) else n
            for axis, n in enumerate(known)
        ]
    return tracer.builder.add(kind, x.number, shape=tuple(known))


def _for_batch(tracer: "Tracer", x: Value, axis: int) -> int:
    """Repeats an axis of one for each example of a batch."""
    shape = list(x.shape)
    if shape[axis] != 1 or None in shape:
        raise CannotRunError("it repeats what is not one for each example of a batch")
    shape[axis] = BATCH
    return _shape_like(tracer, shape, x, "broadcast")


def _reshape(tracer: "Tracer", operation: Any, x: Value) -> int:
    shape = operation.newshape
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return _shape_like(tracer, shape, x, "reshape")


def _broadcast_to(tracer: "Tracer", operation: Any, x: Value) -> int:
    return _shape_like(tracer, operation.shape, x, "broadcast")


def _transpose(tracer: "Tracer", operation: Any, x: Value) -> int:
    axes = tuple(operation.axes or ())
    return tracer.builder.add("transpose", x.number, axes=axes)


def _swapaxes(tracer: "Tracer", operation: Any, x: Value) -> int:
    axes = list(range(len(x.shape)))
    one, other = operation.axis1, operation.axis2
    axes[one], axes[other] = axes[other], axes[one]
    return tracer.builder.add("transpose", x.number, axes=tuple(axes))


def _moveaxis(tracer: "Tracer", operation: Any, x: Value) -> int:
    given = np.moveaxis(
        np.empty(tuple(range(2, 2 + len(x.shape))), bool),
        operation.source,
        operation.destination,
    )
    axes = tuple(n - 2 for n in given.shape)
    return tracer.builder.add("transpose", x.number, axes=axes)


def _ravel(tracer: "Tracer", _operation: Any, x: Value) -> int:
    return tracer.builder.add("reshape", x.number, shape=(FITTING,))


def _concatenate(tracer: "Tracer", operation: Any, xs: Any) -> int:
    return _joined(tracer, xs, "concatenate", operation.axis)


def _stack(tracer: "Tracer", operation: Any, xs: Any) -> int:
    return _joined(tracer, xs, "stack", operation.axis)


def _joined(tracer: "Tracer", xs: Any, kind: str, axis: int) -> int:
    like = next((x for x in xs if isinstance(x, Value)), None)
    numbers = [tracer.builder.number(x, like) for x in xs]
    return tracer.builder.add(kind, *numbers, axis=axis)


def _split(tracer: "Tracer", operation: Any, x: Value) -> list[int]:
    at, axis = operation.indices_or_sections, operation.axis
    if isinstance(at, int):
        return tracer.builder.add_many(at, "split", x.number, axis=axis)
    places = tuple(int(n) for n in at)
    return tracer.builder.add_many(
        len(places) + 1, "split", x.number, at=places, axis=axis
    )


def _unstack(tracer: "Tracer", operation: Any, x: Value) -> list[int]:
    b, axis = tracer.builder, operation.axis
    n = operation.num or x.shape[axis]
    if n is None:
        raise CannotRunError("it takes an axis of any length apart")
    parts = b.add_many(int(n), "split", x.number, axis=axis)
    return [b.add("squeeze", part, axes=(axis,)) for part in parts]


def _get_item(tracer: "Tracer", _operation: Any, x: Value, key: Any) -> int:
    index = key if isinstance(key, tuple) else (key,)
    taken = [each for each in index if isinstance(each, Value)]
    if taken or any(isinstance(each, list | np.ndarray) for each in index):
        if len(index) != 1:
            raise CannotRunError("it takes elements by an array and by other indices")
        return tracer.builder.add("take", x.number, tracer.builder.number(key), axis=0)
    return tracer.builder.index(x.number, *index)


def _slice(tracer: "Tracer", operation: Any, x: Value, start: Any) -> int:
    if any(isinstance(each, Value) for each in keras.tree.flatten(start)):
        raise CannotRunError("it cuts where a value says")
    index = tuple(
        slice(int(s), None if n == -1 else int(s) + int(n))
        for s, n in zip(start, operation.shape, strict=True)
    )
    return tracer.builder.index(x.number, *index)


def _expand_dims(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tracer.builder.add("expand_dims", x.number, axes=axes)


def _squeeze(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return tracer.builder.add("squeeze", x.number, axes=axes)


def _pad(
    tracer: "Tracer", operation: Any, x: Value, constant_values: Any = None
) -> int:
    pairs = operation.pad_width
    if isinstance(pairs, int):
        pairs = ((pairs, pairs),)
    pairs = [(p, p) if isinstance(p, int) else tuple(p) for p in pairs]
    pairs = pairs * len(x.shape) if len(pairs) == 1 else pairs
    return tracer.builder.add(
        "pad",
        x.number,
        widths=tuple(int(n) for pair in pairs for n in pair),
        function=operation.mode,
        value=float(constant_values or 0),
    )


def _repeat(tracer: "Tracer", operation: Any, x: Value) -> int:
    if not isinstance(operation.repeats, int) or operation.axis is None:
        raise CannotRunError("it repeats elements unlike numbers of times")
    if operation.repeats == BATCH:
        return _for_batch(tracer, x, operation.axis)
    return tracer.builder.add(
        "repeat", x.number, times=operation.repeats, axis=operation.axis
    )


def _tile(tracer: "Tracer", operation: Any, x: Value) -> int:
    times = operation.repeats
    times = (times,) if isinstance(times, int) else tuple(int(n) for n in times)
    if BATCH in times:
        if len(times) != len(x.shape) or set(times) != {1, BATCH}:
            raise CannotRunError(f"it repeats an array {times} times")
        return _for_batch(tracer, x, times.index(BATCH))
    return tracer.builder.add("tile", x.number, times=times)


def _flip(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return tracer.builder.add("flip", x.number, axes=axes)


def _take(tracer: "Tracer", operation: Any, x: Any, indices: Any) -> int:
    b, axis = tracer.builder, operation.axis
    table = getattr(x, "shape", ())
    if isinstance(x, keras.Variable) and axis == 0 and len(table) == 2:
        return b.add("embedding", b.number(indices), weights=(x,))
    if axis is None:
        raise CannotRunError("it takes elements of an array as if it had one axis")
    return b.add("take", b.number(x), b.number(indices), axis=axis)


def _one_hot(tracer: "Tracer", operation: Any, x: Value) -> int:
    return tracer.builder.add(
        "one_hot", x.number, depth=operation.num_classes, axis=operation.axis
    )


def _cast(tracer: "Tracer", operation: Any, x: Any) -> int:
    dtype = keras.backend.standardize_dtype(operation.dtype)
    number = tracer.builder.number(x)
    if getattr(x, "dtype", "") == dtype:
        return number
    return tracer.builder.add("cast", number, dtype=dtype)


def _where(
    tracer: "Tracer", _operation: Any, condition: Any, x1: Any = None, x2: Any = None
) -> int:
    if x1 is None or x2 is None:
        raise CannotRunError("it asks where a condition holds")
    b = tracer.builder
    return b.add("where", b.number(condition), *_both(tracer, x1, x2))


def _clip(tracer: "Tracer", operation: Any, x: Value) -> int:
    b, y = tracer.builder, x.number
    for bound, function in (
        (operation.x_min, "maximum"),
        (operation.x_max, "minimum"),
    ):
        if bound is not None:
            y = b.add("binary", y, b.number(bound, x), function=function)
    return y


def _matmul(tracer: "Tracer", _operation: Any, x: Any, y: Any) -> int:
    b = tracer.builder
    if isinstance(y, keras.Variable) and isinstance(x, Value) and len(y.shape) == 2:
        return b.add("dense", x.number, weights=(y, None))
    return b.add("matmul", b.number(x), b.number(y))


def _dot(tracer: "Tracer", operation: Any, x: Any, y: Any) -> int:
    if len(x.shape) > 2 and len(y.shape) > 2:
        raise CannotRunError("a dot product of arrays of more than two axes")
    return _matmul(tracer, operation, x, y)


def _einsum(tracer: "Tracer", operation: Any, *xs: Any) -> int:
    numbers = [tracer.builder.number(x) for x in xs]
    equation = operation.subscripts.replace(" ", "")
    return tracer.builder.add("einsum", *numbers, equation=equation)


def _attention(
    tracer: "Tracer",
    operation: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
) -> int:
    if operation.attn_logits_soft_cap is not None:
        raise CannotRunError("its attention has a soft cap")
    b = tracer.builder
    more = [b.number(each) for each in (mask, bias) if each is not None]
    return b.add(
        "attention",
        *(b.number(each) for each in (query, key, value)),
        *more,
        scale=0.0 if scale is None else float(np.float32(scale)),
        is_causal=int(operation.is_causal),
        has_mask=int(mask is not None),
        has_bias=int(bias is not None),
    )


def _filled_like(value: float) -> Rule:
    def rule(tracer: "Tracer", _operation: Any, x: Value, **_: Any) -> int:
        return tracer.builder.add("filled_like", x.number, value=value)

    return rule


def _cumsum(tracer: "Tracer", operation: Any, x: Value) -> int:
    if operation.axis is None:
        raise CannotRunError("a sum over all elements, one after the other")
    number = x.number
    if x.dtype == "bool":
        number = tracer.builder.add("cast", number, dtype="int32")
    return tracer.builder.add("cumsum", number, axis=operation.axis)


def _top_k(tracer: "Tracer", operation: Any, x: Value) -> list[int]:
    return tracer.builder.add_many(2, "top_k", x.number, k=operation.k)


def _pool(function: str) -> Rule:
    def rule(tracer: "Tracer", operation: Any, x: Value) -> int:
        rank = len(x.shape)
        size, strides = (
            (n,) * (rank - 2) if isinstance(n, int) else n and tuple(n)
            for n in (operation.pool_size, operation.strides)
        )
        first = channels_last(tracer, x.number, rank, operation)
        y = tracer.builder.add(
            "pool",
            first,
            function=function,
            size=size,
            strides=() if strides in (None, size) else strides,
            padding=operation.padding,
        )
        return channels_back(tracer, y, rank, operation)

    return rule


def _conv(kind: str) -> Rule:
    def rule(tracer: "Tracer", operation: Any, x: Value, kernel: Any) -> int:
        rank = len(x.shape)
        fields = {"padding": operation.padding}
        for name, given in (
            ("strides", operation.strides),
            ("dilation", operation.dilation_rate),
        ):
            all_axes = (given,) * (rank - 2) if isinstance(given, int) else tuple(given)
            if any(n != 1 for n in all_axes):
                fields[name] = all_axes
        first = channels_last(tracer, x.number, rank, operation)
        if kind == "conv" and None not in (x.shape[-1], x.shape[1]):
            is_first = getattr(operation, "data_format", None) == "channels_first"
            channels = x.shape[1] if is_first else x.shape[-1]
            fields["groups"] = channels // kernel.shape[-2]
        y = tracer.builder.add(kind, first, weights=(kernel, None), **fields)
        return channels_back(tracer, y, rank, operation)

    return rule


def _moments(tracer: "Tracer", operation: Any, x: Value) -> list[int]:
    if getattr(operation, "synchronized", False):
        raise CannotRunError("moments over several devices")
    axes = operation.axes
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    keep = int(bool(operation.keepdims))
    b = tracer.builder
    return [
        b.add("reduce", x.number, function=function, axes=axes, keepdims=keep)
        for function in ("mean", "var")
    ]


def _layer_norm(
    tracer: "Tracer", operation: Any, x: Value, gamma: Any = None, beta: Any = None
) -> int:
    is_rms = bool(operation.rms_scaling)
    return _normed(tracer, operation, x, (gamma, beta), is_rms=is_rms)


def _normed(
    tracer: "Tracer", operation: Any, x: Value, variables: Any, *, is_rms: bool
) -> int:
    axis, epsilon = operation.axis, operation.epsilon
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    return normalized(
        tracer,
        "layer_normalization",
        x,
        variables,
        axes=tuple(sorted(a if a < 0 else a - len(x.shape) for a in given)),
        epsilon=keras.config.epsilon() if epsilon is None else epsilon,
        is_rms=int(is_rms),
    )


def _rms_norm(tracer: "Tracer", operation: Any, x: Value, scale: Any = None) -> int:
    return _normed(tracer, operation, x, (scale, None), is_rms=True)


def _normalize(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    if operation.order != 2:
        raise CannotRunError(f"it normalizes by the norm {operation.order}")
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    b = tracer.builder
    y = b.add("unary", x.number, function="square")
    y = b.add("reduce", y, function="sum", axes=axes, keepdims=1)
    y = b.add("unary", y, function="sqrt")
    least = b.constant(np.float32(operation.epsilon))
    y = b.add("binary", y, least, function="maximum")
    return b.add("binary", x.number, y, function="divide")


def _copy(tracer: "Tracer", _operation: Any, x: Any, **_: Any) -> int:
    return tracer.builder.number(x)


_UNARY_NAMES = (
    "Relu relu|Relu6 relu6|Sigmoid sigmoid|SparseSigmoid sparse_sigmoid|"
    "Softplus softplus|Softsign softsign|SoftShrink soft_shrink|"
    "SparsePlus sparse_plus|Silu silu|Squareplus squareplus|LogSigmoid log_sigmoid|"
    "LeakyRelu leaky_relu|HardSigmoid hard_sigmoid|HardSilu hard_silu|Elu elu|"
    "Selu selu|Gelu gelu|Celu celu|Glu glu|TanhShrink tanh_shrink|"
    "HardTanh hard_tanh|HardShrink hard_shrink|Threshold threshold|"
    "Absolute absolute|Abs absolute|Negative negative|"
    "Square square|Sqrt sqrt|Rsqrt rsqrt|Exp exp|Expm1 expm1|Log log|Log1p log1p|"
    "Log2 log2|Log10 log10|Sin sin|Cos cos|Tan tan|Arcsin arcsin|Arccos arccos|"
    "Arctan arctan|Sinh sinh|Cosh cosh|Tanh tanh|Arcsinh arcsinh|Arccosh arccosh|"
    "Arctanh arctanh|Reciprocal reciprocal|Sign sign|Floor floor|Ceil ceil|"
    "Erf erf|LogicalNot logical_not|Isnan isnan|Isinf isinf|Isfinite isfinite|"
    "StopGradient stop_gradient"
).split("|")
_BINARY_NAMES = (
    "Add add|Subtract subtract|Multiply multiply|Divide divide|TrueDivide divide|"
    "Maximum maximum|Minimum minimum|Power power|FloorDivide floor_divide|Mod mod|"
    "Equal equal|NotEqual not_equal|Greater greater|GreaterEqual greater_equal|"
    "Less less|LessEqual less_equal|LogicalAnd logical_and|LogicalOr logical_or|"
    "LogicalXor logical_xor|Arctan2 arctan2"
).split("|")
_REDUCE_NAMES = (
    "Mean mean|Sum sum|Max max|Min min|Prod prod|Any any|All all|Var var|Std std|"
    "Argmax argmax|Argmin argmin|Logsumexp logsumexp|Amax max|Amin min"
).split("|")

OPERATIONS: dict[str, Rule] = {
    **{k: _unary(v) for k, v in map(str.split, _UNARY_NAMES)},
    **{k: _binary(v) for k, v in map(str.split, _BINARY_NAMES)},
    **{k: _reduce(v) for k, v in map(str.split, _REDUCE_NAMES)},
    "Softmax": _soft("softmax"),
    "LogSoftmax": _soft("log_softmax"),
    "Reshape": _reshape,
    "BroadcastTo": _broadcast_to,
    "Transpose": _transpose,
    "Swapaxes": _swapaxes,
    "Moveaxis": _moveaxis,
    "Ravel": _ravel,
    "Concatenate": _concatenate,
    "Stack": _stack,
    "Split": _split,
    "Unstack": _unstack,
    "GetItem": _get_item,
    "Slice": _slice,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Pad": _pad,
    "Repeat": _repeat,
    "Tile": _tile,
    "Flip": _flip,
    "Take": _take,
    "OneHot": _one_hot,
    "Cast": _cast,
    "Where": _where,
    "Clip": _clip,
    "Matmul": _matmul,
    "Dot": _dot,
    "Einsum": _einsum,
    "DotProductAttention": _attention,
    "ZerosLike": _filled_like(0.0),
    "OnesLike": _filled_like(1.0),
    "Cumsum": _cumsum,
    "TopK": _top_k,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("average"),
    "Conv": _conv("conv"),
    "DepthwiseConv": _conv("depthwise_conv"),
    "Moments": _moments,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "ReLU": relu,
    "Normalize": _normalize,
    "ConvertToTensor": _copy,
    "Copy": _copy,
    "Identity": _copy,
}
