"""The graph of a model: who reads what, and what cannot be followed."""

import keras
from keras import layers

from deepcompress.shrinking.graph import Graph, graph_of


def test_units_that_are_added_twice_are_one():
    a, b = keras.Input((2, 3, 2)), keras.Input((2, 3, 2))
    first, second = (layers.Dense(2)(x) for x in (a, b))
    parts = [layers.Add()([first, b]), layers.Multiply()([second, a])]
    graph = Graph(keras.Model([a, b], layers.Add()(parts)))
    assert all(set(rule.outputs[0].units) == {0, 1} for rule in graph.rules)


def test_a_layer_of_the_users_own_is_not_taken_for_its_parent():
    class Own(layers.Dense):
        def call(self, inputs):
            return super().call(keras.ops.flip(inputs, -1))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Own(2, name="own")])
    graph = Graph(model)
    assert graph.left_alone() == ["own"]
    assert graph.is_pinned.all()


def test_what_is_read_from_the_input_alone_is_not_reported():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Rescaling(0.5), layers.Dense(3), layers.Softmax()]
    )
    assert Graph(model).left_alone() == []


def test_only_models_of_layers_have_a_graph():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    assert graph_of(Own()) is None
    assert graph_of(layers.Dense(3)) is None
    assert graph_of(keras.Sequential([layers.Dense(3)])) is None  # not built


def test_a_layer_is_found_by_its_first_call_and_a_model_inside_by_none():
    inputs = keras.Input((4,))
    relu = layers.ReLU()
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3)])
    x = relu(inner(relu(layers.Dense(3)(inputs))))
    graph = Graph(keras.Model(inputs, layers.Dense(2)(x)))
    calls = [rule for rule in graph.rules if rule.layer is relu]
    assert len(calls) == 2
    assert graph.rule_of(relu) is calls[0]
    assert graph.rule_of(inner.layers[0]).path == f"{inner.name}/{inner.layers[0].name}"
    assert graph.rule_of(inner) is None
