"""What docs/format.md says that a reader must enforce."""

import zlib

import numpy as np
import pytest
from helpers.arrays import dumps, lenet5_like, parted, with_flipped_bit
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.dcz import container, version2
from deepcompress.dcz.coding.bytestream import varint
from deepcompress.dcz.coding.context import LISTING, ContextCoder
from deepcompress.errors import CorruptFileError


def read_all(data):
    with container.read(data) as weights:
        return dict(weights), weights.architecture


@pytest.fixture(scope="module", params=container.CODERS)
def intact(request):
    arrays = lenet5_like(np.random.default_rng(1))
    small = {name: a for name, a in arrays.items() if not name.startswith("ip1")}
    small |= {"more/" + name: parted()[name] for name in ("dense/half", "mixed/shared")}
    architecture = '{"class_name":"Sequential"}'
    return dumps(small, architecture=architecture, coder=request.param)


@given(st.data())
def test_a_flipped_bit_anywhere_is_an_error(intact, data):
    bit = data.draw(st.integers(0, 8 * len(intact) - 1))
    with pytest.raises(CorruptFileError):
        read_all(with_flipped_bit(intact, bit))


@pytest.mark.parametrize("coder", container.CODERS)
def test_every_flipped_bit_of_a_small_file_is_an_error(coder):
    arrays = {"a/kernel": np.arange(5.0), "a/bias": np.zeros(100)}
    intact = dumps(arrays, coder=coder)
    for bit in range(8 * len(intact)):
        with pytest.raises(CorruptFileError):
            read_all(with_flipped_bit(intact, bit))


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
    coder = version2.begin_head(listing)
    begin(coder)
    return container.header(2, [coder.end(), b""]) + more


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_any_listing_of_version_2_is_read_or_refused(listing, rest):
    begun = version2.list_section([("a", [b"\1\x52\3\4"])], None)
    for data in (
        container.header(2, [listing, rest]),
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
    listing = version2.list_section([("a", [bytes([1, 10 << 3 | 2]) + shape])], None)
    with pytest.raises(CorruptFileError, match="raise `max_bytes`"):
        container.read(resealed_head(b"\0" + listing))
    coder = ContextCoder(text=version2.LISTINGS)
    coder.number(1 << 40, LISTING)
    with pytest.raises(CorruptFileError, match="too large"):
        container.read(container.header(2, [coder.end(), b""]))


def test_a_length_like_none_before_is_refused():
    listing = version2.list_section([("a", [bytes([1, 10 << 3 | 1, 0])])], None)
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


@pytest.mark.parametrize("coder", container.CODERS)
def test_planes_of_one_byte_each_are_held_to_the_memory_allowed(coder):
    array = np.full(10**6, 1.5 + 1.5j, "complex128")
    data = dumps({"a": array}, coder=coder)
    assert len(data) < 100
    assert container.read(data)["a"].tobytes() == array.tobytes()
    with pytest.raises(CorruptFileError, match="16,000,000 bytes"):
        container.read(data, max_bytes=10**6)


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 a zip file, such as .keras", r"keras\.models\.load_model"),
        (b"\x89HDF\r\n\x1a\n", r"model\.load_weights"),
        (b"\x89DCZ\xff\x00", "newer deepcompress"),
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
