"""What layers of one's own keep besides weights, and what is refused."""

import io
import os

import keras
import numpy as np
import pytest
from helpers.nets import bits, dense_net
from keras import layers

import deepcompress as dc
from deepcompress.dcz import container
from deepcompress.network import assets


@keras.saving.register_keras_serializable("tests")
class Keeper(layers.Layer):
    """Keeps an array, a number, and files."""

    table = None
    content = None

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")
        self.built = True

    def call(self, x):
        return x * self.scale

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.table is not None:
            store["table/of it"] = self.table
            store["calls"] = 7

    def load_own_variables(self, store):
        np.testing.assert_array_equal(store["0"], self.scale.numpy())
        if "calls" in store:
            assert store["calls"][()] == 7
            self.table = np.array(store["table/of it"])

    def save_assets(self, folder):
        if self.content is not None:
            os.mkdir(f"{folder}/sub")
            with open(f"{folder}/sub/100%.bin", "wb") as file:
                file.write(self.content)

    def load_assets(self, folder):
        with open(f"{folder}/sub/100%.bin", "rb") as file:
            self.content = file.read()


def own_net(full=True):
    inputs = keras.Input((3,))
    layer = Keeper()
    model = keras.Model(inputs, Keeper()(layer(inputs)))
    if full:
        layer.table, layer.content = np.arange(5, dtype="int16"), b"\0\1"
    return model


@pytest.mark.parametrize("include_architecture", [True, False])
def test_layers_of_ones_own_keep_theirs(include_architecture):
    model = own_net()
    serializer = dc.HuffmanSerializer(include_architecture=include_architecture)
    data = serializer.dumps(model)
    loaded = serializer.loads(data, None if include_architecture else own_net(False))
    assert bits(loaded) == bits(model)
    first, second = loaded.layers[1:]
    np.testing.assert_array_equal(first.table, np.arange(5, dtype="int16"), strict=True)
    assert first.content == b"\0\1"
    assert (second.table, second.content) == (None, None)
    assert list(dc.read(data).assets) == [
        "keeper/sub%2F100%25.bin", "keeper/variables.dcz", "keeper_1/variables.dcz"
    ]  # fmt: skip
    # The weights are in the file already.
    kept = container.read(dc.read(data).assets["keeper/variables.dcz"])
    assert list(kept) == ["weights/0", "values/table/of it", "values/calls"]


class Half(layers.Layer):
    def save_assets(self, folder):
        with open(f"{folder}/a", "w") as file:
            file.write("a")

    def call(self, x):
        return x


class Failing(layers.Layer):
    def save_assets(self, folder):
        raise RuntimeError("no\nway")

    def call(self, x):
        return x


class Texts(layers.Layer):
    def save_own_variables(self, store):
        store["name"] = "text"

    def call(self, x):
        return x


class Taken(Half):
    def save_assets(self, folder):
        with open(f"{folder}/{assets.VARIABLES}", "w") as file:
            file.write("a")

    def load_assets(self, folder):
        pass


class Outside(Half):
    def save_assets(self, folder):
        with open(f"{folder}/a\\b", "w") as file:
            file.write("a")

    def load_assets(self, folder):
        pass


class Sideways(layers.Layer):
    """Stores its weight in a way of its own."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2))

    def call(self, x):
        return keras.ops.matmul(x, self.kernel)

    def save_own_variables(self, store):
        store["rows"] = self.kernel.numpy().T

    def load_own_variables(self, store):
        self.kernel.assign(np.array(store["rows"]).T)


def test_a_copy_keeps_its_own_weights():
    source, target = (
        keras.Sequential([keras.Input((3,)), Sideways()]) for _ in range(2)
    )
    before = bits(target)
    assert before != bits(source)
    assets.copy(source, target)
    assert bits(target) == before


@pytest.mark.parametrize("include_architecture", [True, False])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Half, "no `load_assets`"),
        (Failing, "no$"),
        (Texts, "dtype <U4"),
        (Taken, "variables.dcz"),
        (Outside, "relative path"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(kind, message, include_architecture):
    model = keras.Sequential([keras.Input((3,)), kind(name="odd"), layers.Dense(2)])
    serializer = dc.HuffmanSerializer(include_architecture=include_architecture)
    with pytest.raises(ValueError, match=r"the layer 'odd'.*cannot be saved") as caught:
        serializer.dumps(model)
    assert message.rstrip("$") in str(caught.value)
    assert "\n" not in str(caught.value)


def with_other_assets(model, others):
    """A file of a model that holds other assets."""
    with dc.read(dc.HuffmanSerializer().dumps(model)) as weights:
        file = io.BytesIO()
        dc.write(file, weights, architecture=weights.architecture, assets=others)
    return file.getvalue()


@pytest.mark.parametrize(
    "leaf", ["..%2F..%2Fevil", "%2Fetc%2Fevil", "a%2F..%2F..%2Fevil"]
)
def test_no_file_is_written_outside_its_folder(leaf, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    data = with_other_assets(own_net(), {f"keeper/{leaf}": b"evil"})
    with pytest.raises(ValueError, match=r"'keeper.*cannot be loaded.*relative path"):
        dc.HuffmanSerializer().loads(data)
    assert not list(tmp_path.rglob("*evil*"))


def test_arrays_that_are_damaged_or_lie_are_refused():
    inner = io.BytesIO()
    container.write(inner, {"weights/0": np.array(9)})
    for content in (b"", b"\x89DCZ", inner.getvalue()):
        data = with_other_assets(own_net(), {"keeper/variables.dcz": content})
        with pytest.raises(ValueError, match=r"no weight|empty|ends early"):
            dc.HuffmanSerializer().loads(data)


def test_layers_that_are_counted_on_have_the_same_places():
    assert assets.places(["dense_9", "dense_7", "words"]) == [
        "dense_1", "dense", "words"
    ]  # fmt: skip
    assert assets.places(["a", "a_3", "a_1_0"]) == ["a_0", "a_1", "a_1_0"]
    data = dc.HuffmanSerializer(include_architecture=False).dumps(own_net())
    again = dc.HuffmanSerializer(include_architecture=False).dumps(own_net())
    assert list(dc.read(data).assets) == list(dc.read(again).assets)


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
def test_plain_models_have_no_assets():
    model = dense_net()
    model.quantize("int8")
    assert assets.collect(model) == {}
