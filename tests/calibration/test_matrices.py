"""A layer computes the rows that it is given times the matrices of its kernel."""

import keras
import numpy as np
import pytest
from keras import layers

from deepcompress.calibration.matrices import Layout, forms


def everything(n):
    return np.arange(n)


def made(form, inputs):
    """What a kernel makes of inputs, of shape (rows, outputs)."""
    rows = form.rows(inputs, everything)
    assert rows.shape[2] == form.layout.n_inputs
    matrices = form.layout.matrices(form.variable.numpy())
    return np.einsum("rgi,gio->rgo", rows, matrices).reshape(len(rows), -1)


def build(layer, shape):
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    try:
        outputs = keras.ops.convert_to_numpy(layer(inputs))
    except Exception as error:
        if "CPU implementations do not yet support dilation" not in str(error):
            raise
        pytest.skip("TensorFlow has such a kernel for some processors only")
    for variable in layer.weights:
        if "bias" in variable.name:
            value = np.random.default_rng(1).normal(size=variable.shape)
            variable.assign(value.astype("float32"))
            outputs = keras.ops.convert_to_numpy(layer(inputs))
    return inputs, outputs


ONE = {
    "dense": (layers.Dense(3), (4, 5)),
    "dense in time": (layers.Dense(3), (4, 6, 5)),
    "one dimension": (layers.Conv1D(6, 3, strides=2, padding="same"), (2, 9, 4)),
    "causal": (layers.Conv1D(6, 3, dilation_rate=2, padding="causal"), (2, 9, 4)),
    "two dimensions": (layers.Conv2D(6, (3, 2), strides=2), (2, 8, 9, 3)),
    "same": (layers.Conv2D(6, 3, strides=2, padding="same"), (2, 7, 8, 3)),
    "dilated": (layers.Conv2D(6, 3, dilation_rate=2), (2, 8, 9, 3)),
    "groups": (layers.Conv2D(6, 3, groups=3), (2, 6, 6, 9)),
    "three dimensions": (layers.Conv3D(4, 2, strides=2), (2, 4, 6, 4, 3)),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2), (2, 6, 7, 4)),
    "depthwise in time": (layers.DepthwiseConv1D(3, padding="same"), (2, 7, 4)),
    "transposed": (layers.Conv2DTranspose(5, 3, strides=2), (2, 4, 5, 3)),
    "transposed in time": (layers.Conv1DTranspose(5, 4, strides=3), (2, 4, 3)),
    "transposed, dilated": (
        layers.Conv2DTranspose(2, 3, dilation_rate=2),
        (2, 4, 5, 3),
    ),
    "transposed volume": (layers.Conv3DTranspose(2, 2, strides=2), (1, 2, 3, 2, 3)),
    "sum over two axes": (
        layers.EinsumDense("abc,bcde->ade", output_shape=(4, 5), bias_axes="de"),
        (6, 2, 3),
    ),
    "heads": (
        layers.EinsumDense("abc,cde->abde", output_shape=(None, 4, 5), bias_axes="de"),
        (6, 2, 3),
    ),
    "an axis of both": (
        layers.EinsumDense("abc,bcd->abd", output_shape=(2, 5), bias_axes="bd"),
        (6, 2, 3),
    ),
    "dots": (
        layers.EinsumDense("...x,xy->...y", output_shape=(7,), bias_axes="y"),
        (6, 2, 3),
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_rows_times_matrices_are_outputs(name):
    layer, shape = ONE[name]
    layer = type(layer).from_config(layer.get_config())
    inputs, outputs = build(layer, shape)
    (form,) = forms(layer)
    own = made(form, inputs)
    if form.bias is not None:
        own = own + form.bias.numpy().ravel()
    np.testing.assert_allclose(own.reshape(outputs.shape), outputs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_pointwise_kernel_is_given_what_the_depthwise_makes(multiplier):
    layer = layers.SeparableConv2D(5, 3, depth_multiplier=multiplier, strides=2)
    inputs, outputs = build(layer, (2, 7, 7, 3))
    _, pointwise = forms(layer)
    own = made(pointwise, inputs) + layer.bias.numpy()
    np.testing.assert_allclose(own.reshape(outputs.shape), outputs, rtol=0, atol=1e-4)


def test_kernel_of_states_is_given_the_state_before_each_step():
    layer = layers.SimpleRNN(4, activation="linear", return_sequences=True)
    inputs, outputs = build(layer, (2, 5, 3))
    kernel, recurrent = forms(layer)
    own = made(kernel, inputs).reshape(outputs.shape) + layer.cell.bias.numpy()
    own[:, 1:] += made(recurrent, inputs).reshape(2, 4, 4)
    np.testing.assert_allclose(own, outputs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_gated_layers_have_two_kernels(kind):
    layer = kind(4, go_backwards=True)
    inputs, _ = build(layer, (2, 5, 3))
    kernel, recurrent = forms(layer)
    assert kernel.rows(inputs, everything).shape == (10, 1, 3)
    assert recurrent.rows(inputs, everything).shape == (8, 1, 4)


def test_layer_of_an_unknown_kind_has_none():
    layer = layers.Bilinear(3) if hasattr(layers, "Bilinear") else layers.PReLU()
    layer.build((None, 4))
    assert forms(layer) == []


def test_sum_that_is_no_product_of_matrices_has_none():
    layer = layers.EinsumDense("abc,cd->ad", output_shape=(5,))
    layer.build((2, 3, 4))
    assert forms(layer) == []


def test_kernel_of_many_inputs_is_cut_into_blocks(monkeypatch):
    monkeypatch.setattr("deepcompress.calibration.matrices._WIDEST", 4)
    layout = Layout((10, 3))
    kernel = np.arange(30.0).reshape(10, 3)
    matrices = layout.matrices(kernel)
    assert matrices.shape == (3, 4, 3)
    np.testing.assert_array_equal(layout.kernel(matrices), kernel)
    rows = layout.rows(np.arange(20.0).reshape(2, 1, 10))
    np.testing.assert_array_equal(
        np.einsum("rgi,gio->ro", rows, matrices),
        np.arange(20.0).reshape(2, 10) @ kernel,
    )


def test_chosen_rows_alone_are_cut_out():
    layer = layers.Conv2D(2, 3)
    inputs, _ = build(layer, (2, 6, 6, 3))
    (form,) = forms(layer)
    some = form.rows(inputs, lambda n: np.array([3, n - 1]))
    np.testing.assert_array_equal(some, form.rows(inputs, everything)[[3, -1]])
