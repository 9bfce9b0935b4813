"""How the operations of `keras.ops` become those of a program, by their class' name."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepcompress.saving.lowering import moving
from deepcompress.saving.lowering.builder import CannotRunError, Rule, Value
from deepcompress.saving.lowering.plain import normalized, relu
from deepcompress.saving.lowering.weighted import channels_back, channels_last

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer


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
    **more: Any,
) -> int:
    if operation.attn_logits_soft_cap is not None:
        raise CannotRunError("its attention has a soft cap")
    b = tracer.builder
    mask, bias, scale = (more.get(name) for name in ("mask", "bias", "scale"))
    others = [b.number(each) for each in (mask, bias) if each is not None]
    return b.add(
        "attention",
        *(b.number(each) for each in (query, key, value)),
        *others,
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


def _extract_patches(tracer: "Tracer", operation: Any, x: Value) -> int:
    b, rank = tracer.builder, len(x.shape)
    fields: dict[str, Any] = {"padding": operation.padding}
    for name, given in (
        ("size", operation.size),
        ("strides", operation.strides or operation.size),
        ("dilation", operation.dilation_rate),
    ):
        all_axes = (given,) * (rank - 2) if isinstance(given, int) else tuple(given)
        if name == "size" or any(n != 1 for n in all_axes):
            fields[name] = all_axes
    first = channels_last(tracer, x.number, rank, operation)
    y = b.add("patches", first, **fields)
    return channels_back(tracer, y, rank, operation)


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
    **moving.OPERATIONS,
    "Softmax": _soft("softmax"),
    "LogSoftmax": _soft("log_softmax"),
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
    "ExtractPatches": _extract_patches,
    "Moments": _moments,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "ReLU": relu,
    "Normalize": _normalize,
    "ConvertToTensor": _copy,
    "Copy": _copy,
    "Identity": _copy,
}
