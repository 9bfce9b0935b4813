import keras
import numpy as np
import pytest
from helpers.searches import blobs, classifier
from keras import layers, ops

import deepcompress as dc
from deepcompress.search.copying import Copier

X, Y = blobs(40)


def closure(scale):
    def loss(y, predicted):
        return scale * ops.mean(ops.square(y - predicted), axis=-1)

    return loss


class Warm(keras.optimizers.schedules.LearningRateSchedule):
    """It has no config."""

    def __call__(self, step):
        return 1e-3 * ops.cast(step + 1, "float32")


class Spread(keras.metrics.Mean):
    def update_state(self, y, predicted, sample_weight=None):
        return super().update_state(ops.std(predicted))


def net(*its, **arguments):
    model = keras.Sequential([keras.Input((16,)), *its, layers.Dense(1)])
    model.compile(**{"optimizer": "adam", "loss": "mse", **arguments})
    return model


class Plain(keras.Model):
    """With the names that Keras makes up."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(8, activation="relu")
        self.out = layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


class Scaled(layers.Layer):
    """It is made of a layer, of which Keras writes no config."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1], 8), name="scale")
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x) + ops.matmul(x, self.scale)


class Coder(keras.Model):
    """With parts that are given, and a `compile` and optimizers of its own."""

    def __init__(self, parts):
        super().__init__()
        self.parts = parts
        self.tracker = keras.metrics.Mean(name="far")

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def compile(self, first_optimizer, distance):
        super().compile()
        self.first_optimizer, self.distance = first_optimizer, distance

    def test_step(self, data):
        x, y = data
        self.tracker.update_state(self.distance(y, self(x)))
        return {"far": self.tracker.result()}


def plain():
    model = Plain()
    model(X[:1])
    model.compile("adam", closure(2.0))
    return model


def coder():
    parts = [keras.Sequential([layers.Dense(8), layers.Dense(4)]), layers.Dense(1)]
    model = Coder(parts)
    model(X[:1])
    model.compile(keras.optimizers.Adam(0.1), closure(3.0))
    return model


def flagged():
    model = plain()
    model.hidden.trainable = False
    model.scale = 0.5
    return model


MODELS = {
    "a closure": lambda: net(loss=closure(2.0), metrics=[closure(3.0)]),
    "a lambda": lambda: net(loss=lambda y, p: ops.mean(ops.square(y - p), axis=-1)),
    "a metric": lambda: net(
        metrics=[Spread(), keras.metrics.MeanMetricWrapper(closure(2.0), name="far")]
    ),
    "a schedule": lambda: net(optimizer=keras.optimizers.SGD(Warm())),
    "a wrapped schedule": lambda: net(
        optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW(Warm()))
    ),
    "automatic names": plain,
    "settings": flagged,
    "no config inside": lambda: net(Scaled(layers.Dense(8, activation="relu"))),
    "no config": coder,
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_copy_and_a_file_of_it_compute_what_the_model_does(make):
    model = make()
    y = Y[:, None].astype("float32")
    given = model.evaluate(X, y, verbose=0, return_dict=True)
    before = model.get_weights()
    copier = Copier(model)
    copy = copier.copy(model)
    again = copier.copy(copy)
    loaded = copier.load(copier.dumps(copy))
    for other in (copy, again, loaded):
        assert type(other) is type(model)
        assert not {id(v) for v in other.weights} & {id(v) for v in model.weights}
        assert [v.trainable for v in other.weights] == [
            v.trainable for v in model.weights
        ]
        assert other.evaluate(X, y, verbose=0, return_dict=True) == pytest.approx(
            given, rel=1e-4
        )
        assert [layer.name for layer in other.layers] == [
            layer.name for layer in model.layers
        ]
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_the_user_gave_is_used_as_it_is():
    loss, schedule, metric = closure(2.0), Warm(), Spread()
    model = net(optimizer=keras.optimizers.SGD(schedule), loss=loss, metrics=[metric])
    copy = Copier(model).copy(model)
    assert copy.loss is loss
    assert copy.optimizer is not model.optimizer
    assert type(copy.optimizer) is keras.optimizers.SGD
    assert copy.get_layer(index=0) is not model.get_layer(index=0)
    model = coder()
    copy = Copier(model).copy(model)
    assert copy.distance is model.distance
    assert copy.first_optimizer is not model.first_optimizer
    assert float(copy.first_optimizer.learning_rate) == pytest.approx(0.1)


def test_a_setting_that_was_made_later_is_kept():
    model = flagged()
    assert Copier(model).copy(model).scale == 0.5


def test_what_files_do_not_hold_is_said():
    assert Copier(classifier()).notes == []
    (note,) = Copier(net(optimizer=keras.optimizers.SGD(Warm()))).notes
    assert "does not hold what the model is compiled with" in note
    (note,) = Copier(coder()).notes
    assert "weights alone" in note


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (lambda: Scaled(layers.Dense(8)), "' of class 'Scaled'"),
        (lambda: layers.Dense(4, lambda x: 2 * x, name="odd"), "'odd' has a lambda"),
    ],
    ids=["get_config", "lambda"],
)
def test_a_layer_that_no_file_holds_is_named_and_its_weights_are_kept(layer, why):
    model, other = net(layer()), net(layer())
    copier = Copier(model)
    (note,) = copier.notes
    assert why in note
    assert "\n" not in note
    assert note.startswith("The file holds the weights alone")
    assert "include_architecture" not in note
    dc.HuffmanSerializer().loads(copier.dumps(model), model=other)
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_layer_that_cannot_be_copied_is_named():
    model = coder()
    inner = model.parts[1]
    model.short_cut = lambda x: 2 * inner(x)
    with pytest.raises(ValueError, match=f"cannot be copied: .*{inner.name}"):
        Copier(model).copy(model)


SCALE = 3.0


@pytest.mark.parametrize("shape", [None, (16,)], ids=["unknown", "given"])
def test_a_lambda_reads_the_names_around_it(shape):
    inputs = keras.Input((16,))
    double = layers.Lambda(lambda x: keras.ops.tanh(x) * SCALE, output_shape=shape)
    model = keras.Model(inputs, layers.Dense(2)(double(inputs)))
    model.compile("adam", "mse")
    copy = Copier(model).copy(model)
    x = np.ones((2, 16), "float32")
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))


class Tutorial(keras.Model):
    """As tutorials have it: neither a config nor arguments."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_a_file_of_a_copy_of_a_plain_class_loads_by_itself():
    model = Tutorial()
    model(X[:2])
    model.compile("adam", "mse")
    copier = Copier(model)
    data = copier.dumps(copier.copy(model))
    loaded = dc.HuffmanSerializer().loads(data, custom_objects={"Tutorial": Tutorial})
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert copier.load(data).compiled
    assert copier.notes == []


@pytest.mark.filterwarnings("ignore:The object being serialized includes")
def test_an_architecture_that_cannot_be_read_again_is_not_stored():
    dense = layers.Dense(2, activation=lambda x: keras.ops.relu(x) * 2)
    model = keras.Sequential([keras.Input((16,)), dense])
    model.compile("adam", "mse")
    copier = Copier(model)
    (note,) = copier.notes
    assert "the weights alone" in note
    assert "has a lambda as its `activation`" in note
    x = np.ones((2, 16), "float32")
    loaded = copier.load(copier.dumps(copier.copy(model)))
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_a_layer_that_is_quantized_already_is_named_before_anything_is_copied():
    quantized = layers.Dense(16)
    model = keras.Sequential([keras.Input((16,)), quantized, layers.Dense(2)])
    quantized.quantize("float8")
    model.compile("adam", "mse")
    x, y = np.ones((8, 16), "float32"), np.ones((8, 2), "float32")
    with pytest.raises(ValueError, match="is quantized already"):
        dc.compress(model, (x, y), (x, y), verbose=0)


class Attends(layers.Layer):
    """It makes its inner layer as it is built, and no config tells of that one."""

    def build(self, shape):
        self.inner = layers.MultiHeadAttention(2, 4)
        self.inner.build(shape, shape)

    def call(self, x):
        return self.inner(x, x)


def test_lora_inside_layers_of_the_users_own_is_copied():
    inputs = keras.Input((5, 8))
    attends = Attends()
    model = keras.Model(inputs, layers.Dense(2)(attends(inputs)))
    attends.inner.query_dense.enable_lora(2, lora_alpha=3)
    low = attends.inner.query_dense.lora_kernel_b
    low.assign(ops.ones_like(low))
    model.compile("adam", "mse")
    copy = Copier(model).copy(model)
    x = np.ones((2, 5, 8), "float32")
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))
    assert [v.shape for v in copy.trainable_variables] == [
        v.shape for v in model.trainable_variables
    ]


def test_a_model_and_one_inside_it_may_have_one_input():
    inputs = keras.Input((6,))
    body = keras.Model(inputs, layers.Dense(5, activation="relu")(inputs))
    body.trainable = False
    model = keras.Model(inputs, layers.Dense(2)(body(inputs)))
    model.compile("adam", "mse")
    copy = Copier(model).copy(model)
    x = np.ones((2, 6), "float32")
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))
    assert [v.path for v in copy.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
