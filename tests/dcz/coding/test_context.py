import numpy as np
import pytest
from helpers import twins
from helpers.second_decoder import coder as second_coder
from helpers.second_decoder import matrix as second_matrix
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcompress import _native
from deepcompress.dcz.coding.context import ContextCoder, Matrix
from deepcompress.dcz.version2 import LISTINGS
from deepcompress.errors import CorruptFileError

MAX_NUMBER = (1 << 63) - 2


@st.composite
def matrices(draw):
    """Codes of a matrix, and all that its coder is told."""
    n_rows, n_columns = draw(st.integers(1, 30)), draw(st.integers(1, 9))
    n_codes = draw(st.sampled_from([1, 2, 3, 15, 300, 65_535]))
    n_low = draw(st.sampled_from([0, 1, n_codes // 2, n_codes]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    codes = rng.integers(1, n_codes + 1, (n_rows, n_columns))
    density = draw(st.sampled_from([0, 0.02, 0.3, 1]))
    codes[rng.random(codes.shape) >= density] = 0
    codes[:, rng.random(n_columns) < draw(st.sampled_from([0, 0.5]))] = 0
    rarity = draw(st.integers(0 if codes.all() else 1, 16))
    step = draw(st.integers(1, n_rows))
    matrix = Matrix(n_rows, n_columns, step, draw(st.integers(0, n_rows)))
    return codes.astype(np.uint16).ravel(), matrix, n_codes, n_low, rarity


def read_codes(reader, matrix, *arguments):
    codes = np.zeros(matrix.n_rows * matrix.n_columns, np.uint16)
    reader.codes(codes, matrix, *arguments)
    return codes


@given(st.lists(matrices(), min_size=1, max_size=3))
def test_codes_come_back(arrays):
    writer = ContextCoder()
    for codes, *arguments in arrays:
        writer.codes(codes.copy(), *arguments)
    data = writer.end()
    reader = ContextCoder(data)
    for codes, *arguments in arrays:
        np.testing.assert_array_equal(read_codes(reader, *arguments), codes)
    assert reader.n_bits <= writer.n_bits
    assert reader.end() == data


@given(st.lists(st.tuples(st.integers(0, MAX_NUMBER), st.integers(0, 15)), max_size=40))
def test_numbers_come_back(numbers):
    writer = ContextCoder()
    for value, context in numbers:
        assert writer.number(value, context) == value
    reader = ContextCoder(writer.end())
    assert [reader.number(0, context) for _, context in numbers] == [
        value for value, _ in numbers
    ]
    reader.end()


def test_small_numbers_are_cheap_and_learnt():
    writer = ContextCoder()
    for _ in range(100):
        writer.number(0, 0)
    assert writer.n_bits < 10
    for value in (1, 17, 1000):
        other = ContextCoder()
        other.number(value, 1)
        assert other.n_bits <= 2 * (value + 1).bit_length() + 1


@given(st.binary(max_size=300), st.sampled_from([b"", LISTINGS]))
def test_text_comes_back(text, primer):
    writer = ContextCoder(text=primer)
    assert writer.text(text) == text
    reader = ContextCoder(writer.end(), primer)
    assert reader.text(bytes(len(text))) == text
    reader.end()


def test_what_was_learnt_makes_a_text_short():
    sizes = []
    for primer in (b"", LISTINGS):
        writer = ContextCoder(text=primer)
        writer.text(LISTINGS[-60:])
        sizes.append(len(writer.end()))
    assert sizes[1] < sizes[0] / 2


@st.composite
def patterns(draw):
    n_bits = draw(st.sampled_from([1, 2, 7, 8, 13, 16, 32, 64]))
    n_top = draw(st.integers(1, min(n_bits, 12)))
    top = (1 << n_bits) - 1
    few = st.lists(st.integers(0, top), min_size=1, max_size=40)
    near = st.integers(0, top).map(lambda a: list(range(a, min(a + 9, top + 1))))
    return np.array(draw(few | near), np.uint64), n_bits, n_top


@given(patterns())
def test_patterns_come_back_in_their_order(arguments):
    values, *widths = arguments
    writer = ContextCoder()
    writer.patterns(values.copy(), *widths)
    read = np.zeros_like(values)
    reader = ContextCoder(writer.end())
    reader.patterns(read, *widths)
    reader.end()
    np.testing.assert_array_equal(read, values)


@given(patterns())
def test_a_codebook_comes_back(arguments):
    values, n_bits, n_top = arguments
    values = np.unique(values)
    writer = ContextCoder()
    n_low = writer.codebook(values.copy(), n_bits, n_top)
    assert n_low == np.count_nonzero(values < 1 << n_bits - 1)
    read = np.zeros_like(values)
    reader = ContextCoder(writer.end())
    assert reader.codebook(read, n_bits, n_top) == n_low
    reader.end()
    np.testing.assert_array_equal(read, values)


def test_an_ordered_codebook_costs_less_than_its_patterns(rng):
    values = np.sort(rng.choice(1 << 16, 256, replace=False)).astype(np.uint64)
    sizes = []
    for name in ("codebook", "patterns"):
        writer = ContextCoder()
        getattr(writer, name)(values.copy(), 16, 6)
        sizes.append(writer.n_bits)
    # An order of 256 values is worth log2(256!) = 1684 bits.
    assert sizes[0] < sizes[1] - 1600


@settings(max_examples=20)
@given(matrices())
def test_the_second_decoder_reads_the_same_codes(arguments):
    codes, matrix, n_codes, n_low, rarity = arguments
    writer = ContextCoder()
    writer.codes(codes.copy(), matrix, n_codes, n_low, rarity)
    data = writer.end()
    decoder = second_coder.Coder(data)
    found = second_matrix.codes(decoder, *matrix, n_codes, n_low, rarity)
    assert found == codes.tolist()
    # What it decoded, encoded with numbers of any length, makes the same bytes.
    assert twins.range_code(decoder.events) == data


def test_a_carry_runs_back_over_what_is_written():
    # The last of 65,536 numbers, over and over, is a row of ones; a bit of little
    # probability at its end tips it over.
    writer = ContextCoder()
    values = np.full(60, (1 << 32) - 1, np.uint64)
    writer.patterns(values, 32, 1)
    for value in (1, 0, 1, 0):
        writer.number(value, 0)
    data = writer.end()
    decoder = second_coder.Coder(data)
    assert [decoder.pattern(32, 1) for _ in values] == values.tolist()
    assert [decoder.number(0) for _ in range(4)] == [1, 0, 1, 0]
    assert twins.range_code(decoder.events) == data


def test_nearness_pays(rng):
    """Non-zeros that stand together cost less than the same number of them apart."""
    blobs = np.zeros((28, 28, 60), np.uint16)
    for column in range(60):
        row, pixel = rng.integers(0, 22, 2)
        blobs[row : row + 6, pixel : pixel + 6, column] = rng.random((6, 6)) < 0.9
    apart = np.where(rng.random((784, 60)) < blobs.mean(), 1, 0).astype(np.uint16)
    sizes = []
    for codes, stride in ((apart, 28), (blobs, 0), (blobs, 28)):
        writer = ContextCoder()
        writer.codes(codes.ravel(), Matrix(784, 60, 1, stride), 1, 1, 5)
        sizes.append(writer.n_bits)
    assert sizes[2] < sizes[1] < sizes[0]


def test_a_section_larger_than_its_first_buffer(rng):
    codes = rng.integers(0, 60_000, 20_000).astype(np.uint16)
    arguments = Matrix(200, 100, 1, 0), 65_535, 30_000, 1
    writer = ContextCoder()
    writer.codes(codes.copy(), *arguments)
    reader = ContextCoder(writer.end())
    np.testing.assert_array_equal(read_codes(reader, *arguments), codes)


@given(st.binary(max_size=60), matrices(), patterns())
def test_any_bytes_are_read_or_refused(data, codes_of, patterns_of):
    codes, *arguments = codes_of
    values, *widths = patterns_of
    for step in range(5):
        reader = ContextCoder(data)
        try:
            if step == 0:
                codes = read_codes(reader, *arguments)
                assert codes.max() <= arguments[1]
            elif step == 1:
                assert 0 <= reader.number(0, 3) <= MAX_NUMBER
            elif step == 2:
                assert len(reader.text(bytes(500))) == 500
            elif step == 3:
                reader.patterns(values, *widths)
                assert (values <= (1 << widths[0]) - 1).all()
            else:
                n_low = reader.codebook(values, *widths)
                assert n_low <= len(values)
                assert (values[1:] > values[:-1]).all()
        except CorruptFileError:
            pass


def test_reading_past_the_end_is_refused():
    reader = ContextCoder(b"")
    with pytest.raises(CorruptFileError):
        reader.patterns(np.zeros(1000, np.uint64), 64, 1)


def test_bytes_behind_the_end_are_refused():
    writer = ContextCoder()
    writer.text(b"abc")
    reader = ContextCoder(writer.end() + bytes(8))
    reader.text(bytes(3))
    with pytest.raises(CorruptFileError):
        reader.end()


def test_a_copy_goes_on_by_itself():
    writer = ContextCoder()
    writer.text(b"begin")
    other = writer.copy()
    other.text(b" and go on")
    assert len(writer.end()) < len(other.end())
    writer = ContextCoder(b"x")
    assert writer.copy().text(bytes(2)) == writer.text(bytes(2))


@pytest.mark.parametrize(
    ("matrix", "n_codes", "n_low", "rarity"),
    [
        (Matrix(0, 6, 1, 0), 2, 1, 1),
        (Matrix(2, 2, 1, 0), 2, 1, 1),
        (Matrix(2, 3, 0, 0), 2, 1, 1),
        (Matrix(2, 3, 3, 0), 2, 1, 1),
        (Matrix(2, 3, 1, 3), 2, 1, 1),
        (Matrix(2, 3, 1, -1), 2, 1, 1),
        (Matrix(2, 3, 1, 0), 0, 0, 1),
        (Matrix(2, 3, 1, 0), 2, 3, 1),
        (Matrix(2, 3, 1, 0), 2, 1, 17),
    ],
)
def test_arguments_outside_the_range_are_refused(matrix, n_codes, n_low, rarity):
    codes = np.zeros(6, np.uint16)
    with pytest.raises(ValueError, match="range"):
        ContextCoder().codes(codes, matrix, n_codes, n_low, rarity)


def test_what_is_no_state_is_refused():
    with pytest.raises(ValueError, match="state"):
        _native.context_begin(np.zeros(3, np.uint64), False)
    with pytest.raises(ValueError, match="state"):
        _native.context_number(np.zeros(3, np.uint64), b"", 1, 0)
    with pytest.raises(ValueError, match="range"):
        ContextCoder().number(1, 16)


# Where the room grows just when a carry runs into bytes that were written before.
@pytest.mark.parametrize("seed", [34, 57, 69, 77])
def test_growing_room_changes_no_byte(seed):
    n_numbers = np.random.default_rng(seed).integers(0, 40)
    codes = np.random.default_rng(seed + 10**6).integers(1, 60_000, 4096)
    grown, roomy = ContextCoder(), ContextCoder(room=1 << 16)
    for coder in (grown, roomy):
        for i in range(n_numbers):
            coder.number(7 * i, 1)
        coder.codes(codes.astype(np.uint16), Matrix(64, 64, 1, 0), 60_000, 0, 0)
    assert grown.end() == roomy.end()
