"""Small nets over sequences as people have them: masks, attention, recurrence."""

import keras
from keras import layers as L
from keras import ops

from ordinary.cases import ordinary


def attention_block(x, n=8, causal=False):
    y = L.LayerNormalization()(x)
    y = L.MultiHeadAttention(2, n // 2)(y, y, use_causal_mask=causal)
    x = L.Add()([x, y])
    y = L.Dense(2 * n, activation="gelu")(L.LayerNormalization()(x))
    return x + L.Dense(n)(y)


@ordinary(backends=("tensorflow", "jax"))
def vit():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 4, strides=4)(inputs)
    x = ops.reshape(x, (-1, 4, 8))
    x = x + L.Embedding(4, 8)(ops.arange(4))
    for _ in range(2):
        x = attention_block(x)
    x = L.GlobalAveragePooling1D()(L.LayerNormalization()(x))
    return keras.Model(inputs, L.Dense(3)(L.Dense(9, activation="relu")(x)))


@ordinary()
def gpt():
    tokens = keras.Input((None,), dtype="int32")
    x = L.Embedding(20, 8)(tokens) + L.Embedding(16, 8)(
        ops.cumsum(ops.ones_like(tokens), axis=1) - 1
    )
    for _ in range(2):
        x = attention_block(x, causal=True)
    return keras.Model(tokens, L.Dense(20)(L.LayerNormalization()(x)))


@ordinary()
def masked_gpt():
    tokens = keras.Input((7,), dtype="int32")
    x = L.Embedding(20, 8, mask_zero=True)(tokens)
    x = attention_block(x, causal=True)
    return keras.Model(tokens, L.Dense(20)(L.Dense(9, activation="relu")(x)))


@ordinary()
def seq2seq():
    source = keras.Input((6,), dtype="int32", name="source")
    target = keras.Input((5,), dtype="int32", name="target")
    x = L.Embedding(20, 8, mask_zero=True)(source)
    memory, h, c = L.LSTM(7, return_sequences=True, return_state=True)(x)
    y = L.Embedding(20, 8, mask_zero=True)(target)
    y = L.LSTM(7, return_sequences=True)(y, initial_state=[h, c])
    y = L.Concatenate()([y, L.Attention()([y, memory])])
    y = L.Dense(9, activation="tanh")(y)
    return keras.Model({"source": source, "target": target}, L.Dense(20)(y))


@ordinary()
def masked_sequential():
    return keras.Sequential(
        [
            keras.Input((12,)),
            L.Embedding(20, 8, mask_zero=True),
            L.LSTM(6),
            L.Dense(9, activation="relu"),
            L.Dense(1, activation="sigmoid"),
        ]
    )


@ordinary()
def masking_and_gru():
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            L.Masking(),
            L.Bidirectional(L.GRU(4, return_sequences=True)),
            L.TimeDistributed(L.Dense(5, activation="relu")),
            L.GRU(4),
            L.Dense(9, activation="relu"),
            L.Dense(2),
        ]
    )


@ordinary()
def bidirectional():
    tokens = keras.Input((None,), dtype="int32")
    x = L.Embedding(20, 6, mask_zero=True)(tokens)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.GlobalAveragePooling1D()(x)  # reads the mask
    return keras.Model(tokens, L.Dense(2)(L.Dense(9, activation="relu")(x)))


@ordinary()
def mean_of_words():
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Embedding(20, 8, mask_zero=True),
            L.Dense(9, activation="relu"),
            L.GlobalAveragePooling1D(),
            L.Dense(9, activation="relu"),
            L.Dense(2),
        ]
    )


@ordinary()
def masks_by_hand():
    tokens = keras.Input((6,), dtype="int32")
    x = L.Embedding(20, 6)(tokens)
    mask = ops.cast(ops.not_equal(tokens, 0), "float32")
    x = L.Dense(5, activation="relu")(x) * ops.expand_dims(mask, -1)
    x = ops.sum(x, axis=1) / ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1)
    return keras.Model(tokens, L.Dense(2)(x))


@ordinary()
def time_distributed():
    inputs = keras.Input((3, 8, 8, 1))
    frame = keras.Sequential(
        [keras.Input((8, 8, 1)), L.Conv2D(4, 3), L.Flatten(), L.Dense(5)]
    )
    x = L.LSTM(4)(L.TimeDistributed(frame)(inputs))
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(x)))


@ordinary()
def conv_lstm():
    return keras.Sequential(
        [
            keras.Input((3, 6, 6, 2)),
            L.ConvLSTM2D(4, 3),
            L.Conv2D(5, 3, activation="relu"),
            L.Flatten(),
            L.Dense(2),
        ]
    )


class Tied(L.Layer):
    """Reads the kernel of another layer."""

    def __init__(self, embedding, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.embedding.embeddings))


@ordinary(
    own=[Tied],
    is_fast=True,
    refuses={
        "save": "Give the class a `get_config`",
        "load elsewhere": "Give the class a `get_config`",
    },
)
def tied():
    tokens = keras.Input((5,), dtype="int32")
    embedding = L.Embedding(20, 6)
    x = L.Dense(9, activation="relu")(embedding(tokens))
    return keras.Model(tokens, Tied(embedding)(L.Dense(6)(x)))


@ordinary()
def reversed_embedding():
    tokens = keras.Input((5,), dtype="int32")
    embedding = L.ReversibleEmbedding(20, 6)
    x = L.Dense(9, activation="relu")(embedding(tokens))
    return keras.Model(tokens, embedding(L.Dense(6)(x), reverse=True))


@ordinary()
def lora():
    inputs = keras.Input((5, 8))
    x = L.Dense(9, activation="relu")(inputs)
    attention, dense = L.MultiHeadAttention(2, 4), L.Dense(8)
    x = dense(attention(x, x))
    dense.enable_lora(2)
    attention.query_dense.enable_lora(2)
    return keras.Model(inputs, L.Dense(2)(L.Dense(9)(x)))


@ordinary()
def time_and_feature_mix():
    """A mixer: dense layers over both axes, with a transposition between them."""
    inputs = keras.Input((4, 6))
    y = L.Permute((2, 1))(L.Dense(6)(inputs))
    y = L.Dense(4)(L.Dense(9, activation="relu")(y))
    x = inputs + ops.transpose(y, (0, 2, 1))
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(x)))


@ordinary()
def einsum_and_group_norm():
    inputs = keras.Input((5, 6))
    x = L.EinsumDense("abc,cd->abd", (None, 8), bias_axes="d")(inputs)
    x = L.GroupNormalization(2)(x)
    x = L.SpectralNormalization(L.Dense(6))(x)
    return keras.Model(inputs, L.Dense(2)(L.UnitNormalization()(x)))


@ordinary(backends=["tensorflow", "jax"])
def stateful():
    inputs = keras.Input(batch_shape=(4, 3, 5))
    x = L.LSTM(6, stateful=True)(inputs)
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(x)))


@ordinary()
def shared_block_with_masks():
    encoder = keras.Sequential(
        [
            keras.Input((5,)),
            L.Embedding(20, 6, mask_zero=True),
            L.GRU(5),
            L.Dense(9, activation="relu"),
            L.Dense(3),
        ]
    )
    a, b = keras.Input((5,)), keras.Input((5,))
    return keras.Model([a, b], L.Dot(1)([encoder(a), encoder(b)]))


@ordinary()
def masked_block():
    inner = keras.Sequential(
        [
            keras.Input((5,)),
            L.Embedding(20, 6, mask_zero=True),
            L.Dense(5),
            L.LSTM(4),
        ]
    )
    inputs = keras.Input((5,))
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(inner(inputs))))


@ordinary()
def peeled_transformer():
    """A masked sequence into attention with an explicit mask and its scores."""
    x, keep = keras.Input((4, 6)), keras.Input((4,), dtype="bool")
    mask = ops.expand_dims(keep, 1)
    y, scores = L.MultiHeadAttention(2, 3)(
        x, x, attention_mask=mask, return_attention_scores=True
    )
    return keras.Model([x, keep], [L.Dense(2)(L.Dense(9)(y)), scores])
