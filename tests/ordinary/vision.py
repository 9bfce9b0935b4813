"""Nets of images and signals as people train them: own losses, metrics, and data."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

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
FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@ordinary()
def augmented_res_net():
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    x = L.Rescaling(1 / 255)(inputs)
    x = L.RandomTranslation(0.1, 0.1)(L.RandomRotation(0.1)(L.RandomFlip()(x)))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(x)))
    for n, strides in ((8, 1), (12, 2)):
        short = x if strides == 1 else L.Conv2D(n, 1, strides, use_bias=False)(x)
        x = L.Conv2D(n, 3, strides, "same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization(momentum=0.9)(x))
        x = L.BatchNormalization()(L.Conv2D(n, 3, padding="same", use_bias=False)(x))
        x = L.ReLU()(L.Add()([x, short]))
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(x))
    rate = keras.optimizers.schedules.CosineDecay(
        1e-3, 100, warmup_target=1e-2, warmup_steps=5
    )
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=1e-4),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    x = whole(256, N, 8, 8, 3).astype("uint8")
    return arrays(model, x, whole(3, N))


@ordinary()
def depthwise_mobile_net():
    """One-hot classes with label smoothing, AdamW, clipped gradients, batches."""
    x = inputs = keras.Input((8, 8, 3))
    for n, strides in ((6, 1), (8, 2)):
        x = L.DepthwiseConv2D(3, strides, "same", use_bias=False)(x)
        x = L.ReLU(6.0)(L.BatchNormalization()(x))
        x = L.Conv2D(n, 1, use_bias=False, kernel_regularizer="l2")(x)
        x = L.ReLU(6.0)(L.BatchNormalization()(x))
    x = L.GlobalAveragePooling2D(keepdims=True)(x)
    outputs = L.Flatten()(L.Conv2D(4, 1)(x))
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.AdamW(1e-3, clipnorm=1.0),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(2)],
    )
    y = keras.utils.to_categorical(whole(4, N), 4)
    return Case(model, *py_datasets(random(N, 8, 8, 3), y))


@ordinary(backends=["tensorflow"])
def segmenting_unet():
    """A class for each pixel, from a `tf.data` pipeline."""
    inputs = keras.Input((8, 8, 1))

    def twice(x, n):
        for _ in range(2):
            x = L.Conv2D(n, 3, padding="same", activation="relu")(x)
        return x

    a = twice(inputs, 4)
    b = twice(L.MaxPooling2D()(a), 6)
    x = L.Dropout(0.3)(twice(L.MaxPooling2D()(b), 8))
    for short, n in ((b, 6), (a, 4)):
        x = L.Conv2DTranspose(n, 3, strides=2, padding="same", activation="relu")(x)
        x = twice(L.Concatenate()([x, short]), n)
    model = keras.Model(inputs, L.Conv2D(3, 1, activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.MeanIoU(3, sparse_y_pred=False)],
    )
    return Case(model, *tf_datasets(random(N, 8, 8, 1), whole(3, N, 8, 8)))


@ordinary()
def dilated_context():
    """Pixels at the border do not count: a weight for each of them."""
    x = inputs = keras.Input((8, 8, 2))
    for rate in (1, 2, 4):
        y = L.Conv2D(6, 3, padding="same", dilation_rate=rate)(x)
        x = L.Concatenate()([L.SpatialDropout2D(0.1)(L.LeakyReLU()(y)), inputs])
    model = keras.Model(inputs, L.Conv2D(1, 1)(x))
    model.compile(
        "rmsprop",
        keras.losses.BinaryFocalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    weight = np.ones((N, 8, 8), "float32")
    weight[:, 0] = 0
    return arrays(model, random(N, 8, 8, 2), whole(2, N, 8, 8, 1), weight)


@ordinary(backends=["torch"])
def shuffle_net():
    """Grouped convolutions with their channels shuffled, from a DataLoader."""
    inputs = keras.Input((8, 8, 4))
    x = L.Conv2D(8, 3, groups=2, activation="relu")(inputs)
    x = L.Reshape((6, 6, 2, 4))(x)
    x = L.Reshape((6, 6, 8))(L.Permute((1, 2, 4, 3))(x))
    x = L.Conv2D(8, 3, groups=4, activation="relu")(x)
    model = keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x)))
    model.compile("adam", FROM_LOGITS, metrics=["accuracy"])
    return Case(model, *loaders(random(N, 8, 8, 4), whole(3, N)))


@ordinary(refuses={"compress": "read again and again"})
def wave_net():
    """Causal, gated convolutions over a signal, from a generator."""
    x = inputs = keras.Input((12, 2))
    skips = []
    for rate in (1, 2, 4):
        kind = {"padding": "causal", "dilation_rate": rate}
        gate = L.Conv1D(6, 2, activation="sigmoid", **kind)(x)
        y = L.Multiply()([L.Conv1D(6, 2, activation="tanh", **kind)(x), gate])
        x = L.Add()([L.Conv1D(2, 1)(y), x])
        skips.append(L.Conv1D(6, 1)(y))
    x = L.AveragePooling1D(2)(L.ReLU()(L.Add()(skips)))
    x = L.Dense(1, activation="sigmoid")(L.Flatten()(x))
    model = keras.Model(inputs, x)
    model.compile(
        "nadam", "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")]
    )
    y = np.arange(N) % 2
    train, _ = generators(random(N, 12, 2), y)
    return Case(model, train, (random(16, 12, 2, seed=1), y[:16]))


@ordinary()
def detector():
    """A class and a box for each image, each with its loss, weight and metrics."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = L.SeparableConv2D(6, 3, activation="swish")(inputs)
    x = L.Flatten()(L.GroupNormalization(2)(L.Conv2D(6, 3)(x)))
    label = L.Dense(3, activation="softmax", name="label")(x)
    box = L.Dense(4, activation="sigmoid", name="box")(x)
    model = keras.Model({"image": inputs}, {"label": label, "box": box})
    model.compile(
        "adam",
        loss={"label": "sparse_categorical_crossentropy", "box": "huber"},
        loss_weights={"label": 1.0, "box": 0.5},
        metrics={"label": ["accuracy"], "box": ["mae"]},
    )
    x = {"image": random(N, 8, 8, 3)}
    y = {"label": whole(3, N), "box": np.abs(random(N, 4)) % 1}
    return arrays(model, x, y, monitor={"monitor": "label_accuracy"})


@ordinary()
def image_autoencoder():
    """A Sequential of two Sequentials whose target is its input."""
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(6, 3, strides=2, padding="same"),
            L.PReLU(shared_axes=[1, 2]),
            L.Flatten(),
            L.Dense(5, name="code"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((5,)),
            L.Dense(4 * 4 * 6, activation="elu"),
            L.Reshape((4, 4, 6)),
            L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="elu"),
            L.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ],
        name="decoder",
    )
    model = keras.Sequential([keras.Input((8, 8, 1)), encoder, decoder])
    model.compile(keras.optimizers.Lion(1e-3), "mse", metrics=["mae"])
    x = np.abs(random(N, 8, 8, 1)) % 1
    return Case(model, *py_datasets(x, x))


@ordinary()
def volumes():
    """Convolutions in three dimensions, and a class that counts more than others."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 6, 1)),
            L.Conv3D(4, 3, activation="relu"),
            L.MaxPooling3D(),
            L.Conv3DTranspose(3, 2, activation="relu"),
            L.GlobalAveragePooling3D(),
            L.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        "adamax",
        "categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy", keras.metrics.F1Score(average="macro")],
    )
    y = whole(2, N)
    weight = np.where(y == 1, 3.0, 1.0).astype("float32")
    x = random(N, 6, 6, 6, 1)
    return arrays(model, x, keras.utils.to_categorical(y, 2), weight)


@ordinary()
def pooled_by_hand():
    """Operations between layers: pads, scales and averages by hand."""
    inputs = keras.Input((8, 8, 2))
    x = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = L.Conv2D(6, 3, activation="relu")(x)
    x = L.MaxPooling2D()(x)
    x = x / (1e-3 + ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True)))
    model = keras.Model(inputs, L.Dense(1)(ops.mean(x, axis=(1, 2))))
    model.compile("adam", keras.losses.LogCosh(), metrics=[keras.metrics.R2Score()])
    x, y = random(N, 8, 8, 2), random(N, 1)
    return arrays(model, x, y, monitor={"time_budget": 1})
