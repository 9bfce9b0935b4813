import io

import numpy as np
import pytest
from helpers.arrays import assorted, sparse

import deepcompress as dc
from deepcompress.dcz.container import CODERS


@pytest.fixture
def arrays(rng):
    return {
        "ip1/kernel": sparse((200, 90), 0.1, 15, rng),
        "ip1/bias": rng.random(90, "float32"),
    }


@pytest.mark.parametrize("coder", CODERS)
def test_what_was_written_is_read(coder, tmp_path):
    path = tmp_path / "a.dcz"
    report = dc.write(path, assorted(), coder=coder)
    assert report.size == path.stat().st_size
    assert report.to_dict() == dc.CompressionReport.from_file(path).to_dict()
    with dc.read(path) as weights:
        assert weights.architecture is None
        for name, array in assorted().items():
            assert weights[name].dtype == array.dtype
            assert weights[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("coder", CODERS)
def test_a_path_and_an_open_file_get_the_same_bytes(coder, arrays, tmp_path):
    file = io.BytesIO()
    report = dc.write(file, arrays, coder=coder)
    assert report.size == len(file.getvalue())
    for path in (tmp_path / "a.dcz", str(tmp_path / "b.dcz")):
        dc.write(path, arrays, coder=coder)
        with open(path, "rb") as written:
            assert written.read() == file.getvalue()


def test_the_default_is_huffman(arrays):
    default, huffman = io.BytesIO(), io.BytesIO()
    dc.write(default, arrays)
    dc.write(huffman, arrays, coder="huffman")
    assert default.getvalue() == huffman.getvalue()


def test_a_file_is_written_again_with_another_coder(arrays, tmp_path):
    path = tmp_path / "a.dcz"
    first = dc.write(path, arrays, architecture='{"a": 1}')
    with dc.read(path) as weights:
        again = dc.write(
            path, weights, architecture=weights.architecture, coder="context"
        )
    assert again.size < first.size
    with dc.read(path) as weights:
        assert weights.architecture == '{"a": 1}'
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[name], array, strict=True)


def test_an_npz_file_is_a_mapping_too(arrays, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with np.load(tmp_path / "a.npz") as archive:
        dc.write(tmp_path / "a.dcz", archive)
    with dc.read(tmp_path / "a.dcz") as weights:
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[name], array, strict=True)


def test_arrays_with_an_architecture_are_a_model(arrays, tmp_path):
    keras = pytest.importorskip("keras")  # reading and writing need it not
    layers = [keras.Input((200,)), keras.layers.Dense(90, name="ip1")]
    model = keras.Sequential(layers)
    dc.write(tmp_path / "a.dcz", arrays, architecture=model.to_json())
    loaded = dc.load_model(tmp_path / "a.dcz")
    for weight, array in zip(loaded.get_weights(), arrays.values(), strict=True):
        np.testing.assert_array_equal(weight, array)


def test_an_error_leaves_the_old_file(arrays, tmp_path):
    path = tmp_path / "a.dcz"
    dc.write(path, arrays)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="cannot hold"):
        dc.write(path, {**arrays, "ip2/names": np.array(["a"])})
    assert path.read_bytes() == before


@pytest.mark.parametrize("arrays", [[np.zeros(3)], np.zeros(3), None])
def test_what_is_no_mapping_is_refused(arrays):
    with pytest.raises(TypeError, match="`arrays` must be a mapping"):
        dc.write(io.BytesIO(), arrays)


def test_an_unknown_coder_is_refused(arrays):
    with pytest.raises(ValueError, match=r"`coder` must be one of .*coder='zip'"):
        dc.write(io.BytesIO(), arrays, coder="zip")
