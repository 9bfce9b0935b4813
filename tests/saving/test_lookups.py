"""What Keras' own layers have learnt from data, through files and copies."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND
from keras import layers

import deepcompress as dc
from deepcompress.network import assets
from deepcompress.network.variables import finalize

tf = pytest.importorskip("tensorflow")
# Keras looks words up by TensorFlow on every backend, but not inside JAX's steps.
looks_up = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="strings are TensorFlow's"
)

TEXTS = ["red green", "blue sky größe", "red sky"]


def words_in():
    return keras.Input((1,), dtype="string")


def vectorizer(adapted):
    layer = layers.TextVectorization(output_sequence_length=4, max_tokens=20)
    if adapted:
        layer.adapt(TEXTS)
    inputs = words_in()
    embedded = layers.Embedding(20, 4)(layer(inputs))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(embedded)))


def weighed_words(adapted):
    layer = layers.TextVectorization(
        output_mode="tf_idf", max_tokens=10, pad_to_max_tokens=True
    )
    if adapted:
        layer.adapt(TEXTS)
    return keras.Sequential([words_in(), layer, layers.Dense(2)])


def nested_lookups(adapted):
    def part(words):
        layer = layers.StringLookup(output_mode="one_hot", num_oov_indices=2)
        layer.set_vocabulary(words if adapted else words[::-1])
        return keras.Sequential([words_in(), layer, layers.Dense(3)])

    inputs = words_in()
    known = layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot")(inputs)
    first, second = part(["red", "sky"])(inputs), part(["x", "y", "z"])(inputs)
    return keras.Model(inputs, [layers.Add()([first, second]), known])


@keras.saving.register_keras_serializable("tests")
class Reader(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words = layers.TextVectorization(
            output_mode="count", max_tokens=9, pad_to_max_tokens=True
        )
        self.out = layers.Dense(2)

    def build(self, shape):
        self.out.build((None, 9))
        self.built = True

    def call(self, x):
        return self.out(self.words(x))


def subclassed(adapted):
    model = Reader()
    if adapted:
        model.words.adapt(TEXTS)
    model.build((None, 1))
    return model


def tabular(adapted):
    """All the kinds together, in a dictionary of inputs."""
    rng = np.random.default_rng(0)
    lookup = layers.IntegerLookup(
        output_mode="multi_hot", max_tokens=6, pad_to_max_tokens=True, mask_token=0
    )
    bins = layers.Discretization(num_bins=4)
    scale = layers.Normalization()
    if adapted:
        lookup.adapt([[3, 9], [9, -4]])
        bins.adapt(rng.normal(3, 2, (64, 1)))
        scale.adapt(rng.normal(3, 2, (64, 3)))
    else:
        bins.bin_boundaries = [0.0, 1.0, 2.0]
    inputs = {
        "ids": keras.Input((2,), dtype="int64", name="ids"),
        "amount": keras.Input((1,), name="amount"),
        "values": keras.Input((3,), name="values"),
        "word": keras.Input((1,), dtype="string", name="word"),
        "kind": keras.Input((1,), dtype="int64", name="kind"),
    }
    parts = [
        lookup(inputs["ids"]),
        layers.Flatten()(layers.Embedding(4, 2)(bins(inputs["amount"]))),
        scale(inputs["values"]),
        layers.Hashing(5, output_mode="one_hot")(inputs["word"]),
        layers.CategoryEncoding(3, output_mode="one_hot")(inputs["kind"]),
    ]
    return keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(parts)))


STRINGS = np.array([["red sky"], ["größe"], ["nothing"], ["x"]])
ROWS = {
    "ids": np.array([[9, 3], [-4, 7]]),
    "amount": np.array([[1.2], [4.5]]),
    "values": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "word": np.array([["a"], ["b"]]),
    "kind": np.array([[0], [2]]),
}
MODELS = [vectorizer, weighed_words, nested_lookups, subclassed, tabular]


def outputs(model):
    is_tabular = len(getattr(model, "inputs", None) or []) > 1
    data = keras.tree.map_structure(tf.constant, ROWS if is_tabular else STRINGS)
    found = model.predict(data, verbose=0)
    return [np.asarray(part).tobytes() for part in keras.tree.flatten(found)]


@looks_up
@pytest.mark.parametrize(
    ("build", "coder"),
    [*((build, "huffman") for build in MODELS), (tabular, "context")],
)
def test_adapted_state_comes_back_with_the_architecture(build, coder):
    model = build(adapted=True)
    serializer = dc.HuffmanSerializer(coder=coder)
    data = serializer.dumps(model)
    loaded = serializer.loads(data)
    assert outputs(loaded) == outputs(model)
    assert dc.read(serializer.dumps(loaded)).assets == dc.read(data).assets


@looks_up
@pytest.mark.parametrize("build", MODELS)
def test_adapted_state_comes_back_without_the_architecture(build, tmp_path):
    model, path = build(adapted=True), tmp_path / "a.dcz"
    serializer = dc.HuffmanSerializer(include_architecture=False)
    serializer.save(model, path)
    given = build(adapted=False)
    serializer.load(path, given)
    assert outputs(given) == outputs(model)


@looks_up
def test_what_was_traced_before_is_forgotten():
    model, given = nested_lookups(adapted=True), nested_lookups(adapted=False)
    assert outputs(given) != outputs(model)
    dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model), given)
    assert outputs(given) == outputs(model)


def test_statistics_that_were_traced_before_are_forgotten():
    def net(data):
        scale = layers.Normalization()
        scale.adapt(data)
        return keras.Sequential(
            [keras.Input((3,)), keras.Sequential([keras.Input((3,)), scale])]
        )

    x = np.eye(3)
    model, given = net(np.add(x, [1, 2, 3])), net(x)
    before = given.predict(x, verbose=0)
    dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model), given)
    np.testing.assert_array_equal(
        given.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert (given.predict(x, verbose=0) != before).any()


@looks_up
@pytest.mark.parametrize("build", MODELS)
def test_copies_keep_it(build):
    model, copy = build(adapted=True), build(adapted=False)
    copy.set_weights(model.get_weights())
    assets.copy(model, copy)
    finalize(copy)
    assert outputs(copy) == outputs(model)
    assert assets.collect(copy) == assets.collect(model)


@looks_up
@pytest.mark.filterwarnings("ignore:Left alone")
def test_a_shrunk_net_keeps_its_words():
    model = vectorizer(adapted=True)
    assert outputs(dc.shrink(model)) == outputs(model)


@looks_up
def test_compress_keeps_the_words():
    model = vectorizer(adapted=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    data = tf.constant(np.repeat(STRINGS, 20, axis=0)), np.arange(80) % 2
    result = dc.compress(
        model,
        data,
        validation_data=data,
        max_accuracy_drop=0.5,
        time_budget=5,
        verbose=0,
    )
    assert dc.read(result.data).assets == assets.collect(model)
    assert outputs(dc.HuffmanSerializer().loads(result.data)) == outputs(result.model)


@looks_up
def test_a_fresh_process_reads_the_words_by_name(tmp_path):
    path = tmp_path / "a.dcz"
    dc.HuffmanSerializer().save(vectorizer(adapted=True), path)
    code = """
import sys
for name in ("tensorflow", "keras", "jax", "torch"):
    sys.modules[name] = None  # an import of it fails
import deepcompress as dc
((name, content),) = dc.read(sys.argv[1]).assets.items()
print(name, content.decode().split())
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert result.stdout.startswith("text_vectorization/vocabulary.txt ['[UNK]', 'sky'")


@looks_up
def test_a_vocabulary_that_was_given_stays_in_the_architecture():
    model = keras.Sequential([words_in(), layers.StringLookup(vocabulary=["red", "x"])])
    data = dc.HuffmanSerializer().dumps(model)
    assert dc.read(data).assets == {}
    assert outputs(dc.HuffmanSerializer().loads(data)) == outputs(model)


@looks_up
def test_words_that_were_never_learnt_are_no_state():
    model = keras.Sequential([words_in(), layers.TextVectorization()])
    data = dc.HuffmanSerializer().dumps(model)
    assert dc.read(data).assets == {}
    dc.HuffmanSerializer().loads(data)


def lookup_of(words, name, **kwargs):
    layer = layers.StringLookup(name=name, **kwargs)
    layer.set_vocabulary(words)
    return keras.Sequential([words_in(), layer])


@looks_up
def test_layers_of_other_names_are_found_by_their_order():
    model = lookup_of(["sky", "red"], "one")
    given = lookup_of(["red", "sky"], "another")
    serializer = dc.HuffmanSerializer(include_architecture=False)
    serializer.loads(serializer.dumps(model), given)
    assert outputs(given) == outputs(model)


@looks_up
def test_a_model_of_other_layers_is_refused_and_left_alone():
    data = dc.HuffmanSerializer().dumps(lookup_of(["sky", "red"], "one"))
    with pytest.raises(ValueError, match="'one' keep besides weights"):
        dc.HuffmanSerializer().loads(data, keras.Sequential([words_in()]))


@looks_up
@pytest.mark.parametrize(
    "model",
    [
        lambda: lookup_of(["a", "b\u2028c"], "words"),
        lambda: lookup_of(["c", "d"], "words", vocabulary=["a", "b"]),
    ],
)
@pytest.mark.parametrize("include_architecture", [True, False])
def test_what_keras_would_not_give_back_is_refused(model, include_architecture):
    serializer = dc.HuffmanSerializer(include_architecture=include_architecture)
    with pytest.raises(ValueError, match=r"'words'.*cannot be saved.*`vocabulary=`"):
        serializer.dumps(model())
