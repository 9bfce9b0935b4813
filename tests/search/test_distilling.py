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
