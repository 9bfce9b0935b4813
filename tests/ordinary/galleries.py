"""More nets as in galleries of examples, with losses and steps in unlike places."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import Case, arrays, ordinary
from ordinary.forms import random, whole

N = 64


class MixtureOfExperts(L.Layer):
    """Two experts of several for each token; kernels of all of them are one weight."""

    def __init__(self, n_experts, hidden, top_k=2, balance=0.01, **kwargs):
        super().__init__(**kwargs)
        self.n_experts, self.hidden = n_experts, hidden
        self.top_k, self.balance = top_k, balance
        self.router = L.Dense(n_experts, use_bias=False, name="router")
        self.seed_generator = keras.random.SeedGenerator(5)

    def build(self, shape):
        n = shape[-1]
        self.router.build(shape)
        kind = {"initializer": "glorot_uniform"}
        self.up = self.add_weight(
            name="up_kernel", shape=(self.n_experts, n, self.hidden), **kind
        )
        self.shift = self.add_weight(
            name="up_bias", shape=(self.n_experts, self.hidden), initializer="zeros"
        )
        self.down = self.add_weight(
            name="down_kernel", shape=(self.n_experts, self.hidden, n), **kind
        )

    def call(self, x, training=None):
        logits = self.router(x)
        if training:
            noise = keras.random.uniform(
                ops.shape(logits), 0.9, 1.1, seed=self.seed_generator
            )
            logits = logits * noise
        shares = ops.softmax(logits)
        best, which = ops.top_k(shares, self.top_k)
        best = best / ops.sum(best, axis=-1, keepdims=True)
        chosen = ops.one_hot(which, self.n_experts)
        gates = ops.einsum("btk,btke->bte", best, chosen)
        used = ops.mean(ops.sum(chosen, axis=2), axis=(0, 1))
        asked = ops.mean(shares, axis=(0, 1))
        self.add_loss(self.balance * self.n_experts * ops.sum(used * asked))
        y = ops.einsum("btd,edh->bteh", x, self.up) + self.shift
        return ops.einsum("bteh,ehd,bte->btd", ops.gelu(y), self.down, gates)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        names = ("n_experts", "hidden", "top_k", "balance")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@ordinary(own=[MixtureOfExperts])
def experts():
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(20, 8)(inputs)
    for _ in range(2):
        x = L.Add()([x, MixtureOfExperts(4, 12)(L.RMSNormalization()(x))])
    x = L.Dense(8, activation="relu")(L.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, L.Dense(2, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = whole(20, N, 6)
    return arrays(model, x, (x[:, 0] > 9).astype("int32"))


class CaptionEncoder(L.Layer):
    def __init__(self, embed_dim, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.attention_1 = L.MultiHeadAttention(num_heads, embed_dim, dropout=0.0)
        self.layernorm_1 = L.LayerNormalization()
        self.layernorm_2 = L.LayerNormalization()
        self.dense_1 = L.Dense(embed_dim, activation="relu")

    def call(self, inputs, training=None, mask=None):
        inputs = self.dense_1(self.layernorm_1(inputs))
        found = self.attention_1(
            query=inputs, value=inputs, key=inputs, training=training
        )
        return self.layernorm_2(inputs + found)


class WordsAndPlaces(L.Layer):
    def __init__(self, length, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_embeddings = L.Embedding(vocab_size, embed_dim)
        self.position_embeddings = L.Embedding(length, embed_dim)
        self.embed_scale = ops.sqrt(ops.cast(embed_dim, "float32"))

    def call(self, inputs):
        places = ops.arange(0, ops.shape(inputs)[-1])
        words = self.token_embeddings(inputs) * self.embed_scale
        return words + self.position_embeddings(places)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0)


class CaptionDecoder(L.Layer):
    def __init__(self, embed_dim, ff_dim, num_heads, vocab_size, length, **kwargs):
        super().__init__(**kwargs)
        self.attention_1 = L.MultiHeadAttention(num_heads, embed_dim, dropout=0.1)
        self.attention_2 = L.MultiHeadAttention(num_heads, embed_dim, dropout=0.1)
        self.ffn_1 = L.Dense(ff_dim, activation="relu")
        self.ffn_2 = L.Dense(embed_dim)
        self.norms = [L.LayerNormalization() for _ in range(3)]
        self.embedding = WordsAndPlaces(length, vocab_size, embed_dim)
        self.out = L.Dense(vocab_size, activation="softmax")
        self.dropout_1 = L.Dropout(0.3)
        self.supports_masking = True

    def call(self, inputs, encoded, training=None, mask=None):
        x = self.embedding(inputs)
        padded = ops.expand_dims(mask, 2) if mask is not None else None
        found = self.attention_1(
            query=x,
            value=x,
            attention_mask=padded,
            use_causal_mask=True,
            training=training,
        )
        x = self.norms[0](x + found)
        found = self.attention_2(
            query=x, value=encoded, attention_mask=padded, training=training
        )
        x = self.norms[1](x + found)
        x = self.norms[2](x + self.ffn_2(self.ffn_1(x)))
        return self.out(self.dropout_1(x, training=training))


class Captioner(keras.Model):
    """Has no `call`: only its steps know how its three parts go together."""

    def __init__(self, cnn_model, encoder, decoder, num_captions=2, image_aug=None):
        super().__init__()
        self.cnn_model = cnn_model
        self.encoder = encoder
        self.decoder = decoder
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.acc_tracker = keras.metrics.Mean(name="accuracy")
        self.num_captions = num_captions
        self.image_aug = image_aug

    def of_caption(self, encoded, caption, training):
        given, true = caption[:, :-1], caption[:, 1:]
        mask = ops.not_equal(true, 0)
        found = self.decoder(given, encoded, training=training, mask=mask)
        weight = ops.cast(mask, "float32")
        right = ops.cast(ops.equal(true, ops.argmax(found, axis=2)), "float32")
        loss = ops.sum(self.loss(true, found) * weight) / ops.sum(weight)
        return loss, ops.sum(right * weight) / ops.sum(weight)

    def of_captions(self, encoded, captions, training):
        total, right = 0.0, 0.0
        for i in range(self.num_captions):
            loss, acc = self.of_caption(encoded, captions[:, i], training)
            total, right = total + loss, right + acc
        return total, right

    def tracked(self, loss, right):
        self.loss_tracker.update_state(loss)
        self.acc_tracker.update_state(right / self.num_captions)
        return {metric.name: metric.result() for metric in self.metrics}

    def train_step(self, batch):
        import tensorflow as tf

        images, captions = batch
        if self.image_aug:
            images = self.image_aug(images, training=True)
        features = self.cnn_model(images)
        with tf.GradientTape() as tape:
            encoded = self.encoder(features, training=True)
            total, right = self.of_captions(encoded, captions, training=True)
        learned = self.encoder.trainable_variables + self.decoder.trainable_variables
        slopes = tape.gradient(total, learned)
        self.optimizer.apply_gradients(zip(slopes, learned, strict=True))
        return self.tracked(total, right)

    def test_step(self, batch):
        images, captions = batch
        encoded = self.encoder(self.cnn_model(images), training=False)
        return self.tracked(*self.of_captions(encoded, captions, training=False))

    @property
    def metrics(self):
        return [self.loss_tracker, self.acc_tracker]


def next_words(model, inputs):
    """What is likely after each word of a caption that has been begun."""
    images, words = inputs
    encoded = model.encoder(model.cnn_model(images), training=False)
    return model.decoder(words, encoded, training=False, mask=words != 0)


@ordinary(
    own=[Captioner, CaptionEncoder, CaptionDecoder, WordsAndPlaces],
    refuses={
        "save": "Give its class a `get_config`",
        "load elsewhere": "Give its class a `get_config`",
        "command": "has not yet been built",  # as Keras sees it, and saves nothing
        "with inputs": "cannot be called on the data",
    },
    backends=("tensorflow",),
)
def captions():
    """Two captions for each image, of which the first layers do not learn."""
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(6, 3, padding="same", use_bias=False)(inputs)
    x = L.Conv2D(8, 3, strides=2, activation="relu")(L.BatchNormalization()(x))
    cnn = keras.Model(inputs, L.Reshape((-1, 8))(x))
    cnn.trainable = False
    model = Captioner(
        cnn,
        CaptionEncoder(embed_dim=8, num_heads=1),
        CaptionDecoder(8, 12, num_heads=2, vocab_size=15, length=7),
        image_aug=keras.Sequential([L.RandomFlip("horizontal")]),
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=False, reduction="none"
        ),
    )
    words = 1 + whole(14, N, 2, 7)
    words[::3, :, 5:] = 0
    images = random(N, 8, 8, 3) + 2
    return arrays(
        model,
        images,
        words,
        inputs=(images[48:], words[48:, 0, :6]),
        predict=next_words,
    )


class Deviation(L.Layer):
    """Puts a weight beside its input that does not depend on it."""

    def build(self, shape):
        self.log_std = self.add_weight(
            name="log_std",
            shape=(shape[-1],),
            initializer=keras.initializers.Constant(-0.5),
        )

    def call(self, mean):
        return ops.concatenate([mean, ops.zeros_like(mean) + self.log_std], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2 * shape[-1])


def log_probability(action, policy):
    mean, log_std = policy[:, :2], policy[:, 2:]
    far = ops.square((action - mean) / ops.exp(log_std))
    return ops.sum(-0.5 * far - log_std - 0.5 * float(np.log(2 * np.pi)), axis=-1)


def clipped_surrogate(played, policy):
    """What was played has an action, how good it was, and how likely it had been."""
    action, advantage, before = played[:, :2], played[:, 2], played[:, 3]
    ratio = ops.exp(ops.clip(log_probability(action, policy) - before, -5, 5))
    clipped = ops.clip(ratio, 0.8, 1.2)
    gain = ops.minimum(ratio * advantage, clipped * advantage)
    return -gain - 0.01 * ops.sum(policy[:, 2:], axis=-1)


def kl_from_before(played, policy):
    return played[:, 3] - log_probability(played[:, :2], policy)


@ordinary(own=[Deviation, clipped_surrogate, kl_from_before])
def actor_critic():
    """A trunk with an actor and a critic; a target is what was played, in columns."""
    orthogonal = keras.initializers.Orthogonal
    screen = keras.Input((8, 8, 2), name="screen")
    state = keras.Input((4,), name="state")
    x = L.Conv2D(6, 4, strides=2, activation="relu")(screen)
    x = L.Concatenate()([L.Flatten()(x), state])
    trunk = keras.Sequential(
        [
            L.Dense(16, "tanh", kernel_initializer=orthogonal(2**0.5)),
            L.Dense(12, "tanh", kernel_initializer=orthogonal(2**0.5)),
        ],
        name="trunk",
    )
    x = trunk(x)
    mean = L.Dense(2, kernel_initializer=orthogonal(0.01), name="mean")(x)
    value = L.Dense(1, kernel_initializer=orthogonal(1.0), name="critic")(x)
    model = keras.Model([screen, state], [Deviation(name="actor")(mean), value])
    model.compile(
        keras.optimizers.Adam(3e-3, epsilon=1e-5, global_clipnorm=0.5),
        loss=[clipped_surrogate, keras.losses.Huber()],
        loss_weights=[1.0, 0.5],
        metrics=[[kl_from_before], ["mae"]],
    )
    x = [random(N, 8, 8, 2), random(N, 4, seed=1)]
    action, advantage = random(N, 2, seed=2), random(N, 1, seed=3)
    policy = ops.convert_to_tensor([[0.0, 0.0, -0.5, -0.5]])
    before = log_probability(ops.convert_to_tensor(action), policy)
    before = ops.convert_to_numpy(before)[:, None]
    played = np.concatenate([action, advantage, before], axis=1)
    return arrays(
        model, x, [played, random(N, seed=4)[:, None]], monitor={"monitor": "loss"}
    )


class CTCLayer(L.Layer):
    """The end of the net for training: adds the loss, gives on what was found.

    It takes no arguments but its name, so that nothing loads what is saved of it.
    """

    def __init__(self, name=None):
        super().__init__(name=name)
        self.loss_fn = ops.ctc_loss

    def call(self, y_true, y_pred):
        ones = ops.ones((ops.shape(y_true)[0],), dtype="int32")
        loss = self.loss_fn(
            y_true, y_pred, ones * y_true.shape[1], ones * y_pred.shape[1], mask_index=0
        )
        self.add_loss(ops.mean(loss))
        return y_pred

    def compute_output_shape(self, y_true_shape, y_pred_shape):
        return y_pred_shape


def letters_of_images(model, inputs):
    """What people make of the net for use: it ends before the loss, needs no labels."""
    images = next(each for each in model.inputs if each.name == "image")
    reader = keras.Model(images, model.get_layer("letters").output)
    return reader.predict(inputs, verbose=0)


@ordinary(own=[CTCLayer])
def captcha():
    """Labels are an input, there are no targets, `compile` is given no loss."""
    image = keras.Input(shape=(24, 8, 1), name="image", dtype="float32")
    labels = keras.Input(name="label", shape=(3,), dtype="int32")
    kind = {"activation": "relu", "kernel_initializer": "he_normal", "padding": "same"}
    x = L.MaxPooling2D((2, 2), name="pool1")(
        L.Conv2D(4, 3, name="conv1", **kind)(image)
    )
    x = L.MaxPooling2D((1, 2), name="pool2")(L.Conv2D(6, 3, name="conv2", **kind)(x))
    x = L.Reshape((12, 2 * 6), name="columns")(x)
    x = L.Dropout(0.2)(L.Dense(8, activation="relu", name="dense1")(x))
    x = L.Bidirectional(L.LSTM(6, return_sequences=True, dropout=0.25))(x)
    x = L.Dense(7, name="letters")(x)
    output = CTCLayer(name="ctc_loss")(labels, x)
    model = keras.Model(inputs=[image, labels], outputs=output, name="ocr_model_v1")
    model.compile(optimizer=keras.optimizers.Adam(clipvalue=1.0))
    data = {"image": random(N, 24, 8, 1), "label": 1 + whole(6, N, 3)}
    train, validation = (
        {name: each[part] for name, each in data.items()}
        for part in (slice(48), slice(48, None))
    )
    return Case(
        model,
        train,
        validation,
        inputs=validation["image"],
        predict=letters_of_images,
    )


class HyperConv2D(L.Layer):
    """A convolution whose kernel is what another layer makes of a second input."""

    def __init__(self, filters, size=3, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size = filters, size
        self.activation = keras.activations.get(activation)

    def build(self, image_shape, code_shape):
        n = self.size**2 * image_shape[-1]
        small = keras.initializers.VarianceScaling(1 / n)
        self.to_kernel = L.Dense(n * self.filters, kernel_initializer=small)
        self.to_bias = L.Dense(self.filters, use_bias=False)
        self.to_kernel.build(code_shape)
        self.to_bias.build(code_shape)

    def call(self, image, code):
        patches = ops.image.extract_patches(image, self.size, padding="same")
        kernel = self.to_kernel(code)
        kernel = ops.reshape(kernel, (-1, patches.shape[-1], self.filters))
        found = ops.einsum("bhwn,bnf->bhwf", patches, kernel)
        return self.activation(found + self.to_bias(code)[:, None, None])

    def compute_output_shape(self, image_shape, code_shape):
        return (*image_shape[:-1], self.filters)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        mine = {"filters": self.filters, "size": self.size, "activation": activation}
        return {**super().get_config(), **mine}


@ordinary(own=[HyperConv2D])
def hyper_network():
    """How much is to be smoothed is an input, that the kernels depend on."""
    image = keras.Input((8, 8, 2), name="image")
    strength = keras.Input((1,), name="strength")
    code = L.Dense(6, activation="relu")(L.Dense(8, activation="relu")(strength))
    x = HyperConv2D(4, activation="leaky_relu")(image, code)
    x = L.Conv2D(6, 3, padding="same", activation="leaky_relu")(x)
    x = HyperConv2D(4, size=1, activation="leaky_relu")(x, code)
    x = L.Add()([image, HyperConv2D(2, name="change")(x, code)])
    model = keras.Model({"image": image, "strength": strength}, x)
    model.compile(keras.optimizers.Adamax(1e-2), "mse", metrics=["mae"])
    x, a = random(N, 8, 8, 2), np.linspace(0, 1, N, dtype="float32")[:, None]
    b = a[:, :, None, None]
    y = (1 - b) * x + b * (x + np.roll(x, 1, 1) + np.roll(x, 1, 2)) / 3
    return arrays(model, {"image": x, "strength": a}, y)
