"""What a compressed model computes is what Keras computes, layer by layer."""

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND
from keras import layers as L
from keras import ops

import deepcompress as dc

F, C = "channels_first", "channels_last"


def outputs_agree(model, x, **options):
    """Runs a model both ways; returns the compressed one."""
    net = dc.CompressedModel(dc.HuffmanSerializer().dumps(model), **options)
    expected = keras.tree.map_structure(
        keras.ops.convert_to_numpy, model(x, training=False)
    )
    found = net(x)
    keras.tree.assert_same_structure(expected, found)
    for one, other in zip(
        keras.tree.flatten(expected), keras.tree.flatten(found), strict=True
    ):
        assert one.shape == other.shape
        if one.dtype.kind == "f":
            largest = max(np.abs(one).max(initial=0), 1e-3)
            assert np.abs(one - other).max(initial=0) <= 1e-5 * largest
        else:
            np.testing.assert_array_equal(one, other)
    return net


def randomized(model, seed=0):
    """Gives a model weights that are all different, and none of them zero."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.path or not variable.dtype.startswith("float"):
            continue
        value = generator.normal(0, 0.4, variable.shape)
        variable.assign(np.abs(value) + 0.1 if "variance" in variable.path else value)
    return model


def numbers(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


ONE_INPUT = {
    "dense": (L.Dense(5, activation="relu"), (7,)),
    "dense without bias": (L.Dense(5, use_bias=False), (3, 7)),
    "einsum of two axes": (
        L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"),
        (4, 5),
    ),
    "einsum back": (
        L.EinsumDense("abcd,cde->abe", (None, 6), bias_axes="e"),
        (4, 2, 3),
    ),
    "einsum of another kind": (
        L.EinsumDense("abc,bd->adc", (6, None), bias_axes="d"),
        (4, 5),
    ),
    "conv1d": (L.Conv1D(6, 3, activation="tanh"), (9, 4)),
    "conv1d causal": (L.Conv1D(6, 3, padding="causal", dilation_rate=2), (9, 4)),
    "conv2d": (L.Conv2D(6, (3, 2), activation="gelu"), (9, 8, 4)),
    "conv2d same strided": (L.Conv2D(6, 3, strides=2, padding="same"), (9, 8, 4)),
    "conv2d dilated": (L.Conv2D(6, 3, dilation_rate=(2, 3)), (9, 10, 4)),
    "conv2d groups": (L.Conv2D(6, 3, groups=2), (7, 7, 4)),
    "conv2d 1x1": (L.Conv2D(6, 1), (7, 7, 4)),
    "conv2d 1x1 strided": (L.Conv2D(6, 1, strides=2), (7, 7, 4)),
    "conv3d": (L.Conv3D(3, 2, padding="same"), (4, 5, 6, 2)),
    "depthwise1d": (L.DepthwiseConv1D(3, depth_multiplier=2), (9, 4)),
    "depthwise2d": (L.DepthwiseConv2D(3, padding="same", strides=2), (9, 8, 4)),
    "separable1d": (L.SeparableConv1D(5, 3), (9, 4)),
    "separable2d": (
        L.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"),
        (9, 8, 4),
    ),
    "transposed1d": (L.Conv1DTranspose(5, 4, strides=3), (6, 4)),
    "transposed2d same": (
        L.Conv2DTranspose(5, 3, strides=2, padding="same"),
        (6, 5, 4),
    ),
    "transposed2d short": (L.Conv2DTranspose(5, 2, strides=3), (6, 5, 4)),
    "transposed2d padded": (
        L.Conv2DTranspose(5, 3, strides=2, padding="same", output_padding=1),
        (6, 5, 4),
    ),
    "max1d": (L.MaxPooling1D(3, strides=2), (9, 4)),
    "max2d same": (L.MaxPooling2D(3, strides=2, padding="same"), (9, 8, 4)),
    "average2d same": (L.AveragePooling2D(3, strides=2, padding="same"), (9, 8, 4)),
    "average3d": (L.AveragePooling3D(2), (4, 4, 6, 2)),
    "global max": (L.GlobalMaxPooling2D(), (5, 6, 3)),
    "global average": (L.GlobalAveragePooling1D(keepdims=True), (5, 3)),
    "padding1d": (L.ZeroPadding1D((1, 2)), (5, 3)),
    "padding2d": (L.ZeroPadding2D(((1, 2), (0, 3))), (5, 4, 3)),
    "cropping2d": (L.Cropping2D(((1, 2), (0, 1))), (6, 5, 3)),
    "upsampling1d": (L.UpSampling1D(3), (4, 2)),
    "upsampling2d": (L.UpSampling2D((2, 3)), (4, 5, 2)),
    "upsampling2d bilinear": (L.UpSampling2D(2, interpolation="bilinear"), (4, 5, 2)),
    "batch normalization": (L.BatchNormalization(), (4, 5, 3)),
    "batch normalization plain": (
        L.BatchNormalization(scale=False, center=False),
        (6,),
    ),
    "layer normalization": (L.LayerNormalization(), (4, 5)),
    "layer normalization axes": (L.LayerNormalization(axis=(1, 2)), (4, 5)),
    "layer normalization no center": (L.LayerNormalization(center=False), (4, 5)),
    "rms normalization": (L.RMSNormalization(), (4, 5)),
    "group normalization": (L.GroupNormalization(3), (4, 5, 6)),
    "instance normalization": (L.GroupNormalization(-1), (4, 5, 6)),
    "unit normalization": (L.UnitNormalization(), (4, 5)),
    "relu6": (L.ReLU(max_value=6), (5,)),
    "relu of all kinds": (
        L.ReLU(max_value=2, negative_slope=0.1, threshold=0.3),
        (50,),
    ),
    "leaky": (L.LeakyReLU(negative_slope=0.3), (5,)),
    "prelu": (L.PReLU(), (4, 5)),
    "prelu shared": (L.PReLU(shared_axes=[1]), (4, 5)),
    "elu": (L.ELU(0.7), (5,)),
    "softmax": (L.Softmax(axis=1), (4, 5)),
    "flatten": (L.Flatten(), (4, 5, 2)),
    "reshape": (L.Reshape((5, -1)), (4, 5, 2)),
    "permute": (L.Permute((2, 1)), (4, 5)),
    "repeat": (L.RepeatVector(3), (5,)),
    "masking": (L.Masking(0.5), (4, 5)),
    "dropout": (L.Dropout(0.5), (5,)),
    "noise": (L.GaussianNoise(0.5), (5,)),
    "rescaling": (L.Rescaling(1 / 255, offset=-0.5), (5,)),
    "normalization": (
        L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]),
        (3,),
    ),
    "resizing": (L.Resizing(7, 5), (4, 6, 2)),
    "center crop": (L.CenterCrop(3, 2), (6, 5, 2)),
    "flip": (L.RandomFlip(), (6, 5, 2)),
    "lstm": (L.LSTM(4), (6, 3)),
    "lstm sequences": (L.LSTM(4, return_sequences=True, go_backwards=True), (6, 3)),
    "gru": (L.GRU(4), (6, 3)),
    "gru before": (L.GRU(4, reset_after=False), (6, 3)),
    "simple rnn": (L.SimpleRNN(4, activation="relu"), (6, 3)),
    "stacked": (L.RNN([L.LSTMCell(4), L.GRUCell(3)]), (6, 3)),
    "bidirectional": (L.Bidirectional(L.LSTM(4, return_sequences=True)), (6, 3)),
    "bidirectional sum": (L.Bidirectional(L.GRU(4), merge_mode="sum"), (6, 3)),
    "time distributed": (L.TimeDistributed(L.Dense(4, activation="relu")), (6, 3)),
    "time distributed conv": (L.TimeDistributed(L.Conv2D(4, 3)), (3, 6, 5, 2)),
    "discretization": (L.Discretization([-0.5, 0.0, 1.0]), (5,)),
    "spectral": (L.SpectralNormalization(L.Dense(4)), (5,)),
}


@pytest.mark.parametrize("name", ONE_INPUT)
def test_a_layer_computes_what_it_computes_in_keras(name):
    layer, shape = ONE_INPUT[name]
    layer = type(layer).from_config(layer.get_config())
    inputs = keras.Input(shape)
    model = randomized(keras.Model(inputs, layer(inputs)))
    outputs_agree(model, numbers((3, *shape)))


def of_three_tenths(x):
    return keras.activations.threshold(x, 0.3, -1.0)


@pytest.mark.parametrize(
    "name",
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh "
    "leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu "
    "soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid "
    "squareplus tanh tanh_shrink threshold".split(),
)
def test_an_activation_computes_what_it_computes_in_keras(name):
    name = of_three_tenths if name == "threshold" else name
    inputs = keras.Input((5,))
    both = L.Concatenate()(
        [L.Activation(name)(L.Dense(6)(inputs)), L.Dense(6, name)(inputs)]
    )
    outputs_agree(keras.Model(inputs, both), 3 * numbers((20, 5)))


def test_two_inputs_and_two_outputs_have_names():
    one, other = keras.Input((5,), name="one"), keras.Input((4,), name="other")
    both = L.Concatenate()([L.Dense(3)(one), other])
    model = keras.Model(
        {"one": one, "other": other}, {"sum": L.Dense(2)(both), "both": both}
    )
    net = outputs_agree(model, {"one": numbers((3, 5)), "other": numbers((3, 4))})
    assert net.input_names == ["one", "other"]
    assert net.output_names == ["both", "sum"]


@pytest.mark.parametrize(
    "kind", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Dot"]
)
def test_merging(kind):
    one, other = keras.Input((5,)), keras.Input((5,))
    layer = L.Dot(axes=1) if kind == "Dot" else getattr(L, kind)()
    model = keras.Model([one, other], layer([one, L.Dense(5)(other)]))
    outputs_agree(randomized(model), [numbers((3, 5)), numbers((3, 5), 2)])


def test_a_mask_goes_its_way():
    inputs = keras.Input((7,), dtype="int32")
    x = L.Embedding(20, 6, mask_zero=True)(inputs)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.GRU(5, return_sequences=True)(L.Dropout(0.5)(x))
    pooled = L.GlobalAveragePooling1D()(x)
    model = randomized(keras.Model(inputs, L.Dense(2)(pooled)))
    words = np.random.default_rng(0).integers(1, 20, (4, 7)).astype("int32")
    words[1, 3:] = words[2, 5:] = 0
    outputs_agree(model, words)


class Block(keras.layers.Layer):
    """A transformer's block, with a weight and a number of its own."""

    def __init__(self, width, **options):
        super().__init__(**options)
        self.width = width
        self.attention = L.MultiHeadAttention(2, width // 2)
        self.norms = [L.LayerNormalization(), L.LayerNormalization()]
        self.inner, self.outer = L.Dense(2 * width, "gelu"), L.Dense(width)

    def build(self, shape):
        self.gain = self.add_weight(shape=(self.width,), name="gain")
        self.attention.build(shape, shape)
        for norm in self.norms:
            norm.build(shape)
        self.inner.build(shape)
        self.outer.build((*shape[:-1], 2 * self.width))

    def get_config(self):
        return {**super().get_config(), "width": self.width}

    def call(self, x, training=None):
        y = self.norms[0](x)
        x = x + self.attention(y, y, use_causal_mask=True) * self.gain
        y = self.outer(self.inner(self.norms[1](x)))
        return x + ops.clip(y, -3.0, 3.0) * 0.5


def test_a_layer_of_ones_own_is_followed_inside():
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(30, 8, name="words")(inputs)
    x = Block(8)(Block(8)(x))
    model = randomized(keras.Model(inputs, L.Dense(30)(x)))
    before = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    net = outputs_agree(model, np.arange(18).reshape(3, 6).astype("int32"))
    assert before == [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    assert {row.kind for row in net.summary().rows} >= {"attention", "embedding"}


class Subclassed(keras.Model):
    """A model without a graph."""

    def __init__(self):
        super().__init__()
        self.first, self.second = L.Dense(6, activation="relu"), L.Dense(3)

    def call(self, x):
        h = self.first(x)
        return self.second(ops.concatenate([h, ops.square(h)], axis=-1))


def test_a_subclassed_model_is_followed():
    model = Subclassed()
    model(numbers((2, 5)))
    outputs_agree(randomized(model), numbers((4, 5)))


def test_a_nested_model_and_a_shared_layer():
    inner = keras.Sequential([keras.Input((5,)), L.Dense(4, "relu"), L.Dense(4)])
    one, other = keras.Input((5,)), keras.Input((5,))
    a, b = inner(one), inner(other)
    model = keras.Model([one, other], a * b)
    outputs_agree(randomized(model), [numbers((3, 5)), numbers((3, 5), 2)])


def test_states_are_given_and_returned():
    inputs = keras.Input((4, 3))
    _, h, c = L.LSTM(5, return_state=True)(inputs)
    y = L.LSTM(5, return_sequences=True)(inputs, initial_state=[h, c])
    outputs_agree(randomized(keras.Model(inputs, [y, h])), numbers((2, 4, 3)))


def test_grouped_attention():
    inputs = keras.Input((6, 8))
    layer = L.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
    outputs_agree(
        randomized(keras.Model(inputs, layer(inputs, inputs))), numbers((2, 6, 8))
    )


needs_texts = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="strings are TensorFlow's"
)


@needs_texts
def test_texts():
    layer = L.TextVectorization(output_sequence_length=5)
    layer.adapt(["a red fox", "A blue, blue bird!", "the red sky"])
    inputs = keras.Input((1,), dtype="string")
    x = L.Embedding(12, 4)(layer(inputs))
    model = keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling1D()(x)))
    net = dc.CompressedModel(dc.HuffmanSerializer().dumps(model))
    texts = np.array([["A red, red bird"], ["nothing known"], [""]])
    expected = model(ops.convert_to_tensor(texts)).numpy()
    np.testing.assert_allclose(net.predict(texts), expected, rtol=1e-5, atol=1e-7)
    assert len(net.program.encode()) < 100, "the vocabulary is in the file once"


@needs_texts
def test_categories():
    words, sizes = keras.Input((1,), dtype="string"), keras.Input((1,), dtype="int32")
    one = L.StringLookup(vocabulary=["a", "b", "c"], output_mode="one_hot")(words)
    other = L.IntegerLookup(vocabulary=[7, 3, 12])(sizes)
    other = L.CategoryEncoding(5, output_mode="multi_hot")(other)
    model = keras.Model([words, sizes], L.Concatenate()([one, other]))
    net = dc.CompressedModel(dc.HuffmanSerializer().dumps(model))
    given = [np.array([["b"], ["z"], ["a"]]), np.array([[3], [99], [7]], "int32")]
    expected = model([ops.convert_to_tensor(g) for g in given]).numpy()
    np.testing.assert_array_equal(net.predict(given), expected)
