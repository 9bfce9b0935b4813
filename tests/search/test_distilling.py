import keras
import numpy as np
import pytest

from deepcompress.search.distilling import distiller

TEMPERATURE = 3.0
RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(0, 2, (2, 50, 6)).astype("float32")


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def divergence(teacher, student):
    """Of what is softened, as Hinton, Vinyals and Dean (2015) have it."""
    p, q = (softmax(logits / TEMPERATURE) for logits in (teacher, student))
    return TEMPERATURE**2 * (p * np.log(p / q)).sum(-1).mean()


def measured(loss, teacher, student):
    """The divergence that a net compiled with a loss learns by."""
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(teacher.shape[-1])])
    made, _ = distiller(keras.models.clone_model(net), net, loss)
    (by,) = made.distillation_losses
    return float(by.compute_loss(teacher, student))


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), lambda x: x),
        (keras.losses.CategoricalCrossentropy(from_logits=True), lambda x: x),
        ("sparse_categorical_crossentropy", softmax),
        (keras.losses.CategoricalCrossentropy(), softmax),
    ],
)
def test_a_student_learns_by_the_divergence_of_softened_classes(loss, output):
    found = measured(loss, output(TEACHER), output(STUDENT))
    assert found == pytest.approx(divergence(TEACHER, STUDENT), rel=1e-3)
    assert measured(loss, output(TEACHER), output(TEACHER)) == pytest.approx(
        0, abs=1e-5
    )


@pytest.mark.parametrize("is_logits", [True, False])
def test_two_classes_are_softened_alike(is_logits):
    teacher, student = TEACHER[:, :1], STUDENT[:, :1]
    loss = keras.losses.BinaryCrossentropy(from_logits=is_logits)
    outputs = (x if is_logits else 1 / (1 + np.exp(-x)) for x in (teacher, student))
    two = (np.concatenate([x, 0 * x], axis=-1) for x in (teacher, student))
    assert measured(loss, *outputs) == pytest.approx(divergence(*two), rel=1e-3)


@pytest.mark.parametrize("is_logits", [True, False])
def test_pixels_of_pictures_that_follow_each_other_are_classes_too(is_logits):
    """More axes than the softmax of every backend takes."""
    loss = keras.losses.BinaryCrossentropy(from_logits=is_logits)
    outputs = [x if is_logits else 1 / (1 + np.exp(-x)) for x in (TEACHER, STUDENT)]
    films = [x.reshape(2, 5, 5, 2, 3, 1) for x in outputs]
    assert measured(loss, *films) == pytest.approx(measured(loss, *outputs), rel=1e-4)


def binary_crossentropy(y, outputs):
    """One of the user's own with the name of one of Keras'."""
    return keras.ops.mean(keras.ops.abs(y - outputs), axis=-1)


class Focused(keras.losses.BinaryCrossentropy):
    def call(self, y, outputs):
        return super().call(y, outputs) ** 2


@pytest.mark.parametrize(
    "loss", ["mse", "crossentropy", binary_crossentropy, Focused(), None, ["mse"]]
)
def test_what_is_no_crossentropy_of_keras_has_no_teacher(loss):
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    assert distiller(keras.models.clone_model(net), net, loss) is None


def test_a_function_of_keras_has_one():
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    loss = keras.losses.binary_crossentropy
    assert distiller(keras.models.clone_model(net), net, loss) is not None


def test_a_model_with_more_to_its_loss_has_no_teacher():
    class Penalty(keras.layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.mean(x))
            return x

    class Own(keras.Model):
        def compute_loss(self, **arguments):
            return 2 * super().compute_loss(**arguments)

    x = keras.Input((4,))
    dense = keras.layers.Dense(1)(x)
    for net in (
        keras.Model(x, Penalty()(dense)),
        keras.Model(x, keras.layers.ActivityRegularization(0.1)(dense)),
        Own(x, dense),
    ):
        assert distiller(net, net, "binary_crossentropy") is None
