"""Saliency where the optimizer that steps is not that of `compile`."""

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net, kernels, regression, zeros
from keras import layers

import deepcompress as dc

tensorflow_only = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="a GradientTape is TensorFlow's"
)
OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(1e-3),
    "SGD": lambda: keras.optimizers.SGD(1e-2),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
}


class Parted(keras.Model):
    """Two nets with an optimizer for each; what holds these is set afterwards."""

    def __init__(self):
        super().__init__()
        self.first = layers.Dense(16, activation="relu", name="first")
        self.second = layers.Dense(3, name="second")

    def call(self, x):
        return self.second(self.first(x))

    def pairs(self):
        """Returns each optimizer with the part that it trains."""
        raise NotImplementedError

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        parts = [part.trainable_variables for _, part in self.pairs()]
        gradients = tape.gradient(loss, parts)
        for (optimizer, _), grads, own in zip(
            self.pairs(), gradients, parts, strict=True
        ):
            optimizer.apply_gradients(zip(grads, own, strict=True))
        return {"loss": loss}


class ByAttribute(Parted):
    def hold(self, first, second):
        self.first_optimizer, self.second_optimizer = first, second

    def pairs(self):
        return [
            (self.first_optimizer, self.first),
            (self.second_optimizer, self.second),
        ]


class ByList(Parted):
    def hold(self, *both):
        self.both = list(both)

    def pairs(self):
        return list(zip(self.both, [self.first, self.second], strict=True))


class ByMapping(Parted):
    def hold(self, first, second):
        self.named = {"first": first, "second": second}

    def pairs(self):
        return [(self.named[part], getattr(self, part)) for part in self.named]


def parted(kind, make):
    keras.utils.set_random_seed(0)
    model = kind()
    model(np.zeros((1, 10)))
    model.compile()
    model.hold(make(), make())
    return model


def fit(model, callback, epochs=4):
    model.fit(
        *regression(), epochs=epochs, batch_size=16, shuffle=False, verbose=0,
        callbacks=[callback],
    )  # fmt: skip


@tensorflow_only
@pytest.mark.parametrize("kind", [ByAttribute, ByList, ByMapping])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_that_are_attributes_of_the_model(kind, name):
    model = parted(kind, OPTIMIZERS[name])
    for sparsity in (0.5, 0.75):  # a second time with optimizers that have stepped
        fit(model, dc.PruningCallback(sparsity, criterion="saliency"))
        for kernel in kernels(model).values():
            assert zeros(kernel) == sparsity * kernel.size
        for optimizer, _ in model.pairs():
            assert "apply" not in vars(optimizer)


@tensorflow_only
def test_what_a_model_itself_trains_with_prunes_as_that_of_compile_does():
    def outcome(make_own):
        model = parted(ByAttribute, OPTIMIZERS["SGD"])
        model.compile(keras.optimizers.SGD(1e-2), "mse")
        optimizer = keras.optimizers.SGD(1e-2) if make_own else model.optimizer
        model.hold(optimizer, optimizer)
        model.optimizer.build(model.trainable_variables)
        optimizer.build(model.trainable_variables)
        fit(model, dc.PruningCallback(0.75, criterion="saliency", scope="global"))
        return [kernel.tobytes() for kernel in kernels(model).values()]

    assert outcome(True) == outcome(False)


@tensorflow_only
@pytest.mark.parametrize("of_compile", ["adam", "sgd"])
def test_an_optimizer_that_cannot_be_found_is_one_clear_line(of_compile):
    hidden = OPTIMIZERS["Adam"](), OPTIMIZERS["SGD"]()

    class Hidden(Parted):
        def pairs(self):
            return list(zip(hidden, [self.first, self.second], strict=True))

    model = Hidden()
    model(np.zeros((1, 10)))
    model.compile(of_compile)
    message = r"No optimizer of .* has trained 'first/kernel'.*attribute of the model"
    with pytest.raises(ValueError, match=message) as caught:
        fit(model, dc.PruningCallback(0.5, criterion="saliency"))
    assert "\n" not in str(caught.value)


@tensorflow_only
def test_the_curvature_is_that_of_the_optimizer_that_has_stepped():
    model = parted(ByAttribute, OPTIMIZERS["Adam"])
    fit(model, keras.callbacks.Callback(), epochs=1)
    dc.WeightSharingQuantizer(2, sample_weight="curvature").quantize(model)
    assert len(np.unique(kernels(model)["first"])) == 4


@pytest.mark.parametrize("steps", [2, 8, 16])
def test_gradients_that_are_accumulated_for_long_are_waited_for(steps):
    model = dense_net(
        optimizer=keras.optimizers.Adam(gradient_accumulation_steps=steps)
    )
    pruning = dc.PruningCallback(0.5, criterion="saliency")
    model.fit(*regression(64), batch_size=4, verbose=0, callbacks=[pruning])
    assert zeros(kernels(model)["hidden"]) == 100


def test_an_optimizer_that_never_steps_is_one_clear_line():
    model = dense_net(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=64))
    pruning = dc.PruningCallback(0.5, criterion="saliency")
    with pytest.raises(ValueError, match=r"No optimizer of .* has trained 'hidden"):
        model.fit(*regression(64), batch_size=4, verbose=0, callbacks=[pruning])


def test_a_model_with_names_that_keras_makes_up_comes_out_the_same():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(8, activation="relu") for _ in range(2)]
            self.head = layers.Dense(3)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    def outcome():
        keras.utils.set_random_seed(0)
        model = Mine()
        model(np.zeros((1, 10)))
        model.compile("adam", "mse")
        fit(model, dc.PruningCallback(0.75, criterion="saliency", scope="global"))
        fit(model, dc.WeightSharingQuantizer(3, init="kmeans++"))
        return [weight.tobytes() for weight in model.get_weights()]

    assert outcome() == outcome()
