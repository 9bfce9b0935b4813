"""Small nets that stand at the edge: many outputs, other numbers, nothing to train."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import CHANGES, Case, arrays, batches, classes, ordinary
from ordinary.own_code import compiled, net


@ordinary()
def losses_by_name():
    x, y = classes()
    inputs = keras.Input((6,))
    hidden = L.Dense(12, activation="relu")(inputs)
    outputs = {
        "kind": L.Dense(3, activation="softmax", name="kind")(hidden),
        "size": L.Dense(1, name="size")(hidden),
        "box": L.Dense(4, activation="sigmoid", name="box")(hidden),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "adam",
        loss={
            "kind": keras.losses.SparseCategoricalCrossentropy(),
            "size": "mae",
            "box": keras.losses.Huber(),
        },
        loss_weights={"kind": 1.0, "size": 0.5, "box": 2.0},
        metrics={"kind": ["accuracy"], "size": ["mse", "mae"]},
        weighted_metrics={"box": "mse"},
    )
    target = {"kind": y, "size": x[:, :1], "box": np.clip(x[:, :4], 0, 1)}
    return batches(model, x, target, monitor={"monitor": "kind_accuracy"})


@ordinary()
def losses_in_a_list():
    x, y = classes()
    inputs = keras.Input((6,))
    hidden = L.Dense(12, activation="relu")(inputs)
    outputs = [L.Dense(3, activation="softmax")(hidden), L.Dense(2)(hidden)]
    model = keras.Model(inputs, outputs)
    model.compile(
        "adam",
        ["sparse_categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.1],
        metrics=[["accuracy"], ["mae"]],
    )
    return arrays(model, x, [y, x[:, :2]])


@ordinary()
def output_without_a_loss():
    x, y = classes()
    inputs = keras.Input((6,))
    hidden = L.Dense(12, activation="relu", name="hidden")(inputs)
    kind = L.Dense(3, activation="softmax", name="kind")(hidden)
    model = keras.Model(inputs, {"kind": kind, "hidden": hidden})
    loss = {"kind": "sparse_categorical_crossentropy", "hidden": None}
    model.compile("adam", loss, metrics={"kind": "accuracy"})
    return arrays(model, x, {"kind": y, "hidden": np.zeros((len(x), 12))})


def convolutions(policy):
    """A small classifier of images that computes in another dtype."""
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(6, 3, activation="relu", dtype=policy)(inputs)
    x = L.BatchNormalization(dtype=policy)(x)
    x = L.DepthwiseConv2D(3, activation="relu", dtype=policy)(x)
    x = L.Dense(12, activation="relu", dtype=policy)(L.Flatten(dtype=policy)(x))
    x = L.Dense(3, activation="softmax", dtype="float32")(x)
    return arrays(compiled(keras.Model(inputs, x)), *classes((8, 8, 1)))


@ordinary()
def mixed_float16():
    case = convolutions("mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    compiled(case.model, optimizer=optimizer)
    return case


@ordinary()
def all_bfloat16():
    return convolutions("bfloat16")


@ordinary()
def all_float16():
    return convolutions("float16")


@ordinary(backends=("tensorflow", "torch"))
def all_float64():
    return convolutions("float64")


def quantized(mode, **more):
    inputs = keras.Input((16,))
    x = L.Embedding(20, 8)(inputs)
    x = L.GlobalAveragePooling1D()(L.EinsumDense("abc,cd->abd", (None, 8))(x))
    x = L.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(x))
    codes = np.random.default_rng(0).integers(0, 20, (64, 16))
    y = codes[:, 0] % 3
    compiled(model)
    model.fit(codes[:48], y[:48], verbose=0)
    model.quantize(mode, **more)
    return arrays(compiled(model), codes, y)


REFUSES_QUANTIZED = dict.fromkeys(CHANGES, "is quantized already")


@ordinary(refuses=REFUSES_QUANTIZED)
def quantized_to_int8():
    return quantized("int8")


@ordinary(refuses=REFUSES_QUANTIZED)
def quantized_to_int4():
    return quantized("int4")


@ordinary(refuses=REFUSES_QUANTIZED, backends=("tensorflow", "jax"))
def quantized_to_float8():
    return quantized("float8")


# Keras leaves this out of the weights that it saves, and saves no more of such a model.
REFUSES_CALIBRATED = {**REFUSES_QUANTIZED, "command": "inner_1/kernel_zero"}


def tiny_transformer():
    """What GPTQ and AWQ take: token numbers, and blocks in a row."""
    inputs = keras.Input((8,), dtype="int32")
    x = L.Embedding(16, 8)(inputs)
    block_inputs = keras.Input((8, 8))
    y = L.Dense(16, activation="relu", name="inner_1")(block_inputs)
    block = keras.Model(block_inputs, L.Dense(8, name="inner_2")(y), name="block")
    x = L.GlobalAveragePooling1D()(block(x))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(x)), block


def calibrated(config, mode):
    model, block = tiny_transformer()
    codes = np.random.default_rng(0).integers(0, 16, (64, 8))
    structure = {
        "pre_block_layers": [model.layers[1]],
        "sequential_blocks": [block],
    }
    settings = config(
        dataset=[codes[i : i + 1] for i in range(8)],
        tokenizer=lambda tokens: tokens,
        weight_bits=4,
        num_samples=8,
        sequence_length=8,
        group_size=8,
        quantization_layer_structure=structure,
    )
    compiled(model).fit(codes[:48], codes[:48, 0] % 3, verbose=0)
    model.quantize(mode, config=settings, filters="inner")
    return arrays(compiled(model), codes, codes[:, 0] % 3)


@ordinary(refuses=REFUSES_CALIBRATED)
def quantized_by_gptq():
    return calibrated(keras.quantizers.GPTQConfig, "gptq")


@ordinary(refuses=REFUSES_CALIBRATED)
def quantized_by_awq():
    return calibrated(keras.quantizers.AWQConfig, "awq")


def base():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(6, 3, activation="relu")(inputs)
    x = L.BatchNormalization()(x)
    x = L.GlobalAveragePooling2D()(L.Conv2D(8, 3, activation="relu")(x))
    return keras.Model(inputs, x, name="base")


@ordinary()
def frozen_base():
    """Transfer learning: only the head is trained."""
    frozen = base()
    frozen.trainable = False
    inputs = keras.Input((8, 8, 1))
    x = frozen(inputs, training=False)
    x = L.Dense(12, activation="relu")(L.Dropout(0.2)(x))
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(x))
    return arrays(compiled(model), *classes((8, 8, 1)))


REFUSES_NOTHING = dict.fromkeys(CHANGES, "has no weights that can be compressed")


@ordinary(refuses=REFUSES_NOTHING)
def frozen_as_a_whole():
    model = keras.Sequential([base(), L.Dense(3, activation="softmax")])
    model.trainable = False
    return arrays(compiled(model), *classes((8, 8, 1)))


@ordinary(refuses=REFUSES_NOTHING)
def trains_its_norms_alone():
    model = keras.Sequential([base(), L.Dense(3, activation="softmax")])
    for layer in (*model.layers[0].layers, model.layers[1]):
        layer.trainable = isinstance(layer, L.BatchNormalization)
    return arrays(compiled(model), *classes((8, 8, 1)))


@ordinary(refuses=REFUSES_NOTHING)
def nothing_to_learn():
    inputs = keras.Input((6,))
    x = ops.softmax(L.Rescaling(2.0)(inputs))
    return arrays(compiled(keras.Model(inputs, x)), *classes(n=6))


@ordinary()
def one_weight():
    x, _ = classes((1,), n=1)
    model = keras.Sequential([keras.Input((1,)), L.Dense(1, use_bias=False)])
    return arrays(compiled(model, "mse", "sgd", metrics=["mae"]), x, 3 * x)


NOT_COMPILED = "is not compiled"


@ordinary(
    refuses={
        "prune in fit": "You must call `compile()` before using the model",
        "share in fit": "You must call `compile()` before using the model",
        "sensitivity": NOT_COMPILED,
        "compress": NOT_COMPILED,
    }
)
def never_compiled():
    x, y = classes()
    return arrays(net(), x, y)


@ordinary()
def few_to_very_many():
    x, _ = classes()
    inputs = keras.Input((6,))
    hidden = L.Dense(2, activation="tanh")(inputs)
    model = keras.Model(inputs, L.Dense(5000, activation="softmax")(hidden))
    y = np.arange(len(x)) % 5000
    return arrays(compiled(model), x, y)


@ordinary()
def regression():
    x, _ = classes()
    model = keras.Sequential([L.Dense(9, activation="relu"), L.Dense(1)])
    model.build((None, 6))
    compiled(
        model, "mean_absolute_error", "rmsprop", metrics=["mse", "cosine_similarity"]
    )
    return arrays(model, x, x[:, 0] - x[:, 1])


@ordinary()
def weighted_samples():
    x, y = classes()
    weight = np.where(y == 2, 4.0, 1.0).astype("float32")
    model = compiled(
        net(),
        keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        weighted_metrics=["categorical_accuracy"],
        metrics=[keras.metrics.TopKCategoricalAccuracy(2)],
    )
    return batches(model, x, np.eye(3, dtype="float32")[y], weight)


@ordinary()
def inputs_in_a_list():
    x, y = classes()
    inputs = [keras.Input((6,)), keras.Input((6,))]
    hidden = L.Average()([L.Dense(9, activation="elu")(each) for each in inputs])
    model = keras.Model(inputs, L.Dense(3)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return arrays(compiled(model, loss), [x, x[::-1]], y)


class Endless(Case):
    """Data of a generator, which is made anew for each training and each measuring."""

    def fit(self, *callbacks):
        self.model.fit(
            self.generated(), steps_per_epoch=6, verbose=0, callbacks=[*callbacks]
        )

    def generated(self):
        x, y = classes()
        while True:
            for at in range(0, 48, 8):
                yield x[at : at + 8], y[at : at + 8]


@ordinary(
    refuses=dict.fromkeys(
        ("sensitivity", "compress"), "must be data that can be read again and again"
    )
)
def generator_as_data():
    x, y = classes()
    made = (each for each in [(x[:8], y[:8])])
    case = Endless(compiled(net()), made, made, inputs=x)
    case.train = case.validation = case.generated()
    case.evaluate = lambda model: model.evaluate(x, y, verbose=0, return_dict=True)
    return case
