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
