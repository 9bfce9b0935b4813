"""Nets as in tutorials and galleries of examples, with what people make of them."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import Case, arrays, ordinary
from ordinary.forms import py_datasets, random, whole

N = 64
NO_CONFIG = dict.fromkeys(("save", "load elsewhere"), "class a `get_config`")


def feed_forward(units, rate=0.2):
    return keras.Sequential(
        [L.BatchNormalization(), L.Dropout(rate), L.Dense(units, activation="gelu")]
    )


class GraphConvolution(L.Layer):
    """What the neighbours of a node say is summed, and joined to what it is."""

    def __init__(self, units, dropout_rate=0.2, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.prepare = feed_forward(units, dropout_rate)
        self.update_fn = feed_forward(units, dropout_rate)

    def call(self, inputs):
        nodes, edges, edge_weights = inputs
        messages = self.prepare(ops.take(nodes, edges[1], axis=0))
        messages = messages * ops.expand_dims(edge_weights, -1)
        said = ops.segment_sum(messages, edges[0], num_segments=nodes.shape[0])
        found = self.update_fn(ops.concatenate([nodes, said], axis=1))
        return ops.normalize(found, axis=-1)


class NodeClassifier(keras.Model):
    """Holds the whole graph; what it is called with are numbers of nodes."""

    def __init__(self, graph_info, num_classes, units, *args, **kwargs):
        super().__init__(*args, **kwargs)
        features, edges, weights = graph_info
        self.node_features = ops.convert_to_tensor(features)
        self.edges = ops.convert_to_tensor(edges)
        self.edge_weights = ops.convert_to_tensor(weights)
        self.edge_weights = self.edge_weights / ops.sum(self.edge_weights)
        self.preprocess = feed_forward(units)
        self.conv1 = GraphConvolution(units, name="graph_conv1")
        self.conv2 = GraphConvolution(units, name="graph_conv2")
        self.postprocess = feed_forward(units)
        self.compute_logits = L.Dense(units=num_classes, name="logits")

    def call(self, input_node_indices):
        x = self.preprocess(self.node_features)
        x = self.conv1((x, self.edges, self.edge_weights)) + x
        x = self.conv2((x, self.edges, self.edge_weights)) + x
        x = self.postprocess(x)
        return self.compute_logits(ops.take(x, input_node_indices, axis=0))


@ordinary(own=[NodeClassifier, GraphConvolution], refuses=NO_CONFIG)
def citations():
    """Papers that cite each other, with all of them known while some are learned."""
    edges = whole(N, 2, 200)
    graph = (random(N, 10), edges, np.ones(edges.shape[1], "float32"))
    model = NodeClassifier(graph, 3, 12)
    model(np.array([1, 10, 30]))
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    return arrays(model, np.arange(N), whole(3, N), monitor={"monitor": "acc"})


class OrthogonalRegularizer(keras.regularizers.Regularizer):
    """Has no `get_config`: nobody saved the net when it was written."""

    def __init__(self, num_features, l2reg=0.001):
        self.num_features = num_features
        self.l2reg = l2reg
        self.eye = ops.eye(num_features)

    def __call__(self, x):
        x = ops.reshape(x, (-1, self.num_features, self.num_features))
        product = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        return ops.sum(self.l2reg * ops.square(product - self.eye))


def conv_bn(x, filters):
    x = L.Conv1D(filters, kernel_size=1, padding="valid")(x)
    return L.Activation("relu")(L.BatchNormalization(momentum=0.0)(x))


def turned(inputs, num_features):
    """Turns points by a matrix that they give; at first it leaves them as they are."""
    x = L.GlobalMaxPooling1D()(conv_bn(conv_bn(inputs, 6), 12))
    x = L.Dense(8, activation="relu")(x)
    x = L.Dense(
        num_features * num_features,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(np.eye(num_features).flatten()),
        activity_regularizer=OrthogonalRegularizer(num_features),
    )(x)
    matrix = L.Reshape((num_features, num_features))(x)
    return L.Dot(axes=(2, 1))([inputs, matrix])


@ordinary(own=[OrthogonalRegularizer], refuses=NO_CONFIG)
def point_cloud():
    inputs = keras.Input(shape=(20, 3))
    x = conv_bn(conv_bn(turned(inputs, 3), 6), 6)
    x = conv_bn(conv_bn(turned(x, 6), 8), 16)
    x = L.Dropout(0.3)(L.Dense(12, activation="relu")(L.GlobalMaxPooling1D()(x)))
    outputs = L.Dense(4, activation="softmax")(x)
    model = keras.Model(inputs=inputs, outputs=outputs, name="pointnet")
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        metrics=["sparse_categorical_accuracy"],
    )
    return Case(
        model,
        *py_datasets(random(N, 20, 3), whole(4, N)),
        monitor={"monitor": "sparse_categorical_accuracy"},
        inputs=random(16, 20, 3, seed=1),
    )


@ordinary()
def sound_by_its_spectrum():
    """Begins with the samples: two spectra, whose filters are weights, not trained."""
    inputs = keras.Input((256, 1), name="waveform")
    frames = {"frame_length": 32, "frame_step": 16, "fft_length": 32}
    fine = L.STFTSpectrogram(mode="log", expand_dims=True, **frames)
    parts = L.STFTSpectrogram(mode="real", window="hamming", padding="same", **frames)
    norm = L.Normalization(axis=2)
    norm.adapt(ops.convert_to_numpy(fine(random(N, 256, 1))))
    x = L.Conv2D(6, (3, 5), activation="relu")(norm(fine(inputs)))
    x = L.Conv2D(6, 3, strides=2, activation="relu")(x)
    y = L.GRU(6)(L.Dense(8, activation="tanh")(parts(inputs)))
    x = L.Concatenate()([L.GlobalMaxPooling2D()(x), y])
    model = keras.Model(inputs, L.Dense(5, activation="sigmoid", name="tags")(x))
    model.compile(
        keras.optimizers.Adam(1e-3),
        "binary_crossentropy",
        metrics=[keras.metrics.AUC(multi_label=True, num_labels=5, name="auc")],
    )
    y = whole(2, N, 5)
    y[:3], y[N - 3 :] = np.eye(3, 5), 1 - np.eye(3, 5)
    return arrays(model, random(N, 256, 1), y, monitor={"monitor": "auc"})


class Distiller(keras.Model):
    """Has two losses of its own, which `compile` is given by names of its own."""

    def __init__(self, student, teacher):
        super().__init__()
        self.teacher = teacher
        self.student = student

    def compile(
        self,
        optimizer,
        metrics,
        student_loss_fn,
        distillation_loss_fn,
        *,
        alpha=0.1,
        temperature=3,
    ):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn = student_loss_fn
        self.distillation_loss_fn = distillation_loss_fn
        self.alpha = alpha
        self.temperature = temperature

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False, **more
    ):
        soft = ops.softmax(self.teacher(x, training=False) / self.temperature, axis=1)
        student_loss = self.student_loss_fn(y, y_pred)
        distillation_loss = self.distillation_loss_fn(
            soft, ops.softmax(y_pred / self.temperature, axis=1)
        ) * (self.temperature**2)
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss

    def call(self, x):
        return self.student(x)


def digits(n, name):
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(n, (3, 3), strides=(2, 2), padding="same"),
            L.LeakyReLU(negative_slope=0.2),
            L.MaxPooling2D(pool_size=(2, 2), strides=(1, 1), padding="same"),
            L.Conv2D(2 * n, (3, 3), strides=(2, 2), padding="same"),
            L.Flatten(),
            L.Dense(4),
        ],
        name=name,
    )


@ordinary(own=[Distiller], refuses=NO_CONFIG)
def distiller():
    """What is to be smaller is within; the teacher is large and does not learn."""
    x, y = random(N, 8, 8, 1), whole(4, N)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher = digits(12, "teacher")
    teacher.compile("adam", loss)
    teacher.fit(x, y, verbose=0)
    teacher.trainable = False
    model = Distiller(student=digits(4, "student"), teacher=teacher)
    model.compile(
        optimizer=keras.optimizers.Adam(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        student_loss_fn=loss,
        distillation_loss_fn=keras.losses.KLDivergence(),
        alpha=0.1,
        temperature=10,
    )
    return arrays(model, x, y, monitor={"monitor": "sparse_categorical_accuracy"})


class DepthToSpace(L.Layer):
    """Each pixel becomes a square of pixels, for images of any size."""

    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        self.block_size = block_size

    def call(self, x):
        size, (_, height, width, n) = self.block_size, ops.shape(x)
        x = ops.reshape(x, (-1, height, width, size, size, n // size**2))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, height * size, width * size, n // size**2))

    def compute_output_shape(self, shape):
        size = self.block_size
        sides = [None if side is None else side * size for side in shape[1:3]]
        return (shape[0], *sides, shape[3] // size**2)


def psnr(high_resolution, super_resolution):
    error = ops.mean(ops.square(high_resolution - super_resolution), axis=(1, 2, 3))
    return 10 * ops.log10(255.0**2 / (error + 1e-6))


class SuperResolution(keras.Model):
    """A functional model; it predicts what an image may hold."""

    def predict_step(self, data):
        return ops.clip(super().predict_step(data), 0, 255)


@ordinary(own=[SuperResolution, DepthToSpace, psnr], backends=("tensorflow", "torch"))
def super_resolution():
    inputs = keras.Input((None, None, 3))
    x = x_new = L.Conv2D(8, 3, padding="same")(L.Rescaling(1.0 / 255)(inputs))
    for _ in range(2):
        y = L.Conv2D(8, 3, padding="same", kernel_initializer="orthogonal")(x_new)
        y = L.Conv2D(8, 3, padding="same")(L.PReLU(shared_axes=[1, 2])(y))
        x_new = L.Add()([x_new, y * 0.1])
    x = L.Add()([x, L.Conv2D(8, 3, padding="same")(x_new)])
    x = DepthToSpace(2)(L.Conv2D(8 * 2**2, 3, padding="same")(x))
    x = L.Conv2D(3, 3, padding="same")(x)
    model = SuperResolution(inputs, L.Rescaling(255)(x))
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.PiecewiseConstantDecay([5000], [1e-2, 5e-3])
        ),
        loss="mae",
        metrics=[psnr],
    )
    y = whole(256, N, 12, 12, 3).astype("float32")
    x = y.reshape(N, 6, 2, 6, 2, 3).mean((2, 4))
    return arrays(model, x, y, monitor={"monitor": "psnr", "mode": "max"})
