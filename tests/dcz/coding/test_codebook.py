import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress import _native
from deepcompress.dcz.coding.codebook import shared_values


@given(
    hnp.arrays(
        st.sampled_from(["u1", "u2", "u4", "u8"]), st.integers(0, 300), fill=st.just(0)
    ),
    st.integers(0, 300),
)
def test_values_counts_and_codes_are_numpys(items, limit):
    found = shared_values(items, limit)
    codebook, codes, counts = np.unique(items, return_inverse=True, return_counts=True)
    if len(codebook) > limit:
        assert found is None
        return
    np.testing.assert_array_equal(found.codebook, codebook)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.codes, codes)
    assert found.codebook.dtype == items.dtype
    assert found.codes.dtype == (np.uint8 if len(codebook) <= 256 else np.uint16)


@pytest.mark.parametrize("n_distinct", [256, 257, 65_535, 65_536, 65_537])
def test_the_largest_codebooks(n_distinct):
    distinct = np.random.default_rng(0).permutation(n_distinct).astype(np.uint32)
    found = shared_values(np.tile(distinct, 2), 65_536)
    if n_distinct > 65_536:
        assert found is None
        return
    np.testing.assert_array_equal(found.codebook, np.arange(n_distinct))
    np.testing.assert_array_equal(found.codes, np.tile(distinct, 2))
    assert (found.counts == 2).all()


def test_values_that_fall_on_the_same_slot_are_told_apart():
    # Multiples of the inverse of the hash's factor are numbered in order by it.
    inverse = pow(0x9E3779B97F4A7C15, -1, 1 << 64)
    items = np.array([i * inverse % (1 << 64) for i in range(1000)], np.uint64)
    found = shared_values(np.tile(items, 2), 1000)
    np.testing.assert_array_equal(found.codebook, np.sort(items))
    np.testing.assert_array_equal(found.codebook[found.codes], np.tile(items, 2))


def test_the_binding_refuses_arrays_that_do_not_fit():
    items, numbers = np.zeros(3, np.uint32), np.zeros(3, np.uint16)
    good, wrong = np.zeros(4, np.uint64), np.zeros(5, np.uint64)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.codebook(items, good, wrong, numbers)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.codebook(items, good, good.copy(), numbers[:2])
    large = np.zeros(65_537, np.uint64)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.codebook(items, large, large.copy(), numbers)
    with pytest.raises(TypeError, match="Expected items of 8 bytes"):
        _native.codebook(items, good.astype(np.uint32), good, numbers)
