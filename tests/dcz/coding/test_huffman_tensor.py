import numpy as np
import pytest
from helpers.arrays import sparse, tensors
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
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


@given(tensors())
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
    array = np.arange(1, 2**16 + 2, dtype="float32").repeat(3)
    tensor = encode(array)[1]
    assert tensor.codebook is None
    shared = np.arange(1, 2**16 + 1, dtype="float32").repeat(3)
    assert encode(shared)[1].codebook is not None
    for each in (array, shared):
        assert decode(encode(each)[0], each).to_array().tobytes() == each.tobytes()


@given(tensors(), st.data())
def test_a_truncated_tensor_is_refused(array, data):
    encoded = encode(array)[0]
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CorruptFileError):
        reader = ByteReader(encoded[:end])
        HuffmanTensor.decode(reader, array.dtype, array.shape).to_array()


def test_a_codebook_out_of_order_is_refused():
    array = np.array([1, 2] * 20, "u1")
    encoded = bytearray(encode(array)[0])
    assert encoded[2:4] == b"\x01\x02"
    encoded[2:4] = b"\x02\x01"
    with pytest.raises(CorruptFileError, match="ascending"):
        HuffmanTensor.decode(ByteReader(bytes(encoded)), array.dtype, array.shape)
