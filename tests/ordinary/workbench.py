"""More small nets as they stand in code bases: subclassed, with loops and flags."""

import dataclasses

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import Case, arrays, batches, classes, ordinary


class History(keras.Model):
    """Reads a list of things, of which a mask says which there are."""

    def __init__(self, n_things=30, width=8, **kwargs):
        super().__init__(**kwargs)
        self.n_things, self.width = n_things, width
        self.embed = L.Embedding(n_things, width)
        self.mix = L.Dense(width, activation="silu")

    def call(self, things, is_there=None):
        x = self.mix(self.embed(things))
        if is_there is None:
            return x
        return x * ops.cast(is_there, x.dtype)[..., None]

    def get_config(self):
        mine = {"n_things": self.n_things, "width": self.width}
        return {**super().get_config(), **mine}


class Look(L.Layer):
    """Looks at a history if there is one; all but the first goes by keyword."""

    def __init__(self, n_heads=2, key_dim=4, **kwargs):
        super().__init__(**kwargs)
        self.attend = L.MultiHeadAttention(n_heads, key_dim, name="attend")
        self.norm, self.out = L.LayerNormalization(), L.Dense(8, name="out")
        self.n_heads, self.key_dim = n_heads, key_dim

    def build(self, x_shape, history_shape=None):
        history_shape = history_shape or x_shape
        self.attend.build(x_shape, history_shape, history_shape)
        self.norm.build(x_shape)
        self.out.build(x_shape)
        self.built = True

    def call(
        self, x, *, history=None, is_there=None, return_scores=False, training=None
    ):
        if history is None:
            history = x
        if is_there is not None:
            is_there = is_there[:, None, :]
        found, scores = self.attend(
            query=x,
            value=history,
            attention_mask=is_there,
            return_attention_scores=True,
            training=training,
        )
        y = self.out(self.norm(x + found))
        return (y, scores) if return_scores else y

    def get_config(self):
        mine = {"n_heads": self.n_heads, "key_dim": self.key_dim}
        return {**super().get_config(), **mine}


@ordinary(own=[History, Look])
def looks_at_a_history():
    """Layers called by keyword, with masks by hand, once with a history, once not."""
    items = keras.Input((3,), dtype="int32", name="items")
    past = keras.Input((5,), dtype="int32", name="past")
    is_there = keras.Input((5,), dtype="bool", name="is_there")
    read, look = History(name="read"), Look(name="look")
    old = read(past, is_there=is_there)
    x, scores = look(read(items), history=old, is_there=is_there, return_scores=True)
    x = look(x)
    chance = L.Dense(1, activation="sigmoid")(x)[..., 0]
    model = keras.Model(
        inputs={"items": items, "past": past, "is_there": is_there},
        outputs=(chance, ops.mean(scores, axis=1)),
    )
    model.compile("adam", loss=["binary_crossentropy", None], metrics=[["auc"], None])
    rng = np.random.default_rng(0)
    data = {
        "items": rng.integers(0, 30, (64, 3)).astype("int32"),
        "past": rng.integers(0, 30, (64, 5)).astype("int32"),
        "is_there": np.arange(5) < rng.integers(1, 6, (64, 1)),
    }
    clicked = (data["items"] % 3 == data["past"][:, :1] % 3).astype("float32")
    monitor = {"monitor": "loss", "mode": "min"}
    return arrays(model, data, (clicked, np.zeros((64, 3, 5))), monitor=monitor)


class Small(keras.Model):
    """A member with layers as attributes."""

    def __init__(self, n=3, **kwargs):
        super().__init__(**kwargs)
        self.dense = L.Dense(7, activation="elu")
        self.dense_1 = L.Dense(n, activation="softmax")

    def call(self, inputs):
        return self.dense_1(self.dense(inputs))


class Committee(keras.Model):
    """Members of all kinds, which have names and an order, vote with weights."""

    def __init__(self, members, frozen=(), **kwargs):
        super().__init__(**kwargs)
        self.members, self.frozen = members, list(frozen)
        self.order = [members[name] for name in sorted(members)]  # the same again
        self.chair = self.order[0]
        self.votes = L.Dense(len(members), activation="softmax", name="votes")
        for name in self.frozen:
            self.members[name].trainable = False

    def call(self, x, training=None):
        found = [each(x, training=training) for each in self.order]
        votes = self.votes(ops.concatenate([x, self.chair(x)], axis=-1))
        return ops.sum(ops.stack(found, axis=1) * votes[..., None], axis=1)

    def get_config(self):
        members = keras.saving.serialize_keras_object(dict(self.members))
        return {**super().get_config(), "members": members, "frozen": self.frozen}

    @classmethod
    def from_config(cls, config):
        members = keras.saving.deserialize_keras_object(config.pop("members"))
        return cls(members, **config)


def wrapped_twice():
    """A `Sequential` in a functional model, in which there is one more."""
    inner = keras.Sequential([L.Dense(6, activation="relu"), L.Dropout(0.2)])
    middle = keras.Sequential([inner, L.BatchNormalization()], name="sequential")
    inputs = keras.Input((6,))
    x = L.Add()([middle(inputs), inputs])
    return keras.Model(inputs, L.Dense(3, activation="softmax", name="dense")(x))


@ordinary(own=[Committee, Small])
def committee():
    """Two of the members are the mean of three that were trained one by one."""
    x, y = classes()
    losses = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    soup = []
    for lr in (1e-1, 1e-2, 1e-3):
        layers = [L.Dense(9, activation="relu"), L.Dense(3, activation="softmax")]
        plain = keras.Sequential(layers, name="model")
        plain.compile(keras.optimizers.SGD(lr), **losses)
        plain.fit(x[:48], y[:48], verbose=0)
        soup.append(plain.get_weights())
    plain.set_weights([np.mean(each, axis=0) for each in zip(*soup, strict=True)])
    members = {"plain": plain, "deep": wrapped_twice(), "a small one": Small()}
    model = Committee(members, frozen=["plain"])
    model(x[:2])
    at_once = 1 if keras.backend.backend() == "torch" else 2
    model.compile("adam", **losses, steps_per_execution=at_once)
    return batches(model, x, y)


class Coupling(L.Layer):
    """Moves one half of the numbers as the other half says; there is a way back."""

    def __init__(self, n, turn):
        super().__init__()
        self.mask = (np.arange(n) % 2 == turn).astype("float32")
        self.nets = {}
        for name, last in (("scale", "tanh"), ("shift", None)):
            layers = [
                L.Dense(12, activation="relu", kernel_regularizer="l2"),
                L.Dense(n, activation=last),
            ]
            self.nets[name] = keras.Sequential(layers)

    def call(self, x, inverse=False):
        kept = x * self.mask
        scale = self.nets["scale"](kept) * (1 - self.mask)
        shift = self.nets["shift"](kept) * (1 - self.mask)
        if inverse:
            return kept + (1 - self.mask) * (x - shift) * ops.exp(-scale)
        y = kept + (1 - self.mask) * (x * ops.exp(scale) + shift)
        return y, ops.sum(scale, -1)


class Flow(keras.Model):
    """Learns how likely things are, and can run both ways."""

    def __init__(self, n, depth=2):
        super().__init__()
        self.n = n
        self.steps = [Coupling(n, i % 2) for i in range(depth)]

    def call(self, x):
        volume = 0.0
        for step in self.steps:
            x, more = step(x)
            volume = volume + more
        return x, volume

    def back(self, z):
        for step in reversed(self.steps):
            z = step(z, inverse=True)
        return z

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **more):
        z, volume = y_pred
        likely = -0.5 * ops.sum(ops.square(z) + np.log(2 * np.pi), -1) + volume
        return -ops.mean(likely) + sum(self.losses)


def there_and_back(model, x):
    """What is predicted, and what the way back makes of it."""
    z, volume = model.predict(x, verbose=0)
    return z, volume, model.back(ops.convert_to_tensor(z))


@ordinary(
    own=[Flow, Coupling],
    refuses=dict.fromkeys(("save", "load elsewhere"), "Give its class a `get_config`"),
    backends=("tensorflow", "jax"),
)
def flow_both_ways():
    """A loss of the outputs alone, compiled to machine code; no targets."""
    x, _ = classes((5,))
    model = Flow(5)
    model.build((None, 5))
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    monitor = {"monitor": "loss", "mode": "min"}
    return arrays(model, x, monitor=monitor, predict=there_and_back)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What there is to choose, as the scripts of the code base pass it around."""

    width: int = 16
    n_steps: int = 5
    damping: float = 0.5
    between: tuple[float, float] = (-3.0, 3.0)


class Settles(keras.Model):
    """Calls layers in a loop of the backend; what goes in by a kernel comes out by it.

    The settings are no arguments that Keras could write down by itself.
    """

    def __init__(self, settings, **kwargs):
        super().__init__(**kwargs)
        self.settings = settings
        self.inject = L.Dense(settings.width, name="inject")
        self.mix = L.Dense(
            settings.width,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.1, seed=1),
            name="mix",
        )
        self.norm = L.LayerNormalization(name="norm")

    def build(self, shape):
        width = self.settings.width
        self.inject.build(shape)
        self.mix.build((None, width))
        self.norm.build((None, width))
        self.offset = self.add_weight((shape[-1],), "zeros", name="offset")

    def call(self, x):
        given = self.inject(x)
        keep, between = self.settings.damping, self.settings.between

        def step(_, state):
            found = ops.clip(self.norm(self.mix(state) + given), *between)
            return keep * state + (1 - keep) * ops.tanh(found)

        state = ops.fori_loop(0, self.settings.n_steps, step, ops.zeros_like(given))
        return ops.matmul(state, ops.transpose(self.inject.kernel)) + self.offset

    def get_config(self):
        settings = dataclasses.asdict(self.settings)
        return {"name": self.name, "settings": settings}

    @classmethod
    def from_config(cls, config):
        settings = dict(config["settings"])
        settings["between"] = tuple(settings["between"])
        return cls(Settings(**settings), name=config["name"])


@ordinary(own=[Settles])
def settles_in_a_loop():
    x, _ = classes()
    noise = np.random.default_rng(2).normal(0, 0.3, x.shape)
    model = Settles(Settings(n_steps=4))
    model.build((None, 6))
    cosine = keras.optimizers.schedules.CosineDecay(1e-2, 30, warmup_steps=3)
    model.compile(
        keras.optimizers.Lion(cosine, weight_decay=1e-3),
        "mse",
        metrics=["cosine_similarity"],
        jit_compile=False,
    )
    monitor = {"monitor": "loss", "mode": "min"}
    return arrays(model, (x + noise).astype("float32"), x, monitor=monitor)


class LeavesEarly(keras.Model):
    """Stops at the block after which it is sure, in plain Python.

    It keeps what it saw last in attributes, and counts in a dict.
    """

    def __init__(self, n_blocks, n_classes, sure=0.9, **kwargs):
        super().__init__(**kwargs)
        self.n_blocks, self.n_classes, self.sure = n_blocks, n_classes, sure
        self.stem = L.Dense(10, activation="relu")
        self.blocks = [L.Dense(10, activation="relu") for _ in range(n_blocks)]
        self.exits = [L.Dense(n_classes) for _ in range(n_blocks)]
        self.left_at = {"n_calls": 0, "blocks": []}
        self.last_scores = None

    def build(self, shape):
        self.stem.build(shape)
        for layer in (*self.blocks, *self.exits):
            layer.build((None, 10))
        self.built = True

    def call(self, x, training=False):
        x = self.stem(x)
        found = []
        for block, leave in zip(self.blocks, self.exits, strict=True):
            x = x + block(x)
            found.append(leave(x))
            chances = ops.softmax(found[-1])
            if not training and float(ops.mean(ops.max(chances, -1))) > self.sure:
                break
        self.left_at["n_calls"] += 1
        self.left_at["blocks"].append(len(found))
        self.last_scores = found[-1]
        return ops.mean(ops.stack(found), axis=0) if training else found[-1]

    def get_config(self):
        mine = ("n_blocks", "n_classes", "sure")
        return {**super().get_config(), **{name: getattr(self, name) for name in mine}}


@ordinary(own=[LeavesEarly], backends=("tensorflow", "torch"))
def leaves_early():
    x, y = classes()
    model = LeavesEarly(3, 3, sure=0.52)
    model(x[:2])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], run_eagerly=True)
    train = (x[:48], y[:48])
    return Case(model, train, (x[48:], y[48:]))
