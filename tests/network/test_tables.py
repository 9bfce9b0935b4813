"""Sharing a tensor of very many weights: the same as ever, in less time."""

import keras
import numpy as np
import pytest
from helpers.fitting import Recorder
from helpers.nets import BACKEND, distinct, zeros
from keras import layers

import deepcompress as dc
from deepcompress.network.tables import TableTie

ROWS, WIDTH, LENGTH = 18_000, 8, 5  # half of it is more than a `SharingTie` is for
IS_TF = BACKEND == "tensorflow"


def embedding_net(optimizer, sparsity=0.0, rows=ROWS, **compile_arguments):
    """The mean of five rows of an embedding."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(rows, WIDTH, name="embedding"),
            layers.GlobalAveragePooling1D(),
        ]
    )
    model.compile(optimizer, "mse", **compile_arguments)
    dc.prune(model, sparsity)
    return model


def sequences(n=64):
    rng = np.random.default_rng(0)
    x = rng.integers(0, ROWS, (n, LENGTH), "int32")
    x[:, 1] = x[:, 0]  # a row that a sequence has twice
    return x, rng.standard_normal((n, WIDTH)).astype("float32")


def table(model):
    return model.layers[0].get_weights()[0]


def train(model, *callbacks, gradient="mean", epochs=2, bits=3):
    sharing = dc.WeightSharingQuantizer(bits, gradient=gradient)
    x, y = sequences()
    x %= model.layers[0].input_dim
    model.fit(
        x, y, 16, epochs=epochs, shuffle=False, verbose=0,
        callbacks=[sharing, *callbacks],
    )  # fmt: skip
    return table(model)


class Rows(Recorder):
    """The table after every batch."""

    def on_train_batch_end(self, batch, logs=None):
        if BACKEND == "jax":
            self.model.jax_state_sync()
        self.steps.append(table(self.model))


@pytest.mark.parametrize("gradient", ["mean", "sum"])
@pytest.mark.parametrize("sparsity", [0.0, 3 / (ROWS * WIDTH), 0.5])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_every_step_is_that_of_a_reference_in_numpy(gradient, sparsity, momentum):
    rate = 1000.0 if gradient == "mean" else 0.5
    model = embedding_net(keras.optimizers.SGD(rate, momentum=momentum), sparsity)
    dc.WeightSharingQuantizer(3).quantize(model)
    rows = Rows()
    weights = table(model).astype("float64")
    codes = np.unique(weights, return_inverse=True)[1].reshape(weights.shape)
    train(model, rows, gradient=gradient)
    x, y = sequences()
    assert len(rows.steps) == 8
    assert np.abs(rows.steps[-1] - weights).max() > 1e-2
    velocity = np.zeros_like(weights)
    for step, actual in enumerate(rows.steps):
        batch = slice(16 * (step % 4), 16 * (step % 4) + 16)
        error = 2 * (weights[x[batch]].mean(1) - y[batch]) / y[batch].size
        slopes = np.zeros_like(weights)
        np.add.at(slopes, x[batch], error[:, None] / LENGTH)
        velocity = momentum * velocity - rate * slopes
        for code in np.unique(codes):
            members = codes == code
            if weights[members][0] != 0:
                weights[members] += getattr(np, gradient)(velocity[members])
        np.testing.assert_allclose(actual, weights, rtol=1e-4, atol=1e-6)
        assert distinct(actual) == 8
        np.testing.assert_array_equal(actual == 0, weights == 0)


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(5.0),
    "clipnorm": lambda: keras.optimizers.SGD(5.0, clipnorm=0.01),
    "global_clipnorm": lambda: keras.optimizers.SGD(5.0, global_clipnorm=0.01),
    "nesterov": lambda: keras.optimizers.SGD(5.0, momentum=0.9, nesterov=True),
    "accumulation": lambda: keras.optimizers.SGD(5.0, gradient_accumulation_steps=3),
    "ema": lambda: keras.optimizers.SGD(5.0, use_ema=True, ema_overwrite_frequency=3),
    "decay": lambda: keras.optimizers.SGD(5.0, weight_decay=0.01),
    "AdamW": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.01),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "Adafactor": lambda: keras.optimizers.Adafactor(1e-2),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(5.0)
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_what_small_tensors_get(name, monkeypatch):
    """The mean by `SharingTie`, which knows no optimizer, is the reference."""
    before = table(embedding_net("sgd", 0.5, rows=400))
    small = train(embedding_net(OPTIMIZERS[name](), 0.5, rows=400))
    monkeypatch.setattr("deepcompress.network.tables._MANY", 0)
    large = train(embedding_net(OPTIMIZERS[name](), 0.5, rows=400))
    assert np.abs(small - before).max() > 1e-3
    np.testing.assert_allclose(large, small, rtol=1e-4, atol=1e-6)
    assert distinct(large) == 8
    np.testing.assert_array_equal(large == 0, before == 0)


@pytest.mark.parametrize(
    "optimizer",
    [keras.optimizers.SGD, lambda rate: keras.optimizers.SGD(rate, momentum=0.9)],
    ids=["rows", "all"],
)
def test_what_does_not_move_stays_bit_for_bit(optimizer):
    """A mean of eighteen thousand equal numbers is another, in float32."""
    model = embedding_net(optimizer(0.0))
    sharing = dc.WeightSharingQuantizer(3)
    sharing.quantize(model)
    before = table(model)
    np.testing.assert_array_equal(train(model, epochs=1), before)


def test_what_another_callback_has_written_is_shared_by_its_mean():
    model = embedding_net(keras.optimizers.SGD(0.0))
    dc.WeightSharingQuantizer(2).quantize(model)
    codes = np.unique(table(model), return_inverse=True)[1].reshape(ROWS, WIDTH)
    other = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype("float32")
    write = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: model.layers[0].embeddings.assign(other)
    )
    after = train(model, write, bits=2)
    for code in range(4):
        mean = other[codes == code].mean(dtype="float64")
        np.testing.assert_allclose(after[codes == code], mean, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"run_eagerly": True},
        {"jit_compile": False},
        {"jit_compile": True},
        {"steps_per_execution": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_ways_to_compile(arguments, optimizer):
    if BACKEND == "torch" and set(arguments) & {"steps_per_execution", "jit_compile"}:
        pytest.skip("Keras has no such argument on torch")
    rows = Rows()
    train(embedding_net(optimizer, 0.5, **arguments), rows)
    assert [distinct(step) for step in rows.steps] == [8] * len(rows.steps)
    assert [zeros(step) for step in rows.steps] == [ROWS * WIDTH // 2] * len(rows.steps)


def called_twice(embedding):
    x = keras.Input((LENGTH,), dtype="int32")
    both = layers.Add()([embedding(x), embedding(layers.Lambda(lambda i: i // 2)(x))])
    return keras.Model(x, layers.GlobalAveragePooling1D()(both))


def masked(_):
    x = keras.Input((LENGTH,), dtype="int32")
    embedding = layers.Embedding(ROWS, WIDTH, mask_zero=True)
    return keras.Model(x, layers.GlobalAveragePooling1D()(embedding(x)))


def reversed_(_):
    """Its table is read whole too, so that its gradient is dense."""
    x = keras.Input((LENGTH,), dtype="int32")
    embedding = layers.ReversibleEmbedding(ROWS, WIDTH)
    scores = embedding(layers.GlobalAveragePooling1D()(embedding(x)), reverse=True)
    return keras.Model(x, layers.Lambda(lambda s: s[:, :WIDTH])(scores))


def regularized(_):
    x = keras.Input((LENGTH,), dtype="int32")
    embedding = layers.Embedding(ROWS, WIDTH, embeddings_regularizer="l2")
    return keras.Model(x, layers.GlobalAveragePooling1D()(embedding(x)))


def constrained(_):
    x = keras.Input((LENGTH,), dtype="int32")
    embedding = layers.Embedding(ROWS, WIDTH, embeddings_constraint="max_norm")
    return keras.Model(x, layers.GlobalAveragePooling1D()(embedding(x)))


@pytest.mark.parametrize(
    "make", [called_twice, masked, reversed_, regularized, constrained]
)
def test_ways_to_read_a_table(make):
    model = make(layers.Embedding(ROWS, WIDTH))
    model.compile(keras.optimizers.SGD(500.0), "mse")
    constraints = [v.constraint for v in model.trainable_variables]
    before = model.get_weights()[0]
    x, y = sequences()
    model.fit(x, y, 16, verbose=0, callbacks=[dc.WeightSharingQuantizer(3)])
    after = model.get_weights()[0]
    assert distinct(after) == 8
    assert not np.array_equal(after, before)
    assert [v.constraint for v in model.trainable_variables] == constraints
    assert "apply" not in vars(model.optimizer)
    assert "assign_sub" not in vars(model.optimizer)


class OwnSGD(keras.optimizers.SGD):
    """Adds to the weights what no method of Keras' does."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate)
        variable.assign(variable + 0.25 * keras.ops.sign(variable))


def test_what_an_optimizer_of_the_users_own_does_is_shared_too():
    model = embedding_net(OwnSGD(0.0))
    dc.WeightSharingQuantizer(3).quantize(model)
    before = table(model)
    after = train(model, epochs=1)
    np.testing.assert_allclose(after, before + np.sign(before), atol=1e-5)
    assert distinct(after) == 8


def full_size_operations(graph):
    """The kinds of operation that give a float for every weight of the table."""
    return {
        operation.type
        for operation in graph.get_operations()
        for output in operation.outputs
        if output.dtype.is_floating and output.shape.num_elements() == ROWS * WIDTH
    }


@pytest.mark.skipif(not IS_TF, reason="others' gradients are dense")
@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_sparse_gradients_stay_sparse(sparsity, monkeypatch):
    import tensorflow as tf

    moved, move = [], TableTie.move

    def watched(self, w, changes, rows=None):
        moved.append((changes.shape, rows is not None))
        return move(self, w, changes, rows)

    monkeypatch.setattr(TableTie, "move", watched)
    model = embedding_net(keras.optimizers.SGD(500.0), sparsity)
    x, y = map(tf.constant, sequences(16))
    variable = model.layers[0].embeddings
    model.optimizer.build([variable])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        gradient = tape.gradient(loss, variable.value)
        assert isinstance(gradient, tf.IndexedSlices)
        model.optimizer.apply([gradient], [variable])

    callbacks = keras.callbacks.CallbackList(
        [dc.WeightSharingQuantizer(3)], model=model, epochs=1, steps=1
    )
    callbacks.on_train_begin()
    graph = step.get_concrete_function().graph
    before = table(model)
    step()
    assert distinct(table(model)) == 8
    assert not np.array_equal(table(model), before)
    callbacks.on_train_end()
    assert moved == [((16 * LENGTH, WIDTH), True)]
    # It is read, for a value of each cluster, and written, from the clusters' codes.
    assert full_size_operations(graph) <= {
        "ReadVariableOp", "Reshape", "PartitionedCall", "StatefulPartitionedCall"
    }  # fmt: skip
