"""The border between Python and C: every function, every buffer, every fault."""

import ast
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.native_calls import CALLS, CONTEXT, LENGTHS, Buffer, plain, state

import deepcompress
from deepcompress import CorruptFileError, _native


def signatures() -> dict[str, ast.arguments]:
    stub = Path(deepcompress.__file__).with_name("_native.pyi").read_text()
    functions = (n for n in ast.parse(stub).body if isinstance(n, ast.FunctionDef))
    return {function.name: function.args for function in functions}


SIGNATURES = signatures()


def wrong_types(buffer: Buffer) -> list[str]:
    """The dtypes that must not be taken for what the buffer holds."""
    dtype, size = buffer.array.dtype, buffer.array.itemsize
    others = {"f": (2, 4, 8), "u": (1, 2, 4, 8), "i": (1, 2, 4, 8), "b": (1,)}
    wrong = [
        f"{kind}{size}"
        for kind, sizes in others.items()
        if kind not in buffer.kinds and size in sizes
    ]
    wrong += [
        f"{dtype.kind}{other}"
        for other in others[dtype.kind]
        if other not in buffer.sizes
    ]
    # A text, a record, something larger, and a pointer.
    return [*wrong, f"S{size}", f"V{size}", "c16", "O"]


def with_dtype(array: np.ndarray, dtype: Any) -> np.ndarray:
    return np.zeros(array.shape, dtype)


def misaligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    return raw[1:].view(array.dtype).reshape(array.shape)


def strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[..., None], 2, axis=-1)[..., 0]


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


TYPE = (TypeError,)
NO_BUFFER = (TypeError, ValueError, BufferError)


def faults(buffer: Buffer) -> list[tuple[str, Any, tuple[type[Exception], ...]]]:
    """What may be wrong with a buffer: a name, what to give instead, the exception."""
    array = buffer.array
    found: list[tuple[str, Any, tuple[type[Exception], ...]]] = [
        (dtype, with_dtype(array, dtype), TYPE) for dtype in wrong_types(buffer)
    ]
    found += [
        ("list", array.tolist(), TYPE),
        ("text", "x" * array.nbytes, TYPE),
        ("strided", strided(array), (ValueError, BufferError)),
    ]
    if array.itemsize > 1:
        big = array.dtype.newbyteorder(">")
        found += [
            ("big-endian", with_dtype(array, big), TYPE),
            ("misaligned", misaligned(array), (ValueError,)),
        ]
    if buffer.is_written:
        found += [
            ("read-only", read_only(array), (ValueError, BufferError)),
            ("bytes", memoryview(array.tobytes()), NO_BUFFER),
        ]
    return found


WRONG = [
    pytest.param(name, index, fault, id=f"{name}-{index}-{fault}")
    for name, call in CALLS.items()
    for index, argument in enumerate(call())
    if isinstance(argument, Buffer)
    for fault, _, _ in faults(argument)
]


def holders(arguments: list[Any]) -> list[int]:
    """How many hold each of the arrays: one more for a buffer that is not released."""
    return [sys.getrefcount(each) for each in arguments if isinstance(each, np.ndarray)]


def test_every_function_is_tried_and_in_the_stub():
    functions = {name for name in dir(_native) if callable(getattr(_native, name))}
    assert set(CALLS) == functions
    assert set(SIGNATURES) == functions


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_accepted_and_holds_nothing(name):
    arguments = plain(CALLS[name]())
    assert len(arguments) == len(SIGNATURES[name].posonlyargs)
    assert not SIGNATURES[name].args
    before = holders(arguments)
    getattr(_native, name)(*arguments)
    assert holders(arguments) == before


@pytest.mark.parametrize("name", CALLS)
def test_too_few_and_too_many_arguments_are_refused(name):
    arguments = plain(CALLS[name]())
    for wrong in (arguments[:-1], [*arguments, None]):
        with pytest.raises(TypeError, match=name):
            getattr(_native, name)(*wrong)


@pytest.mark.parametrize(("name", "index", "fault"), WRONG)
def test_a_wrong_buffer_is_refused_by_name(name, index, fault):
    arguments = CALLS[name]()
    wrong, errors = next(
        each[1:] for each in faults(arguments[index]) if each[0] == fault
    )
    arguments = plain(arguments)
    arguments[index] = wrong
    before = holders(arguments)
    argument = SIGNATURES[name].posonlyargs[index].arg
    with pytest.raises(errors, match=rf"\b{argument}\b"):
        getattr(_native, name)(*arguments)
    assert holders(arguments) == before


@pytest.mark.parametrize("name", CALLS)
def test_every_type_that_will_do_is_taken(name):
    """At least, none of them is refused for its type."""
    for index, buffer in enumerate(CALLS[name]()):
        for kind in buffer.kinds if isinstance(buffer, Buffer) else "":
            dtype = np.dtype("?" if kind == "b" else f"{kind}{buffer.array.itemsize}")
            if dtype.itemsize == buffer.array.itemsize:
                arguments = plain(CALLS[name]())
                arguments[index] = with_dtype(buffer.array, dtype)
                arguments[index][:] = buffer.array
                try:
                    getattr(_native, name)(*arguments)
                except ValueError as error:
                    pytest.fail(str(error))


def test_an_error_says_what_was_expected_and_what_was_received():
    places = np.empty(2, np.uint16)
    with pytest.raises(TypeError) as error:
        _native.codebook(np.zeros(2, "u4"), np.zeros(1), np.zeros(1, "u8"), places)
    assert str(error.value) == (
        "Expected items of 8 bytes (uint64) for distinct. "
        "Received: items of 8 bytes of the format 'd'."
    )
    with pytest.raises(TypeError) as error:
        _native.huffman_count(np.zeros(2, "f4"), np.zeros(1, "u8"))
    assert str(error.value) == (
        "Expected items of 1 or 2 bytes (uint8 or uint16) for symbols. "
        "Received: items of 4 bytes of the format 'f'."
    )
    with pytest.raises(TypeError) as error:
        _native.table_read(np.zeros(2, "u2"), LENGTHS.copy())
    assert str(error.value) == (
        "Expected items of 1 byte (of any kind) for data. "
        "Received: items of 2 bytes of the format 'H'."
    )
    with pytest.raises(TypeError, match=r"^sizes: a bytes-like object is required"):
        _native.huffman_decode(b"", [1], LENGTHS, np.empty(2, np.uint8))


@pytest.mark.parametrize("letter", ["L", "Q", "N"])
def test_letters_that_mean_the_same_are_the_same(letter):
    counts = memoryview(bytearray(24)).cast("B").cast(letter)
    assert _native.huffman_count(np.array([0, 2], np.uint8), counts) == 2
    assert counts.tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_owner_are_read(kind):
    lengths = np.empty(3, np.uint8)
    assert _native.table_read(kind(b"\x0b\x00"), lengths) > 0


def test_arrays_without_items_are_taken():
    counts = np.ones(3, np.uint64)
    assert _native.huffman_count(np.empty(0, np.uint16), counts) == 0
    assert not counts.any()
    assert _native.nonzeros(np.empty(0), np.empty(0, np.int64), np.empty(0)) == 0


def test_a_table_that_does_not_fit_is_refused():
    lengths = np.arange(20, dtype=np.uint8).repeat(30) % 20
    out = np.full(9000, 7, np.uint8)
    size = _native.table_write(lengths, out)
    for capacity in (0, 1, size // 2, size - 1):
        shorter = np.full(9000, 7, np.uint8)
        with pytest.raises(ValueError, match="output buffer is too small"):
            _native.table_write(lengths, shorter[:capacity])
        assert (shorter[capacity:] == 7).all()
    assert _native.table_write(lengths, out[:size]) == size


def test_a_state_is_as_long_as_it_must_be():
    for wrong in (np.zeros(3, np.uint64), np.zeros(0, np.uint64), state()[1:]):
        for name in CONTEXT:
            arguments = plain(CALLS[name]())
            arguments[0] = wrong
            with pytest.raises(ValueError, match="not the state"):
                getattr(_native, name)(*arguments)


def test_a_section_does_not_get_shorter():
    coder, section = state(), np.zeros(4096, np.uint8)
    values = np.random.default_rng(0).integers(0, 2**64, 100, np.uint64)
    _native.context_patterns(coder, section, values, 64, 1)
    assert _native.context_bits(coder) > 800
    for name in CONTEXT - {"context_begin", "context_bits"}:
        arguments = plain(CALLS[name]())
        arguments[:2] = coder.copy(), section[:100]
        with pytest.raises(ValueError, match="not the state"):
            getattr(_native, name)(*arguments)


def test_a_refused_argument_leaves_a_reader_where_it_is():
    coder, section = state(), np.zeros(64, np.uint8)
    _native.context_number(coder, section, 1234, 0)
    data = section[: _native.context_end(coder, section)].tobytes()
    _native.context_begin(coder, True)
    with pytest.raises(TypeError, match="section"):
        _native.context_number(coder, [1], 0, 0)
    with pytest.raises(TypeError, match="values"):
        _native.context_patterns(coder, data, np.zeros(1), 8, 1)
    assert _native.context_number(coder, data, 0, 0) == 1234
    assert _native.context_end(coder, data) == len(data)


def test_a_text_that_is_learnt_is_only_read():
    text, coder = b"some text", state()
    assert _native.context_learn(coder, bytearray(64), text) == len(text)
    assert text == b"some text"
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.context_learn(coder, bytearray(64), bytes(4097))


def test_damaged_data_is_the_packages_own_error():
    with pytest.raises(CorruptFileError, match="code table") as caught:
        _native.table_read(b"", np.empty(3, np.uint8))
    assert caught.value.rule == "code-table"
    assert caught.value.offset is None


def test_other_threads_run_beside_a_kernel():
    text = bytearray(np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8))
    section = np.zeros(16 * len(text), np.uint8)
    kernel = threading.Thread(
        target=_native.context_text, args=(state(), section, text)
    )
    n_turns = 0
    kernel.start()
    while kernel.is_alive():
        time.sleep(0.001)
        n_turns += 1
    assert n_turns > 20
