import numpy as np
import pytest
from helpers.arrays import sparse

from deepcompress.dcz.coding import context
from deepcompress.dcz.coding.bytestream import ByteWriter
from deepcompress.dcz.coding.context import ContextCoder
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.errors import CorruptFileError


def write(*arrays):
    """The bytes of some tensors, and how they were taken apart."""
    coder = ContextCoder()
    forms = [ContextTensor.encode(array, coder) for array in arrays]
    return coder.end(), forms


def read(data, *arrays):
    coder = ContextCoder(data)
    forms = [ContextTensor.decode(coder, a.dtype, a.shape) for a in arrays]
    coder.end()
    return forms


def huffman_size(array):
    return HuffmanTensor.encode(array, ByteWriter()).n_bytes


def test_a_form_for_each_kind_of_tensor(rng):
    shared = sparse((60, 50), 0.1, 15, rng)
    pruned = sparse((60, 50), 0.1, 10**6, rng)
    dense = rng.standard_normal(70).astype("float32")
    zeros = np.zeros((30, 40), "float32")
    wide = np.arange(3, dtype="complex128")
    data, forms = write(shared, pruned, dense, zeros, wide)
    assert forms[0].codebook is not None
    assert forms[1].values is not None
    assert forms[2].values is not None
    assert not forms[3].codes.size
    assert forms[4].huffman is not None
    arrays = shared, pruned, dense, zeros, wide
    for array, form in zip(arrays, read(data, *arrays), strict=True):
        assert form.to_array().tobytes() == array.tobytes()


def test_smaller_than_huffman_coding(rng):
    array = sparse((784, 100), 0.01, 15, rng)
    array[:, rng.random(100) < 0.6] = 0
    array[rng.random(784) < 0.4] = 0
    huffman = huffman_size(array)
    assert len(write(array)[0]) < 0.9 * huffman


def test_never_much_larger_than_huffman_coding(rng):
    for array in (
        rng.integers(0, 2**32, 3000, dtype=np.uint32),  # nothing to gain
        rng.permutation(1 << 16).astype(np.uint16)[:3000],
        np.repeat(rng.standard_normal(3000), 2),
    ):
        huffman = huffman_size(array)
        assert len(write(array)[0]) <= 1.001 * huffman + 4


def test_values_lose_the_zeros_that_all_of_them_end_with(rng):
    values = rng.standard_normal(200).astype("float16").astype("float32")
    assert len(write(values)[0]) <= 200 * 2
    assert len(write(values)[0]) < len(write(values + np.float32(1e-7))[0]) - 250


def test_a_codebook_of_few_bits_is_small(rng):
    codes = rng.integers(0, 16, 2000)
    rough = (np.arange(16) + 8).astype("float32") / 8
    fine = rough + rng.random(16).astype("float32") / 100
    sizes = [len(write(values[codes])[0]) for values in (rough, fine)]
    assert sizes[0] < sizes[1] - 16 * 1.5


def image_kernel(rng, edge, n_channels):
    """A kernel whose units look at a patch of an image each."""
    kernel = np.zeros((edge, edge, n_channels, 40), "float32")
    for unit in range(40):
        row, column = rng.integers(0, edge - 4, 2)
        kernel[row : row + 5, column : column + 5, :, unit] = 0.5
    kernel[rng.random(kernel.shape) < 0.3] = 0
    return kernel.reshape(-1, 40)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_pixels_of_an_image_are_neighbours(n_channels, rng):
    kernel = image_kernel(rng, 20, n_channels)
    shuffled = kernel[rng.permutation(len(kernel))]
    assert len(write(kernel)[0]) < 0.8 * len(write(shuffled)[0])
    (form,) = read(write(kernel)[0], kernel)
    np.testing.assert_array_equal(form.to_array(), kernel)


def test_units_that_nothing_enters_are_expected_to_lead_nowhere(rng):
    first = sparse((200, 60), 0.1, 15, rng)
    is_dead = rng.random(60) < 0.5
    first[:, is_dead] = 0
    second = sparse((60, 40), 0.3, 15, rng)
    second[is_dead] = 0
    bias = np.where(is_dead, 0, 0.5).astype("float32")
    alone = sum(len(write(array)[0]) for array in (first, second, bias))
    assert len(write(first, bias, second)[0]) < alone - 8


def hostile(*numbers):
    """A section that begins with numbers, each in a context, or backgrounds."""
    coder = ContextCoder()
    for number in numbers:
        if isinstance(number, str):
            pattern = np.array([number == "background"], np.uint64)
            coder.patterns(pattern, 32, 1)
        else:
            coder.number(*number)
    return coder.end()


@pytest.mark.parametrize(
    ("numbers", "shape", "message"),
    [
        ([(5, context.METHOD)], (3,), "form 5"),
        ([(4, context.METHOD), "background", (3, context.METHOD)], (3,), "form 3"),
        ([(4, context.METHOD), "background", (4, context.METHOD)], (3,), "form 4"),
        (
            [(4, context.METHOD), "zero", (2, context.METHOD)],
            (3,),
            "background of zeros",
        ),
        ([(3, context.METHOD), (14, context.SIZE)], (3,), "too many"),
        ([(3, context.METHOD), (1 << 40, context.SIZE)], (3,), "too many"),
        ([(0, context.METHOD), (4, context.GEOMETRY)], (9, 2), "geometry 4"),
        ([(0, context.METHOD), (1, context.GEOMETRY)], (8, 2), "geometry 1"),
        ([(0, context.METHOD), (2, context.GEOMETRY)], (9, 2), "geometry 2"),
        ([(0, context.METHOD), (3, context.GEOMETRY)], (9, 2), "geometry 3"),
        ([(0, context.METHOD), (3, context.N_CODES)], (3,), "codebook of 4"),
        ([(0, context.METHOD), (1 << 60, context.N_CODES)], (3,), "codebook"),
        (
            [(0, context.METHOD), (1, context.N_CODES), (32, context.SHIFT)],
            (3,),
            "32 zeros",
        ),
    ],
)
def test_what_cannot_be_is_refused(numbers, shape, message):
    coder = ContextCoder(hostile(*numbers))
    with pytest.raises(CorruptFileError, match=message):
        ContextTensor.decode(coder, np.dtype("<f4"), shape)


def test_a_rarity_that_is_too_great_is_refused():
    coder = ContextCoder(hostile((1, context.METHOD), (17, context.RARITY)))
    with pytest.raises(CorruptFileError, match="rarity"):
        ContextTensor.decode(coder, np.dtype("<f4"), (3,))


@pytest.mark.parametrize("method", [0, 1, 4])
def test_an_element_of_16_bytes_has_no_codes(method):
    coder = ContextCoder(hostile((method, context.METHOD)))
    with pytest.raises(CorruptFileError, match=f"form {method}"):
        ContextTensor.decode(coder, np.dtype("<c16"), (3,))


def test_a_zero_among_the_values_is_refused():
    coder = ContextCoder()
    coder.number(1, context.METHOD)
    coder.number(0, context.RARITY)
    coder.codes(np.ones(2, np.uint16), context.Matrix(2, 1, 1, 0), 1, 1, 0)
    coder.number(0, context.SHIFT)
    coder.patterns(np.array([5, 0], np.uint64), 32, 9)
    with pytest.raises(CorruptFileError, match="zero among"):
        ContextTensor.decode(ContextCoder(coder.end()), np.dtype("<f4"), (2,))


@pytest.mark.parametrize("n_values", [15, 10**6])
@pytest.mark.parametrize("background", [-0.0, 1.0, np.float32(np.nan)])
def test_any_background_costs_what_zeros_do(background, n_values, rng):
    array = sparse((80, 90), 0.1, n_values, rng)
    other = np.where(array == 0, np.float32(background), array)
    data, (form,) = write(other)
    assert form.background == int(np.float32(background).view("u4"))
    assert len(data) < 1.005 * len(write(array)[0]) + 12
    (again,) = read(data, other)
    assert again.to_array().tobytes() == other.tobytes()
    assert again.stats().n_stored == np.count_nonzero(array)
    assert again.stats().n_nonzero == np.count_nonzero(other)


def test_a_tensor_that_is_all_background_takes_a_few_bytes():
    array = np.full((300, 200), -0.0, "float32")
    data, (form,) = write(array)
    assert len(data) < 9
    assert form.stats().n_nonzero == 0
    section = hostile((4, context.METHOD), "background", (2, context.METHOD))
    (form,) = read(section, array)
    assert (form.to_array().view("u4") == 1).all()
    assert (form.stats().n_stored, form.stats().n_nonzero) == (0, array.size)


def test_zeros_of_either_sign_cost_a_bit_each(rng):
    array = sparse((300, 200), 0.05, 15, rng)
    mixed = np.where(array == 0, rng.choice([0.0, -0.0], array.shape), array)
    mixed = mixed.astype("float32")
    assert len(write(mixed)[0]) < len(write(array)[0]) + array.size / 8 + 10
