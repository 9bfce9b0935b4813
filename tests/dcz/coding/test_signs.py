import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.coding.signs import (
    has_both_zeros,
    read_signs,
    split_signs,
    turn_signs,
)
from deepcompress.errors import CorruptFileError


@given(
    hnp.arrays(
        st.sampled_from(["u1", "u2", "u4", "u8"]),
        hnp.array_shapes(min_dims=0, max_dims=3),
    )
)
def test_signs_come_apart_and_back(patterns):
    rest, signs = split_signs(patterns)
    assert not (rest >> 8 * patterns.itemsize - 1).any()
    reader = ByteReader(b"".join(signs.encode()))
    again = read_signs(reader, patterns.size)
    reader.end()
    np.testing.assert_array_equal(turn_signs(rest, again), patterns)


@pytest.mark.parametrize("n", [1, 3, 7, 9])
def test_more_signs_than_elements_are_refused(n):
    size = -(-n // 8)
    last = 1 << n % 8
    with pytest.raises(CorruptFileError, match="more signs"):
        read_signs(ByteReader(bytes(size) + bytes([last])), n)
    read_signs(ByteReader(bytes(size) + bytes([last - 1])), n)


def test_zeros_of_both_signs_are_seen_in_floats_alone():
    array = np.array([0.0, -0.0] * 8 + [1.0] * 8, "float32")
    patterns = array.view("u4")
    assert has_both_zeros(patterns, array.dtype)
    assert not has_both_zeros(patterns, np.dtype("uint32"))
    assert not has_both_zeros(np.abs(array).view("u4"), array.dtype)
    assert not has_both_zeros((-np.abs(array)).view("u4"), array.dtype)
    assert not has_both_zeros(patterns[:0], array.dtype)
