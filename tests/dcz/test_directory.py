import numpy as np
import pytest

from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.directory import (
    Directory,
    PackedArchitecture,
    Section,
    by_layer,
    encode_entry,
    pack_architecture,
    read_entry,
    unpack_architecture,
)
from deepcompress.errors import CorruptFileError


@pytest.mark.parametrize(
    "shape", [(), (0,), (5,), (20,), (5, 20), (20, 5), (1,) * 7, (2,) * 9]
)
def test_an_entry_comes_back(shape):
    dtype = np.dtype("float16")
    for leaf in ("kernel", "other"):
        reader = ByteReader(encode_entry(leaf, dtype, shape))
        assert read_entry(reader, "layer") == (f"layer/{leaf}", dtype, list(shape))
        reader.end()


def test_arrays_belong_to_the_last_section():
    directory = Directory(version=1, end=10)
    dtype = np.dtype("float16")
    assert directory.section_at_end(5, 0) == Section(10, 5, 0)
    directory.sections.append(Section(10, 5, 0))
    for leaf in ("kernel", "other"):
        directory.add_array(f"layer/{leaf}", dtype, (2, 3))
    assert directory.section_at_end(7, 1) == Section(15, 7, 1)
    assert directory.end == 22
    assert [entry.name for entry in directory.in_section(0)] == [
        "layer/kernel",
        "layer/other",
    ]
    entry = directory.entries["layer/other"]
    assert (entry.shape, entry.dtype, entry.n_bytes) == ((2, 3), dtype, 12)
    assert directory.in_section(1) == []
    with pytest.raises(CorruptFileError, match="occurs twice"):
        directory.add_array("layer/kernel", dtype, ())


def test_layers_are_what_follows_each_other():
    layers = by_layer(["a/kernel", "a/bias", "b/c/kernel", "a/gamma", "d", "e"])
    assert [(layer.name, layer.leaves) for layer in layers] == [
        ("a", ["kernel", "bias"]),
        ("b/c", ["kernel"]),
        ("a", ["gamma"]),
        ("", ["d", "e"]),
    ]


def test_an_architecture_comes_back():
    packed = pack_architecture('{"name":"ß"}')
    assert unpack_architecture(packed) == '{"name":"ß"}'
    assert pack_architecture(None) == PackedArchitecture(b"", 0)
    for wrong in (0, packed.plain_size - 1, packed.plain_size + 1):
        with pytest.raises(CorruptFileError, match="not the one declared"):
            unpack_architecture(packed._replace(plain_size=wrong))
