"""Small nets that make data, as people train them: in steps of their own."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import N_TRAIN, N_VALIDATION, Case, arrays, ordinary

N = N_TRAIN + N_VALIDATION
# Each has a `train_step` with a tape.
ONLY_TENSORFLOW = ("tensorflow",)


def images(channels=1):
    """Bright squares on a dark ground."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.2, (N, 8, 8, channels)).astype("float32")
    for image, (row, column) in zip(x, rng.integers(0, 5, (N, 2)), strict=True):
        image[row : row + 3, column : column + 3] += 0.7
    return x


def of_inputs_alone(model, x, **more):
    return Case(model, (x[:N_TRAIN],), (x[N_TRAIN:],), inputs=x[N_TRAIN:], **more)


def gradients(losses, variables):
    """The gradients of what a function returns, and that."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = losses()
    return tape.gradient(loss, variables), loss


def generator():
    return keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(4 * 4 * 4, use_bias=False),
            L.LeakyReLU(0.2),
            L.Reshape((4, 4, 4)),
            L.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
        ],
        name="generator",
    )


def discriminator():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(6, 3, strides=2, padding="same"),
            L.LeakyReLU(0.2),
            L.Dropout(0.1),
            L.GlobalMaxPooling2D(),
            L.Dense(1),
        ],
        name="discriminator",
    )


class GAN(keras.Model):
    """Two nets with an optimizer each; nothing but `fit` is told what to do."""

    def __init__(self, generator, discriminator, **kwargs):
        super().__init__(**kwargs)
        self.generator, self.discriminator = generator, discriminator
        self.seeds = keras.random.SeedGenerator(1)
        self.d_loss = keras.metrics.Mean(name="d_loss")
        self.g_loss = keras.metrics.Mean(name="g_loss")
        self.built = True

    def get_config(self):
        nets = {"generator": self.generator, "discriminator": self.discriminator}
        saved = keras.saving.serialize_keras_object
        return {**super().get_config(), **{k: saved(v) for k, v in nets.items()}}

    @classmethod
    def from_config(cls, config):
        for name in ("generator", "discriminator"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.loss_fn = loss_fn

    @property
    def metrics(self):
        return [self.d_loss, self.g_loss]

    def d_losses(self, real, noise):
        made = self.generator(noise)
        judged = self.discriminator(ops.concatenate([made, real], 0), training=True)
        ones = ops.ones((ops.shape(real)[0], 1))
        return self.loss_fn(ops.concatenate([ones, 0 * ones], 0), judged)

    def g_losses(self, noise):
        judged = self.discriminator(self.generator(noise, training=True))
        return self.loss_fn(ops.zeros_like(judged), judged)

    def train_step(self, data):
        real = data[0] if isinstance(data, tuple) else data
        noise = keras.random.normal((ops.shape(real)[0], 4), seed=self.seeds)
        weights = self.discriminator.trainable_weights
        found, d_loss = gradients(lambda: self.d_losses(real, noise), weights)
        self.d_optimizer.apply_gradients(zip(found, weights, strict=True))
        weights = self.generator.trainable_weights
        found, g_loss = gradients(lambda: self.g_losses(noise), weights)
        self.g_optimizer.apply_gradients(zip(found, weights, strict=True))
        return self.tracked(d_loss, g_loss)

    def tracked(self, d_loss, g_loss):
        self.d_loss.update_state(d_loss)
        self.g_loss.update_state(g_loss)
        return {metric.name: metric.result() for metric in self.metrics}


class MeasuredGAN(GAN):
    """One that can be evaluated too."""

    def test_step(self, data):
        real = data[0] if isinstance(data, tuple) else data
        noise = keras.random.normal((ops.shape(real)[0], 4), seed=3)
        return self.tracked(self.d_losses(real, noise), self.g_losses(noise))

    def call(self, noise):
        return self.generator(noise)


def compiled_gan(kind):
    model = kind(generator(), discriminator())
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.optimizers.Adam(2e-3, beta_1=0.5),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return model


def drawn(model, inputs):
    """What a model makes of noise that is the same each time."""
    return model.generator.predict(keras.random.normal((8, 4), seed=1), verbose=0)


NOT_CALLED = "cannot be called on the data"
NOT_EVALUATED = "has no `test_step` that works"


@ordinary(
    own=[GAN],
    refuses={
        **dict.fromkeys(("sensitivity", "compress"), NOT_EVALUATED),
        "with inputs": NOT_CALLED,
    },
    backends=ONLY_TENSORFLOW,
)
def gan():
    return of_inputs_alone(compiled_gan(GAN), images(), predict=drawn)


@ordinary(
    own=[MeasuredGAN],
    refuses={"with inputs": NOT_CALLED},
    backends=ONLY_TENSORFLOW,
)
def gan_with_test_step():
    monitor = {"monitor": "g_loss", "mode": "min"}
    model = compiled_gan(MeasuredGAN)
    return of_inputs_alone(model, images(), predict=drawn, monitor=monitor)


class CriticGAN(MeasuredGAN):
    """The critic steps twice, and its gradients are held near one."""

    def d_losses(self, real, noise):
        made = self.generator(noise)
        at = (real + made) / 2
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(at)
            judged = self.discriminator(at, training=True)
        slopes = ops.sum(ops.square(tape.gradient(judged, at)), (1, 2, 3))
        gap = ops.mean(self.discriminator(made)) - ops.mean(self.discriminator(real))
        return gap + 10.0 * ops.mean(ops.square(ops.sqrt(slopes + 1e-6) - 1.0))

    def train_step(self, data):
        super().train_step(data)
        return super().train_step(data)


@ordinary(
    own=[CriticGAN],
    refuses={"with inputs": NOT_CALLED},
    backends=ONLY_TENSORFLOW,
)
def wasserstein_gan():
    model = compiled_gan(CriticGAN)
    monitor = {"monitor": "g_loss", "mode": "min"}
    return of_inputs_alone(model, images(), predict=drawn, monitor=monitor)


class Sampling(L.Layer):
    """Draws a code, with a seed of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1337)

    def call(self, inputs, training=None):
        mean, log = inputs
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return mean + ops.exp(0.5 * log) * noise


def encoder():
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(inputs)
    x = L.Dense(9, activation="relu")(L.Flatten()(x))
    mean, log = L.Dense(2, name="mean")(x), L.Dense(2, name="log")(x)
    return keras.Model(inputs, [mean, log, Sampling()([mean, log])], name="encoder")


def decoder():
    inputs = keras.Input((2,))
    x = L.Reshape((4, 4, 3))(L.Dense(4 * 4 * 3, activation="relu")(inputs))
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x)
    x = L.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, x, name="decoder")


class StepVAE(keras.Model):
    """The losses are metrics of its own; `compile` is given an optimizer alone."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder(), decoder()
        self.total = keras.metrics.Mean(name="loss")
        self.rebuilt = keras.metrics.Mean(name="reconstruction_loss")
        self.divergence = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total, self.rebuilt, self.divergence]

    def call(self, x, training=None):
        return self.decoder(self.encoder(x, training=training)[2])

    def losses_of(self, x, training):
        mean, log, code = self.encoder(x, training=training)
        rebuilt = ops.mean(ops.sum(ops.square(x - self.decoder(code)), (1, 2)))
        divergence = -0.5 * ops.mean(1 + log - ops.square(mean) - ops.exp(log))
        return rebuilt + divergence, rebuilt, divergence

    def tracked(self, found):
        for metric, loss in zip(self.metrics, found, strict=True):
            metric.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def train_step(self, data):
        x, found = data[0] if isinstance(data, tuple) else data, []

        def losses():
            found[:] = self.losses_of(x, True)
            return found[0]

        slopes, _ = gradients(losses, self.trainable_weights)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_weights, strict=True))
        return self.tracked(found)

    def test_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        return self.tracked(self.losses_of(x, False))


@ordinary(own=[StepVAE, Sampling], backends=ONLY_TENSORFLOW)
def vae_with_steps():
    model = StepVAE()
    model(images()[:2])
    model.compile(keras.optimizers.Adam())
    monitor = {"monitor": "reconstruction_loss", "mode": "min"}
    return of_inputs_alone(model, images(), monitor=monitor)


class LossVAE(keras.Model):
    """The loss is that of `compile`, with more by `add_loss`."""

    def __init__(self, weight=0.1, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.encoder, self.decoder = encoder(), decoder()

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}

    def call(self, x, training=None):
        mean, log, code = self.encoder(x, training=training)
        divergence = -0.5 * ops.mean(1 + log - ops.square(mean) - ops.exp(log))
        self.add_loss(self.weight * divergence)
        return self.decoder(code)


@ordinary(own=[LossVAE, Sampling])
def vae_with_add_loss():
    model = LossVAE(0.2)
    model.build((None, 8, 8, 1))
    model.compile("adam", "binary_crossentropy", metrics=["mse"])
    return arrays(model, images(), images())


def denoiser():
    """A U-Net that is told how strong the noise is."""
    noisy, strength = keras.Input((8, 8, 1)), keras.Input((1, 1, 1))
    angles = ops.concatenate([ops.sin(strength * 6.0), ops.cos(strength * 6.0)], -1)
    told = L.UpSampling2D(8)(angles)
    a = L.Conv2D(6, 3, padding="same", activation="swish")(
        L.Concatenate()([noisy, told])
    )
    b = L.Conv2D(8, 3, padding="same", activation="swish")(L.AveragePooling2D(2)(a))
    b = L.Add()([b, L.Conv2D(8, 3, padding="same")(L.BatchNormalization()(b))])
    x = L.Concatenate()([L.UpSampling2D(interpolation="bilinear")(b), a])
    x = L.Conv2D(1, 1, kernel_initializer="zeros")(x)
    return keras.Model([noisy, strength], x, name="denoiser")


class Diffusion(keras.Model):
    """Learns the noise; what is used afterwards is the mean of all nets so far."""

    def __init__(self, decay=0.9, **kwargs):
        super().__init__(**kwargs)
        self.decay = decay
        self.scale = L.Normalization()
        self.network = denoiser()
        self.ema_network = keras.models.clone_model(self.network)
        self.ema_network.set_weights(self.network.get_weights())
        self.noise_loss = keras.metrics.Mean(name="n_loss")
        self.seeds = keras.random.SeedGenerator(7)

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}

    @property
    def metrics(self):
        return [self.noise_loss]

    def build(self, shape):
        if not self.scale.built:
            self.scale.build(shape)
        self.built = True

    def call(self, inputs):
        noisy, strength = inputs
        return self.ema_network([self.scale(noisy), strength])

    def losses_of(self, network, x, seed, training):
        x = self.scale(x)
        size = ops.shape(x)[0]
        noise = keras.random.normal(ops.shape(x), seed=seed)
        strength = keras.random.uniform((size, 1, 1, 1), seed=seed)
        noisy = ops.cos(strength) * x + ops.sin(strength) * noise
        guessed = network([noisy, strength**2], training=training)
        return self.compute_loss(y=noise, y_pred=guessed)

    def train_step(self, data):
        weights = self.network.trainable_weights
        found, loss = gradients(
            lambda: self.losses_of(self.network, data, self.seeds, True), weights
        )
        self.optimizer.apply_gradients(zip(found, weights, strict=True))
        self.noise_loss.update_state(loss)
        for weight, mean in zip(
            self.network.weights, self.ema_network.weights, strict=True
        ):
            mean.assign(self.decay * mean + (1 - self.decay) * weight)
        return {"n_loss": self.noise_loss.result()}

    def test_step(self, data):
        self.noise_loss.update_state(self.losses_of(self.ema_network, data, 5, False))
        return {"n_loss": self.noise_loss.result()}


@ordinary(
    own=[Diffusion],
    refuses={"with inputs": NOT_CALLED},
    backends=ONLY_TENSORFLOW,
)
def diffusion():
    model, x = Diffusion(), images()
    model.scale.adapt(x)
    model.build((None, 8, 8, 1))
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-4), loss="mae")
    return Case(
        model,
        x[:N_TRAIN],
        x[N_TRAIN:],
        monitor={"monitor": "n_loss", "mode": "min"},
        inputs=[x[N_TRAIN:], np.full((len(x) - N_TRAIN, 1, 1, 1), 0.3, "float32")],
    )
