"""Transformers as people write them, mostly without a name for any layer."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import Case, arrays, ordinary
from ordinary.forms import generators, loaders, py_datasets, random, tf_datasets, whole
from ordinary.recurrent import padded

N = 64
FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def encoded(x, mask=None, n=8, dropout=0.1, causal=False):
    """A block that normalizes first, of Keras' own layers."""
    y = L.LayerNormalization(epsilon=1e-6)(x)
    y = L.MultiHeadAttention(2, n // 2, dropout=dropout)(
        y, y, attention_mask=mask, use_causal_mask=causal
    )
    x = L.Add()([x, y])
    y = L.Dense(2 * n, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(x))
    return L.Add()([x, L.Dropout(dropout)(L.Dense(n)(y))])


class Patches(L.Layer):
    """Cuts images; a class and places are learnt."""

    def __init__(self, size, width, **kwargs):
        super().__init__(**kwargs)
        self.size, self.width = size, width
        self.projection = L.Dense(width)

    def build(self, shape):
        n = (shape[1] // self.size) * (shape[2] // self.size)
        self.token = self.add_weight(shape=(1, 1, self.width), name="token")
        self.places = self.add_weight(shape=(1, n + 1, self.width), name="places")
        self.projection.build((None, n, self.size * self.size * shape[3]))

    def call(self, images):
        x = ops.image.extract_patches(images, self.size)
        x = self.projection(ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1])))
        token = ops.repeat(self.token, ops.shape(x)[0], axis=0)
        return ops.concatenate([token, x], axis=1) + self.places

    def get_config(self):
        return {**super().get_config(), "size": self.size, "width": self.width}


@ordinary(own=[Patches])
def vit_with_a_class_token():
    inputs = keras.Input((8, 8, 3))
    x = Patches(4, 8)(L.RandomFlip("horizontal")(L.Rescaling(1 / 255)(inputs)))
    for _ in range(2):
        x = encoded(x)
    x = L.LayerNormalization()(x)[:, 0]
    model = keras.Model(inputs, L.Dense(3)(L.Dropout(0.1)(x)))
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4, use_ema=True),
        FROM_LOGITS,
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="2")],
    )
    return arrays(model, 255 * random(N, 8, 8, 3), whole(3, N))


class Block(L.Layer):
    """A block as tutorials have it: layers with automatic names, made in `__init__`."""

    def __init__(self, width, heads, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads, self.rate = width, heads, rate
        self.attention = L.MultiHeadAttention(heads, width // heads)
        self.feed = keras.Sequential([L.Dense(2 * width, "relu"), L.Dense(width)])
        self.norms = [L.LayerNormalization(), L.LayerNormalization()]
        self.dropout = L.Dropout(rate)
        self.supports_masking = True

    def call(self, x, mask=None, training=None):
        y = self.attention(x, x, use_causal_mask=True)
        x = self.norms[0](x + self.dropout(y, training=training))
        return self.norms[1](x + self.feed(x))

    def get_config(self):
        config = super().get_config()
        return {
            **config,
            "width": self.width,
            "heads": self.heads,
            "rate": self.rate,
        }


class TokenAndPlace(L.Layer):
    """The embedding of tutorials."""

    def __init__(self, most, length, width, **kwargs):
        super().__init__(**kwargs)
        self.sizes = (most, length, width)
        self.token = L.Embedding(most, width, mask_zero=True)
        self.place = L.Embedding(length, width)

    def compute_mask(self, tokens, mask=None):
        return self.token.compute_mask(tokens)

    def call(self, tokens):
        return self.token(tokens) + self.place(ops.arange(ops.shape(tokens)[-1]))

    def get_config(self):
        most, length, width = self.sizes
        config = super().get_config()
        return {**config, "most": most, "length": length, "width": width}


@ordinary(own=[Block, TokenAndPlace])
def tutorial_classifier():
    """Sentences, by a block of one's own, with two outputs for two classes."""
    tokens = keras.Input((9,))
    x = TokenAndPlace(20, 9, 8)(tokens)
    x = L.GlobalAveragePooling1D()(Block(8, 2)(x))
    x = L.Dense(9, activation="relu")(L.Dropout(0.1)(x))
    model = keras.Model(tokens, L.Dense(2, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return arrays(model, padded(N, 9), whole(2, N), np.ones(N))


class GPT(keras.Model):
    """A language model, subclassed, whose last layer is its embedding turned round."""

    def __init__(self, most=20, length=8, width=8, depth=2, **kwargs):
        super().__init__(**kwargs)
        self.sizes = {"most": most, "length": length, "width": width, "depth": depth}
        self.tokens = L.Embedding(most, width)
        self.places = L.Embedding(length, width)
        self.blocks = [Block(width, 2) for _ in range(depth)]
        self.norm = L.LayerNormalization()

    def call(self, tokens, training=None):
        x = self.tokens(tokens) + self.places(ops.arange(ops.shape(tokens)[1]))
        for block in self.blocks:
            x = block(x, training=training)
        return ops.matmul(self.norm(x), ops.transpose(self.tokens.embeddings))

    def get_config(self):
        return {**super().get_config(), **self.sizes}


@ordinary(own=[GPT, Block])
def subclassed_gpt():
    model = GPT()
    x = whole(20, N, 9)
    model(x[:1, :-1])
    model.compile(
        keras.optimizers.Adam(1e-3, beta_2=0.95, global_clipnorm=1.0),
        FROM_LOGITS,
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return Case(model, *py_datasets(x[:, :-1], x[:, 1:], np.ones((N, 8))))


@ordinary(refuses={"compress": "read again"})
def gpt_of_a_generator():
    """Functional, with the embedding as its last layer, and places by sines."""
    tokens = keras.Input((8,), dtype="int32")
    embedding = L.ReversibleEmbedding(20, 8)
    angles = np.arange(8)[:, None] / 10.0 ** np.arange(4)
    x = embedding(tokens) + np.concatenate([np.sin(angles), np.cos(angles)], 1)
    for _ in range(2):
        x = encoded(x, dropout=0.0, causal=True)
    model = keras.Model(tokens, embedding(L.RMSNormalization()(x), reverse=True))
    model.compile("adam", FROM_LOGITS, metrics=["accuracy"])
    x = whole(20, N, 9)
    train, _ = generators(x[:, :-1], x[:, 1:])
    return Case(model, train, (x[:16, :-1], x[:16, 1:]))


def bert_inputs(length=9, **inputs):
    """The three inputs of a BERT, as a dict."""
    return {
        name: keras.Input((length,), dtype="int32", name=name)
        for name in ("tokens", "segments", "padding")
    }


def bert_body(inputs):
    x = L.Embedding(20, 8)(inputs["tokens"]) + L.Embedding(2, 8)(inputs["segments"])
    x = x + L.Embedding(9, 8)(ops.arange(9))
    x = L.Dropout(0.1)(L.LayerNormalization()(x))
    mask = ops.cast(inputs["padding"], "bool")[:, None, :]
    for _ in range(2):
        y = L.MultiHeadAttention(2, 4, dropout=0.1)(x, x, attention_mask=mask)
        x = L.LayerNormalization()(x + y)
        y = L.Dense(8)(L.Dense(16, activation="gelu")(x))
        x = L.LayerNormalization()(x + L.Dropout(0.1)(y))
    return x


def bert_data(seed=0):
    tokens = padded(N, 9, seed=seed)
    segments = np.tile(np.arange(9) > 4, (N, 1)).astype("int32")
    padding = (tokens > 0).astype("int32")
    return {"tokens": tokens, "segments": segments, "padding": padding}


@ordinary(backends=("tensorflow", "jax"))
def masked_language_bert():
    """Words to be guessed have a weight, the others none."""
    inputs = bert_inputs()
    x = L.LayerNormalization()(L.Dense(8, activation="gelu")(bert_body(inputs)))
    model = keras.Model(inputs, L.Dense(20, activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.PolynomialDecay(1e-3, 100), weight_decay=0.01
        ),
        "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    x = bert_data()
    weight = (random(N, 9) > 1).astype("float32")
    return arrays(model, x, whole(20, N, 9), weight)


@ordinary(backends=["tensorflow"])
def bert_with_two_heads():
    """Sentence pairs: whether they follow, and how near they are, from `tf.data`."""
    inputs = bert_inputs()
    pooled = L.Dense(8, activation="tanh")(bert_body(inputs)[:, 0])
    outputs = {
        "follows": L.Dense(1, activation="sigmoid", name="follows")(pooled),
        "near": L.Dense(1, name="near")(pooled),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "adam",
        {"follows": "binary_crossentropy", "near": "mse"},
        metrics={"follows": ["accuracy", "auc"], "near": "mae"},
    )
    y = {"follows": whole(2, N, 1), "near": random(N, 1)}
    monitor = {"monitor": "near_mae", "max_accuracy_drop": 0.5}
    return Case(model, *tf_datasets(bert_data(), y), monitor=monitor)


class Rotary(L.Layer):
    """Attention of one's own: rotated keys, few heads for many queries."""

    def __init__(self, width=8, heads=2, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.q = L.Dense(width, use_bias=False)
        self.kv = L.Dense(width, use_bias=False)
        self.out = L.EinsumDense("abhc,hcd->abd", (None, width))

    def build(self, shape):
        size = self.width // self.heads
        self.q.build(shape)
        self.kv.build(shape)
        self.out.build((None, shape[1], self.heads, size))
        angles = np.arange(shape[1])[:, None] / 10.0 ** np.arange(size // 2)
        self.cos, self.sin = np.cos(angles), np.sin(angles)

    def turned(self, x):
        a, b = ops.split(x, 2, axis=-1)
        cos, sin = (
            ops.convert_to_tensor(each[:, None], x.dtype)
            for each in (self.cos, self.sin)
        )
        return ops.concatenate([a * cos - b * sin, a * sin + b * cos], -1)

    def call(self, x):
        size = self.width // self.heads
        q = ops.reshape(self.q(x), (-1, x.shape[1], self.heads, size))
        k, v = ops.split(ops.reshape(self.kv(x), (-1, x.shape[1], 2, size)), 2, axis=2)
        k, v = (ops.repeat(each, self.heads, axis=2) for each in (k, v))
        y = ops.dot_product_attention(self.turned(q), self.turned(k), v, is_causal=True)
        return self.out(y)

    def get_config(self):
        return {**super().get_config(), "width": self.width, "heads": self.heads}


@ordinary(own=[Rotary])
def llama_like():
    tokens = keras.Input((8,), dtype="int32")
    x = L.Embedding(20, 8)(tokens)
    for _ in range(2):
        x = x + Rotary()(L.RMSNormalization()(x))
        y = L.RMSNormalization()(x)
        gate = L.Dense(12, activation="silu", use_bias=False)(y)
        y = gate * L.Dense(12, use_bias=False)(y)
        x = x + L.Dense(8, use_bias=False)(y)
    x = L.Dense(20, use_bias=False)(L.RMSNormalization()(x))
    model = keras.Model(tokens, x)
    model.compile("adam", FROM_LOGITS, metrics=["accuracy"])
    x = whole(20, N, 9)
    return arrays(model, x[:, :-1], x[:, 1:])


@ordinary()
def fine_tuned_with_lora():
    """All is frozen but LoRA in the attention and the head, and the head."""
    tokens = keras.Input((8,), dtype="int32")
    x = L.Embedding(20, 8)(tokens)
    for _ in range(2):
        x = encoded(x)
    body = keras.Model(tokens, x, name="body")
    body.trainable = False
    for layer in body.layers:
        if isinstance(layer, L.MultiHeadAttention):
            layer.trainable = True
            for part in (layer.query_dense, layer.value_dense):
                part.enable_lora(2)
            layer.key_dense.trainable = layer.output_dense.trainable = False
    x = L.GlobalMaxPooling1D()(body(tokens))
    model = keras.Model(tokens, L.Dense(3, activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    return Case(model, *py_datasets(whole(20, N, 8), whole(3, N)))


@ordinary()
def encoder_and_decoder():
    """As the first transformer: attention across, with masks from padding."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    x = encoded(L.Embedding(20, 8, mask_zero=True)(source))
    y = L.Embedding(20, 8, mask_zero=True)(target)
    y = L.LayerNormalization()(
        y + L.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)
    )
    y = L.LayerNormalization()(y + L.GroupQueryAttention(4, 4, 2)(y, x))
    y = L.LayerNormalization()(y + L.Dense(8)(L.Dense(12, activation="relu")(y)))
    model = keras.Model([source, target], L.Dense(20, activation="softmax")(y))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    words = padded(N, 6, seed=1)
    return arrays(model, [padded(N, 8), words[:, :-1]], words[:, 1:])


@ordinary(own=[GPT, Block], backends=["torch"])
def gpt_of_a_loader():
    model = GPT(depth=1)
    x = whole(20, N, 9)
    model(x[:1, :-1])
    model.compile("adam", FROM_LOGITS, metrics=["accuracy"])
    return Case(model, *loaders(x[:, :-1], x[:, 1:]))
