"""A model as a file and back: every bit, what is refused, and what a file holds."""

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, bits, dense_net, image_net, regression
from helpers.running import run_program
from keras import layers

import deepcompress as dc


def compressed(model):
    dc.prune(model, 0.8)
    dc.WeightSharingQuantizer(bits=2).quantize(model)
    return model


@pytest.mark.parametrize("coder", ["huffman", "context"])
@pytest.mark.parametrize("build", [dense_net, image_net])
def test_a_model_comes_back_bit_for_bit_and_compiled(build, coder, tmp_path):
    model = compressed(build())
    report = dc.HuffmanSerializer(coder=coder).save(model, tmp_path / "a.dcz")
    assert report.size == (tmp_path / "a.dcz").stat().st_size
    loaded = dc.load_model(tmp_path / "a.dcz")
    assert bits(loaded) == bits(model)
    assert loaded.name == model.name
    x = np.random.default_rng(0).standard_normal((4, *model.input_shape[1:]))
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert loaded.evaluate(x, loaded.predict(x, verbose=0), verbose=0) == 0


def test_bytes_are_what_a_file_would_hold(tmp_path):
    model = compressed(dense_net())
    serializer = dc.HuffmanSerializer()
    serializer.save(model, tmp_path / "a.dcz")
    data = serializer.dumps(model)
    assert data == (tmp_path / "a.dcz").read_bytes()
    assert bits(serializer.loads(data)) == bits(model)


def test_a_fresh_process_reads_the_same_bits(tmp_path):
    model = compressed(dense_net())
    path = tmp_path / "a.dcz"
    dc.HuffmanSerializer().save(model, path)
    ended = run_program("print_weights", path)
    assert ended.returncode == 0, ended.stderr
    assert [bytes.fromhex(line) for line in ended.stdout.splitlines()] == bits(model)


DTYPES = ["float16", "bfloat16", "float32"]
if BACKEND != "jax":  # which has no float64 unless it is asked for it
    DTYPES.append("float64")


def mixed_dtypes():
    inputs = keras.Input((6,))
    parts = [layers.Dense(8, dtype=dtype, name=dtype)(inputs) for dtype in DTYPES]
    return keras.Model(inputs, parts)


def test_every_bit_pattern_comes_back_whatever_the_dtype():
    model = mixed_dtypes()
    for layer in DTYPES:
        kernel = model.get_layer(layer).kernel
        size = kernel.numpy().dtype.itemsize
        sign = 1 << 8 * size - 1
        quiet = {"float16": 0x7E01, "bfloat16": 0x7FC1, "float32": 0x7FC00001}.get(
            layer, 0x7FF8000000000001
        )
        patterns = np.array([0, sign, 1, quiet, quiet | sign, sign - 1] * 8, f"u{size}")
        dtype = kernel.numpy().dtype
        kernel.assign(keras.ops.convert_to_tensor(patterns.view(dtype).reshape(6, 8)))
    serializer = dc.HuffmanSerializer()
    loaded = serializer.loads(serializer.dumps(model))
    assert bits(loaded) == bits(model)


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
def test_integer_weights_of_a_quantized_model_come_back():
    model = dense_net()
    model.quantize("int8")
    assert "int8" in {w.dtype.name for w in model.get_weights()}
    serializer = dc.HuffmanSerializer()
    assert bits(serializer.loads(serializer.dumps(model))) == bits(model)


def test_weights_alone_load_into_a_model(tmp_path):
    path = tmp_path / "weights.dcz"
    model = compressed(image_net())
    serializer = dc.HuffmanSerializer(include_architecture=False)
    with_architecture = dc.HuffmanSerializer().dumps(model)
    assert serializer.save(model, path).size < len(with_architecture)
    target = image_net()
    assert serializer.load(path, target) is target
    assert bits(target) == bits(model)
    with pytest.raises(ValueError, match="without an architecture"):
        dc.load_model(path)
    target = image_net()
    dc.HuffmanSerializer().loads(with_architecture, target)
    assert bits(target) == bits(model)


def test_a_damaged_file_leaves_the_given_model_alone():
    data = bytearray(dc.HuffmanSerializer().dumps(compressed(image_net())))
    data[len(data) // 2] ^= 4
    model = image_net()
    before = bits(model)
    with pytest.raises(dc.CorruptFileError, match="checksum"):
        dc.HuffmanSerializer().loads(bytes(data), model)
    assert bits(model) == before


@keras.saving.register_keras_serializable("tests")
class Registered(keras.Model):
    def __init__(self, width=3, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.inner = layers.Dense(width, name="inner")

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def test_a_registered_subclass_comes_back():
    model = Registered(4)
    model(np.zeros((1, 6), "float32"))
    serializer = dc.HuffmanSerializer()
    loaded = serializer.loads(serializer.dumps(model))
    assert isinstance(loaded, Registered)
    assert bits(loaded) == bits(model)


class Unregistered(Registered):
    pass


def test_a_class_that_keras_does_not_know_is_asked_for():
    model = Unregistered(4)
    model(np.zeros((1, 6), "float32"))
    data = dc.HuffmanSerializer().dumps(model)
    custom = {"Unregistered": Unregistered}
    loaded = dc.HuffmanSerializer().loads(data, custom_objects=custom)
    assert bits(loaded) == bits(model)


class Stubborn(keras.Model):
    def __init__(self, rate):
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        raise NotImplementedError("no config")


def test_a_model_without_a_config_is_told_what_to_do():
    model = Stubborn(object())
    model(np.zeros((1, 6), "float32"))
    with pytest.raises(ValueError, match="include_architecture=False"):
        dc.HuffmanSerializer().dumps(model)
    data = dc.HuffmanSerializer(include_architecture=False).dumps(model)
    other = Stubborn(object())
    other(np.zeros((1, 6), "float32"))
    dc.HuffmanSerializer().loads(data, other)
    assert bits(other) == bits(model)


def test_code_in_the_architecture_is_refused_unless_trusted():
    model = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x * 2)])
    data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match="safe_mode"):
        dc.HuffmanSerializer().loads(data)
    loaded = dc.HuffmanSerializer().loads(data, safe_mode=False)
    outputs = loaded.predict(np.ones((1, 3)), verbose=0)
    np.testing.assert_array_equal(outputs, np.full((1, 3), 2.0))


def test_an_unbuilt_model_is_refused(tmp_path):
    model = keras.Sequential([layers.Dense(3)])
    with pytest.raises(ValueError, match="has not been built"):
        dc.HuffmanSerializer().save(model, tmp_path / "a.dcz")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.dcz"
    dc.HuffmanSerializer().save(dense_net(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="has not been built"):
        dc.HuffmanSerializer().save(keras.Sequential([layers.Dense(3)]), path)
    assert path.read_bytes() == before


def test_an_unknown_coder_is_refused():
    with pytest.raises(ValueError, match="'huffman'"):
        dc.HuffmanSerializer(coder="zip")


def test_settings_are_public_and_shown():
    serializer = dc.HuffmanSerializer(include_architecture=False, coder="context")
    assert (serializer.include_architecture, serializer.coder) == (False, "context")
    assert repr(serializer) == (
        "HuffmanSerializer(include_architecture=False, coder='context')"
    )
    assert repr(dc.HuffmanSerializer()) == "HuffmanSerializer()"
    serializer.include_architecture = True
    assert bits(serializer.loads(serializer.dumps(dense_net()))) == bits(dense_net())


def test_the_context_coder_makes_smaller_files():
    model = compressed(image_net())
    sizes = {
        coder: len(dc.HuffmanSerializer(coder=coder).dumps(model))
        for coder in ("huffman", "context")
    }
    assert sizes["context"] < 0.9 * sizes["huffman"]


def test_compiling_can_be_left_out(tmp_path):
    path = tmp_path / "a.dcz"
    dc.HuffmanSerializer().save(dense_net(), path)
    assert dc.load_model(path).compiled
    assert not dc.load_model(path, compile=False).compiled


def test_what_a_layer_derives_from_its_weights_is_derived_again():
    x = np.random.default_rng(0).normal(3, 5, (64, 10)).astype("float32")
    normalization = layers.Normalization()
    normalization.adapt(x)
    model = keras.Sequential([keras.Input((10,)), normalization, layers.Dense(3)])
    serializer = dc.HuffmanSerializer()
    loaded = serializer.loads(serializer.dumps(model))
    assert bits(loaded) == bits(model)
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_what_is_no_model_or_no_bytes_is_refused():
    with pytest.raises(TypeError, match=r"must be a keras\.Model"):
        dc.HuffmanSerializer().dumps("model.dcz")
    with pytest.raises(TypeError, match="for a file use `load`"):
        dc.HuffmanSerializer().loads("model.dcz")


def test_training_goes_on_after_loading():
    model = dense_net()
    x, y = regression()
    model.fit(x, y, verbose=0, callbacks=[dc.PruningCallback(0.8)])
    serializer = dc.HuffmanSerializer()
    loaded = serializer.loads(serializer.dumps(model))
    history = loaded.fit(x, y, verbose=0, epochs=3, callbacks=[dc.PruningCallback(0.8)])
    assert history.history["loss"][-1] < history.history["loss"][0]
    mask = [weight != 0 for weight in model.get_weights()[::2]]
    for kept, weight in zip(mask, loaded.get_weights()[::2], strict=True):
        np.testing.assert_array_equal(weight != 0, kept)


def test_every_variable_of_a_loaded_model_can_be_trained():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(6, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    loaded = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 8)), rng.standard_normal((32, 2))
    loaded.fit(x, y, epochs=1, verbose=0)
    for before, after in zip(model.weights, loaded.weights, strict=True):
        assert (before.numpy() != after.numpy()).any()
