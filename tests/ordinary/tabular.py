"""Small nets over tables as people have them: lookups, encodings, many inputs."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import N_TRAIN, N_VALIDATION, Case, arrays, batches, ordinary

N = N_TRAIN + N_VALIDATION
COLORS = ["red", "green", "blue", "mauve"]
TEXTS = ["a red house", "the blue sky", "green grass and a sky", "it is red"]
# Layers that take strings, or look integers up, are TensorFlow's.
ONLY_TENSORFLOW = ("tensorflow",)


def columns(seed=0):
    """A table of colors, ages and incomes, and who has bought."""
    rng = np.random.default_rng(seed)
    color = rng.integers(0, len(COLORS), N)
    age, income = rng.normal(40, 9, (N, 1)), rng.lognormal(3, 1, (N, 1))
    bought = (age[:, 0] / 9 + color + rng.normal(size=N) > 6).astype("int32")
    return color, age.astype("float32"), income.astype("float32"), bought


def words(choice, among=COLORS):
    return ops.convert_to_tensor([[among[each % len(among)]] for each in choice])


def head(x, n=1, activation="sigmoid"):
    x = L.Dense(12, activation="relu")(x)
    return L.Dense(n, activation=activation)(L.Dropout(0.1)(x))


@ordinary(backends=ONLY_TENSORFLOW)
def colors_by_embedding():
    color, _, _, bought = columns()
    look_up = L.StringLookup(vocabulary=COLORS[:3], num_oov_indices=2)
    inputs = keras.Input((1,), dtype="string", name="color")
    x = L.Flatten()(L.Embedding(look_up.vocabulary_size(), 4)(look_up(inputs)))
    model = keras.Model(inputs, head(x))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "auc"])
    return arrays(model, words(color), bought)


@ordinary(backends=ONLY_TENSORFLOW)
def codes_of_many_hot():
    rng = np.random.default_rng(0)
    codes = rng.choice([3, 70, 500, 12345], (N, 3))
    look_up = L.IntegerLookup(output_mode="multi_hot")
    look_up.adapt(codes)
    inputs = keras.Input((3,), dtype="int64")
    model = keras.Model(inputs, head(look_up(inputs), 3, "softmax"))
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return arrays(model, codes, (codes.sum(-1) % 3).astype("int32"))


@ordinary(backends=ONLY_TENSORFLOW)
def bag_of_words():
    choice = np.random.default_rng(0).integers(0, 4, N)
    text = L.TextVectorization(ngrams=2, output_mode="tf_idf", max_tokens=30)
    text.adapt(TEXTS)
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            text,
            L.Dense(9, activation="relu"),
            L.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return arrays(model, words(choice, TEXTS), np.eye(4, dtype="float32")[choice])


@ordinary(backends=ONLY_TENSORFLOW)
def sentences_in_batches():
    choice = np.random.default_rng(0).integers(0, 4, N)
    text = L.TextVectorization(output_sequence_length=5)
    text.adapt(TEXTS)
    inputs = keras.Input((1,), dtype="string")
    x = L.Embedding(text.vocabulary_size(), 6, mask_zero=True)(text(inputs))
    x = L.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, head(x, 2, "softmax"))
    model.compile(
        keras.optimizers.AdamW(1e-2),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return batches(model, words(choice, TEXTS), choice % 2)


@ordinary(backends=ONLY_TENSORFLOW)
def hashed_and_crossed():
    color, age, _, bought = columns()
    inputs = {
        "color": keras.Input((1,), dtype="string", name="color"),
        "decade": keras.Input((1,), dtype="int64", name="decade"),
    }
    hashed = L.Hashing(6, salt=3, output_mode="one_hot")(inputs["color"])
    crossed = L.HashedCrossing(8, output_mode="one_hot")(
        (inputs["color"], inputs["decade"])
    )
    model = keras.Model(inputs, head(L.Concatenate()([hashed, crossed])))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC()])
    decade = (age // 10).astype("int64")
    return arrays(model, {"color": words(color), "decade": decade}, bought)


@ordinary(backends=ONLY_TENSORFLOW)
def ages_in_bins():
    _, age, income, _ = columns()
    bins = L.Discretization(num_bins=5)
    bins.adapt(age)
    inputs = keras.Input((1,))
    x = L.Flatten()(L.Embedding(5, 3)(bins(inputs)))
    model = keras.Model(inputs, head(x, activation=None))
    model.compile("sgd", keras.losses.Huber(), metrics=["mae", "mse"])
    return arrays(model, age, income / 50)


@ordinary()
def normalized_there_and_back():
    rng = np.random.default_rng(0)
    x = rng.normal(50, 9, (N, 5)).astype("float32")
    y = x[:, :1] * 3 + x[:, 1:2]
    there, back = L.Normalization(), L.Normalization(invert=True)
    there.adapt(x)
    back.adapt(y)
    inputs = keras.Input((5,))
    hidden = L.BatchNormalization()(L.Dense(16, activation="selu")(there(inputs)))
    model = keras.Model(inputs, back(L.Dense(1)(hidden)))
    model.compile("adam", "mae", metrics=["root_mean_squared_error", "r2_score"])
    return arrays(model, x, y, monitor={"monitor": "root_mean_squared_error"})


@ordinary()
def wide_and_deep():
    color, age, income, bought = columns()
    inputs = {
        "color": keras.Input((1,), dtype="int32", name="color"),
        "numbers": keras.Input((2,), name="numbers"),
    }
    wide = L.CategoryEncoding(4, output_mode="one_hot")(inputs["color"])
    scale = L.Normalization(mean=[40.0, 30.0], variance=[81.0, 900.0])
    deep = L.Concatenate()([wide, scale(inputs["numbers"])])
    for n in (16, 8):
        deep = L.BatchNormalization()(L.Dense(n, activation="relu")(deep))
    merged = L.Concatenate()([wide, deep])
    model = keras.Model(inputs, L.Dense(1, activation="sigmoid")(merged))
    model.compile(
        "adam",
        "binary_crossentropy",
        metrics=["accuracy", keras.metrics.AUC(curve="PR", name="pr")],
    )
    numbers = np.concatenate([age, income], -1)
    return arrays(model, {"color": color[:, None], "numbers": numbers}, bought)


@ordinary()
def entity_embeddings():
    rng = np.random.default_rng(0)
    sizes = {"store": 9, "weekday": 7, "promotion": 2}
    data = {name: rng.integers(0, n, N) for name, n in sizes.items()}
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in sizes}
    parts = [L.Embedding(n, 1 + n // 2)(inputs[name]) for name, n in sizes.items()]
    x = L.Dense(12, activation="relu")(L.Concatenate()(parts))
    model = keras.Model(inputs, L.Dense(1)(x))
    model.compile("nadam", "mean_squared_logarithmic_error", metrics=["mape"])
    return batches(model, data, (data["store"] + 1.0).astype("float32"))


@ordinary(backends=ONLY_TENSORFLOW)
def feature_space():
    color, age, income, bought = columns()
    space = keras.utils.FeatureSpace(
        features={
            "color": "string_categorical",
            "age": keras.utils.FeatureSpace.float_discretized(num_bins=4),
            "income": "float_normalized",
        },
        crosses=[("color", "age")],
        crossing_dim=8,
    )
    import tensorflow as tf

    table = {"color": words(color), "age": age, "income": income}
    space.adapt(tf.data.Dataset.from_tensor_slices(table).batch(16))
    outputs = head(space.get_encoded_features())
    model = keras.Model(space.get_inputs(), outputs)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return arrays(model, table, bought)


class Rows(keras.utils.PyDataset):
    """Rows of a table in batches, each with what it counts."""

    def __init__(self, x, y, weight, size=8):
        super().__init__()
        self.x, self.y, self.weight, self.size = x, y, weight, size

    def __len__(self):
        return len(self.y) // self.size

    def __getitem__(self, index):
        at = slice(index * self.size, (index + 1) * self.size)
        x = {name: each[at] for name, each in self.x.items()}
        return x, self.y[at], self.weight[at]


@ordinary()
def rows_that_count_differently():
    _, age, income, bought = columns()
    inputs = {"age": keras.Input((1,)), "income": keras.Input((1,))}
    x = L.Concatenate()([inputs["age"] / 40.0, ops.log(inputs["income"])])
    model = keras.Model(inputs, head(x))
    model.compile("adam", "binary_crossentropy", weighted_metrics=["accuracy"])
    x, weight = {"age": age, "income": income}, np.where(bought, 3.0, 1.0)
    train = Rows({n: a[:N_TRAIN] for n, a in x.items()}, bought, weight)
    train.y, train.weight = bought[:N_TRAIN], weight[:N_TRAIN]
    x = {n: a[N_TRAIN:] for n, a in x.items()}
    held_back = Rows(x, bought[N_TRAIN:], weight[N_TRAIN:])
    return Case(model, train, held_back, inputs=x)


@ordinary()
def table_transformer():
    """Each column is a token; they attend to each other."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, (N, 3))
    numbers = rng.normal(size=(N, 2)).astype("float32")
    category, number = keras.Input((3,), dtype="int32"), keras.Input((2,))
    tokens = L.Embedding(18, 8)(category + ops.convert_to_tensor([0, 6, 12]))
    for _ in range(2):
        y = L.MultiHeadAttention(2, 4)(tokens, tokens)
        tokens = L.LayerNormalization()(tokens + y)
        y = L.Dense(8)(L.Dense(16, activation="gelu")(tokens))
        tokens = L.LayerNormalization()(tokens + y)
    x = L.Concatenate()([L.Flatten()(tokens), L.LayerNormalization()(number)])
    model = keras.Model([category, number], head(x, 6, None))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        "adam", loss, metrics=["accuracy", "sparse_top_k_categorical_accuracy"]
    )
    return arrays(model, [codes, numbers], codes[:, 0])


@ordinary(is_fast=True)
def users_and_items():
    """Factors of users and items, as in recommendations."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 20, N), rng.integers(0, 30, N)
    inputs = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    factors = L.Dot(-1)([L.Embedding(20, 5)(inputs[0]), L.Embedding(30, 5)(inputs[1])])
    offset = L.Embedding(30, 1, embeddings_initializer="zeros")(inputs[1])
    model = keras.Model(list(inputs), L.Flatten()(factors + offset))
    model.compile("adagrad", "mse", metrics=["mae"])
    y = (user % 5 + item % 3).astype("float32")
    return arrays(model, [user[:, None], item[:, None]], y[:, None])


@ordinary()
def counts():
    """A regression of counts, which are more where there was more time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 6)).astype("float32")
    time = rng.uniform(1, 5, (N, 1)).astype("float32")
    y = rng.poisson(time[:, 0] * np.exp(x[:, 0] / 2)).astype("float32")
    inputs = keras.Input((6,)), keras.Input((1,))
    rate = head(inputs[0], activation="exponential")
    model = keras.Model(inputs, rate * inputs[1])
    model.compile("adam", keras.losses.Poisson(), metrics=["mse", "poisson"])
    return arrays(model, (x, time), y[:, None])
