"""Every form of a matrix, with all instructions there are, beside dense products."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest
from helpers.compressed import assert_close, held, inputs, matrices, product, shared
from helpers.running import run_program
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.dcz.coding.weights import Weights
from deepcompress.runtime import isa
from deepcompress.runtime.matrix import matrix_of

ISAS = isa.available()
N_ROWS = st.sampled_from([0, 1, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33])


@given(
    dense=matrices(),
    n_rows=N_ROWS,
    density=st.sampled_from([0, 0.3, 1]),
    for_rows=st.booleans(),
    isa_name=st.sampled_from(ISAS),
)
def test_products_and_rows_are_those_of_the_dense_matrix(
    dense, n_rows, density, for_rows, isa_name
):
    rng = np.random.default_rng(dense.size + n_rows)
    matrix = matrix_of(held(dense), dense.shape, for_rows=for_rows, isa_name=isa_name)
    x = inputs((n_rows, len(dense)), density, rng)
    assert_close(matrix.multiply(x), product(x, dense))
    np.testing.assert_array_equal(matrix.to_dense(), dense)
    indices = rng.integers(0, len(dense), n_rows)
    rows = matrix.rows(indices)
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, dense[indices])
    assert matrix.shape == dense.shape
    assert np.count_nonzero(dense) <= matrix.n_multiplied <= dense.size


# A shape, a density, a number of values, and for which rows and instructions.
FORMS = {
    "tiles": ((100, 70), 0.1, 20, 1, "avx512"),
    "columns": ((100, 70), 0.05, 20, 1, "portable"),
    "columns of many": ((100, 70), 0.05, 200, 1, None),
    "columns of floats": ((100, 70), 0.05, 7000, 1, None),
    "codes": ((100, 70), 1, 20, 1, "avx512"),
    "codes of many": ((100, 70), 1, 200, 16, None),
    "dense": ((300, 200), 1, 60_000, 1, None),
}


@pytest.fixture(params=FORMS)
def form(request):
    """A matrix of each form, and the dense one."""
    shape, density, n_values, n_rows, isa_name = FORMS[request.param]
    if isa_name not in {None, *ISAS}:
        pytest.skip(f"This processor lacks {isa_name}.")
    dense = shared(shape, density, n_values, np.random.default_rng(3))
    matrix = matrix_of(held(dense), shape, n_rows=n_rows, isa_name=isa_name)
    assert matrix.form == request.param.split()[0]
    return matrix, dense


@pytest.mark.parametrize("n_rows", [1, 2, 40])
def test_a_bias_is_added_and_what_is_negative_cut_off(form, n_rows, monkeypatch, rng):
    matrix, dense = form
    bias = rng.standard_normal(dense.shape[1]).astype("f4")
    x = inputs((n_rows, len(dense)), 0.5, rng)
    expected = product(x, dense) + bias
    for threaded in (1 << 26, 1):
        monkeypatch.setattr("deepcompress.runtime.product._THREADED", threaded)
        assert_close(matrix.multiply(x, bias), expected)
        assert_close(matrix.multiply(x, bias, relu=True), np.maximum(expected, 0))
        x[-1, 3] = np.nan
        spoilt = matrix.multiply(x, bias, relu=True)
        assert np.isnan(spoilt[-1]).all()
        assert_close(spoilt[:-1], np.maximum(expected[:-1], 0))
        x[-1, 3] = 0
        expected[-1] = product(x[-1:], dense) + bias
    for wrong in (bias[1:], bias[None].repeat(2, 0), bias.astype("f8")):
        with pytest.raises((ValueError, TypeError)):
            matrix.multiply(x, wrong)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spreads_as_in_a_dense_product(form, bad, rng):
    matrix, dense = form
    x = inputs((20, len(dense)), 0.5, rng)
    for n_bad in (1, len(dense)):
        x[4, :n_bad] = bad
        x[19, -n_bad:] = bad
        assert_close(matrix.multiply(x), product(x, dense))
        assert_close(matrix.multiply(x[4:5].copy()), product(x[4:5], dense))


def test_many_panels_are_multiplied(monkeypatch, rng):
    monkeypatch.setattr("deepcompress.runtime.product._PANEL", 700)
    dense = shared((100, 70), 1, 200, rng)
    matrix = matrix_of(held(dense), dense.shape, n_rows=16)
    assert matrix.form == "codes"
    x = inputs((20, 100), 0.5, rng)
    assert_close(matrix.multiply(x), product(x, dense))
    x[3, 5] = np.nan
    assert_close(matrix.multiply(x), product(x, dense))


def test_weights_that_are_not_finite_stay_dense(rng):
    dense = shared((40, 30), 0.1, 5, rng)
    dense[3, 4], dense[5, 6] = np.inf, np.nan
    x = inputs((3, 40), 0.3, rng)
    for weights in (dense, dense.astype("f8") * 1e300):
        matrix = matrix_of(held(weights), dense.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            expected = product(x, weights.astype("f4"))
        assert_close(matrix.multiply(x), expected)


def test_a_wrong_input_is_refused(form):
    matrix, dense = form
    n = len(dense)
    for shape, dtype in (
        ((2, n + 1), "f4"),
        (n, "f4"),
        ((1, 1, n), "f4"),
        ((1, n), "f8"),
    ):
        with pytest.raises(ValueError, match=f"float32 rows of {n} inputs"):
            matrix.multiply(np.zeros(shape, dtype))
    for indices in ([n], [-1], [0, 2**40]):
        with pytest.raises(ValueError, match="at least 0 and below"):
            matrix.rows(np.array(indices))
    for indices in (np.array([0.0]), np.zeros((1, 1), int)):
        with pytest.raises(ValueError, match="list of integers"):
            matrix.rows(indices)
    assert matrix.rows(np.zeros(0, np.int64)).shape == (0, dense.shape[1])


def test_a_matrix_is_pickled_and_cannot_be_changed(form, rng):
    matrix, dense = form
    x = inputs((3, len(dense)), 0.5, rng)
    expected = matrix.multiply(x)
    for other in (pickle.loads(pickle.dumps(matrix)), copy.deepcopy(matrix)):
        np.testing.assert_array_equal(other.multiply(x), expected)
        assert (other.form, other.nbytes) == (matrix.form, matrix.nbytes)
        for array in vars(other).values():
            for each in array if isinstance(array, tuple) else [array]:
                assert not isinstance(each, np.ndarray) or not each.flags.writeable


def test_a_matrix_from_another_processor_uses_what_there_is(form, monkeypatch):
    matrix, dense = form
    data = pickle.dumps(matrix)
    portable = _native.DC_ISA_PORTABLE
    monkeypatch.setattr(_native, "run_has_isa", lambda number: number == portable)
    other = pickle.loads(data)
    monkeypatch.undo()
    assert getattr(other, "_facts", [portable])[-1] == portable
    x = inputs((3, len(dense)), 0.5, np.random.default_rng(1))
    assert_close(other.multiply(x), product(x, dense))


def test_many_threads_share_a_matrix(form, rng):
    matrix, dense = form
    x = [inputs((4, len(dense)), 0.5, rng) for _ in range(8)]
    products = {}

    def run(i):
        for _ in range(20):
            products[i] = matrix.multiply(x[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(x))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, rows in enumerate(x):
        assert_close(products[i], product(rows, dense))


def test_large_products_are_the_same_in_threads(monkeypatch, form, rng):
    matrix, dense = form
    monkeypatch.setattr("deepcompress.runtime.product._THREADED", 1)
    x = inputs((700, len(dense)), 0.5, rng)
    x[650, 3] = np.nan
    assert_close(matrix.multiply(x), product(x, dense))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_a_process_that_is_forked_off_multiplies_too():
    result = run_program("fork_and_multiply")
    assert result.returncode == 0, result.stderr


def test_half_precisions_are_exact(rng):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float64, np.int8):
        dense = (shared((40, 30), 0.2, 9, rng) * 64).astype(dtype)
        matrix = matrix_of(held(dense), dense.shape)
        np.testing.assert_array_equal(matrix.to_dense(), dense.astype("float32"))


@pytest.mark.parametrize("n_values", [5, 4000])
def test_a_background_and_zeros_of_either_sign_are_multiplied(n_values, rng):
    values = shared((60, 50), 1, n_values, rng)
    for elsewhere in (-0.0, 0.25, rng.choice([0.0, -0.0], values.shape)):
        dense = np.where(rng.random(values.shape) < 0.1, values, elsewhere)
        dense = dense.astype("float32")
        matrix = matrix_of(held(dense), dense.shape)
        x = inputs((3, 60), 0.5, rng)
        assert_close(matrix.multiply(x), product(x, dense))


def test_a_kernel_of_a_convolution_is_a_matrix(rng):
    kernel = shared((3, 3, 8, 20), 0.2, 9, rng)
    matrix = matrix_of(held(kernel), (72, 20))
    np.testing.assert_array_equal(matrix.to_dense(), kernel.reshape(72, 20))
    with pytest.raises(ValueError, match="matrix of shape"):
        matrix_of(held(kernel), (72, 21))
    with pytest.raises(ValueError, match="real weights"):
        matrix_of(held(kernel.astype("complex64")), (72, 20))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_matrix_is_one(shape):
    matrix = matrix_of(held(np.zeros(shape, "f4")), shape)
    product = matrix.multiply(np.ones((3, shape[0]), "f4"))
    np.testing.assert_array_equal(product, np.zeros((3, shape[1])))


def test_instructions_are_named(monkeypatch):
    weights = held(np.zeros((3, 2), "f4"))
    with pytest.raises(ValueError, match="must be one of"):
        matrix_of(weights, (3, 2), isa_name="z80")
    monkeypatch.setenv(isa.VARIABLE, "z80")
    with pytest.raises(ValueError, match="must be one of"):
        matrix_of(weights, (3, 2))
    for name in ISAS:
        monkeypatch.setenv(isa.VARIABLE, name)
        assert isa.number_of() == isa.ISAS[name]
    monkeypatch.delenv(isa.VARIABLE)
    assert isa.number_of() == isa.ISAS[ISAS[-1]]


def test_a_large_layer_takes_little_memory(rng):
    """At 9 % and 32 values a quarter of a byte for each weight, or little more."""
    positions = np.flatnonzero(rng.random(1024 * 1024) < 0.09)
    codes = np.clip(rng.normal(16, 5, len(positions)), 0, 31).astype(np.uint8)
    values = rng.standard_normal(32).astype("f4")
    background = np.zeros((), "f4")
    shape = 1024, 1024
    weights = Weights(shape, values.dtype, positions, background, values, codes)
    for name in ISAS:
        matrix = matrix_of(weights, shape, isa_name=name)
        assert matrix.nbytes * 9216 * 4096 < 13e6 * 1024 * 1024
