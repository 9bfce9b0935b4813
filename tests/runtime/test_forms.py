"""Each form by itself: its layout beside a slow twin, its kernels with bad arrays."""

import numpy as np
import pytest
from helpers import compressed_twins
from helpers.compressed import assert_close, held, inputs, matrices, product, shared
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.runtime import codes, columns, isa, tiles
from deepcompress.runtime.stored import Stored

ISAS = [isa.ISAS[name] for name in isa.available()]
N_ROWS = st.sampled_from([1, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33])


def forms(dense, number):
    """The matrix in every form that it can have, and its layout's twin."""
    stored = Stored.of(held(dense), dense.shape)
    sparse = stored.without_zeros()
    plain = columns.ColumnMatrix(sparse.without_codes(), number, 1)
    yield plain, compressed_twins.columns, plain._facts[2:4]
    if stored.codes is None or stored.n_values >= codes.MAX_VALUES:
        return
    matrix = columns.ColumnMatrix(sparse, number, 1)
    yield matrix, compressed_twins.columns, matrix._facts[2:4]
    every = codes.CodeMatrix(*stored.to_codes(), number, 1)
    yield every, compressed_twins.codes, every._facts[2:3]
    if stored.n_values <= tiles.MAX_VALUES:
        tiled = tiles.TileMatrix(sparse, number, 1)
        yield tiled, compressed_twins.tiles, tiled._facts[2:3]


@given(dense=matrices(), n_rows=N_ROWS, density=st.sampled_from([0, 0.3, 1]))
def test_every_form_is_laid_out_as_said_and_multiplies(dense, n_rows, density):
    rng = np.random.default_rng(dense.size)
    x = inputs((n_rows, len(dense)), density, rng)
    first = rng.integers(len(dense))
    some = np.empty((rng.integers(len(dense) - first + 1), dense.shape[1]), "f4")
    for number in ISAS:
        for matrix, twin, arguments in forms(dense, number):
            laid_out = twin(matrix._arrays, dense.shape, *arguments)
            np.testing.assert_array_equal(laid_out, dense)
            assert_close(matrix.multiply(x), product(x, dense))
            some[:] = np.nan
            matrix._expand(first, some)
            np.testing.assert_array_equal(some, dense[first : first + len(some)])


@pytest.mark.parametrize("n_outputs", [15, 17, 600, 5000])
@pytest.mark.parametrize("n_values", [20, 60, 120, 250])
def test_many_outputs_are_multiplied(n_outputs, n_values, rng):
    """More than a block of columns, a panel of codes or a piece of tiles has."""
    dense = shared((70, n_outputs), 0.3, n_values, rng)
    x = inputs((11, 70), 0.5, rng)
    for number in ISAS:
        for matrix, _, _ in forms(dense, number):
            for rows in (x, x[:1]):
                assert_close(matrix.multiply(rows), product(rows, dense))
            np.testing.assert_array_equal(matrix.to_dense(), dense)


def test_tiles_have_as_many_slots_as_their_inputs_need(rng):
    dense = np.concatenate(
        [
            shared((32, 160), 0, 9, rng),
            shared((32, 160), 0.05, 9, rng),
            shared((32, 160), 0.5, 9, rng),
            shared((32, 160), 1, 9, rng),
        ]
    )
    stored = Stored.of(held(dense), dense.shape).without_zeros()
    matrix = tiles.TileMatrix(stored, ISAS[-1], 1)
    words, depths, _, rest, _ = matrix._arrays
    assert depths[0] == 0
    assert 0 < depths[1] < 8 < depths[2] < depths[3] == 32
    assert len(words) == 160 * sum(-(-int(depth) // 3) for depth in depths)
    assert len(rest) < 0.05 * len(stored.positions)


def test_rare_values_are_left_to_the_rest(rng):
    """Thirty-two values fit in five bits, since one of them is done apart."""
    dense = shared((320, 160), 0.1, 32, rng)
    stored = Stored.of(held(dense), dense.shape).without_zeros()
    assert len(stored.values) == 32
    assert tiles.TileMatrix(stored, ISAS[-1], 1)._facts[2] == 5
    even = np.where(dense, rng.choice(np.unique(dense[dense != 0]), dense.shape), 0)
    stored = Stored.of(held(even), dense.shape).without_zeros()
    assert tiles.TileMatrix(stored, ISAS[-1], 1)._facts[2] == 6


def test_what_is_no_matrix_is_refused(rng):
    dense = shared((70, 40), 0.2, 9, rng)
    stored = Stored.of(held(dense), dense.shape).without_zeros()
    for positions in (
        stored.positions[::-1].copy(),
        stored.positions * 0,
        stored.positions + dense.size,
        stored.positions - dense.size,
        np.full(len(stored.positions), 2**63 - 1),
    ):
        wrong = Stored(dense.shape, positions, stored.values, stored.codes)
        for make in (columns.ColumnMatrix, tiles.TileMatrix):
            with pytest.raises(ValueError, match="outside the allowed range"):
                make(wrong, 0, 1)
    for n_bits, code in ((11, 32), (8, 255)):
        starts, entries = np.empty(71, "u4"), np.empty(len(stored.positions), "u2")
        numbers = np.full(len(stored.positions), code, np.uint8)
        arguments = stored.positions, numbers, *dense.shape, n_bits, starts, entries
        if code >> (16 - n_bits):
            with pytest.raises(ValueError, match="outside the allowed range"):
                _native.run_columns_build(*arguments)
        else:
            assert _native.run_columns_build(*arguments) == len(stored.positions)


def arguments_of(matrix, x, y, number):
    """A kernel, and the arguments of a call."""
    facts = *matrix._facts[:-1], number
    bias = np.zeros(y.shape[1], np.float32)
    arguments = [x, y, bias, False, *matrix._arrays, len(x), *facts]
    return matrix._multiplier, arguments


@given(dense=matrices(), n_rows=st.integers(1, 9), data=st.data())
def test_any_arrays_are_multiplied_or_refused(dense, n_rows, data):
    """Whatever they hold, nothing outside of them is touched."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = inputs((n_rows, len(dense)), 0.5, rng)
    y = np.empty((n_rows, dense.shape[1]), np.float32)
    number = data.draw(st.sampled_from(ISAS))
    for matrix, _, _ in forms(dense, number):
        function, arguments = arguments_of(matrix, x, y, number)
        for at in range(4, 4 + len(matrix._arrays)):
            wrong = list(arguments)
            bad = wrong[at].copy()
            if bad.size:
                flat = bad.reshape(-1).view(np.uint8)
                places = rng.integers(0, flat.size, rng.integers(1, 20))
                flat[places] = rng.integers(0, 256, len(places))
            wrong[at] = bad
            try:
                function(*wrong)
            except ValueError:
                continue


@given(dense=matrices(), data=st.data())
def test_arguments_that_do_not_belong_together_are_refused(dense, data):
    x = np.ones((3, len(dense)), np.float32)
    y = np.empty((3, dense.shape[1]), np.float32)
    for matrix, _, _ in forms(dense, 0):
        function, arguments = arguments_of(matrix, x, y, 0)
        n_arrays = 4 + len(matrix._arrays)
        assert function(*arguments) == 0
        for at in range(n_arrays):
            if np.size(arguments[at]) and at != 3:
                wrong = list(arguments)
                wrong[at] = np.ascontiguousarray(arguments[at].reshape(-1)[:-1])
                if matrix.form == "tiles" and at == 7 and wrong[at].size:
                    continue  # of the rest there may be less than there is room for
                with pytest.raises(ValueError, match="outside the allowed range"):
                    function(*wrong)
        for at in range(n_arrays, len(arguments)):
            if isinstance(arguments[at], bool):
                continue
            for value in (-1, 2**31 - 1, arguments[at] + 9999):
                wrong = list(arguments)
                wrong[at] = value
                with pytest.raises(ValueError, match="outside the allowed range"):
                    function(*wrong)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
def test_a_row_that_is_not_finite_is_left_alone(n, bad):
    dense = np.ones((n, 2), np.float32)
    for matrix, _, _ in forms(dense, ISAS[-1]):
        for at in (0, n - 1):
            x, y = np.ones((2, n), np.float32), np.full((2, 2), 7, np.float32)
            x[1, at] = bad
            function, arguments = arguments_of(matrix, x, y, ISAS[-1])
            assert function(*arguments) == 1
            assert (y == 7).all()
            x[1, at] = np.finfo(np.float32).max
            assert function(*arguments) == 0
