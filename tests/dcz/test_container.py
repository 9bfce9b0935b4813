import io
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import second_decoder
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.dcz import container, directory, writer
from deepcompress.dcz.coding.bytestream import varint
from deepcompress.dcz.coding.context import LISTING, ContextCoder
from deepcompress.errors import CorruptFileError

GOLDEN = Path(__file__).parent / "golden"


def lenet5_like(rng):
    """Arrays of LeNet-5's shapes as compression leaves them."""
    arrays = {}
    for layer, shape, density in (
        ("conv1", (5, 5, 1, 20), 0.5),
        ("conv2", (5, 5, 20, 50), 0.1),
        ("ip1", (800, 500), 0.03),
        ("ip2", (500, 10), 0.2),
    ):
        values = rng.standard_normal(15).astype("float32")
        kernel = values[rng.integers(0, 15, shape)]
        kernel[rng.random(shape) >= density] = 0
        arrays[f"{layer}/kernel"] = kernel
        arrays[f"{layer}/bias"] = rng.standard_normal(shape[-1]).astype("float32")
    return arrays


def assorted():
    """One array of each dtype and encoding; what the golden file holds."""
    rng = np.random.default_rng(7)
    arrays = {
        f"plain/{name}": np.arange(6).reshape(2, 3).astype(name)
        for name in directory.DTYPES[:14]
    }
    arrays["scalar"] = np.array(1.5, "float64")
    arrays["empty/kernel"] = np.zeros((3, 0, 2), "float32")
    arrays["zero/kernel"] = np.zeros((40, 50), "float32")
    arrays["nan/kernel"] = np.array([0x7FC00001, 0x80000000, 0], "uint32").view("f4")
    dense = np.array([-0.5, 0.25, 0.5], "float32")[rng.integers(0, 3, (30, 20))]
    arrays["block/a/kernel"] = dense
    sparse = np.where(rng.random((60, 50)) < 0.1, dense[0, 0], 0).astype("float16")
    arrays["block/a/bias"] = sparse
    arrays["block/b/kernel"] = rng.standard_normal((30, 70)).astype("float32")
    arrays["block/b/kernel"][rng.random((30, 70)) < 0.95] = 0
    wide = np.zeros((500, 300), "float32")
    wide[:, ::60] = np.arange(1, 5, dtype="float32")[rng.integers(0, 4, (500, 5))]
    arrays["block/c/kernel"] = wide
    arrays["block/c/Größe"] = np.arange(300, dtype="uint16").repeat(2)
    arrays["ranks/kernel"] = np.ones((1, 2, 1, 1, 2, 1, 1, 1, 2), "int8")
    return arrays


def dumps(arrays, **kwargs):
    file = io.BytesIO()
    container.write(file, arrays, **kwargs)
    return file.getvalue()


def assert_same(actual, expected):
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        assert actual[name].shape == array.shape
        assert actual[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_arrays_come_back_from_a_file(coder, tmp_path):
    path = tmp_path / "a.dcz"
    stats, size = container.write(
        path, assorted(), architecture='{"a": 1}', coder=coder
    )
    assert size == path.stat().st_size
    with container.read(path) as weights:
        assert_same(weights, assorted())
        assert weights.architecture == '{"a": 1}'
        assert {n: s.n_bytes for n, s in weights.stats().items()} == {
            n: s.n_bytes for n, s in stats.items()
        }
    assert container.read(dumps({})).architecture is None


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_the_second_decoder_reads_the_same(coder):
    data = dumps(assorted(), architecture='{"name": "ß"}', coder=coder)
    architecture, arrays = second_decoder.read(
        data, directory.DICTIONARY, directory.LISTINGS
    )
    assert architecture.decode() == '{"name": "ß"}'
    assert list(arrays) == list(assorted())
    for name, (dtype, shape, content) in arrays.items():
        expected = assorted()[name]
        assert (dtype, shape) == (expected.dtype.name, expected.shape)
        assert content == expected.tobytes()


def test_the_second_decoder_reads_several_streams(rng):
    kernel = rng.integers(0, 9, 70_001).astype("uint8")
    data = dumps({"big/kernel": kernel})
    _, arrays = second_decoder.read(data, directory.DICTIONARY)
    assert arrays["big/kernel"][2] == kernel.tobytes()


def test_every_encoding_is_in_the_golden_file():
    kinds = {
        (s.gap_width > 0, s.codebook is not None)
        for s in (container.read((GOLDEN / "v1.dcz").read_bytes()).stats().values())
    }
    assert len(kinds) == 4


@pytest.mark.parametrize("version", [1, 2])
def test_the_golden_file_loads_for_ever(version):
    with container.read(GOLDEN / f"v{version}.dcz") as weights:
        assert_same(weights, assorted())
        assert weights.architecture == '{"class_name":"Sequential"}'


def test_the_dictionaries_never_change():
    assert zlib.crc32(directory.DICTIONARY) == 0xBCA71448
    assert zlib.crc32(directory.LISTINGS) == 0xE394C127


@pytest.mark.parametrize(("coder", "version"), [("huffman", 1), ("context", 2)])
def test_exact_bytes_of_the_golden_files(coder, version, monkeypatch):
    golden = (GOLDEN / f"v{version}.dcz").read_bytes()
    architecture = '{"class_name":"Sequential"}'
    # Another zlib may pack it otherwise.
    with container.read(golden) as weights:
        packed = weights._take(weights._directory.architecture)
    monkeypatch.setattr(
        writer, "pack_architecture", lambda text: (packed, len(text.encode()))
    )
    assert dumps(assorted(), architecture=architecture, coder=coder) == golden


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


def test_what_is_read_belongs_to_the_caller(rng):
    weights = container.read(dumps(lenet5_like(rng)))
    weights["conv1/bias"][:] = 0
    assert weights["conv1/bias"].all()


def read_all(data):
    with container.read(data) as weights:
        return dict(weights), weights.architecture


@pytest.fixture(scope="module", params=["huffman", "context"])
def intact(request):
    arrays = lenet5_like(np.random.default_rng(1))
    small = {name: a for name, a in arrays.items() if not name.startswith("ip1")}
    architecture = '{"class_name":"Sequential"}'
    return dumps(small, architecture=architecture, coder=request.param)


@given(st.data())
def test_a_flipped_bit_anywhere_is_an_error(intact, data):
    bit = data.draw(st.integers(0, 8 * len(intact) - 1))
    damaged = bytearray(intact)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptFileError):
        read_all(bytes(damaged))


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_every_flipped_bit_of_a_small_file_is_an_error(coder):
    arrays = {"a/kernel": np.arange(5.0), "a/bias": np.zeros(100)}
    intact = dumps(arrays, coder=coder)
    for bit in range(8 * len(intact)):
        damaged = bytearray(intact)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptFileError):
            read_all(bytes(damaged))


@given(st.data())
def test_a_truncated_or_padded_file_is_an_error(intact, data):
    end = data.draw(st.integers(0, len(intact) - 1))
    with pytest.raises(CorruptFileError):
        read_all(intact[:end])
    with pytest.raises(CorruptFileError):
        read_all(intact + data.draw(st.binary(min_size=1, max_size=9)))


def resealed(listing, rest=b""):
    """A file with any directory at all under a checksum that matches."""
    header = b"\x89DCZ\x01" + varint(len(listing)) + listing
    return header + zlib.crc32(header).to_bytes(4, "little") + rest


@given(st.binary(max_size=60), st.binary(max_size=40))
def test_any_directory_is_read_or_refused(listing, rest):
    try:
        with container.read(resealed(listing, rest), max_bytes=10**6) as weights:
            for name in weights:
                try:
                    weights[name]
                except CorruptFileError:
                    continue
            assert weights.architecture is None or weights.architecture
    except CorruptFileError:
        pass


def resealed_head(listing, begin=lambda coder: None, more=b""):
    """A file of version 2 with any listing, and any begin of its first section."""
    coder = ContextCoder(text=directory.LISTINGS)
    coder.number(len(listing), LISTING)
    coder.text(listing)
    begin(coder)
    return directory.header(directory.CONTEXT, [coder.end(), b""]) + more


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_any_listing_of_version_2_is_read_or_refused(listing, rest):
    begun = directory.section_listing([("a", [b"\1\x52\3\4"])], None)
    for data in (
        directory.header(directory.CONTEXT, [listing, rest]),
        resealed_head(listing, more=rest),
        resealed_head(b"\0" + begun + listing, more=rest),
        resealed_head(b"\0" + begun, lambda coder: coder.text(listing)),
    ):
        try:
            with container.read(data, max_bytes=10**6) as weights:
                for name in weights:
                    try:
                        weights[name]
                    except CorruptFileError:
                        continue
                weights.stats()
        except CorruptFileError:
            pass


def test_absurd_sizes_of_version_2_are_refused():
    shape = varint((1 << 40) + 1) + varint((1 << 20) + 1)
    listing = directory.section_listing(
        [("a", [bytes([1, 10 << 3 | 2]) + shape])], None
    )
    with pytest.raises(CorruptFileError, match="raise `max_bytes`"):
        container.read(resealed_head(b"\0" + listing))
    coder = ContextCoder(text=directory.LISTINGS)
    coder.number(1 << 40, LISTING)
    with pytest.raises(CorruptFileError, match="too large"):
        container.read(directory.header(directory.CONTEXT, [coder.end(), b""]))


def test_a_length_like_none_before_is_refused():
    listing = directory.section_listing([("a", [bytes([1, 10 << 3 | 1, 0])])], None)
    with pytest.raises(CorruptFileError, match="not there"):
        container.read(resealed_head(b"\0" + listing))


def test_absurd_sizes_are_refused_before_memory_is_taken():
    shape = varint(1 << 40) + varint(1 << 20)
    section = bytes([0x11, 0])  # an all-zero tensor
    entry = bytes([1, 10 << 3 | 2]) + shape
    listing = bytes([0, 1, 1]) + b"a" + bytes([1, 2])
    listing += zlib.crc32(section).to_bytes(4, "little") + entry
    with pytest.raises(CorruptFileError, match="raise `max_bytes`"):
        container.read(resealed(listing, section))
    sparse = container.read(dumps({"a": np.zeros(10**6, "float32")}))
    assert sparse["a"].nbytes == 4 * 10**6
    with pytest.raises(CorruptFileError, match="4,000,000 bytes"):
        container.read(dumps({"a": np.zeros(10**6, "float32")}), max_bytes=10**6)


def test_an_architecture_that_swells_is_cut_off():
    data = dumps({}, architecture="x" * 10**6)
    with pytest.raises(CorruptFileError, match="max_bytes"):
        container.read(data, max_bytes=10**5)


def test_an_architecture_that_declares_no_size_is_cut_off():
    packed = zlib.compress(b"x" * 10**7, 9, wbits=-15)
    listing = varint(len(packed)) + zlib.crc32(packed).to_bytes(4, "little")
    weights = container.read(resealed(listing + b"\0\0", packed), max_bytes=1000)
    with pytest.raises(CorruptFileError, match="not the one declared"):
        _ = weights.architecture


def test_an_axis_of_length_0_hides_nothing():
    shape = b"\0" + varint(1 << 62)
    listing = bytes([0, 1, 1]) + b"a" + bytes([1, 1])
    listing += zlib.crc32(b"\0").to_bytes(4, "little") + bytes([1, 10 << 3 | 2]) + shape
    with pytest.raises(CorruptFileError, match="max_bytes"):
        container.read(resealed(listing, b"\0"))


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_as_many_axes_as_numpy_allows(coder):
    array = np.ones((1,) * 64, "float32")
    assert_same(container.read(dumps({"a": array}, coder=coder)), {"a": array})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 a zip file, such as .keras", r"keras\.models\.load_model"),
        (b"\x89HDF\r\n\x1a\n", r"model\.load_weights"),
        (b"\x89DCZ\x03\x00", "newer deepcompress"),
        (b"\x89DCZ\x01\x20", "ends early"),
        (b"\x89DC", "not a .dcz file"),
    ],
)
def test_foreign_files_get_one_clear_error(content, message, tmp_path):
    path = tmp_path / "a.dcz"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=message) as caught:
        container.read(path)
    assert str(path) in str(caught.value)


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
    code = """
import sys
for name in ("tensorflow", "keras", "jax", "torch"):
    sys.modules[name] = None  # an import of it fails
import deepcompress as dc
with dc.read(sys.argv[1]) as weights:
    print(weights["dense/kernel"].sum())
print(dc.kmeans1d([1.0, 2.0, 9.0], 2).centers)
print(dc.CompressionReport.from_file(sys.argv[1]).n_weights)
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout.splitlines() == ["3.0", "[1.5 9. ]", "9"]


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
