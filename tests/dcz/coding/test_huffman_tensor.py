import numpy as np
import pytest
from helpers.arrays import large_tensors, sparse, tensors
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter
from deepcompress.dcz.coding.huffman_pieces import pieces_of
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.coding.planes import BytePlanes
from deepcompress.errors import CorruptFileError


def encode(array):
    """The bytes of a tensor, and how it was taken apart."""
    writer = ByteWriter()
    tensor = HuffmanTensor.encode(array, writer)
    return writer.end(), tensor


def decode(data, array):
    reader = ByteReader(data)
    tensor = HuffmanTensor.decode(reader, array.dtype, array.shape)
    reader.end()
    return tensor


@given(tensors() | large_tensors())
def test_a_tensor_never_grows_and_its_figures_are_exact(array):
    data, written = encode(array)
    assert len(data) <= array.nbytes + 1
    assert written.stats().n_bytes == len(data)
    for name, value in vars(decode(data, array).stats()).items():
        np.testing.assert_array_equal(vars(written.stats())[name], value)


@pytest.mark.parametrize(
    ("density", "n_values", "has_gaps", "has_codebook"),
    [
        (1.0, 10**5, False, False),  # nothing to gain
        (1.0, 16, False, True),
        (0.05, 10**5, True, False),
        (0.05, 16, True, True),
        (0.9, 16, False, True),  # too few zeros for gaps to pay
    ],
)
def test_the_encoding_fits_the_tensor(density, n_values, has_gaps, has_codebook, rng):
    tensor = encode(sparse((300, 100), density, n_values, rng))[1]
    assert (tensor.gap_width > 0) == has_gaps
    assert (tensor.codebook is not None) == has_codebook


def test_the_chosen_encoding_is_not_larger_than_any_other(rng):
    array = sparse((200, 90), 0.1, 15, rng)
    chosen = len(encode(array)[0])
    reversed_scan = len(encode(np.ascontiguousarray(array.T))[0])
    assert chosen == reversed_scan  # either scan is within reach of the other layout
    flat = len(encode(array.ravel())[0])
    assert chosen <= flat


def test_rows_that_are_dead_are_cheap_in_either_layout(rng):
    array = sparse((400, 300), 0.1, 15, rng)
    array[rng.random(400) < 0.5] = 0
    transposed = np.ascontiguousarray(array.T)
    assert len(encode(array)[0]) == len(encode(transposed)[0])
    assert encode(array)[1].is_reversed != encode(transposed)[1].is_reversed


def test_close_to_entropy(rng):
    array = sparse((784, 300), 0.05, 16, rng)
    n_nonzero = np.count_nonzero(array)
    p = n_nonzero / array.size
    mask_bits = -array.size * (p * np.log2(p) + (1 - p) * np.log2(1 - p))
    entropy = (mask_bits + n_nonzero * 4) / 8 + 16 * 4
    assert len(encode(array)[0]) < 1.015 * entropy


def test_an_all_zero_tensor_takes_two_bytes():
    zeros = np.zeros((512, 512), "float32")
    data, _ = encode(zeros)
    assert len(data) == 2
    assert not decode(data, zeros).to_array().any()


def test_more_values_than_codes_are_stored_raw():
    # Their bytes are as good as random, so that planes gain nothing.
    distinct = np.arange(1, 2**16 + 2, dtype=np.uint32) * np.uint32(0x9E3779B1)
    array = distinct.view("float32").repeat(3)
    tensor = encode(array)[1]
    assert tensor.codebook is None
    assert tensor.planes is None
    shared = distinct[:-1].view("float32").repeat(3)
    assert encode(shared)[1].codebook is not None
    for each in (array, shared):
        assert decode(encode(each)[0], each).to_array().tobytes() == each.tobytes()


@given(tensors() | large_tensors(), st.data())
def test_a_truncated_tensor_is_refused(array, data):
    encoded = encode(array)[0]
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CorruptFileError):
        reader = ByteReader(encoded[:end])
        HuffmanTensor.decode(reader, array.dtype, array.shape).to_array()


def test_a_codebook_out_of_order_is_refused(rng):
    array = rng.integers(1, 3, 40).astype("u1")
    encoded = bytearray(encode(array)[0])
    assert encoded[2:4] == b"\x01\x02"
    encoded[2:4] = b"\x02\x01"
    with pytest.raises(CorruptFileError, match="out of order"):
        HuffmanTensor.decode(ByteReader(bytes(encoded)), array.dtype, array.shape)


def hostile(data, dtype="<f4", shape=(3,)):
    reader = ByteReader(data)
    HuffmanTensor.decode(reader, np.dtype(dtype), shape).to_array()
    reader.end()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08\x00", "not known"),  # another byte of flags, and none of them set
        (b"\x08\x08", "not known"),
        (b"\x08\x01" + bytes(16), "not known"),  # a background without gaps
        (b"\x04" + bytes(12), "not known"),
        (b"\x0a\x02\x01" + bytes(4), "not known"),  # planes and a codebook
        (b"\x19\x01\0\0\0\0\0", "background is 0"),
        (b"\x19\x01\1\0", "ends early"),
        (b"\x19\x02\0", "Planes of no values"),
        (b"\x08\x02\x10" + bytes(12), "cannot be coded"),
        (b"\x08\x02\x00" + bytes(11), "ends early"),
        (b"\x08\x04" + bytes(12) + b"\0\x08", "more signs"),
        (b"\x08\x04" + bytes(12) + b"\2\0", "cannot be coded"),
        # Gaps, and planes of one element: 0.
        (b"\x19\x02\1\0\x0e" + bytes(7), "."),
    ],
)
def test_what_cannot_be_is_refused(data, message):
    with pytest.raises(CorruptFileError, match=message):
        hostile(data)


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("<c16", (1,), b"\x08\x04" + bytes(18)),
        ("<c16", (1,), b"\x02\x01" + bytes(17)),
        ("<c16", (1,), b"\x11\0"),
        ("<f4", (0,), b"\x08\x02\0"),
    ],
)
def test_what_a_tensor_cannot_have_is_refused(dtype, shape, data):
    with pytest.raises(CorruptFileError, match="cannot be so coded"):
        hostile(data, dtype, shape)


def test_a_zero_in_planes_among_the_non_zeros_is_refused(rng):
    array = np.where(rng.random(3000) < 0.5, rng.standard_normal(3000), 0)
    written = encode(array)[1]
    assert written.planes is not None
    assert written.gap_width
    values = written.raw.copy()
    values[7] = 0
    written.planes = BytePlanes.of(values, array.dtype)
    pieces, _ = pieces_of(written)
    with pytest.raises(CorruptFileError, match="zero among"):
        hostile(b"".join(pieces), "<f8", array.shape)


def twin_of(array, background):
    """The tensor with another background, which was 0."""
    bits = array.view(f"u{array.itemsize}")
    return (bits + np.array(background, bits.dtype)).view(array.dtype)


@pytest.mark.parametrize(
    ("dtype", "background"),
    [("f2", 1 << 15), ("f4", 1 << 31), ("f8", 1 << 63), ("i1", 128), ("i8", 2**64 - 3)],
)
@pytest.mark.parametrize("n_values", [9, 10**6])
def test_any_background_costs_what_zeros_do(dtype, background, n_values, rng):
    values = (rng.standard_normal(n_values) * 40 + 1).astype(dtype)
    kept = rng.random((90, 100)) < 0.1
    array = np.where(kept, values[rng.integers(0, n_values, (90, 100))], 0)
    array = array.astype(dtype)
    other = twin_of(array, background)
    size = len(encode(array)[0])
    data, tensor = encode(other)
    assert len(data) <= size + 1 + array.itemsize
    decoded = decode(data, other)
    assert decoded.to_array().tobytes() == other.tobytes()
    assert tensor.stats().n_stored == np.count_nonzero(array)
    assert tensor.stats().background.tobytes() == other[~kept][:1].tobytes()


def test_rare_backgrounds_are_not_tried_and_frequent_ones_are_found(rng):
    weights = rng.standard_normal(100_000).astype("float32")
    assert encode(weights)[1].background == 0
    for share in (0.1, 0.4, 0.9):
        some = weights.copy()
        some[rng.random(some.size) < share] = 1.0
        assert encode(some)[1].background == 0x3F800000


def test_zeros_of_either_sign_cost_a_bit_each(rng):
    array = sparse((300, 200), 0.05, 15, rng)
    size = len(encode(array)[0])
    mixed = np.where(array == 0, rng.choice([0.0, -0.0], array.shape), array)
    mixed = mixed.astype("float32")
    data, tensor = encode(mixed)
    assert len(data) < size + array.size / 8 + 10
    assert tensor.stats().n_nonzero == np.count_nonzero(array)
    assert decode(data, mixed).to_array().tobytes() == mixed.tobytes()
    assert decode(data, mixed).to_array().tobytes() == mixed.tobytes()
