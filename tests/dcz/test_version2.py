import io

import numpy as np
import pytest
from helpers import second_decoder

from deepcompress.dcz import container, version2
from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.directory import (
    DICTIONARY,
    encode_entry,
    pack_architecture,
    read_entry,
)


@pytest.fixture
def layers(rng):
    """Layers of which only the small ones fit a section together."""
    arrays = {}
    for name, shape, density in (
        ("a", (10, 20), 0.1),
        ("b", (20, 30), 0.1),
        ("c", (30, 50), 0.01),  # too many elements
        ("d", (50, 10), 0.1),
        ("e", (10, 40), 1.0),  # too many of them not zero
        ("f", (40, 4), 0.1),
    ):
        kernel = rng.integers(1, 8, shape).astype("float32")
        kernel[rng.random(shape) >= density] = 0
        arrays[f"{name}/kernel"] = kernel
        arrays[f"{name}/bias"] = np.ones(shape[-1], "float32")
    return arrays


def dumps(arrays):
    body = io.BytesIO()
    packed = pack_architecture("{}")
    written = version2.write(
        arrays, packed, [], body, max_elements=1000, max_nonzeros=300
    )
    return container.header(2, written.header) + body.getvalue()


def sections(data):
    """The layers of each section."""
    found = container.read_directory(io.BytesIO(data), len(data))
    return [
        sorted({entry.name[0] for entry in found.in_section(index)})
        for index in range(len(found.sections))
    ]


def test_layers_share_a_section_while_they_are_small(layers):
    data = dumps(layers)
    assert sections(data) == [["a", "b"], ["c"], ["d"], ["e"], ["f"]]
    with container.read(data) as weights:
        for name, array in layers.items():
            np.testing.assert_array_equal(weights[name], array)
        for name, array in weights.to_dict().items():
            np.testing.assert_array_equal(layers[name], array)
        sizes = sum(stats.n_bytes for stats in weights.stats().values())
        assert 0 < weights.size - sizes < 120


def test_a_first_layer_that_is_large_is_not_in_the_header(layers):
    del layers["a/kernel"], layers["a/bias"], layers["b/kernel"], layers["b/bias"]
    assert sections(dumps(layers)) == [[], ["c"], ["d"], ["e"], ["f"]]


def test_one_section_does_not_touch_another(layers):
    data = bytearray(dumps(layers))
    data[-1] ^= 1  # in the last section
    with container.read(bytes(data)) as weights:
        np.testing.assert_array_equal(weights["e/kernel"], layers["e/kernel"])
        with pytest.raises(ValueError, match="checksum"):
            weights["f/kernel"]


def test_the_second_decoder_reads_several_sections(layers):
    data = dumps(layers)
    architecture, arrays = second_decoder.read(data, DICTIONARY, version2.LISTINGS)
    assert architecture == b"{}"
    assert {name: content for name, (_, _, content) in arrays.items()} == {
        name: array.tobytes() for name, array in layers.items()
    }


@pytest.mark.parametrize("before", [(), (3, 20), (0,)])
@pytest.mark.parametrize(
    "shape", [(), (0,), (5,), (20,), (5, 20), (20, 5), (1,) * 7, (2,) * 9]
)
def test_a_shape_comes_back(shape, before):
    dtype = np.dtype("float16")
    entry = encode_entry("kernel", dtype, version2.lengths_of(shape, before))
    reader = ByteReader(entry)
    name, read_dtype, lengths = read_entry(reader, "layer")
    reader.end()
    assert (name, read_dtype) == ("layer/kernel", dtype)
    assert version2.shape_of(lengths, before) == shape


def test_what_follows_from_the_array_before_takes_one_byte_an_axis():
    dtype = np.dtype("float32")
    assert len(encode_entry("bias", dtype, (500,))) == 4
    lengths = version2.lengths_of((500,), before=(800, 500))
    assert encode_entry("bias", dtype, lengths) == bytes([2, 10 << 3 | 1, 0])
