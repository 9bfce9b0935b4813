"""Assets in a file: what comes back, what a reader refuses, and the exact bytes."""

import io
import lzma
import zlib

import numpy as np
import pytest
from helpers import second_decoder
from helpers.arrays import dumps, kept, with_flipped_bit
from hypothesis import given
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress.dcz import container, directory, version2
from deepcompress.dcz.assets import check_name, pack_assets, unpack_assets
from deepcompress.dcz.coding.bytestream import string, varint
from deepcompress.dcz.parts import Part
from deepcompress.errors import CorruptFileError

ARRAYS = {"a/kernel": np.arange(5.0), "a/bias": np.zeros(100)}

coders = pytest.mark.parametrize("coder", container.CODERS)


def with_assets(assets, coder="huffman", architecture='{"a": 1}', arrays=ARRAYS):
    file = io.BytesIO()
    dc.write(file, arrays, architecture=architecture, coder=coder, assets=assets)
    return file.getvalue()


@coders
@pytest.mark.parametrize("architecture", [None, '{"a": 1}'])
@pytest.mark.parametrize("arrays", [{}, ARRAYS])
def test_assets_come_back(coder, architecture, arrays):
    data = with_assets(kept(), coder, architecture, arrays)
    with dc.read(data) as weights:
        assert list(weights.assets.items()) == list(kept().items())
        assert weights.architecture == architecture
        np.testing.assert_equal(dict(weights), arrays)
        again = io.BytesIO()
        dc.write(
            again,
            weights,
            architecture=weights.architecture,
            coder=coder,
            assets=weights.assets,
        )
    assert again.getvalue() == data


@coders
def test_the_second_decoder_reads_the_same_assets(coder):
    data = with_assets(kept(), coder)
    tables = directory.DICTIONARY, version2.LISTINGS
    architecture, arrays, assets, _ = second_decoder.read_all(data, *tables)
    assert assets == kept()
    assert architecture == b'{"a": 1}'
    assert arrays["a/kernel"][2] == ARRAYS["a/kernel"].tobytes()
    assert second_decoder.read_all(dumps(ARRAYS, coder=coder), *tables)[2] == {}


@coders
@pytest.mark.parametrize("none", [None, {}])
def test_a_file_without_assets_is_what_it_was(coder, none):
    data = dumps(ARRAYS, architecture='{"a": 1}', coder=coder)
    assert with_assets(none, coder) == data
    assert dc.read(data).assets == {}


@coders
def test_the_report_counts_assets(coder, tmp_path):
    path = tmp_path / "a.dcz"
    report = dc.write(path, ARRAYS, coder=coder, assets=kept())
    read = dc.CompressionReport.from_file(path)
    assert report.to_dict() == read.to_dict()
    assert report.parts == {"assets": len(pack_assets(kept()))}
    assert report.total.n_bytes == path.stat().st_size
    alone = dc.write(io.BytesIO(), ARRAYS, coder=coder)
    assert 0 < report.overhead - alone.overhead < 20
    assert "assets" in str(report)
    assert "assets" not in str(alone)


def test_words_take_less_than_deflate_makes_of_them():
    rng = np.random.default_rng(0)
    roots = ["".join(chr(97 + c) for c in rng.integers(0, 26, 4)) for _ in range(400)]
    words = [roots[a] + roots[b] for a, b in rng.integers(0, 400, (20_000, 2))]
    text = "\n".join(dict.fromkeys(words)).encode()
    packed = pack_assets({"words/vocabulary.txt": text})
    assert len(packed) < 0.9 * len(zlib.compress(text, 9))


@coders
def test_every_flipped_bit_is_an_error(coder):
    intact = with_assets({"a/b": b"words"}, coder)
    for bit in range(8 * len(intact)):
        damaged = with_flipped_bit(intact, bit)
        with pytest.raises(CorruptFileError), dc.read(damaged) as weights:
            _ = dict(weights), weights.architecture, weights.assets


@coders
def test_a_truncated_or_padded_file_is_an_error(coder):
    intact = with_assets(kept(), coder)
    for end in range(len(intact)):
        with pytest.raises(CorruptFileError):
            dc.read(intact[:end])
    with pytest.raises(CorruptFileError):
        dc.read(intact + b"\0")


@coders
def test_damaged_assets_leave_the_arrays(coder):
    data = bytearray(with_assets(kept(), coder))
    data[-9] ^= 1
    with dc.read(bytes(data)) as weights:
        np.testing.assert_equal(dict(weights), ARRAYS)
        with pytest.raises(CorruptFileError, match="checksum"):
            _ = weights.assets


def packed(plain, plain_size=None):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    data = lzma.compress(plain, lzma.FORMAT_RAW, filters=filters)
    return varint(len(plain) if plain_size is None else plain_size) + data


def listing(*names, sizes=None, content=b""):
    sizes = sizes or [0] * len(names)
    entries = [string(n) + varint(size) for n, size in zip(names, sizes, strict=True)]
    return varint(len(names)) + b"".join(entries) + content


EVIL = [
    "", "/", "/etc/passwd", "..", "../a", "a/../b", "a/..", "./a", "a/.", "a//b", "a/",
    "a\\b", "..\\a", "C:\\a", "a\0b",
]  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_names_that_leave_their_folder_are_refused(name):
    with pytest.raises(ValueError, match="relative path"):
        pack_assets({name: b""})
    with pytest.raises(CorruptFileError, match="relative path"):
        unpack_assets(packed(listing(name)))


@pytest.mark.parametrize("name", ["a", "a/b.txt", "...", "a..b/.c", "%2E%2E/ß"])
def test_names_that_stay_in_their_folder_are_taken(name):
    check_name(name)
    assert unpack_assets(packed(listing(name))) == {name: b""}


@pytest.mark.parametrize(
    "lying",
    [
        packed(listing("a", "a")),
        packed(listing("a", sizes=[5], content=b"1234")),
        packed(listing("a", sizes=[3], content=b"1234")),
        packed(listing("a", sizes=[1 << 62])),
        packed(varint(1 << 62)),
        packed(b""),
        packed(listing("a"), 2),
        packed(listing("a"), 9),
        packed(listing("a"), 0),
        packed(listing("a") + bytes(10**7), 100),
        packed(listing("a")) + b"\0",
        packed(listing("a"))[:-1],
        b"",
        b"\0\0",
        b"\x09",
        b"\x09\xff\xff",
    ],
)
def test_lying_sizes_are_refused(lying):
    with pytest.raises(CorruptFileError):
        unpack_assets(lying)


@given(st.binary(max_size=60), st.integers(0, 100))
def test_any_packed_assets_are_read_or_refused(data, plain_size):
    for candidate in (data, varint(plain_size) + data, packed(data)):
        try:
            for name in unpack_assets(candidate):
                check_name(name)
        except CorruptFileError:
            pass


@coders
def test_absurd_sizes_are_refused_before_memory_is_taken(coder):
    swollen = [Part("assets", varint(1 << 50) + b"abc")]
    weights = dc.read(dumps(ARRAYS, coder=coder, parts=swollen))
    with pytest.raises(CorruptFileError, match="raise `max_bytes`"):
        _ = weights.assets
    data = with_assets({"a": bytes(10**6)}, coder)
    assert len(data) < 2000
    with pytest.raises(CorruptFileError, match="max_bytes"):
        _ = dc.read(data, max_bytes=10**6).assets


@pytest.mark.parametrize("assets", [["a"], {"a": "text"}, {3: b""}])
def test_what_is_no_mapping_to_bytes_is_refused(assets):
    with pytest.raises(TypeError, match="from names to bytes"):
        dc.write(io.BytesIO(), ARRAYS, assets=assets)
