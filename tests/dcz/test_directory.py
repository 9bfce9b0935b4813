import io
import zlib

import numpy as np
import pytest

from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.container import write
from deepcompress.dcz.directory import (
    CONTEXT,
    Directory,
    Section,
    _add_entry,
    encode_entry,
    header,
    pack_architecture,
    read_directory,
    unpack_architecture,
)
from deepcompress.dcz.writer import CODERS
from deepcompress.errors import CorruptFileError


@pytest.mark.parametrize("before", [None, (), (3, 20), (0,)])
@pytest.mark.parametrize(
    "shape", [(), (0,), (5,), (20,), (5, 20), (20, 5), (1,) * 7, (2,) * 9]
)
def test_an_entry_comes_back(shape, before):
    array = np.zeros(shape, "float16")
    directory = Directory(CONTEXT, sections=[Section(0, 0, 0)])
    for leaf in ("kernel", "other"):
        reader = ByteReader(encode_entry(leaf, array, before))
        assert _add_entry(directory, reader, "layer", before) == shape
        reader.expect_end()
        entry = directory.entries[f"layer/{leaf}"]
        assert (entry.shape, entry.dtype) == (shape, array.dtype)
    assert len(directory.in_section(0)) == 2
    assert directory.in_section(1) == []


def test_what_follows_from_the_array_before_takes_one_byte_an_axis():
    bias = np.zeros(500, "float32")
    assert len(encode_entry("bias", bias, None)) == 4
    assert encode_entry("bias", bias, (800, 500)) == bytes([2, 10 << 3 | 1, 0])


def test_an_architecture_comes_back():
    packed, plain_size = pack_architecture('{"name":"ß"}')
    assert unpack_architecture(packed, plain_size) == '{"name":"ß"}'
    assert pack_architecture(None) == (b"", 0)
    for wrong in (0, plain_size - 1, plain_size + 1):
        with pytest.raises(CorruptFileError, match="not the one declared"):
            unpack_architecture(packed, wrong)


@pytest.mark.parametrize("coder", CODERS)
def test_a_file_of_the_wrong_length_is_refused(coder):
    file = io.BytesIO()
    write(file, {}, coder=coder)
    data = file.getvalue()
    assert read_directory(io.BytesIO(data), len(data)).end == len(data)
    with pytest.raises(CorruptFileError, match="its directory says"):
        read_directory(io.BytesIO(data + b"\0"), len(data) + 1)
    with pytest.raises(CorruptFileError, match="ends early"):
        read_directory(io.BytesIO(data[:-1]), len(data) - 1)


def test_the_parts_of_a_header_have_sizes():
    data = header(CONTEXT, [b"abc", b""])
    assert data[:10] == b"\x89DCZ\2\3\0abc"
    assert data[10:] == zlib.crc32(data[:10]).to_bytes(4, "little")
