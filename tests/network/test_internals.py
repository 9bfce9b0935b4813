"""Each private attribute of Keras that the library needs is there, and means that."""

import inspect

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net, regression
from keras import layers

from deepcompress.network import internals


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="in")], name="s")
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, layers.Dense(2, name="out")(inner(inputs)))


def trained(optimizer="adam"):
    model = dense_net(optimizer=optimizer)
    model.fit(*regression(64), verbose=0)
    return model


def is_jax():
    assert internals.is_jax() == (keras.config.backend() == "jax")


def flatten_layers():
    model = nested()
    names = [layer.name for layer in internals.flatten_layers(model)]
    assert [name for name in names if "input" not in name] == [
        model.name, "x", "s", "in", "out"
    ]  # fmt: skip
    own = internals.flatten_layers(model, include_self=False, recursive=False)
    assert [layer.name for layer in own] == ["x", "s", "out"]


def compiled_with():
    def loss(y, predicted):
        return keras.ops.mean(y - predicted)

    model = nested()
    assert internals.compiled_with(model) == {}
    model.compile("sgd", loss, metrics=["mae"])
    given = internals.compiled_with(model)
    assert given["loss"] is loss
    assert given["metrics"] == ["mae"]


def mark_compiled():
    model = nested()
    internals.mark_compiled(model)
    assert model.compiled


def retrace():
    model = trained()
    before = model.train_function
    internals.retrace(model)
    assert model.train_function is not before


def forget_traces():
    model = trained()
    x, y = regression(64)
    before = model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    internals.forget_traces(model)
    for function in ("train", "test", "predict"):
        assert getattr(model, f"{function}_function") is None
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    model.fit(x, y, verbose=0)


def synchronise():
    values = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            internals.synchronise(self.model)
            values.append(self.model.layers[0].kernel.numpy())

    model = dense_net()
    model.fit(*regression(64), verbose=0, callbacks=[Look()])
    assert not np.array_equal(values[0], values[1])


def fit_of():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(internals.fit_of(self))

    model = dense_net()
    for _ in range(2):
        model.fit(*regression(64), verbose=0, callbacks=[Look(), Look()])
    assert seen[0] is seen[1]
    assert seen[2] is seen[3]
    assert seen[0] is not seen[2]


def strategy_scope():
    with internals.strategy_scope(nested()):
        assert keras.Variable(np.ones(2)).numpy().sum() == 2


def num_replicas():
    assert internals.num_replicas(nested()) == 1


def num_workers():
    assert internals.num_workers(nested()) == 1


def layout_of():
    assert internals.layout_of(keras.Variable(np.ones(2))) is None


def lay_out():
    variable = keras.Variable(np.ones(2))
    layout = None
    if BACKEND == "jax":
        mesh = keras.distribution.DeviceMesh(
            (1,), ["all"], keras.distribution.list_devices()[:1]
        )
        layout = keras.distribution.TensorLayout(("all",), mesh)
    internals.lay_out(variable, layout)
    assert internals.layout_of(variable) is layout
    assert variable.numpy().sum() == 2


def learning_rate():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    assert internals.learning_rate(keras.optimizers.SGD(schedule)) is schedule
    assert float(internals.learning_rate(keras.optimizers.SGD(0.5))) == 0.5


def stand_in():
    layer = layers.Dense(2, kernel_regularizer="l2")
    without = internals.stand_in(layer, {"kernel_regularizer": None})
    assert type(without) is layers.Dense
    assert without.get_config()["kernel_regularizer"] is None
    assert without.get_config()["units"] == 2
    assert layer.get_config()["kernel_regularizer"] is not None


def optimizer_config():
    class Own(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1

    schedule = Own()
    given = keras.optimizers.Adam(schedule, beta_1=0.8)
    config = internals.optimizer_config(given)
    assert config["learning_rate"] is schedule
    assert keras.optimizers.Adam.from_config(config).beta_1 == 0.8
    assert internals.learning_rate(given) is schedule
    assert internals.optimizer_config(keras.optimizers.SGD(0.5))[
        "learning_rate"
    ] == pytest.approx(0.5)


def trained_variables():
    model = trained()
    found = internals.trained_variables(model.optimizer)
    assert list(map(id, found)) == list(map(id, model.trainable_variables))


def keeps_second_moments():
    assert internals.keeps_second_moments(trained().optimizer)
    assert not internals.keeps_second_moments(trained("sgd").optimizer)


def second_moment():
    model = trained()
    kernel = model.layers[0].kernel
    moment = internals.second_moment(model.optimizer, kernel)
    assert moment.shape == kernel.shape
    assert (moment.numpy() > 0).any()
    assert internals.second_moment(model.optimizer, keras.Variable(np.ones(3))) is None


def forget_variables():
    if not internals.is_jax():
        pytest.skip("others' optimizers are given no variables")
    optimizer = trained().optimizer
    before = list(map(id, optimizer.variables))
    added = optimizer.add_variable((2,))
    assert id(added) in map(id, optimizer.variables)
    internals.forget_variables(optimizer, [added])
    assert list(map(id, optimizer.variables)) == before


def begin_with():
    value = keras.ops.ones((3,))
    with keras.StatelessScope():
        waiting = keras.Variable(lambda shape, dtype: 1 / 0, shape=(3,))
        internals.begin_with(waiting, lambda: value)
    ready = keras.Variable(np.zeros(3))
    internals.begin_with(ready, lambda: value)
    for variable in (waiting, ready):
        np.testing.assert_array_equal(variable.numpy(), np.ones(3))


def graph_of():
    assert internals.graph_of(nested()) is not None
    assert internals.graph_of(dense_net()) is not None
    assert internals.graph_of(layers.Dense(2)) is None


def nodes():
    found = internals.nodes(internals.graph_of(nested()))
    assert [node.operation.name for node in found] == ["s", "out"]


def run_through_graph():
    model = nested()
    seen = []

    def same(layer):
        seen.append(layer.name)
        return layer

    x = keras.Input((4,))
    assert internals.run_through_graph(model, x, same).shape == (None, 2)
    assert seen == ["s", "out"]


def copy_of():
    x = keras.Input((4,))
    y = keras.ops.pad(x, np.array([[0, 0], [1, 0]]))
    padding, _ = internals.maker_of(y)
    copied = internals.copy_of(padding)
    assert internals.calls_of(copied) == []
    assert copied(x).shape == (None, 5)
    assert len(internals.calls_of(padding)) == len(internals.calls_of(copied)) == 1


def give_build_config():
    layer, copy = layers.Dense(4), layers.Dense(4)
    layer.build((None, 3))
    assert copy.get_build_config() is None
    internals.give_build_config(layer, copy)
    assert copy.get_build_config() == {"input_shape": (None, 3)}


def calls_of():
    shared = layers.Dense(4)
    x = keras.Input((4,))
    shared(shared(x))
    first, second = internals.calls_of(shared)
    assert first.input_tensors[0] is x
    assert second.input_tensors[0] is first.outputs[0]


def maker_of():
    shared = layers.Dense(4)
    y = shared(shared(keras.Input((4,))))
    assert internals.maker_of(y) == (shared, 1)


def is_masked():
    x = keras.Input((5,), dtype="int32")
    assert not internals.is_masked(x)
    assert internals.is_masked(layers.Embedding(9, 3, mask_zero=True)(x))


def direction():
    assert internals.direction(keras.metrics.BinaryAccuracy()) == "max"
    assert internals.direction(keras.metrics.MeanAbsoluteError()) == "min"
    assert internals.direction(keras.metrics.Mean()) is None


def function_of():
    own = keras.metrics.MeanMetricWrapper(abs)
    assert internals.function_of(own) is abs
    assert internals.function_of(keras.metrics.AUC()) is None


def loss_trackers():
    x = keras.Input((4,))
    model = keras.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])
    assert internals.loss_trackers(model) == []
    model.compile("sgd", ["mse", "mae"])
    ones = np.ones((2, 4)), [np.ones((2, 1))] * 2
    names = model.evaluate(*ones, verbose=0, return_dict=True)
    found = [metric.name for metric in internals.loss_trackers(model)]
    assert found == ["a_loss", "b_loss"]
    assert {*found, "loss"} == set(names)


def uncompiled():
    inner = nested()
    model = keras.Sequential([inner])
    for each in (inner, model):
        each.compile("sgd", "mse")
    with internals.uncompiled(model):
        assert not model.compiled
        assert not inner.compiled
        assert model.get_compile_config() in (None, {})
    assert model.compiled
    assert inner.compiled


def own_attributes():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.rate = layers.Dense(2), 0.5

        def call(self, x):
            return self.dense(x)

    model = Own()
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert set(internals.own_attributes(model)) == {"dense", "rate"}
    assert internals.own_attributes(layers.Layer()) == {}


def order_variables():
    layer = dense_net().layers[0]
    kernel, bias = layer.weights
    internals.order_variables(layer, {id(kernel): 1, id(bias): 0})
    assert [id(v) for v in layer.weights] == [id(bias), id(kernel)]


def is_quantized():
    layer = dense_net().layers[0]
    assert not internals.is_quantized(layer)
    layer.quantize("int8")
    assert internals.is_quantized(layer)


def prepared(kind):
    layer = dense_net().layers[0]
    config = {"gptq": keras.quantizers.GPTQConfig, "awq": keras.quantizers.AWQConfig}
    layer.quantize(kind, config=config[kind]([1], lambda x: x, group_size=4))
    return layer


def has_plain_kernel():
    layer = prepared("gptq")
    assert internals.has_plain_kernel(layer)
    internals.calibrate(layer)
    assert not internals.has_plain_kernel(layer)


def calibrate():
    for kind in ("gptq", "awq"):
        layer = prepared(kind)
        internals.calibrate(layer)
        # Its kernel is all zero now.
        layer.bias.assign(np.arange(20))
        layer.activation = None
        after = keras.ops.convert_to_numpy(layer(np.ones((1, 10))))
        assert np.array_equal(after[0], np.arange(20))


def unlocked():
    layer = dense_net().layers[0]
    with internals.unlocked(layer):
        layer.more = layer.add_weight(shape=())
    with pytest.raises(ValueError, match="cannot add"):
        layer.still_more = layer.add_weight(shape=())


def safe_mode_scope():
    function = {"class_name": "__lambda__", "config": {"value": None}}
    with internals.safe_mode_scope(False), pytest.raises(AttributeError):
        keras.saving.deserialize_keras_object(function)
    with internals.safe_mode_scope(True), pytest.raises(ValueError, match="safe_mode"):
        keras.saving.deserialize_keras_object(function)


def known():
    for each in (layers.Dense(2), keras.losses.mean_squared_error, nested()):
        config = keras.saving.serialize_keras_object(each)
        assert internals.known(config, {}) in (each, type(each))
    entry = {
        "class_name": "Own",
        "config": {},
        "module": None,
        "registered_name": "a>b",
    }
    assert internals.known(entry, {}) is None
    assert internals.known(entry, {"a>b": layers.Dense}) is layers.Dense


def standardized():
    graph = internals.graph_of(dense_net())
    (found,) = internals.standardized(graph, np.ones((2, *graph.inputs[0].shape[1:])))
    assert keras.ops.is_tensor(found)


CHECKS = [
    value
    for name, value in list(globals().items())
    if inspect.isfunction(value) and hasattr(internals, name)
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_keras_still_has(check):
    check()


def test_every_private_attribute_is_tried():
    own = {
        name
        for name, value in vars(internals).items()
        if inspect.isfunction(value) and value.__module__ == internals.__name__
    }
    assert {check.__name__ for check in CHECKS} == own
    assert keras.backend.backend() == BACKEND
