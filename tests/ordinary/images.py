"""Small nets as people have them: of images, of tables, and of several parts."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import CHANGES, ordinary


@ordinary()
def unet():
    inputs = keras.Input((8, 8, 1))
    a = L.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    b = L.Conv2D(8, 3, padding="same", activation="relu")(L.MaxPooling2D()(a))
    x = L.Conv2DTranspose(6, 2, strides=2)(b)
    x = L.Conv2D(6, 3, padding="same")(L.Concatenate()([x, a]))
    x = L.Concatenate()([L.UpSampling2D()(b), L.ReLU()(x)])
    return keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(x))


@ordinary()
def mobile_net():
    x = inputs = keras.Input((8, 8, 3))
    for n, strides in ((8, 2), (8, 1), (12, 2)):
        short = x
        x = L.Conv2D(3 * n, 1, use_bias=False)(x)
        x = L.ReLU(6.0)(L.BatchNormalization()(x))
        x = L.DepthwiseConv2D(3, strides, "same", use_bias=False)(x)
        x = L.ReLU(6.0)(L.BatchNormalization()(x))
        x = L.BatchNormalization()(L.Conv2D(n, 1, use_bias=False)(x))
        if x.shape == short.shape:
            x = L.Add()([x, short])
    return keras.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


@ordinary()
def squeeze_excite():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, activation="hard_swish")(inputs)
    y = L.GlobalAveragePooling2D(keepdims=True)(x)
    y = L.Conv2D(4, 1, activation="relu")(y)
    x = L.Multiply()([x, L.Conv2D(8, 1, activation="hard_sigmoid")(y)])
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(x)))


@ordinary()
def res_net():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, padding="same")(inputs)
    for _ in range(2):
        y = L.Activation("relu")(L.BatchNormalization()(x))
        y = L.Conv2D(6, 3, padding="same")(y)
        x = L.Conv2D(8, 3, padding="same")(L.ReLU()(y)) + x
    return keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(ops.relu(x))))


@ordinary()
def xception():
    inputs = keras.Input((9, 9, 3))
    x = L.Conv2D(6, 3, activation="relu")(inputs)
    x = L.SeparableConv2D(8, 3, padding="same", depth_multiplier=2)(x)
    x = L.BatchNormalization()(x)
    x = L.SeparableConv2D(8, 3, activation="relu")(x)
    return keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling2D()(x)))


@ordinary()
def separable_1d():
    return keras.Sequential(
        [
            keras.Input((12, 3)),
            L.SeparableConv1D(6, 3, depth_multiplier=2, activation="relu"),
            L.SeparableConv1D(5, 3, use_bias=False),
            L.DepthwiseConv1D(2, depth_multiplier=3, activation="tanh"),
            L.Flatten(),
            L.Dense(2),
        ]
    )


@ordinary()
def grouped():
    inputs = keras.Input((8, 8, 4))
    x = L.Conv2D(8, 3, activation="relu")(inputs)
    x = L.Conv2D(8, 3, groups=4, activation="relu")(x)
    x = L.Conv2D(6, 1)(x)
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(x)))


@ordinary()
def siamese():
    encoder = keras.Sequential(
        [keras.Input((6,)), L.Dense(9, activation="relu"), L.Dense(4)]
    )
    a, b = keras.Input((6,)), keras.Input((6,))
    x = ops.abs(encoder(a) - encoder(b))
    x = L.Dense(9, activation="relu")(x)
    return keras.Model([a, b], L.Dense(1, activation="sigmoid")(x))


def tower(inputs, outputs):
    """A nested model whose inputs and outputs are dicts."""
    x = L.Concatenate()([inputs["p"], inputs["q"]])
    x = L.Dense(9, activation="relu")(x)
    return keras.Model(inputs, {name: L.Dense(n)(x) for name, n in outputs.items()})


@ordinary()
def dicts_inside():
    inputs = {name: keras.Input((4,), name=name) for name in ("q", "p")}
    inner = tower(
        {name: keras.Input((5,), name=name) for name in ("q", "p")}, {"y": 6, "x": 3}
    )
    parts = inner({name: L.Dense(5)(each) for name, each in inputs.items()})
    return keras.Model(inputs, {"u": L.Dense(2)(parts["x"]), "v": parts["y"]})


@ordinary()
def dict_inputs():
    inputs = {
        "age": keras.Input((1,), name="age"),
        "city": keras.Input((1,), dtype="int32", name="city"),
    }
    city = L.Flatten()(L.Embedding(9, 4)(inputs["city"]))
    x = L.Concatenate()([L.Normalization()(inputs["age"]), city])
    x = L.Dense(9, activation="relu")(x)
    return keras.Model(inputs, L.Dense(1)(L.Dropout(0.2)(x)))


@ordinary()
def two_outputs():
    inputs = keras.Input((6,))
    x = L.Dense(9, activation="relu")(inputs)
    a, b = L.Dense(2, name="a")(x), L.Dense(3, activation="softmax", name="b")(x)
    return keras.Model(inputs, {"a": a, "b": b, "hidden": x})


class Sampling(L.Layer):
    """The mean, as long as nothing is trained; its loss is the divergence."""

    def call(self, inputs):
        mean, log = inputs
        self.add_loss(ops.mean(ops.exp(log) + ops.square(mean) - log))
        return mean


@ordinary(own=[Sampling])
def vae():
    inputs = keras.Input((8,))
    x = L.Dense(9, activation="relu")(inputs)
    code = Sampling()([L.Dense(3)(x), L.Dense(3)(x)])
    decoder = keras.Sequential(
        [keras.Input((3,)), L.Dense(9, activation="relu"), L.Dense(8)]
    )
    return keras.Model(inputs, decoder(code))


@ordinary(
    refuses=dict.fromkeys(
        ("save", "load elsewhere", "command"),
        "The file holds Python code: the lambda of the layer 'lambda'",
    )
)
def with_lambda():
    inputs = keras.Input((6,))
    x = L.Dense(9, activation="relu")(inputs)
    x = L.Lambda(lambda t: 2 * t[:, ::2])(L.Dense(5)(x))
    return keras.Model(inputs, L.Dense(2)(x))


def nested_twice():
    block = keras.Sequential(
        [
            keras.Input((9,)),
            keras.Sequential([keras.Input((9,)), L.Dense(5, activation="relu")]),
            L.Dense(7),
        ]
    )
    inputs = keras.Input((6,))
    return keras.Model(inputs, L.Dense(2)(block(L.Dense(9, activation="relu")(inputs))))


@ordinary(refuses=dict.fromkeys(CHANGES, "is quantized already"))
def quantized():
    inputs = keras.Input((6,))
    x = L.Dense(9, activation="relu")(inputs)
    dense = L.Dense(5)
    x = dense(x)
    dense.quantize("int8")
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(x)))


@ordinary()
def mixed_precision():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(6, 3, activation="relu", dtype="mixed_bfloat16")(inputs)
    x = L.SeparableConv2D(6, 3, activation="relu", dtype="mixed_bfloat16")(x)
    return keras.Model(inputs, L.Dense(2, dtype="float32")(L.Flatten()(x)))


@ordinary()
def one_parameter():
    return keras.Sequential([keras.Input((1,)), L.Dense(1, use_bias=False)])


@ordinary(refuses=dict.fromkeys(CHANGES, "has no weights that can be compressed"))
def no_parameter():
    return keras.Sequential([keras.Input((4,)), L.Rescaling(2.0), L.Softmax()])


@ordinary(refuses=dict.fromkeys(CHANGES, "has no weights that can be compressed"))
def frozen():
    model = two_outputs()
    model.trainable = False
    return model


@ordinary()
def constants_in_the_graph():
    inputs = keras.Input((6,))
    x = L.Dense(9, activation="relu")(inputs)
    x = x * ops.convert_to_tensor(np.arange(9, dtype="float32"))
    x = ops.where(x > 1, x, ops.zeros_like(x))
    a, b, c = ops.split(x, 3, axis=-1)
    return keras.Model(inputs, L.Dense(2)(ops.concatenate([c, a * b], axis=-1)))


class Either(L.Layer):
    def call(self, x, y=None):
        return x if y is None else x + y

    def compute_output_shape(self, x_shape, y_shape=None):
        return x_shape


@ordinary(own=[Either])
def one_optional_input():
    a, b = keras.Input((6,)), keras.Input((6,), optional=True)
    x = L.Dense(9, activation="relu")(Either()(a, b))
    return keras.Model([a, b], L.Dense(2)(x))


def cut_out_of_another():
    """A model whose input is a tensor within another model."""
    whole = mobile_net()
    at = next(each for each in whole.layers if isinstance(each, L.ReLU))
    return keras.Model(at.output, whole.output)


def shares_layers_with_another():
    whole = two_outputs()
    return keras.Model(whole.inputs, whole.get_layer("a").output)


def an_input_that_nothing_reads():
    a, b = keras.Input((6,)), keras.Input((3,))
    return keras.Model([a, b], L.Dense(2)(L.Dense(9, activation="relu")(a)))


def the_input_again():
    inputs = keras.Input((6,))
    return keras.Model(inputs, [inputs, L.Dense(2)(L.Dense(9)(inputs))])


@ordinary()
def image_pipeline():
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    x = L.RandomFlip()(L.Rescaling(1 / 255)(inputs))
    x = L.Conv2D(5, 3, activation="relu")(x)
    return keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


def channels_of_one_filter():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(1, 3)(inputs)
    x = L.SeparableConv2D(1, 3)(x)
    return keras.Model(inputs, L.Dense(1)(L.Flatten()(x)))
