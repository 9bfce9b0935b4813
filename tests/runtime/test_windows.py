"""Windows beside slow twins: what they meet, element by element."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.runtime.steps.windows import Window, patches, pooled


@st.composite
def windows(draw):
    """An array, and a window that slides over it."""
    rank = draw(st.integers(1, 3))
    small = st.integers(1, 3)
    sizes = [draw(st.integers(1, 6)) for _ in range(rank)]
    size, strides, dilation = (
        tuple(draw(small) for _ in range(rank)) for _ in range(3)
    )
    padding = draw(st.sampled_from(["valid", "same", "causal"]))
    shape = (draw(st.integers(0, 2)), *sizes, draw(st.sampled_from([0, 1, 2, 17])))
    x = np.random.default_rng(prod(shape)).standard_normal(shape).astype("f4")
    return x, Window(size, strides, dilation, padding)


def met(x, window):
    """Yields for each place what each element of the window meets, `None` outside."""
    before = [first for first, _ in window.padded(x.shape[1:-1])]
    for image in x:
        for place in product(*map(range, window.output_sizes(x.shape[1:-1]))):
            found = []
            for tap in product(*map(range, window.size)):
                at = tuple(
                    p * s + t * d - b
                    for p, s, t, d, b in zip(
                        place, window.strides, tap, window.dilation, before, strict=True
                    )
                )
                sizes = zip(at, image.shape, strict=False)
                is_inside = all(0 <= i < n for i, n in sizes)
                found.append(image[at] if is_inside else None)
            yield found


@given(case=windows())
def test_patches_are_what_the_window_meets(case):
    x, window = case
    zeros = np.zeros(x.shape[-1], "f4")
    rows = [
        np.concatenate([zeros if each is None else each for each in found])
        for found in met(x, window)
    ]
    n_taps = prod(window.size) * x.shape[-1]
    expected = np.array(rows, "f4").reshape(-1, n_taps) if n_taps else None
    actual = patches(x, window)
    assert actual.shape[1] == n_taps
    if expected is not None:
        np.testing.assert_array_equal(actual, expected)


@given(case=windows(), is_mean=st.booleans())
def test_what_is_pooled_is_what_the_window_meets(case, is_mean):
    x, window = case
    window = Window(window.size, window.strides, (1,) * window.rank, window.padding)
    if window.padding == "causal" or x.shape[-1] == 0:
        return
    rows = []
    for found in met(x, window):
        inside = np.array([each for each in found if each is not None])
        rows.append(inside.mean(0) if is_mean else inside.max(0))
    sizes = window.output_sizes(x.shape[1:-1])
    expected = np.array(rows, "f4").reshape(len(x), *sizes, x.shape[-1])
    actual = pooled(x, window, is_mean=is_mean)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_a_nan_is_the_largest():
    x = np.array([1, np.nan, 3, np.inf, -np.inf, 2], "f4").reshape(1, 6, 1)
    largest = pooled(x, Window((2,), (2,), (1,)), is_mean=False)
    np.testing.assert_array_equal(largest.ravel(), np.array([np.nan, np.inf, 2], "f4"))
    turned = pooled(x[:, ::-1], Window((2,), (2,), (1,)), is_mean=False)
    np.testing.assert_array_equal(turned.ravel(), np.array([2, np.inf, np.nan], "f4"))


@pytest.mark.parametrize(
    "geometry",
    [
        [5, 2, 2, 3, 1],  # no axes
        [5, 2, 2, 0, 1, 0],  # it does not move
        [5, 2, 2, 3, 0, 0],
        [5, 2, 2, 3, 1, -1],
        [2**31, 2, 2, 3, 1, 0],
        [4, 2, 2, 3, 1, 0],  # another size
        [5, 3, 2, 3, 1, 0],  # more places than there is room for
        [5, 2**30, 2**30, 2**30, 2**30, 2**30],
        [5, 1, 1, 1] * 6,  # four axes
    ],
)
def test_what_is_no_window_is_refused(geometry):
    x, out = np.zeros(5, "f4"), np.zeros(4, "f4")
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.run_patches(x, 1, 1, np.array(geometry), out)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.run_pool(x, 1, 1, np.array(geometry), False, out[:2])


def test_windows_reach_far_out_of_small_images():
    """Nothing is read there, and no time is spent on it."""
    x, out = np.ones(3, "f4"), np.zeros(2, "f4")
    far = np.array([3, 2, 2**30, 2**30, 2**30, 2**30])
    _native.run_pool(x, 1, 1, far, True, out)
    assert out[1] == 1
    far = np.array([3, 2, 2**30, 1, 1, 1])
    _native.run_pool(x, 1, 1, far, True, out)
    np.testing.assert_array_equal(out, [1, 1])
    nothing = np.array([2**30, 2**30, 2**30, 1, 1, 0])
    empty = np.zeros(0, "f4")
    _native.run_pool(empty, 1, 0, nothing, True, empty)
    _native.run_patches(empty, 0, 1, nothing, empty)
