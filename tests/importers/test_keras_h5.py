from contextlib import suppress

import h5py
import keras
import numpy as np
import pytest
from helpers.nets import dense_net, image_net
from keras import layers

import deepcompress as dc
from deepcompress.dcz import container
from deepcompress.importers import compress_h5
from deepcompress.network.variables import named_variables

# Keras itself warns of the old format.
pytestmark = pytest.mark.filterwarnings("ignore:You are saving:UserWarning")


def random_weights(model, seed=5):
    """Gives every weight of a model its own value."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.standard_normal(weight.shape))
    return model


def all_kinds_net():
    """Layers of every kind whose weights have known names."""
    inputs = keras.Input((8, 8, 4), name="images")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="z_conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.BatchNormalization(name="another")(x)
    x = layers.PReLU(name="slope")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depth")(x)
    x = layers.SeparableConv2D(4, 3, padding="same", name="separable")(x)
    x = layers.Conv2DTranspose(4, 3, padding="same", name="transposed")(x)
    x = layers.GroupNormalization(2, name="groups")(x)
    x = layers.Reshape((64, 4), name="reshape")(x)
    x = layers.Conv1D(4, 3, padding="same", name="a_conv")(x)
    x = layers.LayerNormalization(name="ln")(x)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.Dropout(0.5, seed=1, name="drop")(x)
    lstm = layers.LSTM(3, return_sequences=True, name="lstm")
    x = layers.Bidirectional(lstm, name="both")(x)
    x = layers.GRU(5, name="gru")(x)
    x = layers.Dense(4, name="z")(x)
    x = layers.Dense(4, name="y")(x)
    x = layers.Dense(4, name="x")(x)
    return keras.Model(inputs, x, name="all_kinds")


def embedding_net():
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(10, 4, name="words"),
            layers.Flatten(),
            layers.EinsumDense("ab,bc->ac", 3, bias_axes="c", name="einsum"),
        ]
    )


def renumbered_net():
    """Twelve layers of the same shape: Keras 3's groups sort as 1, 10, 11, 2."""
    names = [f"layer{number}" for number in range(12, 0, -1)]
    return keras.Sequential(
        [keras.Input((3,)), *(layers.Dense(3, name=name) for name in names)]
    )


def unnamed_net():
    """Layers whose names Keras makes: other ones, each time it is built."""
    x = inputs = keras.Input((6, 4))
    for _ in range(6):  # with groups that sort as 1, 10, 11, 2
        x = layers.Dense(4)(layers.Dense(4)(x))
        x = layers.GroupNormalization(2)(layers.BatchNormalization()(x))
    x = layers.MultiHeadAttention(4, 4)(x, x)
    x = layers.Bidirectional(layers.LSTM(2))(x)
    return keras.Model(inputs, x)


def nested_norms():
    """A nested model, of which Keras 2's layout lists the moving averages last."""
    block = keras.Sequential(
        [layers.BatchNormalization(name="n1"), layers.BatchNormalization(name="n2")],
        name="block",
    )
    return keras.Sequential([keras.Input((3,)), block, layers.Dense(2, name="head")])


NETS = [
    dense_net,
    image_net,
    all_kinds_net,
    embedding_net,
    renumbered_net,
    unnamed_net,
    nested_norms,
]
WRITERS = {
    "whole.h5": lambda model, path: model.save(path),
    "a.weights.h5": lambda model, path: model.save_weights(path),
}


@pytest.mark.parametrize("file_name", WRITERS)
@pytest.mark.parametrize("build", NETS)
def test_the_file_loads_into_the_model(build, file_name, tmp_path):
    model = random_weights(build())
    WRITERS[file_name](model, tmp_path / file_name)
    out = tmp_path / "out.dcz"
    report = compress_h5(tmp_path / file_name, out)
    assert report.size == out.stat().st_size
    with dc.read(out) as weights:
        names = [named.name for named in named_variables(model)]
        assert sorted(weights) == sorted(names)
        if file_name == "whole.h5":
            assert list(weights) == names
    loaded = dc.HuffmanSerializer().load(out, model=build())
    for weight, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert weight.tobytes() == expected.tobytes()


@pytest.mark.parametrize("file_name", WRITERS)
def test_what_an_optimizer_keeps_is_left_out(file_name, tmp_path):
    model = dense_net()
    model.fit(np.ones((8, 10)), np.ones((8, 3)), verbose=0)
    WRITERS[file_name](model, tmp_path / file_name)
    compress_h5(tmp_path / file_name, tmp_path / "out.dcz")
    assert len(container.read(tmp_path / "out.dcz")) == 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtypes_stay(dtype, tmp_path):
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, dtype=dtype, name="a")]
    )
    model.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights:
        assert weights["a/kernel"].dtype.name == dtype
        expected = model.get_weights()[0]
        assert weights["a/kernel"].tobytes() == expected.tobytes()


class Pair(layers.Layer):
    """Attributes of the same shape, which Keras 3 sorts by their names."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.second = layers.Dense(3, name="dense_1")
        self.first = layers.Dense(3, name="dense_2")

    def build(self, shape):
        self.second.build(shape)
        self.first.build(shape)

    def call(self, x):
        return self.first(self.second(x))


class Own(layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(3,), name="factor")

    def call(self, x):
        return x * self.factor


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (Own(name="scale"), ["scale/0"]),
        (
            Pair(name="pair"),
            ["pair/dense_1/0", "pair/dense_1/1", "pair/dense_2/0", "pair/dense_2/1"],
        ),
        (layers.BatchNormalization(scale=False, name="n"), ["n/0", "n/1", "n/2"]),
        (layers.LayerNormalization(center=False, name="n"), ["n/0"]),
    ],
)
def test_weights_that_the_file_does_not_name_keep_their_numbers(layer, names, tmp_path):
    model = random_weights(keras.Sequential([keras.Input((3,)), layer]))
    expected = [weight.tobytes() for weight in model.get_weights()]
    model.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights:
        assert sorted(weights) == names
    random_weights(model, seed=6)
    dc.HuffmanSerializer().load(tmp_path / "out.dcz", model=model)
    assert [weight.tobytes() for weight in model.get_weights()] == expected
    model.save(tmp_path / "a.h5")  # which has names
    compress_h5(tmp_path / "a.h5", tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights:
        assert list(weights) == [named.name for named in named_variables(model)]


def test_numbers_go_into_no_other_layers(tmp_path):
    """The two are saved in the order of their classes, and have the same shapes."""

    def build(first, second):
        made = [
            layers.LayerNormalization(center=False, name=first),
            layers.GroupNormalization(3, center=False, name=second),
        ]
        return keras.Sequential([keras.Input((3,)), *made])

    model = random_weights(build("a", "b"))
    model.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "out.dcz")
    other = build("c", "d")
    before = [weight.tobytes() for weight in other.get_weights()]
    with pytest.raises(ValueError, match="Only in the file: 'a/0', 'b/0'; only in the"):
        dc.HuffmanSerializer().load(tmp_path / "out.dcz", model=other)
    assert [weight.tobytes() for weight in other.get_weights()] == before


def test_layers_that_the_file_does_not_name_are_refused(tmp_path):
    path = tmp_path / "a.weights.h5"
    dense_net().save_weights(path)
    with h5py.File(path, "r+") as file:  # as Keras 3.0 wrote it
        file.visititems(lambda _, each: each.attrs.pop("name", None) and None)
    with pytest.raises(ValueError, match="does not name its layers"):
        compress_h5(path, tmp_path / "out.dcz")


# Files of Keras 2.

KERAS_2 = {
    "conv1": {"conv1/kernel:0": (3, 3, 1, 4), "conv1/bias:0": (4,)},
    "relu": {},
    "fire2/squeeze1x1": {"fire2/squeeze1x1/kernel:0": (1, 1, 4, 2)},
    "block": {"conv2/kernel:0": (2, 3), "block/norm/gamma:0": (3,)},
    "lstm": {"net/lstm/lstm_cell/kernel:0": (2, 8), "net/lstm/lstm_cell/bias:0": (8,)},
    "twice": {"twice/w:0": (2,), "twice/twice/w:0": (2,), "w": (1,)},
}
AS_NAMED = {
    "conv1/kernel": (3, 3, 1, 4),
    "conv1/bias": (4,),
    "fire2/squeeze1x1/kernel": (1, 1, 4, 2),
    "block/conv2/kernel": (2, 3),
    "block/norm/gamma": (3,),
    "lstm/lstm_cell/kernel": (2, 8),
    "lstm/lstm_cell/bias": (8,),
    "twice/w": (2,),
    "twice/w_1": (1,),
    "twice/twice/w": (2,),
}


def write_keras_2(group, split=False, tree=KERAS_2):
    rng = np.random.default_rng(0)

    def list_names(where, name, names):
        names = [each.encode() for each in names]
        if split and names:  # as Keras does with a list too long for HDF5
            for part in range(2):
                where.attrs[f"{name}{part}"] = np.array(names[part::2] or [], "S99")
        else:
            where.attrs[name] = names

    list_names(group, "layer_names", tree)
    for layer, shapes in tree.items():
        within = group.create_group(layer)
        list_names(within, "weight_names", shapes)
        for name, shape in shapes.items():
            within[name] = rng.standard_normal(shape).astype("float32")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keras2.h5"


@pytest.mark.parametrize("group", ["/", "model_weights"])
def test_a_file_of_keras_2_is_read(group, path, tmp_path):
    with h5py.File(path, "w") as file:
        write_keras_2(file.require_group(group))
        file.create_group("optimizer_weights")["w"] = np.zeros(3)
    compress_h5(path, tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights, h5py.File(path) as file:
        assert {name: weights.shape(name) for name in weights} == AS_NAMED
        kernel = file[group]["lstm"]["net/lstm/lstm_cell/kernel:0"][()]
        assert np.array_equal(weights["lstm/lstm_cell/kernel"], kernel)


def test_long_lists_are_split(path, tmp_path):
    with h5py.File(path, "w") as file:
        write_keras_2(file, split=True)
    compress_h5(path, tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights:
        assert {name: weights.shape(name) for name in weights}.keys() == (
            AS_NAMED.keys()
        )


def test_weights_of_the_model_itself_come_first(path, tmp_path):
    with h5py.File(path, "w") as file:
        write_keras_2(file, tree={"a": {"a/kernel:0": (3, 2)}})
        own = file.create_group("top_level_model_weights")
        own.attrs["weight_names"] = [b"scaled/factor:0"]
        own["scaled/factor:0"] = np.zeros(5)
    compress_h5(path, tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights:
        assert list(weights) == ["factor", "a/kernel"]


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_layers_of_nvidias_kernels_are_told(kind, gates, path, tmp_path):
    name = f"cu_dnn{kind.lower()}"
    shapes = {"kernel": (2, gates * 5), "recurrent_kernel": (5, gates * 5)}
    shapes["bias"] = (2 * gates * 5,)
    tree = {name: {f"{name}/{leaf}:0": shape for leaf, shape in shapes.items()}}
    with h5py.File(path, "w") as file:
        write_keras_2(file, tree=tree)
    with pytest.warns(
        UserWarning, match=f"'{name}' is a CuDNN{kind}, which Keras 3 has not"
    ):
        compress_h5(path, tmp_path / "out.dcz")
    with dc.read(tmp_path / "out.dcz") as weights:
        assert len(weights) == 3


def test_the_coder_is_chosen(tmp_path):
    model = random_weights(dense_net())
    model.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "out.dcz", coder="context")
    version = (tmp_path / "out.dcz").read_bytes()[len(container.MAGIC)]
    assert version == container.CODERS["context"]


# What is not trusted.


def linked(path, kind):
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        write_keras_2(file)
    with h5py.File(path, "w") as file:
        tree = {"a": {"a/kernel:0": (2, 2)}}
        write_keras_2(file, tree=tree)
        del file["a/a/kernel:0"]
        within = file["a/a"]
        if kind == "external link":
            within["kernel:0"] = h5py.ExternalLink("other.h5", "/conv1/conv1/bias:0")
        elif kind == "soft link":
            within["kernel:0"] = h5py.SoftLink("/a")
        elif kind == "external storage":
            storage = [(str(other), 0, h5py.h5f.UNLIMITED)]
            within.create_dataset("kernel:0", (2, 2), "f4", external=storage)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource(other, "conv1/conv1/bias:0", (4,))
            within.create_virtual_dataset("kernel:0", layout)
        elif kind == "group":
            within.create_group("kernel:0")
        elif kind == "huge":
            within.create_dataset("kernel:0", (1 << 40,), "f4", chunks=(1 << 20,))
        elif kind == "text":
            within["kernel:0"] = ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "/a/a/kernel:0 is not a dataset in the file"),
        ("external link", "kernel:0 is not a dataset in the file"),
        ("soft link", "kernel:0 is not a dataset in the file"),
        ("external storage", "kernel:0 is stored in another file"),
        ("virtual", "kernel:0 is stored in another file"),
        ("group", "kernel:0 is not a dataset in the file"),
        ("huge", "take 4,398,046,511,104 bytes of memory"),
        ("text", "kernel:0 holds object, which a .dcz file cannot hold"),
    ],
)
def test_what_leads_out_of_the_file_is_refused(kind, message, path, tmp_path):
    linked(path, kind)
    with pytest.raises(ValueError, match=f"keras2.h5': .*{message}"):
        compress_h5(path, tmp_path / "out.dcz")
    assert not (tmp_path / "out.dcz").exists()


def test_groups_in_a_circle_are_refused(tmp_path):
    path = tmp_path / "a.weights.h5"
    dense_net().save_weights(path)
    with h5py.File(path, "r+") as file:
        file["layers/dense/again"] = file["layers"]
    with pytest.raises(dc.CorruptFileError, match="/layers stands in several places"):
        compress_h5(path, tmp_path / "out.dcz")


def test_another_file_is_refused(path, tmp_path):
    path.write_bytes(b"PK\3\4 a zip file")
    with pytest.raises(dc.CorruptFileError, match="is not an HDF5 file"):
        compress_h5(path, tmp_path / "out.dcz")
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ValueError, match="holds no weights of a Keras model"):
        compress_h5(path, tmp_path / "out.dcz")
    with h5py.File(path, "w"):
        pass
    with pytest.raises(ValueError, match="holds no weights of a Keras model"):
        compress_h5(path, tmp_path / "out.dcz")


def test_a_missing_file_is_not_found(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        compress_h5(path, tmp_path / "out.dcz")


def test_a_damaged_file_is_refused_or_read(path, tmp_path):
    dense_net().save(path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(content), 100):
        damaged = bytearray(content)
        damaged[at : at + 8] = rng.bytes(8)
        path.write_bytes(damaged)
        with suppress(ValueError):
            compress_h5(path, tmp_path / "out.dcz")
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(dc.CorruptFileError):
        compress_h5(path, tmp_path / "out.dcz")
