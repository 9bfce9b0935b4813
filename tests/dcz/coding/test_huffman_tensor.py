import numpy as np
import pytest
from helpers.arrays import dtypes, sparse, tensors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.coding.huffman_tensor import CodedTensor
from deepcompress.errors import CorruptFileError


def round_trip(array):
    tensor = CodedTensor.from_array(array)
    data = tensor.to_bytes()
    reader = ByteReader(data)
    read = CodedTensor.read(reader, array.dtype, array.shape)
    reader.expect_end()
    return data, tensor, read


@given(tensors())
def test_every_bit_comes_back(array):
    data, written, read = round_trip(array)
    decoded = read.to_array()
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()
    assert decoded.flags.writeable
    assert len(data) <= array.nbytes + 1
    for name, value in vars(written.stats(len(data))).items():
        np.testing.assert_array_equal(vars(read.stats(len(data)))[name], value)


def test_an_array_that_is_not_aligned_comes_back():
    data = np.arange(401, dtype=np.uint8) % 3
    array = np.frombuffer(data[1:].tobytes() + b"\0", np.uint8)[1:].view(np.uint32)
    assert not array.flags.aligned
    np.testing.assert_array_equal(round_trip(array)[2].to_array(), array)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_nan_infinity_and_negative_zero_comes_back(dtype):
    size = np.dtype(dtype).itemsize
    sign = 1 << 8 * size - 1
    # Zero, the least number, -0.0, and the quiet and signalling NaNs' extremes.
    patterns = [0, 1, sign, sign - 1, 2 * sign - 1, 2 * sign - 2]
    array = np.tile(np.array(patterns, f"u{size}"), 50).view(dtype)
    _, _, read = round_trip(array)
    assert read.to_array().tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_every_pattern_of_the_small_floats_comes_back(dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, dtype))
    patterns = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}")
    array = np.repeat(patterns, 3).view(dtype)
    _, _, read = round_trip(array)
    assert read.to_array().dtype == dtype
    assert read.to_array().tobytes() == array.tobytes()


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
    tensor = CodedTensor.from_array(sparse((300, 100), density, n_values, rng))
    assert (tensor.gap_width > 0) == has_gaps
    assert (tensor.codebook is not None) == has_codebook


def test_the_chosen_encoding_is_not_larger_than_any_other(rng):
    array = sparse((200, 90), 0.1, 15, rng)
    chosen = len(CodedTensor.from_array(array).to_bytes())
    reversed_scan = len(
        CodedTensor.from_array(np.ascontiguousarray(array.T)).to_bytes()
    )
    assert chosen == reversed_scan  # either scan is within reach of the other layout
    flat = len(CodedTensor.from_array(array.ravel()).to_bytes())
    assert chosen <= flat


def test_rows_that_are_dead_are_cheap_in_either_layout(rng):
    array = sparse((400, 300), 0.1, 15, rng)
    array[rng.random(400) < 0.5] = 0
    transposed = np.ascontiguousarray(array.T)
    assert len(CodedTensor.from_array(array).to_bytes()) == len(
        CodedTensor.from_array(transposed).to_bytes()
    )
    assert (
        CodedTensor.from_array(array).is_reversed
        != CodedTensor.from_array(transposed).is_reversed
    )


def test_close_to_entropy(rng):
    array = sparse((784, 300), 0.05, 16, rng)
    n_nonzero = np.count_nonzero(array)
    p = n_nonzero / array.size
    mask_bits = -array.size * (p * np.log2(p) + (1 - p) * np.log2(1 - p))
    entropy = (mask_bits + n_nonzero * 4) / 8 + 16 * 4
    assert len(CodedTensor.from_array(array).to_bytes()) < 1.015 * entropy


def test_an_all_zero_tensor_takes_two_bytes():
    data, _, read = round_trip(np.zeros((512, 512), "float32"))
    assert len(data) == 2
    assert not read.to_array().any()


def test_more_values_than_codes_are_stored_raw():
    array = np.arange(1, 2**16 + 2, dtype="float32").repeat(3)
    tensor = CodedTensor.from_array(array)
    assert tensor.codebook is None
    shared = np.arange(1, 2**16 + 1, dtype="float32").repeat(3)
    assert CodedTensor.from_array(shared).codebook is not None
    for each in (array, shared):
        assert round_trip(each)[2].to_array().tobytes() == each.tobytes()


@given(st.binary(max_size=80), dtypes, hnp.array_shapes(min_dims=0, max_side=20))
def test_any_bytes_are_decoded_or_refused(data, dtype, shape):
    try:
        array = CodedTensor.read(ByteReader(data), dtype, shape).to_array()
    except CorruptFileError:
        return
    assert array.shape == shape
    assert array.dtype == dtype


@given(tensors(), st.data())
def test_a_truncated_tensor_is_refused(array, data):
    encoded = CodedTensor.from_array(array).to_bytes()
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CorruptFileError):
        CodedTensor.read(ByteReader(encoded[:end]), array.dtype, array.shape).to_array()


def test_a_codebook_out_of_order_is_refused():
    array = np.array([1, 2] * 20, "u1")
    encoded = bytearray(CodedTensor.from_array(array).to_bytes())
    assert encoded[2:4] == b"\x01\x02"
    encoded[2:4] = b"\x02\x01"
    with pytest.raises(CorruptFileError, match="ascending"):
        CodedTensor.read(ByteReader(bytes(encoded)), array.dtype, array.shape)
