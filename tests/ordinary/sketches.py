"""Small nets as somebody sketches them after a paper that they have read."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import arrays, batches, classes, ordinary
from ordinary.forms import random, whole

N = 64


class TwoTowers(keras.Model):
    """Users and things, of which each user likes the one in its own row of a batch."""

    def __init__(self, n_users, n_things, width=8, **kwargs):
        super().__init__(**kwargs)
        self.sizes = (n_users, n_things, width)
        self.towers = {
            name: keras.Sequential(
                [
                    L.Embedding(n, width),
                    L.Dense(width, activation="relu"),
                    L.UnitNormalization(),
                ],
                name=name,
            )
            for name, n in (("users", n_users), ("things", n_things))
        }
        self.temperature = self.add_weight(shape=(), initializer="ones", name="heat")

    def call(self, inputs):
        found = [self.towers[name](inputs[name]) for name in ("users", "things")]
        return ops.matmul(found[0], ops.transpose(found[1])) * self.temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        own = ops.arange(ops.shape(y_pred)[0])
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(own, y_pred, from_logits=True)
        )

    def get_config(self):
        n_users, n_things, width = self.sizes
        more = {"n_users": n_users, "n_things": n_things, "width": width}
        return {**super().get_config(), **more}


@ordinary(own=[TwoTowers])
def two_towers():
    data = {"users": whole(30, N), "things": whole(20, N, seed=1)}
    model = TwoTowers(30, 20)
    model({name: each[:2] for name, each in data.items()})
    model.compile(keras.optimizers.Adagrad(0.1))
    return arrays(model, data, monitor={"monitor": "loss"})


class OfQuantile(keras.losses.Loss):
    def __init__(self, at=0.5, **kwargs):
        super().__init__(**kwargs)
        self.at = at

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(self.at * error, (self.at - 1) * error), -1)

    def get_config(self):
        return {**super().get_config(), "at": self.at}


@ordinary(own=[OfQuantile])
def residual_forecast():
    """Each block explains a part of the past, and what is left goes to the next."""
    left = past = keras.Input((12,), name="past")
    parts = []
    for i in range(3):
        x = L.Dense(16, activation="relu", name=f"block_{i}_hidden")(left)
        both = L.Dense(12 + 4, name=f"block_{i}_theta")(x)
        left = L.Subtract(name=f"block_{i}_rest")([left, both[:, :12]])
        parts.append(both[:, 12:])
    total = L.Add(name="total")(parts)
    spread = L.Dense(4, activation="softplus", name="spread")(left)
    model = keras.Model(
        past, {"low": total - spread, "mid": total, "high": total + spread}
    )
    model.compile(
        keras.optimizers.RMSprop(1e-3, centered=True),
        {"low": OfQuantile(0.1), "mid": "mae", "high": OfQuantile(0.9)},
        loss_weights={"low": 0.5, "mid": 1.0, "high": 0.5},
        metrics={"mid": ["mse", keras.metrics.MeanAbsoluteError(name="error")]},
    )
    x = random(N, 16).cumsum(1)
    y = x[:, 12:]
    monitor = {"monitor": "mid_error"}
    return arrays(model, x[:, :12], {"low": y, "mid": y, "high": y}, monitor=monitor)


class Scaled(L.Layer):
    """A branch times a vector, left out now and then in training."""

    def __init__(self, rate=0.2, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = keras.random.SeedGenerator(1)

    def build(self, shape):
        self.gamma = self.add_weight(
            shape=(shape[-1],),
            initializer=keras.initializers.Constant(0.1),
            name="gamma",
        )

    def call(self, x, training=False):
        x = x * self.gamma
        if training and self.rate:
            shape = (ops.shape(x)[0], 1, 1, 1)
            kept = keras.random.uniform(shape, seed=self.seed) >= self.rate
            x = ops.where(kept, x / (1 - self.rate), 0.0)
        return x

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@ordinary(own=[Scaled])
def conv_next():
    inputs = keras.Input((12, 12, 3))
    x = L.LayerNormalization(epsilon=1e-6)(L.Conv2D(8, 4, strides=4)(inputs))
    for rate in (0.0, 0.1):
        y = L.DepthwiseConv2D(7, padding="same")(x)
        y = L.Dense(24)(L.LayerNormalization(epsilon=1e-6)(y))
        y = L.Dense(8)(L.Activation("gelu")(y))
        x = L.Add()([x, Scaled(rate)(y)])
    x = L.LayerNormalization()(L.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, L.Dense(5)(L.Dropout(0.1)(x)))
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecayRestarts(4e-3, 10), weight_decay=0.05
        ),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(2)],
    )
    y = np.eye(5, dtype="float32")[whole(5, N)]
    return arrays(model, random(N, 12, 12, 3), y, 0.5 + random(N, seed=2) ** 2)


class Rotary(L.Layer):
    """Turns pairs of features by angles that grow with the place."""

    def call(self, x):
        n = x.shape[-1] // 2
        angles = ops.arange(x.shape[1], dtype="float32")[:, None] / (
            ops.power(100.0, ops.arange(n, dtype="float32") / n)
        )
        first, second = x[..., :n], x[..., n:]
        cos, sin = ops.cos(angles), ops.sin(angles)
        return ops.concatenate(
            [first * cos - second * sin, first * sin + second * cos], -1
        )


@ordinary(own=[Rotary])
def grouped_queries():
    tokens = keras.Input((8,), dtype="int32")
    embedding = L.Embedding(24, 12, embeddings_regularizer="l2")
    x = embedding(tokens)
    for _ in range(2):
        y = Rotary()(L.RMSNormalization()(x))
        x = x + L.GroupQueryAttention(4, 4, 2)(y, y, use_causal_mask=True)
        y = L.RMSNormalization()(x)
        gate = L.Dense(20, use_bias=False, activation="silu")(y)
        x = x + L.Dense(12, use_bias=False)(gate * L.Dense(20, use_bias=False)(y))
    logits = L.Dense(24, use_bias=False)(L.RMSNormalization()(x))
    model = keras.Model(tokens, logits)
    model.compile(
        keras.optimizers.Lion(1e-4, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        weighted_metrics=[
            keras.metrics.SparseCategoricalCrossentropy(from_logits=True)
        ],
    )
    x = whole(24, N, 9)
    return batches(model, x[:, :-1], x[:, 1:])


class OwnTarget(keras.Model):
    """Learns to foretell what a slower copy of itself makes of another view."""

    def __init__(self, pace=0.9, **kwargs):
        super().__init__(**kwargs)
        self.pace = pace
        self.online, self.target = (
            keras.Sequential(
                [
                    keras.Input((10,)),
                    L.Dense(16, use_bias=False),
                    L.BatchNormalization(),
                    L.ReLU(),
                    L.Dense(6),
                ],
                name=name,
            )
            for name in ("online", "target")
        )
        self.target.set_weights(self.online.get_weights())
        self.target.trainable = False
        self.predictor = keras.Sequential(
            [keras.Input((6,)), L.Dense(12, activation="relu"), L.Dense(6)]
        )
        self.built = True

    def call(self, x, training=False):
        return self.predictor(self.online(x, training=training))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        aim = ops.stop_gradient(self.target(y))
        return -ops.mean(keras.losses.cosine_similarity(aim, y_pred)) + 1.0

    def train_step(self, *arguments):
        found = super().train_step(*arguments)
        for slow, fast in zip(self.target.weights, self.online.weights, strict=True):
            slow.assign(self.pace * slow + (1 - self.pace) * fast)
        return found

    def get_config(self):
        return {**super().get_config(), "pace": self.pace}


@ordinary(own=[OwnTarget], backends=("tensorflow", "torch"))
def own_target():
    model = OwnTarget()
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True))
    x = random(N, 10)
    views = [x + 0.1 * random(N, 10, seed=i) for i in (1, 2)]
    return arrays(model, *views, monitor={"monitor": "loss"})


def squash(x):
    size = ops.sum(ops.square(x), -1, keepdims=True)
    return x * size / (1 + size) / ops.sqrt(size + 1e-7)


class Capsules(L.Layer):
    """Votes of capsules for those above, agreed upon in a few rounds."""

    def __init__(self, n, size, n_rounds=2, **kwargs):
        super().__init__(**kwargs)
        self.n, self.size, self.n_rounds = n, size, n_rounds

    def build(self, shape):
        shape = (shape[1], self.n, self.size, shape[2])
        self.votes = self.add_weight(shape=shape, name="votes")

    def call(self, x):
        votes = ops.einsum("incm,bim->binc", self.votes, x)
        logits = ops.zeros_like(votes[..., 0])
        for _ in range(self.n_rounds):
            shares = ops.softmax(logits, -1)
            found = squash(ops.einsum("bin,binc->bnc", shares, votes))
            logits = logits + ops.einsum("binc,bnc->bin", votes, found)
        return found

    def get_config(self):
        more = {"n": self.n, "size": self.size, "n_rounds": self.n_rounds}
        return {**super().get_config(), **more}


def margin(y_true, y_pred):
    far = ops.square(ops.relu(0.9 - y_pred))
    near = ops.square(ops.relu(y_pred - 0.1))
    return ops.sum(y_true * far + 0.5 * (1 - y_true) * near, -1)


def length(x):
    return ops.sqrt(ops.sum(ops.square(x), -1) + 1e-7)


@ordinary(own=[Capsules, margin, length, squash])
def capsules():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(8, 5, activation="relu")(inputs)
    x = L.Activation(squash)(L.Reshape((-1, 4))(x))
    x = L.Lambda(length, output_shape=(3,))(Capsules(3, 6)(x))
    model = keras.Model(inputs, x)
    model.compile("adamax", margin, metrics=["categorical_accuracy"])
    y = np.eye(3, dtype="float32")[whole(3, N)]
    return arrays(model, random(N, 8, 8, 1), y)


@ordinary(backends=("tensorflow",))
def words_by_their_weight():
    """Strings in, weighed by how rare they are; what is adapted is a vocabulary."""
    text = np.array([["red sky blue"], ["a red, red dog"], ["sky!"], [""]] * 16, object)
    words = L.TextVectorization(max_tokens=12, ngrams=2, output_mode="tf_idf")
    words.adapt(text[:, 0])
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            words,
            L.Dense(12, activation="relu", kernel_regularizer="l1"),
            L.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["binary_accuracy"])
    y = np.array([1.0, 1.0, 0.0, 0.0] * 16, "float32")[:, None]
    return arrays(model, ops.convert_to_tensor(text.astype(str).tolist()), y)


class Dice(keras.losses.Loss):
    def call(self, y_true, y_pred):
        both = ops.sum(y_true * y_pred, (1, 2, 3))
        total = ops.sum(y_true + y_pred, (1, 2, 3))
        return 1 - (2 * both + 1) / (total + 1)


@ordinary(own=[Dice])
def gated_u_net():
    inputs = keras.Input((16, 16, 1))
    skips, x = [], inputs
    for n in (4, 8):
        x = L.LeakyReLU(0.1)(L.GroupNormalization(2)(L.Conv2D(n, 3, padding="same")(x)))
        skips.append(x)
        x = L.AveragePooling2D(2)(x)
    x = L.Conv2D(12, 3, padding="same", dilation_rate=2, activation="swish")(x)
    for skip in reversed(skips):
        n = skip.shape[-1]
        x = L.Conv2DTranspose(n, 2, strides=2)(x)
        gate = L.Conv2D(1, 1, activation="sigmoid")(L.Concatenate()([x, skip]))
        x = L.Concatenate()([x, L.Multiply()([skip, gate])])
        x = L.SpatialDropout2D(0.1)(L.SeparableConv2D(n, 3, padding="same")(x))
    model = keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(x))
    metrics = [keras.metrics.BinaryIoU(target_class_ids=[1], name="iou"), "accuracy"]
    model.compile(keras.optimizers.Nadam(1e-3), Dice(), metrics=metrics)
    x = random(N, 16, 16, 1)
    return arrays(model, x, (x > 0.5).astype("float32"), monitor={"monitor": "iou"})


@ordinary()
def states_handed_on():
    """The last states of one are the first of another; one runs backwards."""
    past, future = keras.Input((6, 3), name="past"), keras.Input((4, 2), name="future")
    seen, h, c = L.LSTM(8, return_sequences=True, return_state=True)(past)
    back = L.GRU(6, go_backwards=True, recurrent_dropout=0.1, reset_after=False)(seen)
    x = L.LSTM(8, return_sequences=True)(future, initial_state=[h, c])
    x = L.AdditiveAttention()([x, seen])
    x = L.Concatenate()([x, L.RepeatVector(4)(back)])
    x = L.Conv1D(6, 2, padding="causal", activation="elu")(x)
    model = keras.Model([past, future], L.TimeDistributed(L.Dense(1))(x))
    model.compile("adam", keras.losses.LogCosh(), metrics=["mae"])
    data = [random(N, 6, 3), random(N, 4, 2, seed=1)]
    return arrays(model, data, random(N, 4, 1, seed=2), monitor={"monitor": "mae"})


class Asking(L.Layer):
    """A few questions that are learnt ask a set of any size."""

    def __init__(self, n, width, **kwargs):
        super().__init__(**kwargs)
        self.n, self.width = n, width
        self.attention = L.MultiHeadAttention(2, width // 2, output_shape=width)
        self.norm = L.LayerNormalization()

    def build(self, shape):
        self.questions = self.add_weight(
            shape=(1, self.n, self.width), name="questions"
        )
        self.attention.build((None, self.n, self.width), shape, shape)
        self.norm.build((None, self.n, self.width))

    def call(self, x, mask=None):
        asked = ops.repeat(self.questions, ops.shape(x)[0], 0)
        seen = None if mask is None else mask[:, None, :]
        return self.norm(asked + self.attention(asked, x, attention_mask=seen))

    def compute_mask(self, x, mask=None):
        return None

    def compute_output_shape(self, shape):
        return (shape[0], self.n, self.width)

    def get_config(self):
        return {**super().get_config(), "n": self.n, "width": self.width}


# On JAX Keras fits no model twice whose weights are averaged.
@ordinary(own=[Asking], backends=("tensorflow", "torch"))
def sets_of_points():
    points = keras.Input((10, 3))
    x = L.Dense(8, activation="relu")(L.Masking()(points))
    x = L.Flatten()(Asking(3, 8)(x))
    heads = {
        "kind": L.Dense(3, name="kind")(x),
        "size": L.Dense(1, activation="relu", name="size")(x),
    }
    model = keras.Model(points, heads)
    model.compile(
        keras.optimizers.Adam(2e-3, use_ema=True, ema_momentum=0.9),
        {
            "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "size": "mse",
        },
        metrics={"kind": "accuracy"},
    )
    x = random(N, 10, 3)
    x[::2, 6:] = 0
    _, y = classes()
    return arrays(model, x, {"kind": y, "size": (x != 0).mean((1, 2))[:, None]})
