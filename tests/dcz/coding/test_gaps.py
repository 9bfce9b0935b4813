import collections
import contextlib

import numpy as np
import pytest
from helpers import twins
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress import _native
from deepcompress.dcz.coding import gaps
from deepcompress.errors import CorruptFileError


def positions_in(symbols, width, n_elements, n_positions):
    symbols, values = np.asarray(symbols), np.ones(n_positions, np.uint8)
    scattered, positions = CorruptFileError, CorruptFileError
    with contextlib.suppress(CorruptFileError):
        scattered = gaps.scatter(symbols, width, values, (n_elements,))
        scattered = np.flatnonzero(scattered).tolist()
    with contextlib.suppress(CorruptFileError):
        positions, _ = gaps.positions_of(symbols, width, n_positions, (n_elements,))
        positions = positions.tolist()
    assert positions == scattered
    if positions is CorruptFileError:
        raise CorruptFileError("The gaps lead nowhere.")
    return positions


positions_of_tensors = st.sets(st.integers(0, 3000), min_size=1, max_size=200).map(
    sorted
)


@given(positions_of_tensors, st.integers(1, gaps.MAX_WIDTH))
def test_positions_come_back_and_symbols_are_as_specified(positions, width):
    symbols = gaps.encode(np.array(positions), width)
    assert symbols.tolist() == twins.gap_symbols(positions, width)
    assert positions_in(symbols, width, 3001, len(positions)) == positions


@given(positions_of_tensors)
def test_the_best_width_is_the_best_of_all(positions):
    positions = np.array(positions)
    width, code, size = gaps.count(positions).best_width()
    assert len(code.encode(gaps.encode(positions, width))) == size
    for other in range(1, gaps.MAX_WIDTH + 1):
        symbols = gaps.encode(positions, other)
        counts = np.bincount(symbols, minlength=1 << other)
        assert type(code).from_counts(counts).encoded_size(counts) >= size


@given(
    st.lists(st.integers(0, 255), max_size=50),
    st.integers(1, 8),
    st.integers(1, 400),
    st.integers(0, 50),
)
def test_any_symbols_give_valid_positions_or_an_error(symbols, width, n, n_positions):
    try:
        positions = positions_in(np.array(symbols, np.uint8), width, n, n_positions)
    except CorruptFileError:
        return
    assert len(positions) == n_positions
    assert twins.gap_symbols(positions, width) == symbols


@pytest.mark.parametrize(
    ("symbols", "n_elements", "n_positions"),
    [
        ([3], 3, 1),  # just outside
        ([0, 0], 5, 1),  # too many positions
        ([0], 5, 2),  # too few
        ([0, 7], 20, 1),  # an escape with nothing behind it
        ([8], 20, 1),  # wider than the width
    ],
)
def test_symbols_that_do_not_fit_are_refused(symbols, n_elements, n_positions):
    with pytest.raises(CorruptFileError):
        positions_in(np.array(symbols, np.uint8), 3, n_elements, n_positions)


def test_the_binding_refuses_what_is_no_position_or_width():
    out = np.empty(4, np.uint8)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.gaps_encode(np.array([3, 3]), 4, out)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.gaps_encode(np.array([3]), 9, out)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.gaps_encode(np.array([3]), 0, out)
    with pytest.raises(ValueError, match="output buffer is too small"):
        _native.gaps_encode(np.array([100]), 1, out)


shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
masks = shapes.flatmap(lambda shape: hnp.arrays(bool, shape)).filter(np.any)


@given(masks)
def test_gaps_are_counted_as_the_twin_has_them(mask):
    for positions, counted in (
        (np.flatnonzero(mask), gaps.count(np.flatnonzero(mask))),
        (
            np.flatnonzero(mask.T),
            gaps.count_reversed(np.flatnonzero(mask), mask.shape),
        ),
    ):
        expected = collections.Counter(twins.gaps_of(positions.tolist()))
        assert dict(zip(*map(np.ndarray.tolist, counted), strict=True)) == expected


@pytest.mark.parametrize(
    "shape", [(2, 100_000), (100_000, 2), (2, 3, 50_000), (200_000,)]
)
def test_gaps_too_long_for_the_counter_are_counted_too(shape):
    positions = np.array([1, 40_000, 150_000])
    assert gaps.count(positions).gaps.tolist() == [1, 39_998, 109_999]
    reversed_positions = sorted(
        twins.reversed_position(int(each), shape) for each in positions
    )
    assert gaps.count_reversed(positions, shape).gaps.tolist() == sorted(
        set(twins.gaps_of(reversed_positions))
    )


@given(
    masks, st.integers(1, 8), st.sampled_from(["u1", "u2", "u4", "u8"]), st.booleans()
)
def test_values_are_scattered_in_either_order(mask, width, dtype, is_reversed):
    items = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    scan = (items.T if is_reversed else items).ravel()
    positions = np.flatnonzero(scan)
    values = scan[positions].astype(dtype)
    symbols = gaps.encode(positions, width)
    scattered = gaps.scatter(
        symbols, width, values, mask.shape, is_reversed=is_reversed
    )
    np.testing.assert_array_equal(scattered, items.astype(dtype))


@given(
    st.lists(st.integers(0, 40), max_size=50),
    st.integers(1, 5),
    shapes,
    st.integers(0, 50),
)
def test_any_symbols_fill_a_reversed_tensor_or_are_refused(symbols, width, shape, n):
    values = np.ones(n, np.uint16)
    try:
        scattered = gaps.scatter(
            np.array(symbols, np.uint16), width, values, shape, is_reversed=True
        )
    except CorruptFileError:
        return
    assert np.count_nonzero(scattered) == n


def test_a_tensor_without_axes_is_the_same_in_either_order():
    symbols, values = np.array([0], np.uint8), np.array([5], np.uint32)
    for is_reversed in (False, True):
        scattered = gaps.scatter(symbols, 3, values, (), is_reversed=is_reversed)
        assert scattered.shape == ()
        assert scattered == 5


def test_the_binding_refuses_a_scan_that_leaves_the_tensor():
    symbols, values, out = np.zeros(1, np.uint8), np.ones(1, "u4"), np.zeros(6, "u4")
    for lengths, strides in (
        ([2, 3], [3, 2]),
        ([2, 3], [4, 1]),
        ([7], [1]),
        ([2, 3], [-3, 1]),
        ([2**62, 4], [1, 1]),
        ([], []),
    ):
        with pytest.raises(ValueError, match="outside the allowed range"):
            _native.gaps_scatter(
                symbols, 3, np.array(lengths, int), np.array(strides, int), values, out
            )
    with pytest.raises(TypeError, match="Expected items of 4 bytes"):
        _native.gaps_scatter(
            symbols, 3, np.array([6]), np.array([1]), values, out.astype("u8")
        )


def test_the_binding_refuses_to_count_what_does_not_ascend():
    counts, one = np.zeros(8, np.int64), np.array([1])
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.gaps_count(np.array([3, 3]), counts)
    for positions, n_rows in (([3, 3], 9), ([9], 9), ([0], -1), ([-1], 9)):
        with pytest.raises(ValueError, match="outside the allowed range"):
            _native.gaps_count_reversed(
                np.array(positions), n_rows, one, one, 1, counts
            )
