import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress.dcz.coding.background import background_of
from deepcompress.dcz.coding.codebook import shared_values


def found_in(array, limit=65_536):
    patterns = array.view(f"u{array.itemsize}").reshape(-1)
    values = patterns[patterns != 0]
    shared = shared_values(values, limit) if limit else None
    return background_of(values, shared, len(patterns) - len(values))


@given(hnp.arrays("u1", st.integers(0, 60), elements=st.integers(0, 3)))
def test_it_is_more_frequent_than_any_other(items):
    background = found_in(items)
    counts = np.bincount(items, minlength=4)
    if background:
        assert counts[background] == counts.max() > counts[0]
    else:
        assert counts[0] >= counts[1:].max() or 8 * counts.max() < items.size


@pytest.mark.parametrize("limit", [65_536, 0])
@pytest.mark.parametrize("period", [None, 64, 128])
def test_it_is_found_among_many_values_also_in_rows(limit, period, rng):
    array = rng.integers(1, 2**32, 128 * 2000, dtype=np.uint32)
    is_in = rng.random(array.size) < 0.3
    if period:
        is_in = np.arange(array.size) % period < period // 3
    array[is_in] = 0x80000000
    assert found_in(array, limit) == 0x80000000


@pytest.mark.parametrize("limit", [65_536, 0])
def test_zeros_are_the_background_where_there_are_as_many(limit, rng):
    array = np.array([5, 0] * 30_000, np.uint32)
    assert found_in(array, limit) == 0
    assert found_in(array[:-1], limit) == 5
    assert found_in(np.zeros(9, np.uint32), limit) == 0
    assert found_in(rng.permutation(90_000).astype(np.uint32), limit) == 0
