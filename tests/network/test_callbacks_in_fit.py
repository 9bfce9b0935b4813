"""Pruning and sharing together, over the ways that users train.

After every fit the number of zeros and of distinct values is exact, and what the user
had before is put back.
"""

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net, kernels, regression, zeros
from helpers.stages import check_both_stages, fit_arrays
from keras import layers

import deepcompress as dc


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
