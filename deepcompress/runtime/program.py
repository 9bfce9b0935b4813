"""The program of a model: a list of operations, as the file holds it.

Values are numbered: first the inputs, then what each operation makes. Weights are
numbered as the file lists its arrays. `docs/format.md` says how it is stored.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.errors import CorruptFileError
from deepcompress.runtime.kinds import (
    ARRAY,
    BY_NAME,
    FLOAT,
    FUNCTION,
    INT,
    INTS,
    KINDS,
    NUMBERS,
    TEXT,
    Field,
    Kind,
)

PART = "program"
RULE = "program"  # what a program breaks that cannot be
NO_WEIGHT = -1

_VERSION = 1
DTYPES = (
    "float32 float16 bfloat16 float64 int8 int16 int32 int64 uint8 uint16 uint32 "
    "uint64 bool string"
).split()
_HAS_INPUTS, _HAS_WEIGHTS, _HAS_OUTPUTS = 1, 2, 4
_N_FLAGS = 3
_ONE, _LIST, _BY_NAME, _REFUSED = range(4)
_LARGEST = 1 << 40


class Input(NamedTuple):
    """What a program takes.

    Attributes:
        name: Its name.
        shape: Its axes, but for that of the batch; `None` for any length.
        dtype: The name of its dtype.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Operation:
    """One step of a program.

    Attributes:
        kind: The name of its kind.
        inputs: The numbers of the values that it takes.
        weights: The numbers of the arrays that it takes, `NO_WEIGHT` for none.
        settings: Its fields by name, without those that are as by default.
        n_outputs: How many values it makes.
    """

    kind: str
    inputs: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    n_outputs: int = 1

    def __getitem__(self, name: str) -> Any:
        if name in self.settings:
            return self.settings[name]
        return next(f.default for f in BY_NAME[self.kind].fields if f.name == name)


@dataclass(frozen=True)
class Program:
    """What a model computes.

    Attributes:
        inputs: What it takes.
        operations: Its steps, in the order in which they run.
        outputs: The numbers of the values that it gives.
        names: The names of its outputs where it gives them by name, else empty.
        is_one: Whether it gives one array, and not a list of them.
        takes_names: Whether the model takes its inputs by name.
        refusal: Why the model cannot be run, empty where it can.
    """

    inputs: tuple[Input, ...] = ()
    operations: tuple[Operation, ...] = ()
    outputs: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    is_one: bool = True
    refusal: str = ""

    def encode(self) -> bytes:
        """Returns the program as the file holds it."""
        if self.refusal:
            return bytes([_VERSION, _REFUSED]) + string(self.refusal)
        form = _BY_NAME if self.names else _ONE if self.is_one else _LIST
        pieces = [bytes([_VERSION, form]), varint(len(self.inputs))]
        for each in self.inputs:
            pieces += [
                string("" if len(self.inputs) == 1 else each.name),
                varint(DTYPES.index(each.dtype)),
                varint(len(each.shape)),
                *(varint(0 if n is None else n) for n in each.shape),
            ]
        n_values, cursor = len(self.inputs), 0
        pieces.append(varint(len(self.operations)))
        for operation in self.operations:
            pieces.append(_encode(operation, n_values, cursor))
            n_values += operation.n_outputs
            cursor = _after(operation.weights, cursor)
        if form != _ONE:
            pieces.append(varint(len(self.outputs)))
        pieces += [varint(n_values - 1 - number) for number in self.outputs]
        pieces += map(string, self.names)
        return b"".join(pieces)

    @classmethod
    def decode(cls, data: bytes) -> "Program":
        """Returns the program that a file holds.

        Raises:
            CorruptFileError: The bytes are no program.
        """
        reader = ByteReader(data, RULE)
        version, form = reader.byte(), reader.byte()
        if version != _VERSION or form > _REFUSED:
            raise _broken(f"version {version}, form {form} is not known")
        if form == _REFUSED:
            program = cls(refusal=reader.string())
            reader.end()
            return program
        inputs = tuple(_read_input(reader) for _ in range(_count(reader)))
        operations: list[Operation] = []
        n_values, cursor = len(inputs), 0
        for _ in range(_count(reader)):
            operation = _decode(reader, n_values, cursor)
            operations.append(operation)
            n_values += operation.n_outputs
            cursor = _after(operation.weights, cursor)
        n_outputs = 1 if form == _ONE else _count(reader)
        outputs = tuple(n_values - 1 - reader.varint() for _ in range(n_outputs))
        if any(number < 0 for number in outputs):
            raise _broken("an output is no value")
        names = tuple(reader.string() for _ in outputs) if form == _BY_NAME else ()
        reader.end()
        return cls(inputs, tuple(operations), outputs, names, form == _ONE)

    def without_unused(self) -> "Program":
        """Returns the program without what its outputs do not depend on."""
        n_values = len(self.inputs)
        made = []
        for operation in self.operations:
            made.append(range(n_values, n_values + operation.n_outputs))
            n_values += operation.n_outputs
        used = set(self.outputs)
        kept = []
        for operation, numbers in zip(
            reversed(self.operations), made[::-1], strict=True
        ):
            if used.intersection(numbers):
                used.update(operation.inputs)
                kept.append((operation, numbers))
        new = {number: number for number in range(len(self.inputs))}
        operations = []
        for operation, numbers in reversed(kept):
            inputs = tuple(new[number] for number in operation.inputs)
            new.update({number: len(new) + i for i, number in enumerate(numbers)})
            operations.append(
                Operation(
                    operation.kind,
                    inputs,
                    operation.weights,
                    operation.settings,
                    operation.n_outputs,
                )
            )
        return Program(
            self.inputs,
            tuple(operations),
            tuple(new[number] for number in self.outputs),
            self.names,
            self.is_one,
        )


def _broken(what: str) -> CorruptFileError:
    return CorruptFileError(f"The program cannot be: {what}.", RULE)


def _after(weights: Sequence[int], cursor: int) -> int:
    """Returns which weight follows, most likely."""
    given = [number for number in weights if number != NO_WEIGHT]
    return given[-1] + 1 if given else cursor


def _encode(operation: Operation, n_values: int, cursor: int) -> bytes:
    kind = BY_NAME[operation.kind]
    flags, pieces = 0, []
    if operation.inputs != _usual_inputs(kind, n_values):
        flags |= _HAS_INPUTS
        distances = [n_values - 1 - number for number in operation.inputs]
        pieces += [varint(len(distances)), *map(varint, distances)]
    if operation.weights != _usual_weights(kind, cursor):
        flags |= _HAS_WEIGHTS
        pieces.append(varint(len(operation.weights)))
        for number in operation.weights:
            is_none = number == NO_WEIGHT
            pieces.append(varint(0 if is_none else 1 + _zigzag(number - cursor)))
            cursor = cursor if is_none else number + 1
    if operation.n_outputs != 1:
        flags |= _HAS_OUTPUTS
        pieces.append(varint(operation.n_outputs))
    for number, each in enumerate(kind.fields):
        value = operation[each.name]
        if each.type == ARRAY or value != each.default:
            flags |= 1 << (_N_FLAGS + number)
            pieces.append(_encode_value(each, value))
    return b"".join([varint(NUMBERS[kind.name]), varint(flags), *pieces])


def _decode(reader: ByteReader, n_values: int, cursor: int) -> Operation:
    number, flags = reader.varint(), reader.varint()
    if number >= len(KINDS):
        raise _broken(f"the operation {number} is not known")
    kind = KINDS[number]
    if flags >> (_N_FLAGS + len(kind.fields)):
        raise _broken(f"{kind.name!r} has no such fields")
    inputs = _usual_inputs(kind, n_values)
    if flags & _HAS_INPUTS:
        inputs = tuple(n_values - 1 - reader.varint() for _ in range(_count(reader)))
    fewest, most = kind.n_inputs
    if (
        any(each < 0 for each in inputs)
        or len(inputs) < fewest
        or (most is not None and len(inputs) > most)
    ):
        raise _broken(f"{kind.name!r} takes no such values")
    weights: tuple[int, ...] = _usual_weights(kind, cursor)
    if flags & _HAS_WEIGHTS:
        given = []
        for _ in range(_count(reader)):
            step = reader.varint()
            if step:
                given.append(cursor + _unzigzag(step - 1))
                cursor = given[-1] + 1
            else:
                given.append(NO_WEIGHT)
        weights = tuple(given)
        if any(each < NO_WEIGHT for each in weights) or len(weights) > (
            kind.most_weights
        ):
            raise _broken(f"{kind.name!r} takes no such weights")
    n_outputs = reader.varint() if flags & _HAS_OUTPUTS else 1
    if not 1 <= n_outputs <= 1 << 10:
        raise _broken(f"{kind.name!r} makes no {n_outputs} values")
    settings = {
        each.name: _decode_value(reader, each)
        for index, each in enumerate(kind.fields)
        if flags >> (_N_FLAGS + index) & 1
    }
    if any(each.type == ARRAY and each.name not in settings for each in kind.fields):
        raise _broken(f"{kind.name!r} lacks its array")
    return Operation(kind.name, inputs, weights, settings, n_outputs)


def _usual_inputs(kind: Kind, n_values: int) -> tuple[int, ...]:
    return tuple(range(n_values - kind.n_inputs[0], n_values))


def _usual_weights(kind: Kind, cursor: int) -> tuple[int, ...]:
    return tuple(range(cursor, cursor + kind.n_weights))


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _unzigzag(value: int) -> int:
    return -(value + 1) // 2 if value & 1 else value // 2


def _count(reader: ByteReader) -> int:
    """Returns how many things follow, of which each takes a byte at least."""
    n = reader.varint()
    if n > len(reader.rest):
        raise _broken(f"{n} things in {len(reader.rest)} bytes")
    return n


def _read_input(reader: ByteReader) -> Input:
    name, dtype = reader.string(), reader.varint()
    if dtype >= len(DTYPES):
        raise _broken(f"the dtype {dtype} is not known")
    shape = [reader.varint() for _ in range(_count(reader))]
    return Input(name, tuple(n or None for n in shape), DTYPES[dtype])


def _ints(values: Iterable[int]) -> bytes:
    given = list(values)
    return b"".join([varint(len(given)), *(varint(_zigzag(v)) for v in given)])


def _encode_value(each: Field, value: Any) -> bytes:
    if each.type == INT:
        return varint(_zigzag(int(value)))
    if each.type == INTS:
        return _ints(value)
    if each.type == FLOAT:
        return struct.pack("<f", value)
    if each.type == TEXT:
        return string(value)
    if each.type == FUNCTION:
        return varint(each.functions.index(value))
    data = np.ascontiguousarray(value)
    dtype = varint(DTYPES.index(data.dtype.name))
    shape = b"".join(map(varint, data.shape))
    little = data.astype(data.dtype.newbyteorder("<"), copy=False)
    return b"".join([dtype, varint(data.ndim), shape, little.tobytes()])


def _decode_value(reader: ByteReader, each: Field) -> Any:
    if each.type == INT:
        return _bounded(_unzigzag(reader.varint()))
    if each.type == INTS:
        n = _count(reader)
        return tuple(_bounded(_unzigzag(reader.varint())) for _ in range(n))
    if each.type == FLOAT:
        return struct.unpack("<f", reader.take(4))[0]
    if each.type == TEXT:
        return reader.string()
    if each.type == FUNCTION:
        number = reader.varint()
        if number >= len(each.functions):
            raise _broken(f"the {each.name} {number} is not known")
        return each.functions[number]
    return _read_array(reader)


def _read_array(reader: ByteReader) -> np.ndarray:
    number = reader.varint()
    if number >= len(DTYPES) or DTYPES[number] in ("string", "bfloat16"):
        raise _broken("an array of an unknown dtype")
    dtype = np.dtype(DTYPES[number])
    shape = tuple(reader.varint() for _ in range(_count(reader)))
    if len(shape) > 32:
        raise _broken(f"an array of {len(shape)} axes")
    data = reader.take(prod(shape) * dtype.itemsize)
    array = np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape)
    return array.astype(dtype)


def _bounded(value: int) -> int:
    if abs(value) > _LARGEST:
        raise _broken(f"the number {value} is too large")
    return value
