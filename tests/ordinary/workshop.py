"""Small nets as they stand in code bases that have grown, and in reports of bugs."""

import itertools
import json

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import arrays, classes, ordinary


def registered(what):
    """Registers a class or a function in the package of the code base."""
    return keras.saving.register_keras_serializable("workshop parts")(what)


def legacy(kind, name, *inbound, **config):
    """A layer as Keras 2 wrote it: no module, no build config, nodes as lists."""
    nodes = [[[each, 0, 0, {}] for each in inbound]] if inbound else []
    config = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {
        "class_name": kind,
        "config": config,
        "name": name,
        "inbound_nodes": nodes,
    }


def glorot():
    return {"class_name": "GlorotUniform", "config": {"seed": None}}


def json_of_2019():
    zeros, ones = ({"class_name": kind, "config": {}} for kind in ("Zeros", "Ones"))
    kernel = {"kernel_initializer": glorot(), "bias_initializer": zeros}
    conv = {"kernel_size": [3, 3], "padding": "same", "activation": "linear", **kernel}
    norm = {
        "axis": [3],
        "momentum": 0.99,
        "epsilon": 0.001,
        "beta_initializer": zeros,
        "gamma_initializer": ones,
        "moving_mean_initializer": zeros,
        "moving_variance_initializer": ones,
    }
    data = {"batch_input_shape": [None, 8, 8, 1], "sparse": False, "ragged": False}
    layers = [
        legacy("InputLayer", "input_1", **data),
        legacy("Conv2D", "conv2d_1", "input_1", filters=6, **conv),
        legacy("BatchNormalization", "batch_normalization_v1", "conv2d_1", **norm),
        legacy(
            "ReLU",
            "re_lu_1",
            "batch_normalization_v1",
            max_value=6.0,
            negative_slope=0.0,
            threshold=0.0,
        ),
        legacy("Conv2D", "conv2d_2", "re_lu_1", filters=8, strides=[2, 2], **conv),
        legacy("Add", "add_1", "conv2d_2", "conv2d_2"),
        legacy("GlobalAveragePooling2D", "pool", "add_1", data_format="channels_last"),
        legacy("Dense", "fc1", "pool", units=12, activation="relu", **kernel),
        legacy("Dense", "predictions", "fc1", units=5, activation="softmax", **kernel),
    ]
    config = {
        "name": "model_1",
        "layers": layers,
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["predictions", 0, 0]],
    }
    versions = {"keras_version": "2.3.0-tf", "backend": "tensorflow"}
    return json.dumps({"class_name": "Model", "config": config, **versions})


class OldNormalization(L.BatchNormalization):
    """Takes the list of an axis that files of older versions hold."""

    @classmethod
    def from_config(cls, config):
        axis = config["axis"]
        return cls(**{**config, "axis": axis[0] if isinstance(axis, list) else axis})


@ordinary(own=[OldNormalization])
def json_of_keras_2():
    """What an old file describes gets a new head, and is trained in two phases."""
    x, y = classes((8, 8, 1))
    patch = {"Model": keras.Model, "BatchNormalization": OldNormalization}
    old = keras.models.model_from_json(json_of_2019(), custom_objects=patch)
    rng = np.random.default_rng(7)
    old.set_weights(
        [abs(rng.normal(0.2, 0.3, w.shape)).astype("float32") for w in old.weights]
    )
    for layer in old.layers:
        layer.trainable = False
    hidden = L.Dropout(0.1)(old.layers[-2].output)
    model = keras.Model(old.input, L.Dense(3, activation="softmax")(hidden))
    losses = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(keras.optimizers.Adam(1e-2), **losses)
    model.fit(x[:48], y[:48], verbose=0)
    for layer in model.layers[-6:]:
        layer.trainable = True
    sgd = keras.optimizers.SGD(1e-3, momentum=0.9, nesterov=True, clipnorm=1.0)
    model.compile(sgd, **losses)
    return arrays(model, x, y)


def encoder_of_records():
    inputs = keras.Input((6,), name="record")
    x = L.Dense(10, activation="tanh")(inputs)
    return keras.Model(inputs, L.Dense(6)(L.LayerNormalization()(x)), name="encoder")


@ordinary(
    refuses={
        "save": "Keras would build two of it",
        "load elsewhere": "Keras would build two of it",
        "command": "compress what `model.save_weights` has written",
    }
)
def encoder_in_two_places():
    """One model stands in the graph thrice, and within a model beside it once more.

    So does a layer: its weights are those of the judge too.
    """
    encoder, squeeze = encoder_of_records(), L.Dense(4, name="squeeze")
    inputs = keras.Input((6,))
    x = L.Activation("relu")(squeeze(encoder(inputs)))
    judge = keras.Model(inputs, L.Dense(1, name="verdict")(x), name="judge")

    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    a, b = encoder(left), encoder(encoder(right))  # the second is cleaned twice
    x = L.Concatenate()([squeeze(a), squeeze(b), judge(left), judge(right)])
    x = L.Dense(8, activation="relu")(x)
    model = keras.Model([left, right], L.Dense(1, activation="sigmoid")(x))
    x, y = classes()
    pairs = [x, np.roll(x, 1, axis=0)]
    model.compile("rmsprop", "binary_crossentropy", metrics=["binary_accuracy"])
    return arrays(model, pairs, (y == np.roll(y, 1)).astype("float32")[:, None])


@registered
class NearlyOrthogonal(keras.initializers.Initializer):
    """An orthogonal matrix with a little noise on it."""

    def __init__(self, noise=0.05, seed=5):
        self.noise, self.seed = noise, seed

    def __call__(self, shape, dtype=None):
        base = keras.initializers.Orthogonal(seed=self.seed)(shape, dtype=dtype)
        more = keras.random.normal(shape, 0.0, self.noise, dtype=dtype, seed=self.seed)
        return base + more

    def get_config(self):
        return {"noise": self.noise, "seed": self.seed}


@registered
class BoundedRows(keras.constraints.Constraint):
    """No row is longer than it may be."""

    def __init__(self, longest=2.0):
        self.longest = longest

    def __call__(self, w):
        length = ops.sqrt(ops.sum(ops.square(w), axis=-1, keepdims=True))
        return w * ops.minimum(1.0, self.longest / (length + 1e-7))

    def get_config(self):
        return {"longest": self.longest}


@registered
class OfGroups(keras.regularizers.Regularizer):
    """The lengths of the columns, added up."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, w):
        return self.rate * ops.sum(ops.sqrt(ops.sum(ops.square(w), 0) + 1e-8))

    def get_config(self):
        return {"rate": float(self.rate)}


@registered
def squared_relu(x):
    return ops.square(ops.relu(x))


@registered
class Experts(L.Layer):
    """Adds the weights of its experts in a loop, and counts who is asked."""

    def __init__(self, n_experts, units, activation=squared_relu, **kwargs):
        super().__init__(**kwargs)
        self.n_experts, self.units = n_experts, units
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        sizes = [shape[-1], self.units, shape[-1]]
        self.router = self.add_weight((shape[-1], self.n_experts), name="router")
        self.kernels, self.biases = [], {}
        for i in range(self.n_experts):
            pair = []
            for j, size in enumerate(itertools.pairwise(sizes)):
                kernel = self.add_weight(
                    size,
                    name="w",
                    initializer=NearlyOrthogonal(seed=10 * i + j),
                    regularizer=OfGroups(1e-4),
                    constraint=BoundedRows(),
                )
                pair.append(kernel)
            self.kernels.append(pair)
            self.biases[f"expert {i}"] = self.add_weight((shape[-1],), "zeros")
        self.asked = self.add_weight(
            (self.n_experts,), "zeros", dtype="int32", trainable=False, name="asked"
        )

    def call(self, x, training=False):
        weights = ops.softmax(ops.matmul(x, self.router))
        found = []
        for i, (there, back) in enumerate(self.kernels):
            y = ops.matmul(self.activation(ops.matmul(x, there)), back)
            found.append(y + self.biases[f"expert {i}"])
        if training:
            first = ops.one_hot(ops.argmax(weights, -1), self.n_experts, dtype="int32")
            self.asked.assign_add(ops.cast(ops.sum(first, 0), "int32"))
            share = ops.mean(weights, 0)
            self.add_loss(0.01 * self.n_experts * ops.sum(ops.square(share)))
        return x + ops.sum(ops.stack(found, 1) * weights[..., None], 1)

    def get_config(self):
        mine = {
            "n_experts": self.n_experts,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
        }
        return {**super().get_config(), **mine}


@ordinary(
    own=[Experts, NearlyOrthogonal, BoundedRows, OfGroups, squared_relu],
)
def experts_in_a_loop():
    inputs = keras.Input((6,))
    x = L.Dense(8, kernel_initializer=NearlyOrthogonal(0.01))(inputs)
    x = Experts(3, 12, name="many_experts")(x)
    x = Experts(2, 6, activation="gelu")(x)
    x = L.Dense(3, activation="softmax", kernel_regularizer=OfGroups(1e-3))(x)
    model = keras.Model(inputs, x)
    model.compile("adamw", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return arrays(model, *classes())


@keras.saving.register_keras_serializable(package="fraud.detection")
class Prototypes(L.Layer):
    """Compares with examples that it was shown; how many is no argument of it.

    It is built and stored in a way of its own: the matrix lies on its side in the file,
    in rows that have names.
    """

    def __init__(self, sharpness=1.0, **kwargs):
        super().__init__(**kwargs)
        self.sharpness, self.n = sharpness, 1

    def show(self, examples):
        self.n = len(examples)
        self.build((None, examples.shape[-1]))
        self.bank.assign(examples.T)

    def build(self, input_shape):
        if self.built:
            return
        self.bank = self.add_weight((input_shape[-1], self.n), name="bank")
        self.scale = self.add_weight((), "ones", name="scale")
        self.n_seen = self.add_weight((), "zeros", trainable=False, name="n_seen")
        self.built = True

    def call(self, x, training=None):
        if training:
            self.n_seen.assign_add(ops.cast(ops.shape(x)[0], "float32"))
        apart = ops.sum(ops.square(x), -1, keepdims=True)
        apart = apart - 2 * ops.matmul(x, self.bank) + ops.sum(ops.square(self.bank), 0)
        return ops.exp(-self.sharpness * ops.abs(self.scale) * ops.sqrt(apart + 1.0))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.n)

    def get_build_config(self):
        return {"n_features": int(self.bank.shape[0]), "n_examples": self.n}

    def build_from_config(self, config):
        self.n = config["n_examples"]
        self.build((None, config["n_features"]))

    def save_own_variables(self, store):
        rows = ops.convert_to_numpy(self.bank).T
        for i, row in enumerate(rows):
            store[f"example_{i:03d}"] = row
        store["scale_and_seen"] = np.array([float(self.scale), float(self.n_seen)])

    def load_own_variables(self, store):
        rows = [store[f"example_{i:03d}"] for i in range(self.n)]
        self.bank.assign(np.stack(rows, axis=1))
        scale, n_seen = np.array(store["scale_and_seen"])
        self.scale.assign(scale)
        self.n_seen.assign(n_seen)

    def get_config(self):
        return {**super().get_config(), "sharpness": self.sharpness}


@ordinary(own=[Prototypes])
def prototypes_stored_their_way():
    x, y = classes()
    bank = Prototypes(0.3, name="bank-of>cases")
    bank.show(x[:9])
    model = keras.Sequential(name="alarm")
    model.add(keras.Input((6,)))
    model.add(L.Dense(6, use_bias=False, kernel_initializer="identity"))
    model.add(bank)
    model.add(L.Dense(12, activation="relu"))
    model.add(L.Dense(1, activation="sigmoid"))
    metrics = ["accuracy", keras.metrics.AUC(name="auc", num_thresholds=20)]
    model.compile("nadam", "binary_crossentropy", metrics=metrics)
    return arrays(model, x, (y == 0).astype("float32")[:, None])


@ordinary(backends=("tensorflow", "jax"))
def columns_of_a_spreadsheet():
    """Names as people write them, a group without a column, and whole numbers out.

    Names of columns are free; those of layers and outputs are what TensorFlow takes.
    """
    x, y = classes()
    rng = np.random.default_rng(3)
    table = {
        "Größe (cm)": 170 + 10 * x[:, :1],
        "単価": x[:, 1:5],
        "Land & Region": rng.integers(0, 7, (64, 1)).astype("int32"),
        "notes: extra": np.zeros((64, 0), "float32"),
    }
    inputs = {
        name: keras.Input(column.shape[1:], name=name, dtype=str(column.dtype))
        for name, column in table.items()
    }
    scaled = L.Normalization(mean=170.0, variance=100.0)(inputs["Größe (cm)"])
    place = L.Embedding(7, 3, name="embedding.v1.2")(inputs["Land & Region"])
    parts = [
        L.Dense(1, name="kernel")(scaled),  # a kernel of one number
        L.Dense(8, activation="relu", name="Price>dense-1")(inputs["単価"]),
        L.Flatten(name="layers")(place),
        L.Dense(2, use_bias=False, name="0")(inputs["notes: extra"]),  # of none
    ]
    hidden = L.Dense(12, activation="relu", name="price>dense-1")
    hidden = hidden(L.Concatenate(name="..")(parts))
    kind = L.Dense(3, activation="softmax", name="vars")(hidden)
    outputs = {
        "art-des-kaeufers": kind,
        "preis.eur": L.Dense(1, name="con")(hidden),
        "rang>1": ops.cast(ops.argmax(kind, axis=-1), "int32"),
    }
    model = keras.Model(inputs, outputs, name="sheet-1.xlsx")
    model.compile(
        "adam",
        loss={
            "art-des-kaeufers": "sparse_categorical_crossentropy",
            "preis.eur": "mse",
            "rang>1": None,
        },
        loss_weights={"art-des-kaeufers": 1.0, "preis.eur": 0.2, "rang>1": 0.0},
        metrics={"art-des-kaeufers": ["accuracy"], "preis.eur": ["mae", "mse"]},
        weighted_metrics={"preis.eur": ["mae"]},
    )
    target = {"art-des-kaeufers": y, "preis.eur": x[:, 5:], "rang>1": y}
    rows = rng.uniform(0.2, 2.0, 64).astype("float32")
    weights = {"art-des-kaeufers": rows, "preis.eur": 1 / rows, "rang>1": rows}
    monitor = {"monitor": "art-des-kaeufers_accuracy", "mode": "max"}
    return arrays(model, table, target, weights, monitor=monitor)
