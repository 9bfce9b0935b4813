import numpy as np
import pytest
from helpers import twins
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.dcz.coding.bytestream import ByteReader, varint
from deepcompress.dcz.coding.huffman import HuffmanCode, count_symbols, symbol_dtype
from deepcompress.errors import CorruptFileError

counts_of_alphabets = st.lists(
    st.integers(0, 1000) | st.sampled_from([1, 2**40]), min_size=1, max_size=80
).filter(any)


def lengths_of(counts, longest=_native.DC_MAX_CODE_LENGTH):
    lengths = np.empty(len(counts), np.uint8)
    _native.huffman_lengths(np.array(counts, np.uint64), longest, lengths)
    return lengths


@given(counts_of_alphabets)
def test_the_code_is_as_short_as_huffmans_own(counts):
    twin = twins.huffman_lengths(counts)
    if max(twin) <= _native.DC_MAX_CODE_LENGTH:
        assert np.dot(lengths_of(counts).tolist(), counts) == np.dot(twin, counts)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=8), st.integers(3, 5))
def test_a_limited_code_is_the_best_of_all_that_keep_the_limit(counts, limit):
    lengths = lengths_of(counts, limit).tolist()
    assert max(lengths) <= limit
    assert np.dot(lengths, counts) == twins.limited_cost(counts, limit)


def test_fibonacci_counts_meet_the_limit_exactly():
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = lengths_of(fibonacci, 12).astype(int)
    assert lengths.max() == 12
    assert sum(2.0**-lengths) == 1


@given(counts_of_alphabets)
def test_the_table_is_written_as_specified_and_read_back(counts):
    code = HuffmanCode.from_counts(np.array(counts))
    assert code.table == twins.pack(twins.table_bits(code.lengths.tolist()))
    reader = ByteReader(code.table)
    assert (
        HuffmanCode.read(reader, len(counts)).lengths.tolist() == code.lengths.tolist()
    )
    reader.end()


@given(st.data(), st.integers(1, 400))
def test_a_stream_is_the_canonical_codes_one_after_the_other(data, n_symbols):
    symbols = np.array(
        data.draw(st.lists(st.integers(0, n_symbols - 1), min_size=1, max_size=300))
    ).astype(np.uint8 if n_symbols <= 256 else np.uint16)
    code = HuffmanCode.from_counts(np.bincount(symbols, minlength=n_symbols))
    encoded = code.encode(symbols)
    if code.lone_symbol is None:
        codes = twins.canonical_codes(code.lengths.tolist())
        stream = twins.pack("".join(codes[symbol] for symbol in symbols.tolist()))
        assert encoded.endswith(stream)
    reader = ByteReader(encoded)
    decoded = HuffmanCode.read(reader, n_symbols).decode(reader, len(symbols))
    reader.end()
    assert decoded.dtype == symbols.dtype
    assert decoded.tolist() == symbols.tolist()
    size = code.encoded_size(np.bincount(symbols, minlength=n_symbols))
    assert size == len(encoded)


@pytest.mark.parametrize("n", [2**16 - 1, 2**16, 2**16 + 3, 2**22 + 1])
@pytest.mark.parametrize("n_symbols", [2, 17, 256, 1000, 65536])
def test_long_arrays_come_back(n, n_symbols, rng):
    symbols = np.minimum(rng.geometric(min(0.6, 8 / n_symbols), n) - 1, n_symbols - 1)
    symbols = symbols.astype(np.uint8 if n_symbols <= 256 else np.uint16)
    code = HuffmanCode.from_counts(np.bincount(symbols, minlength=n_symbols))
    reader = ByteReader(code.encode(symbols))
    decoded = HuffmanCode.read(reader, n_symbols).decode(reader, n)
    reader.end()
    np.testing.assert_array_equal(decoded, symbols)


def staircase(longest, n_symbols):
    """Lengths of a complete code up to `longest`, over the alphabet's last symbols."""
    lengths = [*range(1, longest), longest, longest]
    return np.array([0] * (n_symbols - len(lengths)) + lengths, np.uint8)


def native_encode(symbols, lengths, n_streams):
    sizes = np.empty(n_streams, np.uint64)
    out = np.empty(3 * len(symbols) + n_streams, np.uint8)
    size = _native.huffman_encode(symbols, lengths, sizes, out)
    return out[:size].tobytes(), sizes


def cut(data, sizes):
    ends = np.cumsum(sizes, dtype=int).tolist()
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("n", [16383, 16384, 16391, 2**16 - 1, 2**16, 2**16 + 7])
@pytest.mark.parametrize("n_symbols", [1, 2, 3, 63, 64, 65, 255, 256, 257, 5000])
def test_every_way_of_coding_gives_the_same_streams(n, n_symbols, rng):
    symbols = np.minimum(rng.geometric(0.2, n) - 1, n_symbols - 1)
    some = rng.random(n) < 0.1
    symbols[some] = rng.integers(0, n_symbols, np.count_nonzero(some))
    symbols = symbols.astype(symbol_dtype(n_symbols))
    code = HuffmanCode.from_counts(count_symbols(symbols, n_symbols))
    expected = code.table
    if n_symbols > 1:
        n_streams = 4 if n >= 2**16 else 1
        streams = twins.encode_streams(
            symbols.tolist(), code.lengths.tolist(), n_streams
        )
        sizes = [varint(len(stream)) for stream in streams]
        expected = b"".join([expected, *sizes, *streams])
    assert code.encode(symbols) == expected
    reader = ByteReader(expected)
    decoded = HuffmanCode.read(reader, n_symbols).decode(reader, n)
    reader.end()
    np.testing.assert_array_equal(decoded, symbols)


@pytest.mark.parametrize("longest", [1, 2, 7, 8, 11, 12, 14, 15, 20])
@pytest.mark.parametrize("n_symbols", [24, 64, 65, 256, 257, 300])
@pytest.mark.parametrize("n_streams", [1, 4, 6])
def test_codes_of_every_length_are_coded_alike(longest, n_symbols, n_streams, rng):
    lengths = staircase(longest, n_symbols)
    symbols = n_symbols - 1 - rng.integers(0, longest + 1, 16384 + longest)
    symbols = symbols.astype(symbol_dtype(n_symbols))
    data, sizes = native_encode(symbols, lengths, n_streams)
    assert cut(data, sizes) == twins.encode_streams(
        symbols.tolist(), lengths.tolist(), n_streams
    )
    decoded = np.empty_like(symbols)
    _native.huffman_decode(data, sizes, lengths, decoded)
    np.testing.assert_array_equal(decoded, symbols)


@pytest.mark.parametrize("n", [3, 16384, 20001])
@pytest.mark.parametrize("n_symbols", [24, 65, 300])
@pytest.mark.parametrize("longest", [7, 14, 20])
def test_the_encoder_writes_the_streams_and_nothing_else(n, n_symbols, longest, rng):
    lengths = staircase(longest, n_symbols)
    symbols = n_symbols - 1 - rng.integers(0, longest + 1, n)
    symbols = symbols.astype(symbol_dtype(n_symbols))
    data, sizes = native_encode(symbols, lengths, 2)
    out = np.full(len(data) + 16, 0xA5, np.uint8)
    assert _native.huffman_encode(symbols, lengths, sizes, out[: len(data)])
    assert out.tobytes() == data + b"\xa5" * 16
    with pytest.raises(ValueError, match="output buffer is too small"):
        _native.huffman_encode(symbols, lengths, sizes, out[: len(data) - 1])
    assert out[len(data) - 1 :].tobytes() == data[-1:] + b"\xa5" * 16


@pytest.mark.parametrize("n", [2, 16384, 20001])
@pytest.mark.parametrize(
    ("n_symbols", "wrong"),
    [
        (20, 0),  # without a code
        (20, 20),
        (20, 63),
        (20, 64),
        (20, 19 + 64),  # the same as a symbol with a code, in the bits looked at
        (20, 19 + 128),
        (64, 255),
        (65, 65),
        (256, 0),
        (300, 0),
        (300, 300),
        (300, 65535),
    ],
)
def test_the_encoder_refuses_a_symbol_without_a_code(n, n_symbols, wrong, rng):
    lengths = staircase(9, n_symbols)
    symbols = n_symbols - 1 - rng.integers(0, 10, n).astype(symbol_dtype(n_symbols))
    for index in (0, n // 2, n - 1):
        changed = symbols.copy()
        changed[index] = wrong
        with pytest.raises(ValueError, match="outside the allowed range"):
            native_encode(changed, lengths, 1)


@pytest.mark.parametrize("n_symbols", [1, 2, 63, 64, 65, 256, 257, 65536])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 2**16 - 1, 2**16, 10**5 + 7])
def test_symbols_are_counted(n, n_symbols, rng):
    symbols = rng.integers(0, n_symbols, n).astype(symbol_dtype(n_symbols))
    counts = count_symbols(symbols, n_symbols)
    assert counts.tolist() == np.bincount(symbols, minlength=n_symbols).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n", [17, 2**16 + 1])
@pytest.mark.parametrize("wrong", [5, 63, 64, 128, 255])
def test_a_symbol_outside_the_alphabet_is_not_counted(dtype, n, wrong):
    for index in (0, 9, n - 1):
        symbols = np.zeros(n, dtype)
        symbols[index] = wrong
        with pytest.raises(ValueError, match="outside the allowed range"):
            count_symbols(symbols, 5)


def test_a_lone_symbol_takes_no_bits():
    symbols = np.full(10**6, 3, np.uint8)
    code = HuffmanCode.from_counts(np.bincount(symbols, minlength=8))
    encoded = code.encode(symbols)
    assert len(encoded) < 5
    reader = ByteReader(encoded)
    decoded = HuffmanCode.read(reader, 8).decode(reader, 10**6)
    np.testing.assert_array_equal(decoded, symbols)


@given(st.binary(max_size=60), st.integers(1, 300), st.integers(0, 2000))
def test_any_bytes_are_decoded_or_refused(data, n_symbols, n):
    reader = ByteReader(data)
    try:
        decoded = HuffmanCode.read(reader, n_symbols).decode(reader, n)
    except CorruptFileError:
        return
    assert len(decoded) == n
    assert n == 0 or decoded.max() < n_symbols


@given(st.data())
def test_a_changed_stream_never_decodes_to_the_same_symbols(data):
    symbols = np.array(data.draw(st.lists(st.integers(0, 9), min_size=2, max_size=99)))
    symbols = symbols.astype(np.uint8)
    code = HuffmanCode.from_counts(np.bincount(symbols, minlength=10))
    encoded = bytearray(code.encode(symbols))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    reader = ByteReader(bytes(encoded))
    try:
        decoded = HuffmanCode.read(reader, 10).decode(reader, len(symbols))
        reader.end()
    except CorruptFileError:
        return
    assert decoded.tolist() != symbols.tolist()


def damaged(data, sizes, how, rng):
    """Coded bytes and the sizes of their streams, no longer what was written."""
    data, sizes = bytearray(data), sizes.astype(int)
    if how == "bits":
        for bit in rng.integers(0, 8 * len(data), rng.integers(1, 4)) if data else ():
            data[bit // 8] ^= 1 << bit % 8
    elif how == "cut":
        dropped = min(int(rng.integers(1, 20)), int(sizes[-1]))
        sizes[-1] -= dropped
        del data[len(data) - dropped :]
    elif how == "longer":
        added = int(rng.integers(1, 20))
        sizes[-1] += added
        data += bytes(added)
    elif how == "shifted" and len(sizes) > 1 and sizes[0]:
        sizes[:2] += -1, 1
    elif how == "noise":
        data[:] = rng.bytes(len(data))
    elif how in {"ones", "zeros"}:
        data[:] = (b"\xff" if how == "ones" else b"\x00") * len(data)
    return bytes(data), sizes.astype(np.uint64)


# Streams long enough for the decoder to take four at a time, many symbols a look-up.
@given(
    seed=st.integers(0, 2**32),
    longest=st.sampled_from([1, 3, 11, 12, 20]),
    n_symbols=st.sampled_from([30, 256, 300]),
    n=st.integers(0, 1500),
    n_streams=st.sampled_from([1, 4, 5, 8]),
    is_flat=st.booleans(),
    how=st.sampled_from("not bits cut longer shifted noise ones zeros".split()),
    n_missing=st.sampled_from([0, 0, 0, 1, -1, 40, -40, -400, -800]),
)
@settings(max_examples=300, deadline=None)
def test_damaged_streams_decode_as_the_twin_does(
    *, seed, longest, n_symbols, n, n_streams, is_flat, how, n_missing
):
    rng = np.random.default_rng(seed)
    lengths = staircase(longest, n_symbols)
    if is_flat:
        length = min(longest, n_symbols.bit_length() - 1)
        lengths[:] = 0
        lengths[-(2**length) :] = length
    used = np.flatnonzero(lengths)
    chances = 0.5 ** lengths[used] if seed % 2 else None
    symbols = rng.choice(used, n, p=chances).astype(symbol_dtype(n_symbols))
    data, sizes = damaged(*native_encode(symbols, lengths, n_streams), how, rng)
    n = max(n + n_missing, 0)

    expected = twins.decode_streams(cut(data, sizes), lengths.tolist(), n)
    if how == "not" and n == len(symbols):
        assert expected == symbols.tolist()
    guarded = np.full(n + 32, 0xA5, symbols.dtype)
    decoded = guarded[16 : n + 16]
    try:
        _native.huffman_decode(data, sizes, lengths, decoded)
    except CorruptFileError:
        assert expected is None
    else:
        assert decoded.tolist() == expected
    assert (guarded[:16] == 0xA5).all()
    assert (guarded[n + 16 :] == 0xA5).all()


@given(st.data())
def test_a_damaged_file_of_many_symbols_never_decodes_to_the_same(data):
    rng = np.random.default_rng(0)
    symbols = np.minimum(rng.geometric(0.3, 2**16) - 1, 20).astype(np.uint8)
    code = HuffmanCode.from_counts(count_symbols(symbols, 21))
    encoded = bytearray(code.encode(symbols))
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(encoded) - 1))
        encoded[index] ^= data.draw(st.integers(1, 255))
    is_changed = bytes(encoded) != code.encode(symbols)
    reader = ByteReader(bytes(encoded))
    try:
        decoded = HuffmanCode.read(reader, 21).decode(reader, len(symbols))
        reader.end()
    except CorruptFileError:
        assert is_changed
        return
    assert np.array_equal(decoded, symbols) != is_changed


@pytest.mark.parametrize(
    "lengths",
    [
        [1, 1, 1],  # too many codes
        [1, 2],  # a code is missing
        [2],
        [21, 21],
        [0, 0],
    ],
)
def test_lengths_that_are_no_code_are_refused(lengths):
    with pytest.raises(CorruptFileError):
        _native.huffman_decode(
            b"\x00" * 8,
            np.array([8], np.uint64),
            np.array(lengths, np.uint8),
            np.empty(3, np.uint8),
        )


def test_the_binding_checks_what_memory_safety_needs():
    lengths = np.array([1, 1], np.uint8)
    sizes = np.empty(1, np.uint64)
    symbols = np.array([0, 1, 0], np.uint8)
    with pytest.raises(ValueError, match="output buffer is too small"):
        _native.huffman_encode(symbols, lengths, sizes, np.empty(0, np.uint8))
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.huffman_encode(
            np.array([2], np.uint8), lengths, sizes, np.empty(64, np.uint8)
        )
    with pytest.raises(TypeError, match="uint8 or uint16"):
        _native.huffman_encode(
            np.array([0], np.uint32), lengths, sizes, np.empty(64, np.uint8)
        )
    with pytest.raises(TypeError, match="items of 8 bytes"):
        _native.huffman_encode(
            symbols, lengths, np.empty(1, np.uint32), np.empty(64, np.uint8)
        )
    with pytest.raises(TypeError, match="uint8 or uint16"):
        _native.huffman_count(np.array([0], np.uint32), np.empty(1, np.uint64))
    with pytest.raises(TypeError, match="items of 8 bytes"):
        _native.huffman_count(symbols, np.empty(2, np.uint32))
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.huffman_lengths(np.ones(9, np.uint64), 3, np.empty(9, np.uint8))
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.huffman_lengths(np.ones(9, np.uint64), 21, np.empty(9, np.uint8))
    with pytest.raises(CorruptFileError):
        _native.huffman_decode(  # a stream that claims more bytes than there are
            b"\x00", np.array([2], np.uint64), lengths, np.empty(8, np.uint8)
        )
