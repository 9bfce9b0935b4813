import io
import weakref
import zlib

import numpy as np
import pytest
from helpers import second_decoder
from helpers.arrays import assorted, dumps, lenet5_like, parted
from helpers.running import run_program

from deepcompress.dcz import container, directory, version2
from deepcompress.errors import CorruptFileError


def assert_same(actual, expected):
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        assert actual[name].shape == array.shape
        assert actual[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("arrays", [assorted, parted])
@pytest.mark.parametrize("coder", container.CODERS)
def test_arrays_come_back_from_a_file(coder, arrays, tmp_path):
    path = tmp_path / "a.dcz"
    stats, size = container.write(path, arrays(), architecture='{"a": 1}', coder=coder)
    assert size == path.stat().st_size
    with container.read(path) as weights:
        assert_same(weights, arrays())
        assert weights.architecture == '{"a": 1}'
        assert {n: s.n_bytes for n, s in weights.stats().items()} == {
            n: s.n_bytes for n, s in stats.items()
        }
    assert container.read(dumps({})).architecture is None


@pytest.mark.parametrize("arrays", [assorted, parted])
@pytest.mark.parametrize("coder", container.CODERS)
def test_arrays_are_held_compressed(coder, arrays):
    file = container.read(dumps(arrays(), coder=coder))
    weights = {name: file.weights(name) for name in file}
    assert_same({n: held.to_array() for n, held in weights.items()}, arrays())
    with pytest.raises(KeyError):
        file.weights("nothing")


@pytest.mark.parametrize("contents", [assorted, parted])
@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_the_second_decoder_reads_the_same(coder, contents):
    data = dumps(contents(), architecture='{"name": "ß"}', coder=coder)
    architecture, arrays = second_decoder.read(
        data, directory.DICTIONARY, version2.LISTINGS
    )
    assert architecture.decode() == '{"name": "ß"}'
    assert list(arrays) == list(contents())
    for name, (dtype, shape, content) in arrays.items():
        expected = contents()[name]
        assert (dtype, shape) == (expected.dtype.name, expected.shape)
        assert content == expected.tobytes()


def test_the_second_decoder_reads_several_streams(rng):
    kernel = rng.integers(0, 9, 70_001).astype("uint8")
    data = dumps({"big/kernel": kernel})
    _, arrays = second_decoder.read(data, directory.DICTIONARY)
    assert arrays["big/kernel"][2] == kernel.tobytes()


def test_exact_bytes_of_a_small_file():
    data = dumps({"a/kernel": np.array([1, 2, 3], "uint8")})
    listing = bytes([0, 1, 1]) + b"a" + bytes([1, 4])
    listing += zlib.crc32(b"\0\1\2\3").to_bytes(4, "little") + bytes([1, 2 << 3 | 1, 3])
    header = b"\x89DCZ\x01" + bytes([len(listing)]) + listing
    assert data == header + zlib.crc32(header).to_bytes(4, "little") + b"\0\1\2\3"


def test_a_weights_only_lenet5_spends_under_150_bytes_on_framing(rng):
    arrays = lenet5_like(rng)
    stats, size = container.write(io.BytesIO(), arrays)
    content = 0
    for name, s in stats.items():
        if s.codebook is None:
            content += arrays[name].nbytes
        else:
            bits = [s.code_bits, s.gap_bits]
            content += sum(-(-n // 8) for n in bits) + s.table_bytes + s.codebook.nbytes
    assert size - content < 150


def test_a_context_coded_lenet5_spends_under_40_bytes_on_framing(rng):
    arrays = lenet5_like(rng)
    stats, size = container.write(io.BytesIO(), arrays, coder="context")
    assert size - sum(s.n_bytes for s in stats.values()) < 40
    alone = container.write(io.BytesIO(), arrays, coder="huffman")[1]
    assert size < alone


def test_one_layer_touches_only_its_own_bytes(rng, tmp_path):
    path = tmp_path / "a.dcz"
    arrays = lenet5_like(rng)
    container.write(path, arrays)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # inside ip2
    path.write_bytes(data)
    with container.read(path) as weights:
        np.testing.assert_array_equal(weights["ip1/bias"], arrays["ip1/bias"])
        with pytest.raises(CorruptFileError, match="checksum"):
            weights["ip2/kernel"]


def test_what_has_been_yielded_is_the_callers_alone(rng):
    arrays = {f"layer{i}/kernel": rng.random((50, 40)) for i in range(40)}
    yielded = []
    for _, array in container.read(dumps(arrays)).decode():
        yielded.append(weakref.ref(array))
        del array
        assert not any(reference() is not None for reference in yielded)
    assert len(yielded) == len(arrays)


def test_arrays_of_one_layer_are_let_go_one_by_one(rng):
    arrays = {f"layer/{i}": rng.random((50, 40)) for i in range(9)}
    yielded = []
    for _, array in container.read(dumps(arrays)).decode():
        yielded.append(weakref.ref(array))
        del array
        assert not any(reference() is not None for reference in yielded)
    assert len(yielded) == len(arrays)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_are_read(kind):
    arrays = {"a": np.arange(9)}
    assert_same(container.read(kind(dumps(arrays))), arrays)


def test_bytes_that_change_afterwards_change_nothing():
    data = bytearray(dumps({"a": np.arange(9)}))
    weights = container.read(data)
    data[:] = bytes(len(data))
    assert_same(weights, {"a": np.arange(9)})


def test_what_is_read_belongs_to_the_caller(rng):
    weights = container.read(dumps(lenet5_like(rng)))
    weights["conv1/bias"][:] = 0
    assert weights["conv1/bias"].all()


@pytest.mark.parametrize("coder", container.CODERS)
def test_as_many_axes_as_numpy_allows(coder):
    array = np.ones((1,) * 64, "float32")
    assert_same(container.read(dumps({"a": array}, coder=coder)), {"a": array})


@pytest.mark.parametrize("coder", container.CODERS)
def test_a_file_of_the_wrong_length_is_refused(coder):
    data = dumps({}, coder=coder)
    listed = container.read_directory(io.BytesIO(data), len(data))
    assert (listed.version, listed.end) == (container.CODERS[coder], len(data))
    with pytest.raises(CorruptFileError, match="its directory says"):
        container.read_directory(io.BytesIO(data + b"\0"), len(data) + 1)
    with pytest.raises(CorruptFileError, match="ends early"):
        container.read_directory(io.BytesIO(data[:-1]), len(data) - 1)


@pytest.mark.parametrize("coder", container.CODERS)
def test_files_without_arrays(coder):
    assert container.write(io.BytesIO(), {}, coder=coder)[0] == {}
    assert dict(container.read(dumps({}, coder=coder))) == {}


def test_the_parts_of_a_header_have_sizes():
    data = container.header(2, [b"abc", b""])
    assert data[:10] == b"\x89DCZ\2\3\0abc"
    assert data[10:] == zlib.crc32(data[:10]).to_bytes(4, "little")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.dcz"):
        container.read(tmp_path / "no.dcz")


def test_an_unknown_coder_is_refused():
    with pytest.raises(ValueError, match="`coder` must be one of"):
        dumps({}, coder="zip")


@pytest.mark.parametrize("name", ["", "/a", "a/"])
def test_names_that_would_not_come_back_are_refused(name):
    with pytest.raises(ValueError, match="slash"):
        dumps({name: np.zeros(3)})


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(TypeError, match="must be a text"):
        dumps({3: np.zeros(3)})


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None])])
def test_dtypes_without_bytes_of_their_own_are_refused(array):
    with pytest.raises(TypeError, match="cannot hold"):
        dumps({"a": array})


def test_big_endian_and_strided_arrays_are_stored_by_value():
    array = np.arange(24, dtype=">f4").reshape(4, 6)[:, ::2]
    weights = container.read(dumps({"a": array}))
    np.testing.assert_array_equal(weights["a"], array)
    assert weights["a"].dtype == np.dtype("<f4")


def test_reading_imports_neither_tensorflow_nor_keras(tmp_path):
    path = tmp_path / "a.dcz"
    container.write(path, {"dense/kernel": np.eye(3, dtype="float32")})
    ended = run_program("read_without_keras", path, options=["-W", "error"])
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == ["3.0", "[1.5 9. ]", "9"]


@pytest.mark.parametrize("seed", [0, 15, 29, 30])
def test_what_outgrows_the_first_room_of_a_context_coder_comes_back(seed):
    # It is written twice; what a carry changed the first time must not stay changed.
    rng = np.random.default_rng(seed)
    first = rng.standard_normal(255).astype("float32")
    arrays = {"a/kernel": first[rng.integers(0, 255, (320, 80))]}
    file = io.BytesIO()
    container.write(file, arrays, coder="context")
    with container.read(file.getvalue()) as weights:
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[name], array, strict=True)
