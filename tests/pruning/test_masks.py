import keras
import numpy as np
import pytest
from helpers.nets import dense_net, kernels, regression, zeros
from keras import layers

import deepcompress as dc
from deepcompress.network.variables import NamedVariable, named_variables
from deepcompress.pruning.masks import Tensor, masks


def tensor(scores, name="layer/kernel", **axes):
    return Tensor(NamedVariable("layer", name, None, True, **axes), np.asarray(scores))


def test_single_weights_go_by_score_across_tensors():
    first, second = [[5, 1], [9, 7]], [[2, 8], [3, 6]]
    kept = masks([tensor(first), tensor(second)], 3, None)
    np.testing.assert_array_equal(kept[0], [[True, False], [True, True]])
    np.testing.assert_array_equal(kept[1], [[False, True], [False, True]])


def test_n_of_m_keeps_the_best_of_every_group_along_the_inputs(rng):
    scores = rng.random((8, 5))
    (kept,) = masks([tensor(scores)], 20, (2, 4))
    for group in range(2):
        for unit in range(5):
            column = slice(4 * group, 4 * group + 4), unit
            best = np.argsort(scores[column])[2:]
            assert set(np.flatnonzero(kept[column])) == set(best)


def test_on_the_way_to_n_of_m_the_protected_weights_stay(rng):
    scores = rng.random((16, 6))
    (final,) = masks([tensor(scores)], 48, (2, 4))
    (half,) = masks([tensor(scores)], 24, (2, 4))
    assert (~half).sum() == 24
    assert not (~half & final).any()
    gone, kept = scores[~half], scores[half & ~final]
    assert gone.max() <= kept.min()


def test_n_of_m_does_not_go_beyond_its_sparsity(rng):
    with pytest.raises(ValueError, match=r"allows a sparsity of 0\.5"):
        masks([tensor(rng.random((8, 4)))], 17, (2, 4))


def test_inputs_that_do_not_divide_are_named(rng):
    with pytest.raises(ValueError, match="'ip/kernel' has 6 inputs"):
        masks([tensor(rng.random((6, 4)), "ip/kernel")], 3, (2, 4))


def test_whole_filters_go_by_their_mean(rng):
    scores = rng.random((3, 3, 2, 10))
    (kept,) = masks([tensor(scores)], 5 * 18, "channel")
    means = scores.mean(axis=(0, 1, 2))
    worst = set(np.argsort(means)[:5])
    assert {f for f in range(10) if not kept[..., f].any()} == worst
    assert all(kept[..., f].all() for f in set(range(10)) - worst)


@pytest.mark.parametrize(("n_zeros", "expected"), [(8, 0), (10, 1), (26, 1), (28, 2)])
def test_the_number_of_filters_is_the_nearest(n_zeros, expected, rng):
    (kept,) = masks([tensor(rng.random((18, 10)))], n_zeros, "channel")
    assert (~kept).sum() == 18 * expected


def axes(layer, shape):
    model = keras.Sequential([keras.Input(shape), layer])
    (kernel, *_) = [v for v in named_variables(model) if v.is_compressible]
    return kernel.variable.shape, kernel.input_axis, kernel.output_axes


@pytest.mark.parametrize(
    ("layer", "shape", "inputs", "filters"),
    [
        (layers.Dense(5), (8,), 8, 5),
        (layers.Conv2D(5, 3), (8, 8, 4), 4, 5),
        (layers.Conv1DTranspose(5, 3), (8, 4), 4, 5),
        (layers.Conv2DTranspose(5, 3), (8, 8, 4), 4, 5),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 4), 4, 8),
        (layers.EinsumDense("abc,cde->abde", (None, 2, 3)), (4, 7), 7, 6),
    ],
)
def test_inputs_and_filters_are_found_in_every_kernel(layer, shape, inputs, filters):
    kernel_shape, input_axis, output_axes = axes(layer, shape)
    assert kernel_shape[input_axis] == inputs
    assert np.prod([kernel_shape[axis] for axis in output_axes]) == filters


def wide_net():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(8, 3, name="conv"),
            layers.Flatten(),
            layers.Dense(12, name="ip"),
        ]
    )
    model.compile("adam", "mse")
    return model


def test_training_to_2_of_4():
    model = wide_net()
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 8, 8, 4)), rng.standard_normal((64, 12))
    schedule = dc.PolynomialDecay(0.5, frequency=1)
    callback = dc.PruningCallback(schedule, structure=(2, 4))
    model.fit(x, y, epochs=4, batch_size=16, verbose=0, callbacks=[callback])
    for kernel in kernels(model).values():
        inputs_last = np.moveaxis(kernel, -2, -1)
        groups = inputs_last.reshape(*inputs_last.shape[:-1], -1, 4)
        assert (np.count_nonzero(groups, axis=-1) == 2).all()


def test_training_without_whole_filters():
    model = dense_net()
    x, y = regression()
    callback = dc.PruningCallback(0.25, layers="hidden", structure="channel")
    model.fit(x, y, verbose=0, callbacks=[callback])
    hidden = kernels(model)["hidden"]
    assert zeros(hidden) == 50
    assert (hidden == 0).all(axis=0).sum() == 5


def test_one_shot_filters_of_the_whole_net():
    model = wide_net()
    dc.prune(model, 0.5, scope="global", structure="channel")
    conv, ip = kernels(model).values()
    units = (ip == 0).all(axis=0).sum()
    filters = (conv == 0).all(axis=(0, 1, 2)).sum()
    assert zeros(ip) == units * ip.shape[0]
    assert zeros(conv) == filters * conv[..., 0].size
    assert abs(zeros(ip) + zeros(conv) - (ip.size + conv.size) / 2) <= ip.shape[0] / 2


@pytest.mark.parametrize("structure", ["filter", (4, 2), (0, 4), (2,), (1.0, 2.0), 3])
def test_structures_that_are_none_are_refused(structure):
    with pytest.raises(ValueError, match="'channel', or a pair"):
        dc.PruningCallback(0.5, structure=structure)
    with pytest.raises(ValueError, match="'channel', or a pair"):
        dc.prune(dense_net(), 0.5, structure=structure)
