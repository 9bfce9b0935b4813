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


def varied(*, inside=False, before=()):
    """A net whose images are flipped by chance."""
    flips = [keras.layers.RandomFlip("horizontal", seed=1)]
    if inside:
        flips = [keras.Sequential(flips, name="augmentation")]
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Rescaling(0.1),
            *before,
            *flips,
            keras.layers.Conv2D(4, 3),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


class Seen(keras.layers.Layer):
    """Lets through what it notes."""

    def __init__(self, **options):
        super().__init__(**options)
        self.batches = []

    def call(self, x):
        self.batches.append(keras.ops.convert_to_numpy(x))
        return x


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
IMAGES = RNG.normal(size=(32, 6, 6, 3)).astype("float32")


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="no values are seen as it traces"
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_teacher_sees_the_images_as_its_student_does(inside):
    student, teacher = varied(inside=inside), varied(inside=inside)
    made, loss = distiller(teacher, student, LOSS)
    seen = [Seen(), Seen()]
    for part, note in zip((made.teacher, made.student), seen, strict=True):
        part.layers[1].call = lambda x, note=note, f=part.layers[1].call: f(note(x))
    made.compile("sgd", loss, run_eagerly=True)
    before = [np.array(w) for w in teacher.get_weights()]
    given = [np.array(w) for w in student.get_weights()]
    made.fit(IMAGES, np.arange(32) % 3, batch_size=16, shuffle=False, verbose=0)
    of_teacher, of_student = (np.concatenate(note.batches[-2:]) for note in seen)
    np.testing.assert_array_equal(of_teacher, of_student)
    flipped = of_student - 0.1 * IMAGES
    assert np.any(flipped), "nothing was flipped"
    # It is the net itself that has learnt, and not its teacher.
    for weights, old, is_same in (
        (teacher.get_weights(), before, True),
        (student.get_weights(), given, False),
    ):
        found = [
            np.array_equal(a, b)
            for a, b in zip(weights, old, strict=True)
            if a.ndim > 1
        ]
        assert all(found) is is_same


def test_a_net_that_varies_its_images_learns_from_a_teacher():
    student, teacher = varied(), varied()
    given = [np.array(w) for w in student.get_weights()]
    made, loss = distiller(teacher, student, LOSS)
    made.compile("sgd", loss)
    made.fit(IMAGES, np.arange(32) % 3, batch_size=16, epochs=2, verbose=0)
    kernels = [w for w in student.get_weights() if w.ndim > 1]
    before = [w for w in given if w.ndim > 1]
    assert not any(map(np.array_equal, kernels, before))


def test_a_net_of_two_inputs_has_a_teacher_where_one_is_varied_alone():
    def net():
        image, other = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))
        x = keras.layers.RandomFlip()(image)
        x = keras.layers.Flatten()(x + other)
        return keras.Model([image, other], keras.layers.Dense(3)(x))

    assert distiller(net(), net(), LOSS) is None


def test_a_net_varied_in_its_midst_has_no_teacher():
    dense = keras.layers.Conv2D(3, 1)
    net = varied(before=[dense])
    assert distiller(keras.models.clone_model(net), net, LOSS) is None


class OwnNoise(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, x, training=False):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)


def test_a_layer_of_the_users_own_may_vary_them():
    net = varied(before=[OwnNoise()])
    net = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            OwnNoise(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    made, _ = distiller(keras.models.clone_model(net), net, LOSS)
    assert [type(layer) for layer in made.augmentation.layers[1:]] == [OwnNoise]
