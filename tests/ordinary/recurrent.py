"""Nets over sequences as people train them: own losses, metrics, and data."""

import keras
import numpy as np
from keras import layers as L

from ordinary.cases import Case, arrays, ordinary
from ordinary.forms import (
    generators,
    loaders,
    py_datasets,
    random,
    tf_datasets,
    whole,
)

N = 64


def padded(*shape, most=20, seed=0):
    """Tokens of which the last ones are padding, the number 0."""
    tokens = 1 + whole(most - 1, *shape, seed=seed)
    for row, n in enumerate(2 + whole(shape[1] - 2, shape[0], seed=seed)):
        tokens[row, n:] = 0
    return tokens


@ordinary()
def sentiment_lstm():
    """Reviews of unlike lengths, and classes that are rare."""
    model = keras.Sequential(
        [
            keras.Input((9,), dtype="int32"),
            L.Embedding(20, 6, mask_zero=True),
            L.SpatialDropout1D(0.2),
            L.LSTM(5, dropout=0.1, recurrent_dropout=0.1),
            L.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(2e-3, clipvalue=0.5),
        keras.losses.BinaryCrossentropy(label_smoothing=0.05),
        metrics=["accuracy", keras.metrics.AUC(curve="PR", name="pr")],
    )
    y = np.arange(N) % 2
    return arrays(model, padded(N, 9), y, np.where(y == 1, 2.0, 1.0))


@ordinary()
def gru_forecaster():
    """Two GRUs on a scaled series, which predict its next two values."""
    scale = L.Normalization()
    x = 5 + 2 * random(N, 8, 3)
    scale.adapt(x)
    model = keras.Sequential(
        [
            keras.Input((8, 3)),
            scale,
            L.GRU(6, return_sequences=True, reset_after=False),
            L.GRU(4),
            L.Dense(2),
        ]
    )
    model.compile(
        "adam", "mae", metrics=["mae", keras.metrics.RootMeanSquaredError(name="rmse")]
    )
    return Case(model, *py_datasets(x, x[:, -1, :2]))


@ordinary(backends=["tensorflow"])
def windows_of_a_series():
    """Windows as Keras' own utility cuts them."""
    series = random(80, 2)
    train, validation = (
        keras.utils.timeseries_dataset_from_array(
            series[begin:end], series[begin + 6 : end, :1], 6, batch_size=16
        )
        for begin, end in ((0, 54), (54, 80))
    )
    inputs = keras.Input((6, 2))
    x = L.Conv1D(5, 3, padding="causal", activation="relu")(inputs)
    x = L.Bidirectional(L.LSTM(4), merge_mode="ave")(x)
    model = keras.Model(inputs, L.Dense(1)(x))
    model.compile("rmsprop", keras.losses.Huber(), metrics=["mse"])
    return Case(model, train, validation)


@ordinary()
def tagger():
    """A tag for each word; padding has no weight."""
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    shapes = keras.Input((7, 3), name="shapes")
    x = L.Concatenate()([L.Embedding(20, 6, mask_zero=True)(tokens), shapes])
    x = L.Bidirectional(L.LSTM(4, return_sequences=True), name="both_ways")(x)
    x = L.TimeDistributed(L.Dense(4, activation="softmax"), name="tags")(x)
    model = keras.Model([tokens, shapes], x)
    model.compile(
        "adam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"]
    )
    x = padded(N, 7)
    weight = (x > 0).astype("float32")
    return arrays(model, [x, random(N, 7, 3)], whole(4, N, 7), weight)


@ordinary(backends=["tensorflow", "jax"])
def stateful_gru():
    """Goes on where the last batch has ended: batches of eight alone."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(8, 4, 3)),
            L.GRU(5, stateful=True, return_sequences=True),
            L.SimpleRNN(4, stateful=True),
            L.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse", metrics=["mae"])
    return Case(model, *py_datasets(random(N, 4, 3), random(N, 1), size=8))


@ordinary()
def next_frame():
    """The next picture of each, from those before it."""
    inputs = keras.Input((None, 6, 6, 1))
    x = L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(inputs)
    x = L.BatchNormalization()(x)
    x = L.ConvLSTM2D(3, 1, padding="same", return_sequences=True)(x)
    x = L.Conv3D(1, 3, padding="same", activation="sigmoid")(x)
    model = keras.Model(inputs, x)
    model.compile("adam", "binary_crossentropy")
    frames = whole(2, N, 4, 6, 6, 1).astype("float32")
    return arrays(model, frames[:, :-1], frames[:, 1:])


@ordinary()
def translator():
    """Attention over what was read, with padding that the loss ignores."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    x = L.Embedding(20, 6, mask_zero=True)(source)
    memory, state = L.GRU(5, return_sequences=True, return_state=True)(x)
    y = L.Embedding(20, 6, mask_zero=True)(target)
    y = L.GRU(5, return_sequences=True)(y, initial_state=state)
    y = L.LayerNormalization()(L.Add()([y, L.AdditiveAttention()([y, memory])]))
    model = keras.Model({"source": source, "target": target}, L.Dense(20)(y))
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        metrics=["accuracy"],
    )
    words = padded(N, 6, seed=1)
    x = {"source": padded(N, 8), "target": words[:, :-1]}
    return Case(model, *py_datasets(x, words[:, 1:]))


@ordinary()
def stacked_cells():
    inputs = keras.Input((5, 4))
    cells = [L.GRUCell(5), L.LSTMCell(4, recurrent_dropout=0.1)]
    x = L.RNN(cells, go_backwards=True, return_sequences=True)(inputs)
    x = L.RNN(L.SimpleRNNCell(4))(L.Dropout(0.1)(x))
    model = keras.Model(inputs, L.Dense(3)(x))
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="right")],
    )
    return arrays(model, random(N, 5, 4), whole(3, N))


@ordinary()
def speech():
    """Letters without their places in time: the loss aligns them."""
    inputs = keras.Input((12, 4))
    x = L.Conv1D(6, 3, strides=2, padding="same", activation="relu")(inputs)
    x = L.Bidirectional(L.GRU(4, return_sequences=True))(L.LayerNormalization()(x))
    model = keras.Model(inputs, L.Dense(5)(x))
    model.compile("adam", keras.losses.CTC())
    return arrays(model, random(N, 12, 4), 1 + whole(4, N, 2))


@ordinary(refuses={"compress": "read again", "sensitivity": "read again"})
def letters():
    """The next letter, from generators for both parts."""
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(12, 5)(inputs)
    x = L.LSTM(6, return_sequences=True, unroll=True)(x)
    model = keras.Model(inputs, L.Dense(12)(x[:, -1]))
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    x = whole(12, N, 7)
    return Case(model, *generators(x[:, :-1], x[:, -1]), inputs=x[-16:, :-1])


@ordinary(backends=["torch"])
def lstm_of_a_loader():
    inputs = keras.Input((6, 3))
    x = L.LSTM(5)(L.Masking()(inputs))
    model = keras.Model(inputs, L.Dense(2)(x))
    model.compile("adam", "mse", metrics=["mae"])
    return Case(model, *loaders(random(N, 6, 3), random(N, 2)))


@ordinary(backends=["tensorflow"])
def frames_to_words():
    """A net of images for each frame, in front of an LSTM, from `tf.data`."""
    frame = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            L.DepthwiseConv2D(3, depth_multiplier=3, activation="relu"),
            L.GlobalMaxPooling2D(),
        ]
    )
    inputs = keras.Input((4, 6, 6, 1))
    x = L.LSTM(4)(L.TimeDistributed(frame)(inputs))
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(x))
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    weight = np.where(np.arange(N) % 2, 1.0, 0.5).astype("float32")
    return Case(model, *tf_datasets(random(N, 4, 6, 6, 1), whole(3, N), weight))
