"""Which stored weight goes to which variable."""

import io

import keras
import numpy as np
import pytest
from helpers.nets import bits, dense_net
from keras import layers

import deepcompress as dc
from deepcompress.dcz import container


def test_the_numbers_that_keras_gives_to_layers_do_not_count(rng):
    def build():
        x = inputs = keras.Input((3,))
        made = [keras.layers.Dense(3) for _ in range(12)]
        for layer in reversed(made):  # so that order and numbers differ
            x = layer(x)
        for name in ("part_7", "part", "own"):
            x = keras.layers.Dense(3, name=name)(x)
        return keras.Model(inputs, x)

    first, second = build(), build()
    assert first.layers[1].name != second.layers[1].name
    first.set_weights([rng.standard_normal(w.shape) for w in first.get_weights()])
    serializer = dc.HuffmanSerializer(include_architecture=False)
    # In another order than that of the model.
    with container.read(serializer.dumps(first)) as weights:
        file = io.BytesIO()
        container.write(file, dict(reversed(weights.to_dict().items())))
    serializer.loads(file.getvalue(), model=second)
    for weight, expected in zip(second.get_weights(), first.get_weights(), strict=True):
        assert np.array_equal(weight, expected)


def test_weights_match_in_order_where_names_differ():
    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(3)])

    first, second = build(), build()
    assert first.layers[0].name != second.layers[0].name
    data = dc.HuffmanSerializer(include_architecture=False).dumps(first)
    dc.HuffmanSerializer().loads(data, second)
    assert bits(second) == bits(first)


class Tied(layers.Layer):
    """Reads the kernel of another layer, which so stands in two places."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.embedding.embeddings))


def test_a_layer_in_two_places_is_found_by_the_one_under_which_keras_saves(tmp_path):
    tokens = keras.Input((5,), dtype="int32")
    embedding = layers.Embedding(20, 6)
    x = layers.Dense(9)(embedding(tokens))
    model = keras.Model(tokens, Tied(embedding)(layers.Dense(6)(x)))
    before = bits(model)
    model.save_weights(tmp_path / "tied.weights.h5")
    dc.importers.compress_h5(tmp_path / "tied.weights.h5", tmp_path / "tied.dcz")
    model.set_weights([np.zeros_like(value) for value in model.get_weights()])
    dc.HuffmanSerializer().load(tmp_path / "tied.dcz", model=model)
    assert bits(model) == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: keras.Sequential([keras.Input((10,)), layers.Dense(3)]), "4 weights"),
        (
            lambda: keras.Sequential(
                [keras.Input((10,)), layers.Dense(20), layers.Dense(4)]
            ),
            r"shape \(20, 3\)",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((10,)), layers.Dense(20, dtype="float16"), layers.Dense(3)]
            ),
            "float16",
        ),
    ],
    ids=["number", "shape", "dtype"],
)
def test_weights_of_another_net_are_refused_and_nothing_is_loaded(other, message):
    data = dc.HuffmanSerializer().dumps(dense_net())
    model = other()
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        dc.HuffmanSerializer().loads(data, model)
    assert bits(model) == before
