"""Layers of Caffe without a kernel: slopes, statistics and scales."""

import keras
import numpy as np
import pytest
from helpers.caffe_twin import blob, conv, inner_product, layer
from keras import layers

from deepcompress.importers import load_caffemodel

CHANNELS = 4


def along(values):
    """Values by channel, to go with channels-first images."""
    return values[:, None, None]


def image_net(*between, last=()):
    return keras.Sequential(
        [
            keras.Input((6, 7, 2)),
            layers.Conv2D(CHANNELS, (3, 2), name="conv"),
            *between,
            layers.Flatten(),
            layers.Dense(3, use_bias=False, name="fc"),
            *last,
        ]
    )


@pytest.fixture
def arrays(rng):
    def random(*shape):
        return rng.standard_normal(shape).astype("float32")

    return {
        "conv": [random(CHANNELS, 2, 3, 2), random(CHANNELS)],
        "mean": random(CHANNELS),
        "variance": rng.random(CHANNELS).astype("float32") + 0.5,
        "factors": random(CHANNELS),
        "offsets": random(CHANNELS),
        "fc": [random(3, CHANNELS * 4 * 6)],
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.caffemodel"


def stored(name, kind, *blobs):
    return layer(name, kind, [blob(each) for each in blobs])


def write(path, arrays, *between, last=b""):
    convolution = stored("conv", "Convolution", *arrays["conv"])
    dense = stored("fc", "InnerProduct", *arrays["fc"])
    path.write_bytes(convolution + b"".join(between) + dense + last)


def check(model, path, arrays, rng, *, between=lambda x: x, last=lambda x: x):
    load_caffemodel(model, path)
    x = rng.standard_normal((2, 2, 6, 7))
    expected = between(conv(x, *arrays["conv"]))
    expected = last(inner_product(expected, *arrays["fc"], np.zeros(3)))
    outputs = model.predict(x.transpose(0, 2, 3, 1), verbose=0)
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-3)


def prelu(x, slopes):
    return np.maximum(x, 0) + slopes * np.minimum(x, 0)


def test_slopes_of_channels(path, arrays, rng):
    write(path, arrays, stored("act", "PReLU", arrays["factors"]))
    model = image_net(layers.PReLU(shared_axes=[1, 2], name="act"))
    slopes = along(arrays["factors"])
    check(model, path, arrays, rng, between=lambda x: prelu(x, slopes))


def test_one_slope_for_all(path, arrays, rng):
    write(path, arrays, stored("act", "PReLU", arrays["factors"][:1]))
    model = image_net(layers.PReLU(shared_axes=[1, 2, 3], name="act"))
    check(model, path, arrays, rng, between=lambda x: prelu(x, arrays["factors"][0]))


def test_slopes_behind_a_dense_layer(path, arrays, rng):
    slopes = arrays["factors"][:3]
    write(path, arrays, last=stored("act", "PReLU", slopes))
    model = image_net(last=[layers.PReLU(name="act")])
    check(model, path, arrays, rng, last=lambda x: prelu(x, slopes))


def test_slopes_of_another_shape_are_refused(path, arrays):
    write(path, arrays, stored("act", "PReLU", arrays["factors"]))
    model = image_net(layers.PReLU(name="act"))
    before = [weight.tobytes() for weight in model.get_weights()]
    with pytest.raises(ValueError, match=r"'act': it has \(4,\), .*shared_axes=\[1, 2"):
        load_caffemodel(model, path)
    assert [weight.tobytes() for weight in model.get_weights()] == before


def norm(**options):
    return layers.BatchNormalization(epsilon=1e-5, name="bn", **options)


def normalized(x, arrays):
    deviation = np.sqrt(arrays["variance"] + 1e-5)
    return (x - along(arrays["mean"])) / along(deviation)


@pytest.mark.parametrize("total", [1.0, 999.98, 0.0])
def test_statistics_are_divided_by_their_factor(total, path, arrays, rng):
    sums = [arrays[name] * total for name in ("mean", "variance")]
    write(path, arrays, stored("bn", "BatchNorm", *sums, np.array([total])))
    if total == 0:
        arrays["mean"] = arrays["variance"] = np.zeros(CHANNELS, "float32")
    for options in ({}, {"scale": False}, {"scale": False, "center": False}):
        model = image_net(norm(**options))
        check(model, path, arrays, rng, between=lambda x: normalized(x, arrays))


@pytest.mark.parametrize("n_scales", [1, 2])
def test_a_scale_goes_with_the_statistics_before_it(n_scales, path, arrays, rng):
    scales = [arrays["factors"], arrays["offsets"]][:n_scales]
    statistics = arrays["mean"], arrays["variance"], np.ones(1)
    write(
        path,
        arrays,
        stored("bn", "BatchNorm", *statistics),
        stored("scale", "Scale", *scales),
    )
    offsets = arrays["offsets"] if n_scales == 2 else np.zeros(CHANNELS)

    def between(x):
        return normalized(x, arrays) * along(arrays["factors"]) + along(offsets)

    check(image_net(norm()), path, arrays, rng, between=between)
    with pytest.raises(ValueError, match=r"'bn' does not\. Build it with `scale=True`"):
        load_caffemodel(image_net(norm(scale=False)), path)


def test_a_scale_by_itself_normalizes_nothing(path, arrays, rng):
    scale = stored("bn", "Scale", arrays["factors"], arrays["offsets"])
    write(path, arrays, scale)
    factors, offsets = along(arrays["factors"]), along(arrays["offsets"])
    check(image_net(norm()), path, arrays, rng, between=lambda x: x * factors + offsets)


def test_statistics_of_other_channels_are_refused(path, arrays):
    blobs = np.ones(5), np.ones(5), np.ones(1)
    write(path, arrays, stored("bn", "BatchNorm", *blobs))
    with pytest.raises(ValueError, match=r"\(5,\) .* 'bn' normalizes 4 channels"):
        load_caffemodel(image_net(norm()), path)


def test_a_model_without_what_stands_between_is_refused(path, arrays):
    write(path, arrays, stored("act", "PReLU", arrays["factors"]))
    with pytest.raises(ValueError, match=r"'act' is PReLU, .* without a PReLU of that"):
        load_caffemodel(image_net(), path)


def test_a_layer_of_another_kind_is_refused(path, arrays):
    write(path, arrays, stored("act", "PReLU", arrays["factors"]))
    model = image_net(layers.BatchNormalization(name="act"))
    with pytest.raises(
        ValueError, match=r"'act' is PReLU, but 'act' .* takes BatchNorm"
    ):
        load_caffemodel(model, path)


def test_what_is_flattened_is_not_normalized(path):
    model = keras.Sequential(
        [keras.Input((2, 2, 3)), layers.Flatten(), layers.BatchNormalization(name="bn")]
    )
    with pytest.raises(ValueError, match="'bn' stands behind what flattens"):
        load_caffemodel(model, path)


def test_as_many_groups_as_channels_are_depthwise(path, rng):
    kernel = rng.standard_normal((6, 1, 3, 2)).astype("float32")
    bias = rng.standard_normal(6).astype("float32")
    path.write_bytes(stored("conv", "Convolution", kernel, bias))
    depthwise = layers.DepthwiseConv2D((3, 2), depth_multiplier=2, name="conv")
    model = keras.Sequential([keras.Input((6, 7, 3)), depthwise])
    load_caffemodel(model, path)
    x = rng.standard_normal((2, 3, 6, 7))
    outputs = model.predict(x.transpose(0, 2, 3, 1), verbose=0)
    expected = conv(x, kernel, bias, groups=3).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


def test_holes_in_a_kernel_are_of_the_model(path, rng):
    kernel = rng.standard_normal((4, 3, 2, 2)).astype("float32")
    path.write_bytes(stored("conv", "Convolution", kernel))
    dilated = layers.Conv2D(4, 2, dilation_rate=2, use_bias=False, name="conv")
    model = keras.Sequential([keras.Input((6, 7, 3)), dilated])
    load_caffemodel(model, path)
    with_holes = np.zeros((4, 3, 3, 3))
    with_holes[:, :, ::2, ::2] = kernel
    x = rng.standard_normal((2, 3, 6, 7))
    outputs = model.predict(x.transpose(0, 2, 3, 1), verbose=0)
    expected = conv(x, with_holes, np.zeros(4)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
