"""Small nets with code of one's own: models, steps, losses, metrics, optimizers."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import Case, arrays, classes, ordinary


def net(n=3, activation="softmax", n_inputs=6):
    inputs = keras.Input((n_inputs,))
    x = L.Dense(16, activation="relu")(inputs)
    return keras.Model(inputs, L.Dense(n, activation=activation)(x))


def compiled(model, loss="sparse_categorical_crossentropy", optimizer="adam", **more):
    model.compile(optimizer, loss, metrics=more.pop("metrics", ["accuracy"]), **more)
    return model


class TutorialModel(keras.Model):
    """As the first tutorial has it: no names, no config."""

    def __init__(self):
        super().__init__()
        self.conv1 = L.Conv2D(6, 3, activation="relu")
        self.flatten = L.Flatten()
        self.d1 = L.Dense(12, activation="relu")
        self.drop = L.Dropout(0.2)
        self.d2 = L.Dense(3)

    def call(self, x, training=None):
        x = self.d1(self.flatten(self.conv1(x)))
        return self.d2(self.drop(x, training=training))


@ordinary(own=[TutorialModel])
def tutorial_model():
    x, y = classes((8, 8, 1))
    model = TutorialModel()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(model, loss).fit(x[:8], y[:8], verbose=0)
    return arrays(model, x, y)


class Block(L.Layer):
    """A residual block that makes its layers as it is built."""

    def __init__(self, units, rate=0.1):
        super().__init__()
        self.units, self.rate = units, rate

    def build(self, shape):
        self.layers = [L.Dense(self.units, activation="gelu") for _ in range(2)]
        self.norm, self.drop = L.LayerNormalization(), L.Dropout(self.rate)
        for layer in (*self.layers, self.norm):
            layer.build((None, self.units))

    def call(self, x, training=None):
        y = x
        for layer in self.layers:
            y = layer(y)
        return self.norm(x + self.drop(y, training=training))


class Blocks(keras.Model):
    """Blocks in a list and heads in a dict."""

    def __init__(self, n_blocks, units, **kwargs):
        super().__init__(**kwargs)
        self.n_blocks, self.units = n_blocks, units
        self.stem = L.Dense(units)
        self.blocks = [Block(units) for _ in range(n_blocks)]
        self.heads = {"a": L.Dense(3, activation="softmax"), "b": L.Dense(1)}

    def get_config(self):
        mine = {"n_blocks": self.n_blocks, "units": self.units}
        return {**super().get_config(), **mine}

    def call(self, x, training=None):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, training=training)
        return {name: head(x) for name, head in self.heads.items()}


@ordinary(own=[Blocks, Block])
def blocks_in_blocks():
    x, y = classes()
    model = Blocks(2, 8)
    model(x[:2])
    model.compile(
        "adam",
        {"a": "sparse_categorical_crossentropy", "b": "mse"},
        metrics={"a": ["accuracy"], "b": ["mae"]},
    )
    return arrays(model, x, {"a": y, "b": x[:, :1]})


class Counted(keras.Model):
    """Has steps of its own that call those of Keras."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.n_steps = self.add_weight(
            name="n_steps",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
        )

    def call(self, x):
        return self.inner(x)

    def train_step(self, *args):
        self.n_steps.assign_add(1)
        return super().train_step(*args)

    def test_step(self, *args):
        return {**super().test_step(*args), "n_steps": self.n_steps}


@ordinary(
    own=[Counted],
    refuses=dict.fromkeys(("save", "load elsewhere"), "Give its class a `get_config`"),
    backends=("tensorflow", "torch"),
)
def steps_that_call_those_of_keras():
    model = Counted(net())
    x, y = classes()
    model(x[:2])
    return arrays(compiled(model), x, y)


class Tape(keras.Model):
    """A training step with a tape, and an optimizer that it calls itself."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            found = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=found)
        weights = self.trainable_variables
        slopes, _ = tf.clip_by_global_norm(tape.gradient(loss, weights), 1.0)
        self.optimizer.apply(slopes, weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, found)
        return {metric.name: metric.result() for metric in self.metrics}


@ordinary(own=[Tape], backends=("tensorflow",))
def step_with_a_tape():
    plain = net()
    return arrays(compiled(Tape(plain.inputs, plain.outputs)), *classes())


class Smoothed(keras.Model):
    """The loss is its own, and so is a metric of it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.roughness = keras.metrics.Mean(name="roughness")

    @property
    def metrics(self):
        return [*super().metrics, self.roughness]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **more):
        loss = super().compute_loss(x, y, y_pred, sample_weight, **more)
        roughness = ops.mean(ops.abs(y_pred[:, 1:] - y_pred[:, :-1]))
        self.roughness.update_state(roughness)
        return loss + 0.1 * roughness


@ordinary(own=[Smoothed])
def loss_of_its_own():
    plain = net(6, None)
    x, _ = classes()
    model = Smoothed(plain.inputs, plain.outputs)
    return arrays(compiled(model, "mse", metrics=["mae"]), x, np.cumsum(x, -1))


class Cosines(L.Layer):
    """Weights that begin as a transform, and a constant that is made in `build`."""

    def build(self, shape):
        n = shape[-1]
        at = np.arange(n)
        self.dense = L.Dense(n, use_bias=False)
        self.dense.build(shape)
        wave = np.cos(np.pi / n * (at[:, None] + 0.5) * at)
        self.dense.kernel.assign(wave.astype("float32"))
        self.scale = ops.convert_to_tensor(1 / (1 + at), dtype="float32")

    def call(self, x):
        return self.dense(x) * self.scale


@ordinary(own=[Cosines])
def weights_set_in_build():
    x, y = classes()
    layers = [keras.Input((6,)), Cosines(), L.Dense(3, activation="softmax")]
    return arrays(compiled(keras.Sequential(layers)), x, y)


class Distances(L.Layer):
    """Distances of an anchor to one of its kind and to another."""

    def call(self, anchor, positive, negative):
        near = ops.sum(ops.square(anchor - positive), -1)
        far = ops.sum(ops.square(anchor - negative), -1)
        return ops.stack([near, far], -1)


def triplet(y_true, y_pred):
    """What two distances lack of a margin; there is no target."""
    return ops.maximum(y_pred[:, 0] - y_pred[:, 1] + 0.5, 0.0)


@ordinary(own=[Distances, triplet])
def triplets():
    tower = net(4, None)
    inputs = [keras.Input((6,), name=name) for name in ("anchor", "same", "other")]
    model = keras.Model(inputs, Distances()(*map(tower, inputs)))
    x, y = classes()
    same = [x[y == kind][0] for kind in y]
    return arrays(
        compiled(model, triplet, metrics=None), [x, np.stack(same), x[::-1]], y
    )


class Contrastive(keras.Model):
    """Two views of a sample are alike, those of the others in the batch are not."""

    def __init__(self, temperature=0.2, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature
        self.encoder = net(8, None)
        self.projection = keras.Sequential([L.Dense(8, activation="relu"), L.Dense(4)])
        self.noise = L.GaussianNoise(0.1, seed=3)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}

    def call(self, x, training=None):
        return self.projection(self.encoder(self.noise(x, training=training)))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **more):
        views = [ops.normalize(each, axis=-1) for each in (y_pred, self(x))]
        alike = ops.matmul(views[0], ops.transpose(views[1])) / self.temperature
        labels = ops.arange(ops.shape(alike)[0])
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(labels, alike, True)
        )


@ordinary(own=[Contrastive])
def views_in_a_batch():
    x, _ = classes()
    model = Contrastive()
    model(x[:2])
    model.compile("adam")
    return Case(model, x[:48], x[48:])


class Watched(L.Layer):
    """Tells how large its output is, by a metric of its own."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = L.Dense(units, activation="relu", kernel_regularizer="l2")
        self.size = keras.metrics.Mean(name="size")

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def call(self, x):
        x = self.dense(x)
        self.size.update_state(ops.mean(ops.abs(x)))
        return x


@ordinary(own=[Watched], backends=("tensorflow", "torch"))
def metric_in_a_layer():
    inputs = keras.Input((6,))
    outputs = L.Dense(3, activation="softmax")(Watched(12)(inputs))
    return arrays(compiled(keras.Model(inputs, outputs)), *classes())


@ops.custom_gradient
def reverse(x):
    """The same, with gradients of the other sign."""

    def gradient(*args, upstream=None):
        return ops.negative(args[0] if upstream is None else upstream)

    return x, gradient


class GradientReversal(L.Layer):
    """What the second output learns, the net unlearns."""

    def call(self, x):
        return reverse(x)


@ordinary(own=[GradientReversal])
def two_domains():
    x, y = classes()
    inputs = keras.Input((6,))
    shared = L.Dense(12, activation="relu")(inputs)
    domain = L.Dense(8, activation="relu")(GradientReversal()(shared))
    outputs = {
        "label": L.Dense(3, activation="softmax", name="label")(shared),
        "domain": L.Dense(1, activation="sigmoid", name="domain")(domain),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "adam",
        {"label": "sparse_categorical_crossentropy", "domain": "binary_crossentropy"},
        loss_weights={"label": 1.0, "domain": 0.3},
        metrics={"label": "accuracy", "domain": "accuracy"},
    )
    monitor = {"monitor": "label_accuracy"}
    target = {"label": y, "domain": (y % 2)[:, None]}
    return arrays(model, x, target, monitor=monitor)


class Positions(L.Layer):
    """Adds a constant that is neither trained nor in a config."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.waves = ops.sin(ops.arange(0.0, 6.0))

    def call(self, x):
        return x + self.waves


@ordinary(own=[Positions])
def constant_in_a_layer():
    inputs = keras.Input((6,))
    x = L.PReLU()(L.Dense(12)(Positions()(inputs)))
    x = L.Dense(3, activation="softmax")(L.PReLU(alpha_initializer="ones")(x))
    model, (data, y) = keras.Model(inputs, x), classes()
    return arrays(compiled(model), data, y, np.where(y == 1, 5.0, 1.0))
