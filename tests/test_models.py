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
