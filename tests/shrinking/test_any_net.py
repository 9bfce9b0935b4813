"""Whatever the net and its weights, the smaller one computes the same."""

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND
from helpers.sparse_nets import (
    NETS,
    check_equal,
    conv1d,
    images,
    lenet5,
    lenet_300_100,
    make_sparse,
    mnist_cnn,
    sizes,
    vgg,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import layers

import deepcompress as dc

# JAX compiles each operation anew for every shape.
FEW = settings(max_examples=3 if BACKEND == "jax" else 12)

SEEDS = st.integers(0, 2**32 - 1)

DENSITIES = st.sampled_from([0.0, 0.02, 0.1, 0.3, 1.0])

SIZES = st.integers(1, 9)


def check(build, arguments, density, seed):
    """Shrinks a net, and loads the file of the small one into the large one."""
    model = make_sparse(build(*arguments), density, seed)
    before = [weight.copy() for weight in model.get_weights()]
    small = dc.shrink(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    check_equal(model, small)
    check_equal(model, dc.shrink(model, fold=True))
    assert [w.path for w in small.weights] == [w.path for w in model.weights]
    assert dc.shrink(small).count_params() == small.count_params()
    large = build(*arguments)
    data = dc.HuffmanSerializer(include_architecture=False).dumps(small)
    dc.HuffmanSerializer().loads(data, large)
    check_equal(model, large)
    assert sizes(dc.shrink(large)) == sizes(small)


@FEW
@given(SIZES, SIZES, DENSITIES, SEEDS)
@example(9, 9, 0.0, 0)
def test_dense_nets(a, b, density, seed):
    check(lenet_300_100, (a, b), density, seed)


@pytest.mark.long
@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
@FEW
@given(st.tuples(SIZES, SIZES, SIZES), DENSITIES, SEEDS)
@example((9, 9, 9), 0.0, 0)
@example((9, 9, 9), 0.1, 1)
def test_nets(build, units, density, seed):
    check(build, units, density, seed)


def positive(model):
    """Returns a linear model in which nothing cancels out and nothing saturates."""
    clone = keras.models.clone_model(model)
    for layer, old in zip(clone.layers, model.layers, strict=True):
        layer.set_weights([weight != 0 for weight in old.get_weights()])
        if hasattr(layer, "activation"):
            layer.activation = keras.activations.linear
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
    return clone


def count_by_trying(model):
    """Counts what has to stay of a Sequential, by changing one unit after the other.

    A unit stays if the input changes it and it changes the output. All constants have
    to be foldable.
    """
    model = positive(model)
    xs = [np.abs(images(model, seed=seed)) + 0.1 for seed in (1, 2)]
    counts = {}
    for at, layer in enumerate(model.layers):
        xs = [keras.ops.convert_to_numpy(layer(x)) for x in xs]
        if not isinstance(layer, (layers.Dense, layers.Conv2D, layers.Conv1D)):
            continue

        def rest(x, layers=tuple(model.layers[at + 1 :])):
            for layer in layers:
                x = layer(x)
            return keras.ops.convert_to_numpy(x)

        output, stay = rest(xs[0]), 0
        for unit in range(xs[0].shape[-1]):
            changed = xs[0].copy()
            changed[..., unit] += 1000
            is_read = (rest(changed) != output).any()
            is_reached = (xs[0][..., unit] != xs[1][..., unit]).any()
            stay += bool(is_read and is_reached)
        counts[layer.name] = max(1, stay)
    counts[layer.name] = model.output_shape[-1]
    return counts


@pytest.mark.parametrize(
    ("build", "constants"),
    [(lenet5, True), (mnist_cnn, True), (vgg, False), (conv1d, False)],
)
@FEW
@given(st.tuples(SIZES, SIZES, SIZES), DENSITIES, SEEDS)
@example((9, 9, 9), 0.1, 1)
@example((9, 9, 9), 0.3, 2)
def test_just_the_units_that_do_nothing_go(build, constants, units, density, seed):
    model = make_sparse(build(*units), density, seed, constants=constants)
    assert sizes(dc.shrink(model)) == count_by_trying(model)


def test_a_large_net_of_keras():
    model = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, classes=5
    )
    dc.prune(model, 0.5, structure="channel")
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name in ("gamma", "beta"):
            value = weight.numpy()
            weight.assign(value * (rng.random(value.shape) < 0.7))
    small = dc.shrink(model)
    assert small.count_params() < 0.6 * model.count_params()
    check_equal(model, small)


def test_no_warning_where_all_is_followed():
    for build in NETS.values():
        dc.shrink(build())  # warnings are errors here
