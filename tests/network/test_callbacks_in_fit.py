"""Pruning and sharing together, over the layers, models and trainings that users have.

After every fit the number of zeros and of distinct values is exact, and what the user
had before is put back.
"""

import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.fitting import fit
from helpers.nets import BACKEND, dense_net, kernels, regression, zeros
from keras import layers

import deepcompress as dc
from deepcompress.network.variables import named_variables

SPARSITY = 0.5
BITS = 2

# The smallest batches that exercise a layer: an input, and what is made of it.
LAYERS = {
    "Dense": ((8,), layers.Dense(6)),
    "Conv1D": ((9, 4), layers.Conv1D(6, 3)),
    "Conv2D": ((6, 6, 4), layers.Conv2D(6, 3)),
    "Conv2D grouped": ((6, 6, 4), layers.Conv2D(6, 3, groups=2)),
    "Conv3D": ((4, 4, 4, 2), layers.Conv3D(4, 2)),
    "Conv1DTranspose": ((9, 4), layers.Conv1DTranspose(6, 3)),
    "Conv2DTranspose": ((6, 6, 4), layers.Conv2DTranspose(6, 3)),
    "Conv3DTranspose": ((4, 4, 4, 2), layers.Conv3DTranspose(4, 2)),
    "DepthwiseConv1D": ((9, 4), layers.DepthwiseConv1D(3, depth_multiplier=2)),
    "DepthwiseConv2D": ((6, 6, 4), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "SeparableConv1D": ((9, 4), layers.SeparableConv1D(6, 3)),
    "SeparableConv2D": ((6, 6, 4), layers.SeparableConv2D(6, 3)),
    "EinsumDense": ((5, 4), layers.EinsumDense("abc,cde->abde", (None, 3, 2))),
    "LSTM": ((5, 4), layers.LSTM(6)),
    "GRU": ((5, 4), layers.GRU(6)),
    "SimpleRNN": ((5, 4), layers.SimpleRNN(6)),
    "Bidirectional": ((5, 4), layers.Bidirectional(layers.LSTM(4))),
    "TimeDistributed": ((5, 4), layers.TimeDistributed(layers.Dense(6))),
}


class Own(layers.Layer):
    """A user's layer with a weight of its own."""

    def build(self, shape):
        self.table = self.add_weight(shape=(shape[-1], 6), name="table")

    def call(self, x):
        return keras.ops.matmul(x, self.table)


class Tied(keras.Model):
    """An embedding that is the output's kernel too."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(12, 6, name="embedding")

    def call(self, x):
        hidden = keras.ops.mean(self.embedding(x), axis=1)
        table = keras.ops.convert_to_tensor(self.embedding.embeddings)
        return keras.ops.matmul(hidden, keras.ops.transpose(table))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(8, name=f"block{i}") for i in range(2)]
        self.head = layers.Dense(3, name="head")

    def call(self, x):
        for block in self.blocks:
            x = keras.ops.relu(block(x))
        return self.head(x)


def of_layer(name):
    shape, layer = LAYERS[name]
    layer = type(layer).from_config(layer.get_config())
    return keras.Sequential([keras.Input(shape), layer, layers.Flatten()]), shape


def data_for(model, shape, n=16, kind="normal"):
    rng = np.random.default_rng(0)
    if kind == "tokens":
        x = rng.integers(0, 12, (n, *shape))
    else:
        x = rng.standard_normal((n, *shape)).astype("float32")
    outputs = model(x[:1])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    y = [rng.standard_normal((n, *o.shape[1:])).astype("float32") for o in outputs]
    return x, y if len(y) > 1 else y[0]


def fit_arrays(model, x, y, callback):
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])


def check_both_stages(model, x, y, fit=fit_arrays, **compile_arguments):
    """Prunes in one fit and shares in the next, and looks at every variable."""
    variables = [v for v in named_variables(model) if v.is_compressible]
    assert variables
    rest = [v for v in named_variables(model) if not v.is_compressible]
    before = {v.name: v.variable.constraint for v in variables}
    model.compile(**{"optimizer": "adam", "loss": "mse", **compile_arguments})
    fit(model, x, y, dc.PruningCallback(dc.PolynomialDecay(SPARSITY, end=0.5)))
    masks = {}
    for named in variables:
        value = named.variable.numpy()
        assert zeros(value) == round(SPARSITY * value.size), named.name
        masks[named.name] = value != 0
    fit(model, x, y, dc.WeightSharingQuantizer(bits=BITS))
    for named in variables:
        value = named.variable.numpy()
        np.testing.assert_array_equal(value != 0, masks[named.name], named.name)
        assert 1 < len(np.unique(value.astype("float64"))) <= 2**BITS, named.name
        assert named.variable.constraint is before[named.name]
    assert all(v.variable.constraint is None for v in rest)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    model, shape = of_layer(name)
    check_both_stages(model, *data_for(model, shape))


def test_multi_head_attention():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4)(inputs, inputs))
    check_both_stages(model, *data_for(model, (5, 8)))


def test_embedding():
    model = keras.Sequential(
        [keras.Input((5,), dtype="int32"), layers.Embedding(12, 6), layers.Flatten()]
    )
    check_both_stages(model, *data_for(model, (5,), kind="tokens"))


def test_a_users_own_layer():
    model = keras.Sequential([keras.Input((8,)), Own()])
    check_both_stages(model, *data_for(model, (8,)))


def test_a_layer_used_twice():
    inputs = keras.Input((8,))
    layer = layers.Dense(8)
    model = keras.Model(inputs, layer(layer(inputs)))
    check_both_stages(model, *data_for(model, (8,)))


def test_tied_weights():
    model = Tied()
    check_both_stages(model, *data_for(model, (5,), kind="tokens"))


def test_a_subclassed_model():
    model = Subclassed()
    check_both_stages(model, *data_for(model, (8,)))


def test_a_model_nested_two_deep():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8)], name="inner")
    middle = keras.Sequential([keras.Input((8,)), inner, layers.Dense(6)], name="mid")
    model = keras.Sequential([keras.Input((8,)), middle, layers.Dense(4)])
    check_both_stages(model, *data_for(model, (8,)))


def test_several_outputs():
    inputs = keras.Input((8,))
    x = layers.Dense(8)(inputs)
    model = keras.Model(inputs, [layers.Dense(3)(x), layers.Dense(2)(x)])
    check_both_stages(model, *data_for(model, (8,)))


def test_a_frozen_backbone_is_left_alone():
    backbone = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    backbone.trainable = False
    model = keras.Sequential([keras.Input((32, 32, 3)), backbone, layers.Dense(4)])
    before = [weight.copy() for weight in backbone.get_weights()]
    check_both_stages(model, *data_for(model, (32, 32, 3), n=8))
    for weight, old in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.01),
        lambda: keras.optimizers.SGD(1e-3, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.RMSprop(1e-3),
        lambda: keras.optimizers.Lion(1e-4),
        lambda: keras.optimizers.Adam(1e-3, clipnorm=0.1),
        lambda: keras.optimizers.Adam(1e-3, global_clipnorm=0.1),
        lambda: keras.optimizers.Adam(1e-3, use_ema=True, ema_overwrite_frequency=3),
        lambda: keras.optimizers.Adam(1e-3, gradient_accumulation_steps=3),
        lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 9)),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3)),
    ],
    ids=[
        "AdamW", "nesterov", "RMSprop", "Lion", "clipnorm", "global_clipnorm", "ema",
        "accumulation", "cosine", "loss scale",
    ],
)  # fmt: skip
def test_optimizers(optimizer):
    model = dense_net()
    check_both_stages(model, *regression(64), optimizer=optimizer())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [keras.Input((10,)), layers.Dense(8), layers.Dense(3, dtype="float32")]
        )
        check_both_stages(model, *regression(64))
    finally:
        keras.config.set_dtype_policy("float32")


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
def test_ways_to_compile(arguments):
    if BACKEND == "torch" and set(arguments) & {"steps_per_execution", "jit_compile"}:
        pytest.skip("Keras has no such argument on torch")
    check_both_stages(dense_net(), *regression(64), **arguments)


def fit_batches(make):
    """A fit of what `make` makes of the arrays: an epoch of batches of four."""

    def fit(model, x, y, callback):
        model.fit(
            make(x, y), epochs=2, shuffle=False, verbose=0, callbacks=[callback]
        )  # fmt: skip

    return fit


def as_tf_data(x, y):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(64).batch(4)


def as_py_dataset(x, y):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(x) // 4

        def __getitem__(self, at):
            return x[4 * at : 4 * at + 4], y[4 * at : 4 * at + 4]

    return Batches()


def as_torch_loader(x, y):
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    return torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)


def fit_generator(model, x, y, callback):
    def batches():
        while True:
            yield x[:4], y[:4]

    model.fit(
        batches(), steps_per_epoch=8, epochs=2, shuffle=False, verbose=0,
        callbacks=[callback],
    )  # fmt: skip


@pytest.mark.parametrize(
    "fit",
    [
        fit_batches(as_tf_data),
        fit_batches(as_py_dataset),
        pytest.param(
            fit_batches(as_torch_loader),
            marks=pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's own loader"),
        ),
        fit_generator,
    ],
    ids=["tf.data", "PyDataset", "DataLoader", "generator"],
)
def test_kinds_of_data(fit):
    check_both_stages(dense_net(), *regression(64), fit=fit)


def test_a_model_fitted_before():
    model = dense_net()
    x, y = regression(64)
    model.fit(x, y, verbose=0)
    # Not compiled anew: the step is traced by then, without a tie.
    check_both_stages(model, x, y, optimizer=model.optimizer)


def test_class_weights():
    def fit(model, x, y, callback):
        model.fit(
            x, y.argmax(1), class_weight={0: 1, 1: 2, 2: 5}, epochs=2, verbose=0,
            callbacks=[callback],
        )  # fmt: skip

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    check_both_stages(dense_net(), *regression(64), fit=fit, loss=loss)


def test_early_stopping_leaves_the_sparsity_reached():
    model = dense_net()
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=10)
    callback = dc.PruningCallback(dc.PolynomialDecay(0.9, end=1.0, frequency=1))
    history = model.fit(
        *regression(), epochs=10, verbose=0, callbacks=[callback, stop]
    )  # fmt: skip
    assert len(history.epoch) == 2
    reached = round(200 * history.history["sparsity"][-1])
    assert abs(zeros(kernels(model)["hidden"]) - reached) <= 1
    assert reached < 150


RESUMED = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
import deepcompress as dc
from helpers.nets import dense_net, kernels, regression

class Kill(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == int(sys.argv[2]):
            os._exit(9)

model = dense_net()
callback = dc.PruningCallback(dc.PolynomialDecay(0.9, end=0.8, frequency=1))
backup = keras.callbacks.BackupAndRestore(sys.argv[1])
history = model.fit(*regression(), epochs=5, verbose=0,
                    callbacks=[callback, backup, Kill()])
print([round(s, 3) for s in history.history["sparsity"]])
print([int((k == 0).sum()) for k in kernels(model).values()])
"""


@pytest.mark.parametrize("killed_after", [0, 2])
def test_a_killed_training_resumes_where_the_schedule_was(killed_after, tmp_path):
    def run(folder, epoch):
        return subprocess.run(
            [sys.executable, "-c", RESUMED, str(tmp_path / folder), str(epoch)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    whole = run("whole", 99)
    assert whole.returncode == 0, whole.stderr
    assert run("killed", killed_after).returncode == 9
    resumed = run("killed", 99)
    assert resumed.returncode == 0, resumed.stderr
    sparsity, final = (line for line in whole.stdout.splitlines())
    after_sparsity, after_final = (line for line in resumed.stdout.splitlines())
    assert after_final == final == "[180, 54]"
    # BackupAndRestore repeats the epoch that was not saved yet.
    assert sparsity.endswith(after_sparsity.lstrip("["))


def loop(model, callback, step, epochs=3, n_batches=4):
    """A training loop of the user's own, as the guide has it."""
    x, y = regression()
    callbacks = keras.callbacks.CallbackList(
        [callback], model=model, epochs=epochs, steps=n_batches
    )
    callbacks.on_train_begin()
    for epoch in range(epochs):
        callbacks.on_epoch_begin(epoch)
        for batch in range(n_batches):
            part = slice(64 * batch, 64 * batch + 64)
            step(x[part], y[part])
            callbacks.on_train_batch_end(batch)
        callbacks.on_epoch_end(epoch)
    callbacks.on_train_end()


def test_train_on_batch():
    model = dense_net()
    schedule = dc.PolynomialDecay(0.8, frequency=1)
    loop(model, dc.PruningCallback(schedule), model.train_on_batch)
    assert zeros(kernels(model)["hidden"]) == 160
    loop(model, dc.WeightSharingQuantizer(bits=3), model.train_on_batch)
    assert zeros(kernels(model)["hidden"]) == 160
    assert len(np.unique(kernels(model)["hidden"])) == 8


@pytest.mark.skipif(BACKEND != "jax", reason="others track no variables of ours")
def test_the_optimizer_tracks_what_every_fit_adds_and_nothing_afterwards():
    """A mask that the optimizer does not track is a constant of the step."""
    model = dense_net()
    fit(model)
    own = [id(v) for v in model.optimizer.variables]
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(len(model.optimizer.variables))
    )
    for _ in range(3):
        fit(model, dc.PruningCallback(0.5), watch)
        assert [id(v) for v in model.optimizer.variables] == own
    assert seen == [len(own) + 2] * 3


@pytest.mark.skipif(BACKEND != "jax", reason="others need no compiled model")
def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4)])
    with pytest.raises(ValueError, match="is not compiled"):
        loop(model, dc.PruningCallback(0.5), None)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a GradientTape is TensorFlow's")
def test_a_gradient_tape():
    import tensorflow as tf

    model = dense_net()

    def make_step():
        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)

        return step

    loop(model, dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1)), make_step())
    assert zeros(kernels(model)["hidden"]) == 160
    loop(model, dc.WeightSharingQuantizer(bits=3), make_step())
    assert zeros(kernels(model)["hidden"]) == 160
    assert len(np.unique(kernels(model)["hidden"])) == 8


def test_one_callback_in_two_trainings_at_once_is_refused():
    callback = dc.PruningCallback(0.5)
    inner = dense_net()

    class Interleave(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                keras.callbacks.CallbackList([callback], model=inner, epochs=1, steps=8)

    outer = dense_net()
    with pytest.raises(RuntimeError, match="two trainings at once"):
        outer.fit(*regression(), verbose=0, callbacks=[callback, Interleave()])


def test_a_loss_that_is_nan_is_named_and_nothing_is_pruned_by_it():
    model = dense_net()
    x, y = regression()
    y[:] = np.nan
    callback = dc.PruningCallback(dc.PolynomialDecay(0.5, frequency=1))
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        model.fit(x, y, verbose=0, callbacks=[callback])


def test_what_happens_is_in_the_logs():
    x, y = regression()
    model = dense_net()
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[dc.PruningCallback(0.5)])
    assert history.history["sparsity"] == [0.5, 0.5]
    sharing = dc.WeightSharingQuantizer(bits=3)
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[sharing])
    assert history.history["distinct_values"] == [16, 16]


def test_tensorboard_shows_sparsity_and_distinct_values(tmp_path):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util

    model = dense_net()
    for callback in (dc.PruningCallback(0.5), dc.WeightSharingQuantizer(bits=3)):
        board = keras.callbacks.TensorBoard(str(tmp_path))
        model.fit(*regression(64), verbose=0, callbacks=[callback, board])
    written = event_accumulator.EventAccumulator(str(tmp_path / "train"))
    written.Reload()
    seen = {
        tag: [
            float(tensor_util.make_ndarray(event.tensor_proto))
            for event in written.Tensors(tag)
        ]
        for tag in ("epoch_sparsity", "epoch_distinct_values")
    }
    assert seen == {"epoch_sparsity": [0.5], "epoch_distinct_values": [16.0]}


@pytest.mark.skipif(BACKEND != "jax", reason="Keras distributes so on JAX alone")
def test_data_parallel_in_two_processes():
    code = """
import hashlib, os, sys
import jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
rank = int(sys.argv[2])
jax.distributed.initialize(f"localhost:{sys.argv[1]}", 2, rank)
import keras, numpy as np
keras.distribution.set_distribution(
    keras.distribution.DataParallel(auto_shard_dataset=False))
import deepcompress as dc
from helpers.nets import dense_net, kernels, regression
model = dense_net()
x, y = (array[rank::2] for array in regression())
def fit(callback):
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[callback])
    for kernel in kernels(model).values():
        digest = hashlib.sha256(kernel.tobytes()).hexdigest()
        print((kernel == 0).sum(), len(np.unique(kernel)), digest)
fit(dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1)))
fit(dc.WeightSharingQuantizer(bits=3, init="kmeans++"))
"""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, port, str(rank)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
        for rank in range(2)
    ]  # fmt: skip
    outputs = []
    for worker in workers:
        output, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
        lines = [line.split() for line in output.splitlines()]
        outputs.append([line for line in lines if len(line) == 3])
    assert outputs[0] == outputs[1]
    assert [line[0] for line in outputs[0]] == ["160", "48", "160", "48"]
    assert [line[1] for line in outputs[0][2:]] == ["8", "8"]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
def test_a_mirrored_strategy():
    code = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, deepcompress as dc
from helpers.nets import dense_net, kernels, regression
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = dense_net()
x, y = regression()
model.fit(x, y, epochs=2, verbose=0,
          callbacks=[dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1))])
model.fit(x, y, epochs=2, verbose=0, callbacks=[dc.WeightSharingQuantizer(bits=3)])
for layer in model.layers:
    replicas = [r.numpy() for r in layer.kernel.value.values]
    assert len(replicas) == 2
    assert replicas[0].tobytes() == replicas[1].tobytes()
    print((replicas[0] == 0).sum(), len(np.unique(replicas[0])))
try:
    model.fit(x, y, verbose=0, callbacks=[dc.WeightSharingQuantizer(3, gradient="sum")])
except ValueError as error:
    assert "several replicas" in str(error)
    print("refused")
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["160", "8", "48", "8", "refused"]


def test_distillation():
    def fit(model, x, y, callback):
        distiller = keras.distillation.Distiller(
            teacher, model, keras.distillation.LogitsDistillation()
        )
        distiller.compile("adam", "mse")
        fit_arrays(distiller, x, y, callback)

    teacher = dense_net()
    before = teacher.get_weights()
    check_both_stages(dense_net(), *regression(64), fit=fit)
    for weight, old in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
