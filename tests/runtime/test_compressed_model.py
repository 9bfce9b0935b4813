"""`CompressedModel`: what goes in and comes out, and how it is used in a service."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers as L

import deepcompress as dc
from deepcompress.runtime import isa


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            L.Conv2D(8, 3, activation="relu"),
            L.Flatten(),
            L.Dense(20, activation="relu"),
            L.Dense(3, activation="softmax"),
        ]
    )
    dc.prune(made, 0.7)
    dc.WeightSharingQuantizer(bits=4).quantize(made)
    return made


@pytest.fixture(scope="module")
def data(model):
    return dc.HuffmanSerializer().dumps(model)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(50, 6, 6, 2)).astype("float32")


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-5)


def test_it_computes_from_a_path_bytes_and_a_model(model, data, x, tmp_path):
    path = tmp_path / "model.dcz"
    path.write_bytes(data)
    expected = model.predict(x, verbose=0)
    for file in (path, str(path), data, model):
        close(dc.CompressedModel(file).predict(x), expected)


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_it_computes_from_files_of_every_coder(model, x, coder):
    data = dc.HuffmanSerializer(coder=coder).dumps(model)
    close(dc.CompressedModel(data).predict(x), model.predict(x, verbose=0))


def test_a_file_without_a_program_is_lowered_where_keras_is(model, x):
    data = dc.HuffmanSerializer(include_program=False).dumps(model)
    assert "program" not in dc.read(data).parts
    close(dc.CompressedModel(data).predict(x), model.predict(x, verbose=0))


def test_weights_alone_are_refused(model):
    data = dc.HuffmanSerializer(include_architecture=False).dumps(model)
    with pytest.raises(ValueError, match="without an architecture"):
        dc.CompressedModel(data)


def test_batches_are_put_together(data, x):
    net = dc.CompressedModel(data)
    expected = net(x)
    for size in (1, 7, 50, 99):
        close(net.predict(x, batch_size=size), expected)
    assert net.predict(x[:0]).shape == (0, 3)


def test_weights_are_held_compressed(model, data):
    net = dc.CompressedModel(data)
    assert net.nbytes < 0.75 * 4 * model.count_params()
    rows = net.summary().rows
    # Other kernels leave fewer zeros out, in so small a net.
    part = 0.5 if isa.available()[-1] == "avx512" else 0.7
    assert sum(row.n_done for row in rows) < part * sum(row.n_dense for row in rows)
    assert "dense" in str(net.summary())


def test_a_profile_has_a_row_for_each_step(data, x):
    net = dc.CompressedModel(data)
    profile = net.profile(x, repeats=2)
    assert profile.kinds == ("conv", "flatten", "dense", "dense")
    assert profile.total > 0
    assert profile.plot().axes[0].patches


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (np.zeros((2, 5, 6, 2), "float32"), ValueError, "batch, 6, 6, 2"),
        (np.zeros((6, 6, 2), "float32"), ValueError, "batch, 6, 6, 2"),
        (np.array([["a"]]), TypeError, "numbers"),
        (np.zeros((2, 6, 6, 2), complex), TypeError, "numbers"),
        ([np.zeros((2, 6, 6, 2)), np.zeros(2)], ValueError, "shape"),
    ],
)
def test_wrong_inputs_are_refused_with_what_is_right(data, wrong, error, words):
    with pytest.raises(error, match=words):
        dc.CompressedModel(data).predict(wrong)


def test_what_is_not_finite_goes_through_as_in_keras(data, x):
    # TensorFlow's fused ReLU makes 0 of NaN, which other backends do not.
    model = keras.Sequential(
        [keras.Input((40,)), L.Dense(30, activation="tanh"), L.Dense(5)]
    )
    dc.prune(model, 0.8)
    dc.WeightSharingQuantizer(bits=3).quantize(model)
    rows = np.random.default_rng(1).normal(size=(4, 40)).astype("float32")
    rows[0, 3], rows[1, 5], rows[2, 7] = np.nan, np.inf, -np.inf
    found = dc.CompressedModel(model).predict(rows)
    close(found, model.predict(rows, verbose=0))
    x = x[:2].copy()
    x[0, 0, 0, 0] = np.nan
    found = dc.CompressedModel(data).predict(x)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_many_threads_may_call_one_net(data, x):
    net = dc.CompressedModel(data)
    expected = net(x)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: net(x), range(64)):
            np.testing.assert_array_equal(found, expected)


def test_it_is_pickled_without_its_file(data, x, tmp_path):
    path = tmp_path / "model.dcz"
    path.write_bytes(data)
    net = dc.CompressedModel(path)
    path.unlink()
    copy = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(copy(x), net(x))
    with net as same:
        assert same is net


def test_neither_keras_nor_a_framework_is_imported(data, x, tmp_path):
    (tmp_path / "model.dcz").write_bytes(data)
    np.save(tmp_path / "x.npy", x)
    code = """
import sys, numpy as np, deepcompress as dc
net = dc.CompressedModel("model.dcz")
np.save("y.npy", net.predict(np.load("x.npy")))
assert not {"keras", "tensorflow", "jax", "torch", "scipy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    close(np.load(tmp_path / "y.npy"), dc.CompressedModel(data).predict(x))


def test_a_layer_that_cannot_be_run_is_named_and_the_file_is_whole():
    inputs = keras.Input((3, 4, 4, 1))
    model = keras.Model(inputs, L.ConvLSTM2D(2, 2, name="frames")(inputs))
    with pytest.warns(UserWarning, match="'frames' of class 'ConvLSTM2D'"):
        data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match="'frames' of class 'ConvLSTM2D'"):
        dc.CompressedModel(data)
    assert dc.HuffmanSerializer().loads(data).count_params() == model.count_params()


def test_random_numbers_are_refused_and_none_is_drawn():
    class Noise(L.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.seeds = keras.random.SeedGenerator(3)

        def call(self, x):
            return x + keras.random.normal((4,), seed=self.seeds)

    inputs = keras.Input((4,))
    layer = Noise()
    model = keras.Model(inputs, layer(inputs))
    before = layer.seeds.state.numpy().copy()
    with pytest.warns(UserWarning, match="random"):
        data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match="random"):
        dc.CompressedModel(data)
    np.testing.assert_array_equal(layer.seeds.state.numpy(), before)


def test_a_layer_that_changes_its_weights_is_refused_and_left_alone():
    class Masked(L.Dense):
        def call(self, x):
            self.kernel.assign(self.kernel * np.tri(4, 4, dtype="float32"))
            return super().call(x)

    inputs = keras.Input((4,))
    layer = Masked(4)
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign(np.ones((4, 4), "float32"))
    with pytest.warns(UserWarning, match="changes its weights"):
        dc.HuffmanSerializer().dumps(model)
    np.testing.assert_array_equal(layer.kernel, np.ones((4, 4), "float32"))
    layer.kernel.assign(np.zeros((4, 4), "float32"))
    assert not layer.kernel.numpy().any()


class Table(L.Layer):
    """Positions that are looked up by how long the inputs are."""

    def __init__(self, way, **options):
        super().__init__(**options)
        self.way, self.table = way, L.Embedding(20, 8)

    def build(self, shape):
        self.table.build(None)

    def call(self, x):
        n = keras.ops.shape(x)[1]
        if self.way == "range":
            return x + keras.ops.sum(self.table(keras.ops.arange(0, n)), axis=0)
        return x + keras.ops.sum(self.table.embeddings[:n], axis=0)


@pytest.mark.parametrize("way", ["range", "part"])
def test_what_depends_on_an_unknown_length_is_refused(way):
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, Table(way)(inputs))
    with pytest.raises(ValueError, match="how long its inputs are"):
        dc.CompressedModel(model)
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, Table(way)(inputs))
    x = np.random.default_rng(0).random((2, 6, 8), "float32")
    close(dc.CompressedModel(model).predict(x), model.predict(x, verbose=0))


def test_a_program_takes_a_few_bytes():
    model = dc.models.lenet5()
    sizes = [
        len(dc.HuffmanSerializer(include_program=each).dumps(model))
        for each in (True, False)
    ]
    assert 0 < sizes[0] - sizes[1] <= 60
