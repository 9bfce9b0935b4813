# ruff: noqa: E501  (rows of tables)
"""Writes docs/program.md: how a program is stored, and what each operation computes.

python tests/helpers/program_page.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from deepcompress.runtime import kinds
from deepcompress.runtime.program import DTYPES

PAGE = Path(__file__).parents[2] / "docs" / "program.md"
HEAD = """# The program of a file

The part `program` of a [`.dcz` file](format.md#the-parts), `need` 0, says what the model
computes, for readers that run it without Keras ([running compressed](runtime.md)). A
reader of weights passes over it. `tests/helpers/program_page.py` writes this page from the
tables that the package reads and writes by; numbers are never given to something else.

## Values, weights, operations

Values are arrays. They are numbered: first the inputs, then what the operations make, in
their order. Weights are the arrays of the file, numbered as its directory lists them. The
axis of the examples is the first of each input and is not stored. Everything is computed
in float32, or in integers and truth values where an operation says so; weights of other
floats are converted first.

| | type | |
|---|---|---|
| version | byte | 1 |
| form | byte | of what comes out: 0 one array, 1 a list of arrays, 2 arrays by name; 3: the model cannot be run, and a `string` that says why ends the program |
| number of inputs | `varint` | |
| inputs | | for each a name, a `string`, empty where there is one input; a dtype, a `varint`; its number of axes, a `varint`, and for each its length, a `varint`, 0 for any |
| number of operations | `varint` | |
| operations | | as follows |
| number of outputs | `varint` | only in the forms 1 and 2 |
| outputs | `varint` | for each: the number of the last value less that of this one |
| names | `string` | only in the form 2: for each output its name |

An operation is the number of its kind, a `varint`; flags, a `varint`; and for each flag
that is set what belongs to it, in the order of the flags:

| flag | | where it is not set |
|---|---|---|
| 1 | the inputs: how many, and for each the number of the last value less that of this one, `varint`s | the last values, as many as the kind takes at least |
| 2 | the weights: how many, and for each a `varint`: 0 for none, else 1 + the zigzag of its number less the expected one, which is that of the last weight + 1, at first 0 | the expected one and those that follow, as many as the kind has |
| 4 | the number of outputs, a `varint` | 1 |
| 8, 16, ... | the fields of the kind, in the order of the tables below | the default |

The zigzag of n is 2n, and -2n - 1 of a negative n. Fields are stored by their type:
`int` as a zigzag `varint`; `ints` as their number and zigzag `varint`s; `float` as a
little-endian float32; `text` as a `string`; `function` as the `varint` of its place in a list
of [names](#names); `array` as dtype, number of axes and lengths, `varint`s, and its elements,
little-endian. An integer lies between -2^40 and 2^40. Dtypes are numbered from 0:

{dtypes}.

A program breaks the rule `program` where it ends early or late, names what there is not,
or contradicts the arrays of the file.

## Operations

Fields in parentheses have the default behind `=`. `x`, `y` are values, `W` the first weight,
`b` the second.

| | kind | values | weights | fields | computes |
|---|---|---|---|---|---|
"""
SAYS = {
    "constant": "`array`",
    "weight": "the weight",
    "dense": "the last `n_axes` axes of x, times those that W begins with; + b; `activation`",
    "conv": "the convolution of Keras with the kernel W (places, channels, filters), channels last; + b; `activation`. Strides and dilation of nothing are ones",
    "depthwise_conv": "each channel by itself, W (places, channels, multiplier); + b; `activation`",
    "conv_transpose": "Keras' transposed convolution, W (places, filters, channels); + b; `activation`",
    "pool": "largest or mean of each window; strides of nothing are its size; what padding adds does not count",
    "flatten": "all axes but the first as one",
    "unary": "the function of each element. `alpha`, `beta`, `gamma` are the slope, the largest value (0: none) and the threshold of `relu`; the threshold and the value of `threshold`; else the function's one parameter",
    "binary": "the function of x and y, broadcast",
    "reduce": "the function along axes; of nothing: along all",
    "batch_normalization": "bits 0 to 3 of `has` say which of gamma, beta, mean, variance are the weights; (x - mean) / sqrt(variance + epsilon) * gamma + beta along `axis`; `activation`",
    "layer_normalization": "bits 0, 1 of `has`: gamma, beta; over `axes`, without the mean where `is_rms`",
    "group_normalization": "as before, over all but the first axis in groups of channels; -1: each channel",
    "embedding": "rows of W",
    "lstm": "Keras' LSTM with kernel, recurrent kernel and bias, gates i, f, c, o; then a mask where `has_mask`, and states",
    "gru": "Keras' GRU, gates z, r, h",
    "simple_rnn": "Keras' SimpleRNN",
    "reshape": "to `shape`: -1 what is left, -2 - k as long as axis k of y, or of x without y",
    "transpose": "axes in another order; of nothing: reversed",
    "concatenate": "values joined along an axis",
    "stack": "values along a new axis",
    "split": "parts of x that begin at `at`; of nothing: as many equal ones as there are outputs",
    "slice": "x by an index: 0 all of an axis; 1 n: element n; 2 flags, and of begin (1), end (2), step (4) those that the flags tell; 3 a new axis; 4 all axes in between",
    "expand_dims": "new axes of length 1",
    "squeeze": "without axes of length 1",
    "pad": "elements added before and behind each axis, by pairs",
    "repeat": "each element several times",
    "tile": "the whole several times",
    "flip": "axes in reverse; of nothing: all",
    "take": "parts of x by the indices y",
    "one_hot": "1 where the new axis is at x, else 0",
    "cast": "another dtype; every float is float32",
    "where": "the second where the first is true, else the third",
    "matmul": "NumPy's `matmul`",
    "einsum": "NumPy's `einsum`",
    "attention": "softmax(query key / sqrt(size)) value, or `scale` in place of the root unless it is 0; heads on axis 2; then mask and bias where `has_mask`, `has_bias`",
    "resize": "images of another size, pixels at their middle",
    "crop": "without so many elements before and behind each axis, by pairs",
    "merge_axes": "the first `n` axes as one",
    "split_axis": "the first axis as the first `n` of y",
    "broadcast": "x in a shape, told as in `reshape`",
    "cumsum": "sums so far along an axis",
    "top_k": "the `k` largest along the last axis, and where they are",
    "filled_like": "`value` in the shape of x",
    "range_like": "0, 1, ... as long as an axis of x",
    "lookup": "the place of each word in a vocabulary, lines of the asset or of `words`, or `unknown`; `is_inverse`: the word of each place; `is_text` 0: integers in decimal",
    "tokenize": "the words of each text, as Keras' TextVectorization takes it apart, filled up with empty ones; `length` 0: to the longest",
    "count": "categories as Keras' CategoryEncoding gives them",
    "discretize": "between which of the bounds in `array` each element lies",
    "patches": "what each window meets, place by place, its channels last",
    "causal_mask_like": "a lower triangle of ones, as long as an axis of x",
}


def _fields(kind):
    return ", ".join(
        f"`{field.name}` {field.type}"
        + ("" if field.type == kinds.ARRAY else f" (= {field.default!r})")
        for field in kind.fields
    )


def page():
    """The page as it should be."""
    lines = [HEAD.replace("{dtypes}", ", ".join(f"`{name}`" for name in DTYPES))]
    for number, kind in enumerate(kinds.KINDS):
        fewest, most = kind.n_inputs
        values = str(fewest) if fewest == most else f"{fewest} to {most or 'any'}"
        lines.append(
            f"| {number} | `{kind.name}` | {values} | {kind.n_weights or ''} | "
            f"{_fields(kind)} | {SAYS[kind.name]} |\n"
        )
    lines.append("\n## Names\n\nNumbered from 0.\n\n")
    names = {
        "`function` of `unary`, and `activation`": kinds.UNARY,
        "`function` of `binary`": kinds.BINARY,
        "`function` of `reduce`": kinds.REDUCE,
        "`padding`": kinds.PADDING,
        "`function` of `pool`": kinds.POOLING,
        "`function` of `pad`": kinds.FILLING,
        "`function` of `resize`": kinds.SCALING,
        "`function` of `count`": kinds.COUNTING,
    }
    for field, known in names.items():
        lines.append(f"{field}\n: {', '.join(f'`{name}`' for name in known)}\n\n")
    return "".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
