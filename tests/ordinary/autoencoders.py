"""Small nets that rebuild what they are given, or the next of it."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import arrays, ordinary
from ordinary.generative import images


class Codebook(L.Layer):
    """The nearest of few codes, with gradients straight through."""

    def __init__(self, n_codes, size, beta=0.25, **kwargs):
        super().__init__(**kwargs)
        self.n_codes, self.size, self.beta = n_codes, size, beta
        self.codes = self.add_weight(
            shape=(size, n_codes), initializer="random_uniform", name="codes"
        )

    def get_config(self):
        mine = {"n_codes": self.n_codes, "size": self.size, "beta": self.beta}
        return {**super().get_config(), **mine}

    def call(self, x):
        flat = ops.reshape(x, (-1, self.size))
        apart = ops.sum(self.codes**2, 0) - 2 * ops.matmul(flat, self.codes)
        nearest = ops.one_hot(ops.argmin(apart, 1), self.n_codes)
        found = ops.reshape(
            ops.matmul(nearest, ops.transpose(self.codes)), ops.shape(x)
        )
        held = ops.mean((ops.stop_gradient(found) - x) ** 2)
        moved = ops.mean((found - ops.stop_gradient(x)) ** 2)
        self.add_loss(self.beta * held + moved)
        return x + ops.stop_gradient(found - x)


@ordinary(own=[Codebook])
def vae_with_a_codebook():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(inputs)
    x = Codebook(8, 4)(L.Conv2D(4, 1)(x))
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x)
    model = keras.Model(inputs, L.Conv2D(1, 3, padding="same")(x))
    model.compile("adam", "mse")
    return arrays(model, images(), images())


@ordinary()
def autoencoder():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(8, 3, padding="same", activation="relu")(L.GaussianNoise(0.1)(inputs))
    x = L.Conv2D(2, 3, padding="same", activation="relu")(L.MaxPooling2D()(x))
    x = L.Conv2D(8, 3, padding="same", activation="relu")(L.UpSampling2D()(x))
    model = keras.Model(inputs, L.Conv2D(1, 3, padding="same", activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy", metrics=["mae"])
    return arrays(model, images(), images())


class Autoencoder(keras.Model):
    """Two chains that know their inputs from the first call on."""

    def __init__(self, latent_dim, shape, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim, self.shape = latent_dim, shape
        self.encoder = keras.Sequential(
            [L.Flatten(), L.Dense(latent_dim, activation="relu")]
        )
        self.decoder = keras.Sequential(
            [L.Dense(int(np.prod(shape)), activation="sigmoid"), L.Reshape(shape)]
        )

    def call(self, x):
        return self.decoder(self.encoder(x))


@ordinary(
    own=[Autoencoder],
    refuses=dict.fromkeys(("save", "load elsewhere"), "Give its class a `get_config`"),
)
def autoencoder_of_a_tutorial():
    x = images()
    model = Autoencoder(6, (8, 8, 1))
    model.compile(optimizer="adam", loss=keras.losses.MeanSquaredError())
    model.fit(x[:8], x[:8], verbose=0)
    return arrays(model, x, x)


class MaskedConv(L.Layer):
    """A convolution that sees only what stands before a pixel."""

    def __init__(self, is_first, **kwargs):
        super().__init__()
        self.is_first = is_first
        self.conv = L.Conv2D(**kwargs)

    def get_config(self):
        mine = {"is_first": self.is_first, **self.conv.get_config()}
        return {name: value for name, value in mine.items() if name != "name"}

    def build(self, shape):
        self.conv.build(shape)
        height, width = self.conv.kernel.shape[:2]
        self.mask = np.zeros(self.conv.kernel.shape, "float32")
        self.mask[: height // 2] = 1
        self.mask[height // 2, : width // 2 + (not self.is_first)] = 1

    def call(self, x):
        self.conv.kernel.assign(self.conv.kernel * self.mask)
        return self.conv(x)


@ordinary(own=[MaskedConv])
def pixel_cnn():
    inputs = keras.Input((8, 8, 1))
    x = MaskedConv(True, filters=6, kernel_size=5, padding="same", activation="relu")(
        inputs
    )
    y = MaskedConv(False, filters=6, kernel_size=3, padding="same", activation="relu")(
        x
    )
    x = L.Conv2D(1, 1, activation="sigmoid")(x + y)
    model = keras.Model(inputs, x)
    model.compile(keras.optimizers.RMSprop(5e-4), "binary_crossentropy")
    return arrays(model, images(), images())
