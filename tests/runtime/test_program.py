"""A program is what it was after it has been stored, and bytes are never believed."""

import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress.dcz.coding.bytestream import varint
from deepcompress.runtime.kinds import (
    ARRAY,
    BY_NAME,
    FLOAT,
    FUNCTION,
    INT,
    INTS,
    KINDS,
    TEXT,
)
from deepcompress.runtime.opening import BUILDERS
from deepcompress.runtime.program import NO_WEIGHT, PART, Input, Operation, Program

VALUES = {
    INT: st.integers(-(1 << 40), 1 << 40),
    INTS: st.lists(st.integers(-(1 << 40), 1 << 40), max_size=5).map(tuple),
    FLOAT: st.floats(width=32, allow_nan=False),
    TEXT: st.text(max_size=9),
    ARRAY: st.lists(st.floats(width=32, allow_nan=False), max_size=6).map(
        lambda values: np.array(values, np.float32)
    ),
}


@st.composite
def operations(draw, n_values):
    kind = draw(st.sampled_from(KINDS))
    fewest, most = kind.n_inputs
    n = draw(st.integers(fewest, fewest + 2 if most is None else most))
    if n and not n_values:
        kind, n = BY_NAME["weight"], 0
    number = st.integers(0, n_values - 1)
    weights = st.integers(0, 9) | st.just(NO_WEIGHT)
    fields = {
        field.name: draw(
            st.sampled_from(field.functions)
            if field.type == FUNCTION
            else VALUES[field.type]
        )
        for field in kind.fields
        if field.type == ARRAY or draw(st.booleans())
    }
    return Operation(
        kind.name,
        tuple(draw(number) for _ in range(n)),
        tuple(draw(weights) for _ in range(draw(st.integers(0, kind.most_weights)))),
        fields,
        draw(st.integers(1, 3)),
    )


@st.composite
def programs(draw):
    sizes = st.lists(st.integers(1, 999) | st.none(), max_size=3).map(tuple)
    n_inputs = draw(st.integers(0, 3))
    inputs = tuple(
        Input(f"i{n}" if n_inputs > 1 else "", draw(sizes), "float32")
        for n in range(n_inputs)
    )
    made, n_values = [], n_inputs
    for _ in range(draw(st.integers(1, 6))):
        made.append(draw(operations(n_values)))
        n_values += made[-1].n_outputs
    outputs = draw(st.lists(st.integers(0, n_values - 1), min_size=1, max_size=3))
    names = tuple(f"o{n}" for n in range(len(outputs))) if draw(st.booleans()) else ()
    return Program(
        inputs, tuple(made), tuple(outputs), names, not names and len(outputs) == 1
    )


def plain(program):
    """A program as what can be compared, whatever is as by default."""
    steps = [
        [o.kind, o.inputs, o.weights, o.n_outputs]
        + [
            o[field.name].tolist() if field.type == ARRAY else o[field.name]
            for field in BY_NAME[o.kind].fields
        ]
        for o in program.operations
    ]
    return program.inputs, steps, program.outputs, program.names, program.is_one


@given(programs())
def test_a_program_is_what_it_was(program):
    data = program.encode()
    assert plain(Program.decode(data)) == plain(program)
    assert Program.decode(data).encode() == data


@given(programs(), st.data())
@settings(max_examples=300)
def test_bytes_that_are_cut_off_or_changed_are_a_program_or_refused(program, data):
    encoded = bytearray(program.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] = data.draw(st.integers(0, 255))
    encoded = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    with suppress(dc.CorruptFileError):
        assert Program.decode(encoded).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\x00",
        b"\x01\x04",
        b"\x01\x00" + varint(1 << 40),
        b"\x01\x00\x00" + varint(1 << 40),
        b"\x01\x00\x00\x01\xff\x01\x00\x00",
        b"\x01\x00\x00\x01\x01\x00\x05",
        b"\x01\x00\x00\x01\x01\x00\x00\x00",
    ],
    ids="nothing,a version,a form,inputs,operations,a kind,an output,too much".split(
        ","
    ),
)
def test_what_is_no_program_is_refused(data):
    with pytest.raises(dc.CorruptFileError):
        Program.decode(data)


def test_every_kind_can_be_run():
    assert BUILDERS.keys() == BY_NAME.keys()


def test_what_no_output_needs_is_left_out():
    program = Program(
        (Input("", (3,), "float32"),),
        (
            Operation("unary", (0,)),
            Operation("split", (0,), n_outputs=3),
            Operation("unary", (3,), settings={"function": "tanh"}),
        ),
        (5,),
    )
    left = program.without_unused()
    assert [o.kind for o in left.operations] == ["split", "unary"]
    assert left.operations[1].inputs == (2,)
    assert left.outputs == (4,)


def file_with(program, arrays):
    """A file with any program."""
    file = io.BytesIO()
    dc.write(file, arrays, parts={PART: program.encode()})
    return file.getvalue()


KERNEL = {"dense/kernel": np.ones((4, 3), np.float32)}
CONTRADICTIONS = {
    "no such array": Operation("dense", (0,), (7, NO_WEIGHT)),
    "a bias of another size": Operation("dense", (0,), (0, 0)),
    "no such axes": Operation("dense", (0,), (0, NO_WEIGHT), {"n_axes": 9}),
    "a kernel of two axes": Operation("conv", (0,), (0, NO_WEIGHT)),
    "no variance": Operation("batch_normalization", (0,), (0,), {"has": 1}),
    "no recurrent kernel": Operation("lstm", (0,), (0,)),
    "no such asset": Operation("lookup", (0,), settings={"asset": "a"}),
    "a window of nothing": Operation("pool", (0,), settings={"size": (0, 2)}),
    "an index that ends early": Operation("slice", (0,), settings={"index": (2, 7)}),
    "another index": Operation("slice", (0,), settings={"index": (9,)}),
    "an unknown dtype": Operation("cast", (0,), settings={"dtype": "object"}),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_program_that_contradicts_the_arrays_is_refused(what):
    program = Program(
        (Input("", (4,), "float32"),), (CONTRADICTIONS[what],), (1,), is_one=True
    )
    with pytest.raises(dc.CorruptFileError) as caught:
        dc.CompressedModel(file_with(program, KERNEL))
    assert caught.value.rule == "program"


GREEDY = {
    "repeat": Operation("repeat", (0,), settings={"times": 1 << 38, "axis": 1}),
    "tile": Operation("tile", (0,), settings={"times": (1, 1 << 38)}),
    "pad": Operation("pad", (0,), settings={"widths": (0, 0, 0, 1 << 38)}),
    "one_hot": Operation("one_hot", (0,), settings={"depth": 1 << 38}),
    "broadcast": Operation("broadcast", (0,), settings={"shape": (1 << 38, -1, 4)}),
}


@pytest.mark.parametrize("what", GREEDY)
def test_a_program_that_asks_for_terabytes_is_refused(what):
    program = Program((Input("", (4,), "float32"),), (GREEDY[what],), (1,))
    net = dc.CompressedModel(file_with(program, KERNEL))
    with pytest.raises(ValueError, match="bytes"):
        net.predict(np.ones((2, 4), np.float32))
