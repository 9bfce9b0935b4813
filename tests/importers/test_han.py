from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.caffe_nets import IN_CAFFE, check_outputs, image_net
from helpers.caffe_twin import net_file
from hypothesis import given
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress import models
from deepcompress.importers import load_han

PUBLISHED = Path(__file__).parents[2] / "shared/han/compressed_SqueezeNet.net"


def stored_layers(rng, sparsity=0.9):
    """Layers as `net_file` takes them, with runs of more than 15 zeros."""
    stored = []
    for shape, *bias in IN_CAFFE.values():
        bits = 8 if len(shape) == 4 else 4
        codebook = rng.standard_normal(1 << bits).astype("float32")
        codebook[0] = 0
        codes = rng.integers(1, 1 << bits, np.prod(shape))
        codes[rng.random(codes.size) < sparsity] = 0
        biases = rng.standard_normal(bias[0] if bias else 0).astype("float32")
        stored.append((bits, codebook, codes.tolist(), biases))
    return stored


def expected_weights(stored):
    """The weights and biases that the layers hold, in Caffe's layout."""
    return {
        name: [codebook[codes].reshape(shape), biases]
        for (name, (shape, *_)), (_, codebook, codes, biases) in zip(
            IN_CAFFE.items(), stored, strict=True
        )
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.net"


@pytest.mark.parametrize("sparsity", [0, 0.5, 0.97, 1])
def test_every_weight_is_that_of_the_file(sparsity, path, rng):
    stored = stored_layers(rng, sparsity)
    path.write_bytes(net_file(stored))
    model = image_net()
    assert load_han(model, path) is model
    kernels = [weight for weight in model.get_weights() if weight.ndim > 1]
    for kernel, (weights, _) in zip(
        kernels, expected_weights(stored).values(), strict=True
    ):
        assert np.array_equal(np.sort(kernel, None), np.sort(weights, None))
    kernel = model.get_layer("conv2").kernel.numpy()
    weights, biases = expected_weights(stored)["conv2"]
    assert np.array_equal(kernel, weights.transpose(2, 3, 1, 0))
    assert np.array_equal(model.get_layer("conv2").bias.numpy(), biases)


def test_the_net_computes_what_caffe_computes(path, rng):
    stored = stored_layers(rng, 0.2)
    path.write_bytes(net_file(stored))
    model = load_han(image_net(), path)
    weights = expected_weights(stored)
    weights["fc2"] = weights["fc2"][:1]
    check_outputs(model, weights, rng)


def check_refused(path, data, message):
    path.write_bytes(data)
    model = image_net()
    before = model.get_weights()
    with pytest.raises(dc.CorruptFileError, match=message):
        load_han(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_a_file_is_refused_wherever_it_is_cut(path, rng):
    data = net_file(stored_layers(rng))
    for size in [0, 3, 4, 15, 16, 100, 1500, len(data) // 2, len(data) - 1]:
        check_refused(path, data[:size], r"damaged, or is not of .* layer '\w+', shape")


def test_the_layer_where_a_file_ends_is_named(path, rng):
    data = net_file(stored_layers(rng))
    message = r"the gaps of layer 'fc2', shape \(3, 5\), take \d+ bytes, and \d+ are"
    check_refused(path, data[:-1], message)


def test_bytes_too_many_are_refused(path, rng):
    data = net_file(stored_layers(rng)) + b"\0"
    check_refused(path, data, "1 bytes are left behind the last layer, 'fc2'")


def test_the_file_of_another_net_is_refused(path, rng):
    stored = stored_layers(rng)
    check_refused(path, net_file([stored[0], stored[0], *stored[2:]]), "layer")
    check_refused(path, net_file(stored[1:]), "layer")


def test_more_entries_than_weights_are_refused(path, rng):
    data = bytearray(net_file(stored_layers(rng)))
    data[4:8] = (49).to_bytes(4, "little")
    check_refused(path, data, r"'conv2' would have 49 entries for the 48 weights")
    data[4:8] = b"\xff" * 4
    check_refused(path, data, "'conv2' would have 4,294,967,295 entries")


def test_gaps_that_lead_out_are_refused(path, rng):
    bits, codebook, codes, biases = stored_layers(rng)[3]
    stored = [*stored_layers(rng)[:3], (bits, codebook, [*codes, 1], biases)]
    message = r"gaps of layer 'fc2' lead beyond its 15 weights of shape \(3, 5\)"
    check_refused(path, net_file(stored), message)


def test_a_codebook_without_a_zero_is_refused(path, rng):
    stored = stored_layers(rng)
    stored[1][1][0] = 0.5
    check_refused(path, net_file(stored), r"'conv2' begins with 0\.5")


@given(st.data())
def test_a_changed_byte_is_never_a_crash(tmp_path_factory, data):
    rng = np.random.default_rng(0)
    content = bytearray(net_file(stored_layers(rng)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("han") / "small.net"
    path.write_bytes(content)
    with suppress(dc.CorruptFileError):
        load_han(MODEL, path)


MODEL = image_net()


def test_a_missing_file_is_not_found(path):
    with pytest.raises(FileNotFoundError):
        load_han(MODEL, path)


def test_a_model_that_caffe_does_not_have_is_refused(path):
    path.write_bytes(b"")
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    with pytest.raises(ValueError, match="BatchNormalization"):
        load_han(model, path)


@pytest.fixture(scope="module")
def squeezenet():
    if not PUBLISHED.exists():
        pytest.skip("the published file is not here")
    return load_han(models.squeezenet(), PUBLISHED)


def test_the_published_net_has_its_figures(squeezenet):
    kernels = [weight for weight in squeezenet.get_weights() if weight.ndim == 4]
    assert sum(kernel.size for kernel in kernels) == 1_244_448
    assert sum(np.count_nonzero(kernel) for kernel in kernels) == 415_921
    assert all(len(np.unique(kernel)) <= 256 for kernel in kernels)
    biases = [weight for weight in squeezenet.get_weights() if weight.ndim == 1]
    assert sum(bias.size for bias in biases) == 3_976


def test_the_published_net_is_coded_without_loss_in_545_kilobytes(squeezenet, tmp_path):
    report = dc.HuffmanSerializer().save(squeezenet, tmp_path / "a.dcz")
    assert report.size == (tmp_path / "a.dcz").stat().st_size <= 545_000
    loaded = dc.load_model(tmp_path / "a.dcz")
    for saved, read in zip(squeezenet.get_weights(), loaded.get_weights(), strict=True):
        assert saved.tobytes() == read.tobytes()


def test_the_published_file_is_not_of_version_1_1(squeezenet):
    with pytest.raises(dc.CorruptFileError, match="layer 'conv1'"):
        load_han(models.squeezenet("1.1"), PUBLISHED)
