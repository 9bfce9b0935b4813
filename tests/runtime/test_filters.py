"""Convolutions without patches beside those with, and with bad arrays."""

import pickle
from math import prod

import numpy as np
import pytest
from helpers.compressed import assert_close, held, product, shared
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.runtime import isa
from deepcompress.runtime.filters import NO_POOLING, FilterMatrix
from deepcompress.runtime.matrix import matrix_of
from deepcompress.runtime.steps import sliding
from deepcompress.runtime.steps.windows import Window, geometry_of, patches, pooled
from deepcompress.runtime.stored import Stored

ISAS = [isa.ISAS[name] for name in isa.available()]


@st.composite
def convolutions(draw):
    """Images, a window that moves by one, a kernel, and a window that pools."""
    rank = draw(st.integers(1, 3))
    sides = st.integers(1, 4) | st.integers(1, 30 if rank == 1 else 9)
    sizes = [draw(sides) for _ in range(rank)]
    size, dilation = (
        tuple(draw(st.integers(1, 3)) for _ in range(rank)) for _ in range(2)
    )
    padding = draw(st.sampled_from(["valid", "same", "causal"]))
    window = Window(size, (1,) * rank, dilation, padding)
    n_channels, n_filters = draw(st.sampled_from([1, 2, 17])), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    density, n_values = (
        draw(st.sampled_from([0, 0.1, 0.5, 1])),
        draw(st.sampled_from([2, 16, 32, 200, 7000])),
    )
    shape = *size, n_channels, n_filters
    kernel = shared(shape, density, n_values, rng).reshape(-1, n_filters)
    x = rng.standard_normal((draw(st.integers(1, 3)), *sizes, n_channels))
    places = window.output_sizes(tuple(sizes))
    pooling = tuple(draw(st.integers(1, max(1, min(3, n)))) for n in places)
    strides = tuple(draw(st.integers(1, 3)) for _ in places)
    return x.astype("f4"), window, kernel, Window(pooling, strides, (1,) * rank)


def filters_of(kernel, number):
    stored = Stored.of(held(kernel), kernel.shape).without_zeros()
    if stored.codes is not None and stored.n_values >= 256:
        stored = stored.without_codes()
    return FilterMatrix(stored, number, 1)


def with_patches(x, window, kernel, bias, *, relu):
    y = product(patches(x, window), kernel) + bias
    sizes = window.output_sizes(x.shape[1:-1])
    y = y.reshape(len(x), *sizes, kernel.shape[1])
    return np.maximum(y, 0) if relu else y


@given(case=convolutions(), relu=st.booleans())
def test_images_are_convolved_and_pooled_as_with_patches(case, relu):
    x, window, kernel, pool = case
    sizes, geometry = geometry_of(x.shape[1:-1], window)
    bias = np.random.default_rng(0).standard_normal(kernel.shape[1]).astype("f4")
    if 0 in sizes:
        assert not sliding.fits(x.shape[1:], window)
        return
    assert sliding.fits(x.shape[1:], window)
    expected = with_patches(x, window, kernel, bias, relu=relu)
    made, pooling = geometry_of(sizes, pool)
    for number in ISAS:
        filters = filters_of(kernel, number)
        y = np.full(expected.shape, np.nan, np.float32)
        assert filters.convolve(x, geometry, y, bias, relu=relu)
        assert_close(y, expected)
        arrays, facts = filters._columns.parts
        out = np.full((len(x), *made, len(bias)), np.nan, np.float32)
        what = *arrays, geometry, pooling, len(x), x.shape[-1], *facts
        assert _native.run_convolve(x, out, bias, relu, *what) == 0
        np.testing.assert_array_equal(out, pooled(y, pool, is_mean=False))


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_images_are_cut_into_slabs(padding, n_threads, monkeypatch, rng):
    x = rng.standard_normal((3, 23, 9, 4)).astype("f4")
    window = Window((3, 3), (1, 1), (2, 1), padding)
    kernel = shared((3 * 3 * 4, 6), 0.3, 9, rng)
    bias = rng.standard_normal(6).astype("f4")
    expected = with_patches(x, window, kernel, bias, relu=True)
    filters = filters_of(kernel, ISAS[-1])
    filters.n_threads = n_threads
    for slab, threaded, least in ((1, 1 << 26, 1), (300, 1, 1), (1 << 17, 1, 1 << 30)):
        monkeypatch.setattr(sliding, "SLAB", slab)
        monkeypatch.setattr(sliding, "_THREADED", threaded)
        monkeypatch.setattr(sliding, "_LEAST", least)
        sliding._slabs.cache_clear()
        y = np.full(expected.shape, np.nan, np.float32)
        assert sliding.convolve(x, window, filters, bias, y, relu=True)
        assert_close(y, expected)
        x[1, 20, 3, 2] = np.inf
        assert not sliding.convolve(x, window, filters, bias, y, relu=True)
        x[1, 20, 3, 2] = 0
        expected = with_patches(x, window, kernel, bias, relu=True)
    sliding._slabs.cache_clear()


def test_windows_that_reach_far_out_are_left_to_patches():
    far = Window((3, 3), (1, 1), (1 << 19, 1), "same")
    assert not sliding.fits((40, 40, 8), far)
    assert not sliding.fits_whole((400, 400, 8), Window((3, 3), (1, 1), (1, 1)))
    assert sliding.fits((400, 400, 8), Window((3, 3), (1, 1), (1, 1)))


def test_sparse_kernels_that_move_by_one_become_filters(rng):
    kernel = shared((3, 3, 8, 20), 0.2, 9, rng)
    matrix = matrix_of(held(kernel), (72, 20), n_rows=256, slides=True)
    assert matrix.form == "filters"
    assert matrix.n_multiplied == np.count_nonzero(kernel)
    assert matrix_of(held(kernel), (72, 20), n_rows=256).form != "filters"
    x = rng.standard_normal((5, 72)).astype("f4")
    flat = kernel.reshape(72, 20)
    for one in (matrix, pickle.loads(pickle.dumps(matrix))):
        assert_close(one.multiply(x), product(x, flat))
        np.testing.assert_array_equal(one.to_dense(), flat)
        np.testing.assert_array_equal(one.rows(np.array([3, 0])), flat[[3, 0]])
    x[2, 3] = np.nan
    assert_close(matrix.multiply(x), product(x, flat))
    whole = matrix_of(held(kernel + 1), (72, 20), n_rows=256, slides=True)
    assert whole.form != "filters"


def arguments(rng):
    """A convolution of two images of 6 x 7 and three channels, pooled."""
    kernel = shared((3 * 2 * 3, 5), 0.4, 9, rng)
    arrays, facts = filters_of(kernel, ISAS[-1])._columns.parts
    window = Window((3, 2), (1, 1), (1, 2), "same")
    sizes, geometry = geometry_of((6, 7), window)
    made, pooling = geometry_of(sizes, Window((2, 2), (2, 2), (1, 1)))
    x = rng.standard_normal((2, 6, 7, 3)).astype("f4")
    y = np.empty((2, *made, 5), np.float32)
    bias = np.zeros(5, np.float32)
    return [x, y, bias, True, *arrays, geometry, pooling, 2, 3, *facts]


def test_what_does_not_belong_together_is_refused(rng):
    right = arguments(rng)
    assert _native.run_convolve(*right) == 0
    refused = pytest.raises(ValueError, match="outside the allowed range")
    for at in (0, 1, 2, 4, 6, 7, 8):
        wrong = list(right)
        wrong[at] = np.ascontiguousarray(right[at].reshape(-1)[:-1])
        with refused:
            _native.run_convolve(*wrong)
    for at in (9, 10, 11, 12, 13, 15):
        for value in (-1, 0 if at != 15 else 99, 2**31 - 1, right[at] + 9999):
            wrong = list(right)
            wrong[at] = value
            with refused:
                _native.run_convolve(*wrong)
    for at, entry, value in (
        (7, 6, 2),  # it moves by two
        (7, 2, 7),  # more places than there is room for
        (7, 10, 2**30),  # more padding before an image than there is
        (8, 0, 5),  # of another size
        (8, 4, 5),  # a window that reaches out of it
        (8, 8, 2),
        (8, 10, 1),
    ):
        wrong = list(right)
        wrong[at] = right[at].copy()
        wrong[at][entry] = value
        with refused:
            _native.run_convolve(*wrong)


@given(data=st.data())
def test_any_arrays_convolve_or_are_refused(data):
    """Whatever they hold, nothing outside of them is touched."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    right = arguments(rng)
    right[15] = data.draw(st.sampled_from(ISAS))
    for at in (4, 5, 6):
        wrong = list(right)
        wrong[at] = right[at].copy()
        flat = wrong[at].reshape(-1).view(np.uint8)
        places = rng.integers(0, flat.size, rng.integers(1, 20))
        flat[places] = rng.integers(0, 256, len(places))
        try:
            _native.run_convolve(*wrong)
        except ValueError:
            continue
    for at in (7, 8):
        wrong = list(right)
        wrong[at] = right[at].copy()
        places = rng.integers(0, 12, rng.integers(1, 4))
        wrong[at][places] = rng.choice([0, 1, 2, 3, 5, 6, 7, 8, 99], len(places))
        try:
            _native.run_convolve(*wrong)
        except ValueError:
            continue


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_are_left_alone(bad, rng):
    wrong = arguments(rng)
    wrong[1][...] = 7
    for at in ((0, 0, 0, 0), (1, 5, 6, 2)):
        wrong[0] = np.zeros_like(wrong[0])
        wrong[0][at] = bad
        assert _native.run_convolve(*wrong) == 1
        assert (wrong[1] == 7).all()
    assert prod(NO_POOLING.shape) == 0
