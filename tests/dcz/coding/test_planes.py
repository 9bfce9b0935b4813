import numpy as np
import pytest
from helpers import twins
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress import _native
from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.coding.planes import BytePlanes
from deepcompress.errors import CorruptFileError

words = hnp.arrays(st.sampled_from(["u1", "u2", "u4", "u8"]), st.integers(0, 70))


@given(words, st.integers(0, 7), st.integers(0, 1))
def test_planes_are_those_of_the_twin_and_words_come_back(words, turn, fold):
    planes = np.empty((words.itemsize, words.size), np.uint8)
    assert _native.planes_split(words, turn, fold, planes) == words.size
    assert planes.tolist() == twins.planes(words.tolist(), words.itemsize, turn, fold)
    joined = np.empty_like(words)
    assert _native.planes_join(planes, turn, fold, joined) == words.size
    np.testing.assert_array_equal(joined, words)


@pytest.mark.parametrize(
    ("n_bytes", "turn", "fold"),
    [(0, 0, 0), (7, 0, 0), (9, 1, 0), (16, 1, 1), (8, -1, 0), (8, 8, 0), (8, 1, 2)],
)
def test_the_binding_refuses_what_does_not_fit(n_bytes, turn, fold):
    words, planes = np.zeros(2, np.uint32), np.zeros(n_bytes, np.uint8)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.planes_split(words, turn, fold, planes)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.planes_join(planes, turn, fold, words)


def test_small_numbers_of_either_sign_have_zeros_above():
    words = np.array([0, -1, 1, -2, 127, -128], np.int16)
    planes = np.empty((2, 6), np.uint8)
    _native.planes_split(words, 1, 1, planes)
    assert planes.tolist() == [[0, 1, 2, 3, 254, 255], [0] * 6]


def patterns(array):
    return (
        array.view(f"u{array.itemsize}") if array.itemsize < 16 else array.view("V16")
    )


@pytest.mark.parametrize(
    ("dtype", "share"),
    [
        ("float16", 0.86),
        ("bfloat16", 0.68),
        ("float32", 0.84),
        ("float64", 0.875),
        ("complex64", 0.84),
        ("complex128", 0.875),
        ("int16", 0.8),
        ("int64", 0.22),
    ],
)
@pytest.mark.parametrize("n", [5000, 70_000])
def test_normal_weights_get_smaller_and_come_back(dtype, share, n, rng):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    dtype = np.dtype(dtype)
    parts = rng.standard_normal((n, 2)) * (1000 if dtype.kind == "i" else 0.05)
    array = (parts @ [1, 1j if dtype.kind == "c" else 1]).astype(dtype)
    planes = BytePlanes.of(patterns(array), dtype)
    data = b"".join(planes.encode())
    assert abs(len(data) - planes.size) <= 8 * len(planes.planes)
    assert len(data) < share * array.nbytes
    reader = ByteReader(data)
    again = BytePlanes.read(reader, dtype, n)
    reader.end()
    assert (again.n_bits, again.table_bytes) == (planes.n_bits, planes.table_bytes)
    assert again.to_values(dtype, patterns(array).dtype).tobytes() == array.tobytes()


def test_a_plane_that_gains_nothing_is_raw(rng):
    array = rng.standard_normal(10_000).astype("float32")
    codes = BytePlanes.of(patterns(array), array.dtype).codes
    assert [code is None for code in codes] == [True, True, True, False]


def test_floats_that_were_of_fewer_bits_cost_no_more(rng):
    half = rng.standard_normal(10_000).astype("float16")
    sizes = [
        BytePlanes.of(patterns(array), array.dtype).size
        for array in (half, half.astype("float32"))
    ]
    assert sizes[1] < 1.02 * sizes[0]


@given(st.binary(max_size=40), st.sampled_from(["<f2", "<f4", "<c16", "u1"]))
def test_any_bytes_are_read_or_refused(data, dtype):
    dtype = np.dtype(dtype)
    try:
        planes = BytePlanes.read(ByteReader(data), dtype, 5)
    except CorruptFileError:
        return
    assert planes.to_values(dtype, dtype).shape == (5,)
