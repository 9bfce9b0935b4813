import numpy as np
import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.coding import gaps
from deepcompress.errors import CorruptFileError

positions_of_tensors = st.sets(st.integers(0, 3000), min_size=1, max_size=200).map(
    sorted
)


@given(positions_of_tensors, st.integers(1, gaps.MAX_WIDTH))
def test_positions_come_back_and_symbols_are_as_specified(positions, width):
    symbols = gaps.encode(np.array(positions), width)
    assert symbols.tolist() == twins.gap_symbols(positions, width)
    decoded = gaps.decode(symbols, width, 3001, len(positions))
    assert decoded.tolist() == positions


@given(positions_of_tensors)
def test_the_best_width_is_the_best_of_all(positions):
    positions = np.array(positions)
    width, code, size = gaps.best_width(positions)
    assert len(code.encode(gaps.encode(positions, width))) == size
    for other in range(1, gaps.MAX_WIDTH + 1):
        symbols = gaps.encode(positions, other)
        counts = np.bincount(symbols, minlength=1 << other)
        assert type(code).from_counts(counts).encoded_size(counts) >= size


@given(
    st.lists(st.integers(0, 255), max_size=50),
    st.integers(1, 8),
    st.integers(0, 400),
    st.integers(0, 50),
)
def test_any_symbols_give_valid_positions_or_an_error(symbols, width, n, n_positions):
    try:
        positions = gaps.decode(np.array(symbols, np.uint8), width, n, n_positions)
    except CorruptFileError:
        return
    assert len(positions) == n_positions
    assert (np.diff(positions) > 0).all()
    assert n_positions == 0 or 0 <= positions[0] <= positions[-1] < n
    assert twins.gap_symbols(positions.tolist(), width) == symbols


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
        gaps.decode(np.array(symbols, np.uint8), 3, n_elements, n_positions)


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
