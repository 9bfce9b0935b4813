import io

import numpy as np
import pytest
from helpers import second_decoder

from deepcompress.dcz import container, directory, writer


@pytest.fixture
def layers(rng, monkeypatch):
    """Layers of which only the small ones fit a section together."""
    monkeypatch.setattr(writer, "_MAX_ELEMENTS", 1000)
    monkeypatch.setattr(writer, "_MAX_NONZEROS", 300)
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
    file = io.BytesIO()
    container.write(file, arrays, coder="context", architecture="{}")
    return file.getvalue()


def sections(data):
    """The layers of each section."""
    found = directory.read_directory(io.BytesIO(data), len(data))
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
    architecture, arrays = second_decoder.read(
        data, directory.DICTIONARY, directory.LISTINGS
    )
    assert architecture == b"{}"
    assert {name: content for name, (_, _, content) in arrays.items()} == {
        name: array.tobytes() for name, array in layers.items()
    }


def test_files_without_arrays():
    for coder in writer.CODERS:
        file = io.BytesIO()
        assert container.write(file, {}, coder=coder)[0] == {}
        assert dict(container.read(file.getvalue())) == {}
