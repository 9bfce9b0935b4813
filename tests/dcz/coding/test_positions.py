import numpy as np
import pytest
from helpers import twins
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress import _native
from deepcompress.dcz.coding.positions import nonzeros, reverse

shapes = st.lists(st.integers(1, 7), min_size=1, max_size=5).map(tuple)
masks = shapes.flatmap(lambda shape: hnp.arrays(bool, shape))


@given(hnp.arrays(st.sampled_from(["u1", "u2", "u4", "u8"]), st.integers(0, 300)))
def test_nonzeros_are_those_of_the_twin(items):
    positions, values = nonzeros(items)
    assert (positions.tolist(), values.tolist()) == twins.nonzeros(items.tolist())
    assert positions.dtype == np.int64
    assert values.dtype == items.dtype


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize("density", [0, 0.1, 1])
def test_nonzeros_at_the_borders_of_words(dtype, n, density):
    rng = np.random.default_rng(n)
    items = (rng.random(n) < density).astype(dtype) * np.iinfo(dtype).max
    positions, values = nonzeros(items)
    np.testing.assert_array_equal(positions, np.flatnonzero(items))
    np.testing.assert_array_equal(values, items[items != 0])


def test_nonzeros_writes_no_further_than_there_is_room():
    items = np.ones(70, np.uint32)
    for room in (0, 1, 63, 64, 69):
        positions, values = np.full(71, -1), np.zeros(71, np.uint32)
        with pytest.raises(ValueError, match="output buffer is too small"):
            _native.nonzeros(items, positions[:room], values[:room])
        assert (positions[room:] == -1).all()
        assert not values[room:].any()


@given(masks)
def test_reversed_positions_are_those_of_the_transposed_tensor(mask):
    positions = np.flatnonzero(mask)
    reversed_, order = reverse(positions, mask.shape)
    np.testing.assert_array_equal(reversed_, np.flatnonzero(mask.T))
    assert reversed_.tolist() == [
        twins.reversed_position(position, mask.shape) for position in positions[order]
    ]


@pytest.mark.parametrize("shape", [(300, 70_000), (3, 3, 500, 400), (1, 1, 64, 32)])
def test_reversed_positions_of_long_axes(shape):
    rng = np.random.default_rng(0)
    positions = np.sort(rng.choice(np.prod(shape), 2000, replace=False))
    reversed_, order = reverse(positions, shape)
    assert (np.diff(reversed_) > 0).all()
    assert reversed_.tolist() == [
        twins.reversed_position(position, shape)
        for position in positions[order].tolist()
    ]


@pytest.mark.parametrize(
    ("positions", "lengths", "strides", "n_elements"),
    [
        ([6], [2, 3], [1, 2], 6),  # outside
        ([-1], [2, 3], [1, 2], 6),
        ([2, 1], [2, 3], [1, 2], 6),  # not ascending
        ([0], [2, 3], [1, 3], 6),  # strides that lead outside
        ([0], [2, 3], [1, 2], 7),
        ([0], [2, 0], [1, 2], 0),
        ([0], [-2, -3], [1, 2], 6),
        ([0], [2, 3], [1], 6),
        ([0], [], [], 1),
        ([0], [2**62, 4], [1, 2**62], 0),  # a product that wraps round to 0
        ([0], [2, 3], [-1, 2], 6),
    ],
)
def test_the_binding_refuses_what_is_no_tensor(positions, lengths, strides, n_elements):
    positions = np.array(positions)
    out = np.empty((4, len(positions)), np.int64)
    lengths, strides = np.array(lengths, np.int64), np.array(strides, np.int64)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.reverse(positions, lengths, strides, n_elements, *out)
