"""The kinds of operations that a program is made of, as the file numbers them.

`docs/format.md` says what each computes. Numbers of kinds, fields and functions are
never given to something else; a new one is added at the end.
"""

from typing import Any, NamedTuple

# What a field holds, and how it is stored.
INT = "int"
INTS = "ints"
FLOAT = "float"
TEXT = "text"
FUNCTION = "function"
ARRAY = "array"

UNARY = (
    "linear relu sigmoid tanh softmax elu selu gelu gelu_tanh silu softplus softsign "
    "exponential hard_sigmoid hard_tanh relu6 leaky_relu mish log_softmax log_sigmoid "
    "celu glu hard_shrink soft_shrink tanh_shrink squareplus sparse_plus "
    "threshold negative absolute square sqrt rsqrt exp expm1 log log1p sin cos tan "
    "arcsin arccos arctan sinh cosh reciprocal sign floor ceil round erf logical_not "
    "isnan isinf isfinite stop_gradient log2 log10 arcsinh arccosh arctanh "
    "sparse_sigmoid hard_silu"
).split()
BINARY = (
    "add subtract multiply divide maximum minimum power floor_divide mod equal "
    "not_equal greater greater_equal less less_equal logical_and logical_or "
    "logical_xor squared_difference arctan2"
).split()
REDUCE = "mean sum max min prod any all var std argmax argmin logsumexp".split()
PADDING = ["valid", "same", "causal"]
POOLING = ["max", "average"]
FILLING = ["constant", "reflect", "symmetric", "edge"]
SCALING = ["nearest", "bilinear"]
COUNTING = ["multi_hot", "one_hot", "count"]


class Field(NamedTuple):
    """A setting of an operation.

    Attributes:
        name: Its name.
        type: What it holds.
        default: What it is where the file does not say.
        functions: Of a `FUNCTION`, the names that its numbers stand for.
    """

    name: str
    type: str
    default: Any
    functions: list[str] = []  # noqa: RUF012  (no one changes it)


class Kind(NamedTuple):
    """A kind of operation.

    Attributes:
        name: Its name.
        fields: Its settings, in the order of their numbers.
        n_weights: How many weights it has where the file does not say: the next ones.
        most_weights: How many it may have.
        n_inputs: The fewest and the most values that it takes; `None` for any number.
    """

    name: str
    fields: tuple[Field, ...] = ()
    n_weights: int = 0
    most_weights: int = 0
    n_inputs: tuple[int, int | None] = (1, 1)


_ACTIVATION = Field("activation", FUNCTION, "linear", UNARY)
_AXIS = Field("axis", INT, -1)
_AXES = Field("axes", INTS, ())
_WINDOW = (
    Field("strides", INTS, ()),
    Field("padding", FUNCTION, "valid", PADDING),
    Field("dilation", INTS, ()),
)
_RECURRENT = (
    Field("activation", FUNCTION, "tanh", UNARY),
    Field("recurrent_activation", FUNCTION, "sigmoid", UNARY),
    Field("return_sequences", INT, 0),
    Field("return_state", INT, 0),
    Field("go_backwards", INT, 0),
    Field("has_mask", INT, 0),
    Field("zero_output_for_mask", INT, 0),
    Field("reset_after", INT, 1),
)

# A kind's number is its place here.
KINDS = (
    Kind("constant", (Field("array", ARRAY, None),), n_inputs=(0, 0)),
    Kind("weight", (), 1, 1, (0, 0)),
    Kind("dense", (_ACTIVATION, Field("n_axes", INT, 1)), 2, 2),
    Kind("conv", (_ACTIVATION, *_WINDOW, Field("groups", INT, 1)), 2, 2),
    Kind("depthwise_conv", (_ACTIVATION, *_WINDOW), 2, 2),
    Kind(
        "conv_transpose",
        (_ACTIVATION, *_WINDOW, Field("output_padding", INTS, ())),
        2,
        2,
    ),
    Kind(
        "pool",
        (
            Field("function", FUNCTION, "max", POOLING),
            Field("size", INTS, (2, 2)),
            *_WINDOW[:2],
        ),
    ),
    Kind("flatten"),
    Kind(
        "unary",
        (
            Field("function", FUNCTION, "relu", UNARY),
            Field("alpha", FLOAT, 0.0),
            Field("beta", FLOAT, 0.0),
            Field("gamma", FLOAT, 0.0),
            _AXIS,
        ),
    ),
    Kind("binary", (Field("function", FUNCTION, "add", BINARY),), n_inputs=(2, 2)),
    Kind(
        "reduce",
        (
            Field("function", FUNCTION, "mean", REDUCE),
            Field("axes", INTS, ()),
            Field("keepdims", INT, 0),
        ),
    ),
    Kind(
        "batch_normalization",
        (
            Field("has", INT, 15),
            Field("epsilon", FLOAT, 1e-3),
            _AXIS,
            _ACTIVATION,
        ),
        4,
        4,
    ),
    Kind(
        "layer_normalization",
        (
            Field("has", INT, 3),
            Field("epsilon", FLOAT, 1e-3),
            Field("axes", INTS, (-1,)),
            Field("is_rms", INT, 0),
        ),
        2,
        2,
    ),
    Kind(
        "group_normalization",
        (
            Field("has", INT, 3),
            Field("epsilon", FLOAT, 1e-3),
            Field("groups", INT, 32),
        ),
        2,
        2,
    ),
    Kind("embedding", (), 1, 1),
    Kind("lstm", _RECURRENT, 3, 3, (1, 4)),
    Kind("gru", _RECURRENT, 3, 3, (1, 3)),
    Kind("simple_rnn", _RECURRENT, 3, 3, (1, 3)),
    Kind("reshape", (Field("shape", INTS, ()),), n_inputs=(1, 2)),
    Kind("transpose", (_AXES,)),
    Kind("concatenate", (_AXIS,), n_inputs=(1, None)),
    Kind("stack", (_AXIS,), n_inputs=(1, None)),
    Kind("split", (Field("at", INTS, ()), _AXIS)),
    Kind("slice", (Field("index", INTS, ()),)),
    Kind("expand_dims", (_AXES,)),
    Kind("squeeze", (_AXES,)),
    Kind(
        "pad",
        (
            Field("widths", INTS, ()),
            Field("function", FUNCTION, "constant", FILLING),
            Field("value", FLOAT, 0.0),
        ),
    ),
    Kind("repeat", (Field("times", INT, 2), _AXIS)),
    Kind("tile", (Field("times", INTS, ()),)),
    Kind("flip", (_AXES,)),
    Kind("take", (_AXIS,), n_inputs=(2, 2)),
    Kind("one_hot", (Field("depth", INT, 0), _AXIS)),
    Kind("cast", (Field("dtype", TEXT, "float32"),)),
    Kind("where", n_inputs=(3, 3)),
    Kind("matmul", n_inputs=(2, 2)),
    Kind("einsum", (Field("equation", TEXT, ""),), n_inputs=(1, None)),
    Kind(
        "attention",
        (
            Field("scale", FLOAT, 0.0),
            Field("is_causal", INT, 0),
            Field("has_mask", INT, 0),
            Field("has_bias", INT, 0),
        ),
        n_inputs=(3, 5),
    ),
    Kind(
        "resize",
        (
            Field("size", INTS, ()),
            Field("function", FUNCTION, "nearest", SCALING),
        ),
    ),
    Kind("crop", (Field("widths", INTS, ()),)),
    Kind("merge_axes", (Field("n", INT, 2),)),
    Kind("split_axis", (Field("n", INT, 2),), n_inputs=(2, 2)),
    Kind("broadcast", (Field("shape", INTS, ()),), n_inputs=(1, 2)),
    Kind("cumsum", (_AXIS,)),
    Kind("top_k", (Field("k", INT, 1),)),
    Kind("filled_like", (Field("value", FLOAT, 0.0),)),
    Kind("range_like", (_AXIS,)),
    Kind(
        "lookup",
        (
            Field("asset", TEXT, ""),
            Field("words", TEXT, ""),
            Field("unknown", INT, 1),
            Field("is_inverse", INT, 0),
            Field("is_text", INT, 1),
        ),
    ),
    Kind(
        "tokenize",
        (
            Field("standardize", TEXT, "lower_and_strip_punctuation"),
            Field("split", TEXT, "whitespace"),
            Field("length", INT, 0),
            Field("ngrams", INTS, ()),
        ),
    ),
    Kind(
        "count",
        (
            Field("function", FUNCTION, "multi_hot", COUNTING),
            Field("depth", INT, 0),
        ),
    ),
    Kind("discretize", (Field("array", ARRAY, None),)),
    Kind("causal_mask_like", (_AXIS,)),
    Kind("patches", (Field("size", INTS, ()), *_WINDOW)),
)
BY_NAME = {kind.name: kind for kind in KINDS}
NUMBERS = {kind.name: number for number, kind in enumerate(KINDS)}
