import numpy as np
import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.coding.bytestream import ByteReader
from deepcompress.coding.huffman import HuffmanCode
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
    reader.expect_end()


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
    reader.expect_end()
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
    reader.expect_end()
    np.testing.assert_array_equal(decoded, symbols)


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
        reader.expect_end()
    except CorruptFileError:
        return
    assert decoded.tolist() != symbols.tolist()


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
        _native.huffman_encode(symbols, lengths, sizes, np.empty(4, np.uint8))
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
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.huffman_lengths(np.ones(9, np.uint64), 3, np.empty(9, np.uint8))
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.huffman_lengths(np.ones(9, np.uint64), 21, np.empty(9, np.uint8))
    with pytest.raises(CorruptFileError):
        _native.huffman_decode(  # a stream that claims more bytes than there are
            b"\x00", np.array([2], np.uint64), lengths, np.empty(8, np.uint8)
        )
