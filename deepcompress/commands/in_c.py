"""What the runners in c/ leave out of a model, before one compiles them."""

from collections.abc import Iterator

from deepcompress.dcz.container import CODERS, Container
from deepcompress.runtime.kinds import BY_NAME, FUNCTION
from deepcompress.runtime.program import NO_WEIGHT, PART, Operation, Program

_FLOATS = ("float32", "float16", "bfloat16", "float64")

# What c/dcz_run.c knows; docs/c.md says it in words.
_KINDS = frozenset(
    "constant weight dense conv depthwise_conv conv_transpose pool flatten unary "
    "binary reduce batch_normalization layer_normalization group_normalization "
    "embedding reshape transpose concatenate expand_dims squeeze pad repeat flip cast "
    "resize crop".split()
)
_FUNCTIONS = frozenset(
    "linear relu sigmoid tanh softmax elu selu gelu gelu_tanh silu softplus softsign "
    "exponential hard_sigmoid hard_tanh relu6 leaky_relu mish log_softmax log_sigmoid "
    "negative absolute square sqrt rsqrt exp reciprocal stop_gradient hard_silu "
    "add subtract multiply divide maximum minimum squared_difference "
    "mean sum max min valid same causal average constant nearest".split()
)
_WORDS = {
    **dict.fromkeys(("reflect", "symmetric", "edge"), "padding by what is there"),
    "bilinear": "resize by bilinear",
}
_MOST_PLACES = 2  # axes that a window moves along
_MOST_AXES = 6

# What c/dcz_run_small.c knows: of each kind, what may be set.
_SMALL_KINDS = {
    "dense": {"activation"},
    "conv": {"activation", "strides", "padding"},
    "depthwise_conv": {"activation", "strides", "padding"},
    "pool": {"function", "size", "strides", "padding"},
    "flatten": set(),
    "unary": {"function"},
    "reduce": {"function", "axes"},
    "batch_normalization": {"epsilon", "activation"},
}
_SMALL_FUNCTIONS = frozenset(
    "linear relu sigmoid tanh softmax relu6 valid same max average mean".split()
)
_SMALL_AXES = 3


def refusal(file: Container) -> str:
    """Returns why c/dcz_run.c cannot run the model of a file, empty where it can.

    Raises:
        CorruptFileError: The program is damaged.
    """
    if PART not in file.parts:
        why = "the file does not hold what its model computes"
        if file.architecture is None:
            return why
        return f"{why}; save it with `HuffmanSerializer(include_program=True)`"
    program = Program.decode(file.parts[PART])
    return program.refusal or next(_left_out(program, file), "")


def small_refusal(file: Container) -> str:
    """Returns why c/dcz_run_small.c cannot run a model that c/dcz_run.c can."""
    program = Program.decode(file.parts[PART])
    return next(_left_out_of_small(program, file), "")


def _left_out(program: Program, file: Container) -> Iterator[str]:
    for each in program.inputs:
        if each.dtype == "string":
            yield "an input of strings"
        if None in each.shape:
            yield "an input of any length"
        if len(each.shape) > _MOST_AXES:
            yield "so many axes"
    for operation in program.operations:
        kind = operation.kind
        if kind not in _KINDS:
            yield kind
        for function in _functions(operation):
            if function not in _FUNCTIONS:
                yield _WORDS.get(function, function)
        shapes = _shapes(operation, file)
        is_window = "conv" in kind and len(shapes[0]) - 2 > _MOST_PLACES
        if is_window or (kind == "pool" and len(operation["size"]) > _MOST_PLACES):
            yield "windows of three axes"
        if kind == "cast" and operation["dtype"] not in _FLOATS:
            yield "a cast to what is not a float"
        if kind == "constant" and operation["array"].dtype != "float32":
            yield "a constant that is not float32"
        if not _dtypes(operation, file) <= {*_FLOATS}:
            yield "weights that are not floats"


def _left_out_of_small(program: Program, file: Container) -> Iterator[str]:
    if file.version != CODERS["huffman"]:
        yield "context coding"
    if len(program.inputs) > 1:
        yield "several inputs"
    rank = len(program.inputs[0].shape)
    if rank > _SMALL_AXES:
        yield "so many axes"
    for number, operation in enumerate(program.operations):
        kind = operation.kind
        if kind not in _SMALL_KINDS:
            yield kind
        if operation.inputs != (number,):
            yield "branches"
        functions = [
            each for each in _functions(operation) if each not in _SMALL_FUNCTIONS
        ]
        yield from functions
        for name in operation.settings:
            if name not in _SMALL_KINDS[kind]:
                yield f"{kind} with {name}"
        if _dtypes(operation, file) - {"float32"}:
            yield "weights that are not float32"
        shapes = _shapes(operation, file)
        if kind == "dense" and len(shapes[0]) > 2:
            yield "dense with several axes"
        if kind == "reduce" and operation["axes"] != tuple(range(1, rank)):
            yield "reduce along some axes"
        is_mean = kind == "pool" and operation["function"] == "average"
        if is_mean and operation["padding"] != "valid":
            yield "average pooling with padding"
        is_window = "conv" in kind and len(shapes[0]) - 2 > _MOST_PLACES
        if is_window or (kind == "pool" and len(operation["size"]) > _MOST_PLACES):
            yield "windows of three axes"
        rank = 1 if kind in ("flatten", "reduce") else rank
    if program.names:
        yield "outputs by name"
    if program.outputs != (len(program.operations),):
        yield "several outputs"


def _functions(operation: Operation) -> list[str]:
    fields = BY_NAME[operation.kind].fields
    return [operation[each.name] for each in fields if each.type == FUNCTION]


def _names(operation: Operation, file: Container) -> list[str]:
    names = list(file)
    return [names[i] for i in operation.weights if i != NO_WEIGHT and i < len(names)]


def _shapes(operation: Operation, file: Container) -> list[tuple[int, ...]]:
    return [file.shape(name) for name in _names(operation, file)] or [()]


def _dtypes(operation: Operation, file: Container) -> set[str]:
    return {file.dtype(name).name for name in _names(operation, file)}
