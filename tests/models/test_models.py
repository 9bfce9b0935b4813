import keras
import numpy as np
import pytest

from deepcompress import models


@pytest.mark.parametrize(
    ("build", "counts"),
    [
        (models.lenet_300_100, {"ip1": 235_500, "ip2": 30_100, "ip3": 1_010}),
        (
            models.lenet5,
            {"conv1": 520, "conv2": 25_050, "ip1": 400_500, "ip2": 5_010},
        ),
    ],
)
def test_parameters_are_those_of_the_paper(build, counts):
    model = build()
    assert {
        layer.name: layer.count_params() for layer in model.layers if layer.weights
    } == counts
    assert model.output_shape == (None, 10)
    assert model.input_shape == (None, 28, 28, 1)


def test_the_number_of_classes_can_be_chosen():
    assert models.lenet5(n_classes=3).output_shape == (None, 3)


# The weights of the paper's Tables 4 and 5.
ALEXNET = {
    "conv1": 34_848,
    "conv2": 307_200,
    "conv3": 884_736,
    "conv4": 663_552,
    "conv5": 442_368,
    "fc6": 37_748_736,
    "fc7": 16_777_216,
    "fc8": 4_096_000,
}
VGG16 = [1728, 36_864, 73_728, 147_456, 294_912, 589_824, 589_824, 1_179_648]
VGG16 += [2_359_296] * 5 + [102_760_448, 16_777_216, 4_096_000]


@pytest.fixture(scope="module")
def alexnet():
    return models.alexnet()


def kernels(model):
    layers = (layer for layer in model.layers if layer.weights)
    return {layer.name: int(np.prod(layer.kernel.shape)) for layer in layers}


def test_alexnet_has_the_weights_of_the_paper(alexnet):
    assert kernels(alexnet) == ALEXNET
    assert alexnet.count_params() == sum(ALEXNET.values()) + 10_568
    assert alexnet.input_shape == (None, 227, 227, 3)
    assert alexnet.output_shape == (None, 1000)


def test_alexnet_normalizes_over_neighbouring_channels(alexnet):
    conv = alexnet.get_layer("conv1").output
    pooled = alexnet.get_layer("pool1").input
    x = np.random.default_rng(0).uniform(0, 9, (1, 227, 227, 3))
    before, after = keras.Model(alexnet.input, [conv, pooled]).predict(x, verbose=0)
    squares = np.pad(before.astype("float64") ** 2, [(0, 0)] * 3 + [(2, 2)])
    sums = sum(squares[..., i : i + before.shape[-1]] for i in range(5))
    assert before.max() > 1
    np.testing.assert_allclose(after, before / (1 + 2e-5 * sums) ** 0.75, rtol=1e-4)


def test_alexnet_is_built_again_from_plain_json():
    # Without `custom_objects`: whoever has Keras can build it.
    model = models.alexnet(n_classes=2)
    again = keras.models.model_from_json(model.to_json())
    assert [weight.shape for weight in again.weights] == [
        weight.shape for weight in model.weights
    ]


def test_vgg16_has_the_weights_of_the_paper():
    model = models.vgg16()
    assert list(kernels(model).values()) == VGG16
    assert model.count_params() == 138_357_544
    assert model.output_shape == (None, 1000)
    assert model.layers[-1].activation.__name__ == "linear"


SQUEEZENET = {
    "1.0": (1_248_424, {"pool1": 55, "pool4": 27, "pool8": 13, "conv10": 15}),
    "1.1": (1_235_496, {"pool1": 56, "pool3": 28, "pool5": 14, "conv10": 14}),
}


@pytest.mark.parametrize("version", SQUEEZENET)
def test_squeezenet_has_the_shapes_of_caffe(version):
    parameters, lengths = SQUEEZENET[version]
    model = models.squeezenet(version)
    assert model.count_params() == parameters
    assert model.input_shape == (None, 227, 227, 3)
    assert model.output_shape == (None, 1000)
    for name, length in lengths.items():
        assert model.get_layer(name).output.shape[1:3] == (length, length)
    pools = [layer.name for layer in model.layers if layer.name.startswith("pool")]
    assert pools == [*[*lengths][:3], "pool10"]


def test_squeezenet_has_its_layers_in_the_order_of_caffe():
    names = [layer.name for layer in models.squeezenet().layers if layer.weights]
    fires = [
        f"fire{number}_{kind}"
        for number in range(2, 10)
        for kind in ("squeeze1x1", "expand1x1", "expand3x3")
    ]
    assert names == ["conv1", *fires, "conv10"]


def test_squeezenet_pools_as_caffe_does():
    # The last window of an even length begins inside and ends outside.
    model = models.squeezenet("1.1", n_classes=2)
    pool = model.get_layer("pool3")
    x = np.random.default_rng(0).uniform(-9, 9, (1, 56, 56, 128)).astype("float32")
    expected = np.empty((1, 28, 28, 128), "float32")
    for row in range(28):
        for column in range(28):
            window = x[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[:, row, column] = window.max(axis=(1, 2))
    np.testing.assert_array_equal(pool(x), expected)


def test_squeezenet_knows_its_versions():
    with pytest.raises(
        ValueError, match=r"one of \('1.0', '1.1'\). Received: version='2'"
    ):
        models.squeezenet("2")


@pytest.mark.parametrize(
    ("build", "counts"),
    [
        (models.mnist_cnn, [320, 18_496, 1_179_776, 1_290]),
        (models.mnist_student, [320, 18_496, 55_302, 70]),
    ],
)
def test_the_nets_of_the_example_have_its_parameters(build, counts):
    model = build()
    assert [layer.count_params() for layer in model.layers if layer.weights] == counts
    assert model.count_params() == sum(counts)
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
