"""Nets of unlike kinds, each with its data and its recipe, for `compress.py`.

The data are at hand: digits, CIFAR-10 as Keras loads it, and the sources of the Python
standard library that runs this, whole files of which are held back.
"""

import io
import math
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

import deepcompress as dc

Pair = tuple[Any, Any]


class Data(NamedTuple):
    """What a net is trained on, chosen by, and measured with once.

    Args:
        train: Inputs and labels.
        validation: Others, held back from training.
        test: Others that choose nothing.
    """

    train: Pair
    validation: Pair
    test: Pair


class Case(NamedTuple):
    """A net and how it is trained.

    Args:
        build: Makes the net.
        data: Loads its data.
        loss: Its loss.
        optimizer: Makes its optimizer of a learning rate.
        rate: The learning rate, the highest one where it falls.
        is_falling: Whether the rate falls.
        metrics: Its metrics; where there are none it is judged by the loss.
        epochs: Epochs of its training.
        batch_size: Samples of a batch.
        drop: By how much the accuracy may fall, or of the loss the part by which it may
            rise.
    """

    build: Callable[[], keras.Model]
    data: Callable[[], Data]
    loss: Any
    optimizer: Callable[[Any], Any] = keras.optimizers.Adam
    rate: float = 1e-3
    is_falling: bool = False
    metrics: tuple[str, ...] = ("accuracy",)
    epochs: int = 10
    batch_size: int = 128
    drop: float = 0.01

    def trained(self, seed: int) -> keras.Model:
        """Returns the net, compiled and trained."""
        keras.utils.set_random_seed(seed)
        train, validation, _ = self.data()
        n_steps = self.epochs * math.ceil(len(train[1]) / self.batch_size)
        rate = falling(self.rate, n_steps) if self.is_falling else self.rate
        model = self.build()
        model.compile(self.optimizer(rate), self.loss, metrics=list(self.metrics))
        model.fit(
            *train,
            batch_size=self.batch_size,
            epochs=self.epochs,
            validation_data=validation,
            verbose=2,
        )
        return model


def falling(rate: float, n_steps: int) -> Any:
    """Returns a schedule that falls from a rate to nothing, after a short rise."""
    warm_up = n_steps // 20
    return keras.optimizers.schedules.CosineDecay(
        0.1 * rate, n_steps - warm_up, warmup_target=rate, warmup_steps=warm_up
    )


def _adamw(rate: Any) -> Any:
    return keras.optimizers.AdamW(rate, weight_decay=1e-3)


def _sgd(rate: Any) -> Any:
    return keras.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4)


_FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@cache
def digits() -> Data:
    """Returns images of digits."""
    found = dc.models.load_digits()
    return Data(found.train, found.validation, found.test)


def drawn_again() -> Data:
    """Returns images of digits, each its own label."""
    return Data(*((x, x) for x, _ in digits()))


@cache
def photographs() -> Data:
    """Returns CIFAR-10, 5,000 of its training images held back."""
    (x, y), (x_test, y_test) = keras.datasets.cifar10.load_data()
    y, y_test = (labels.reshape(-1).astype("int32") for labels in (y, y_test))
    return Data((x[:45000], y[:45000]), (x[45000:], y[45000:]), (x_test, y_test))


def _sources() -> list[list[str]]:
    """Returns the texts to train on, to choose by, and to measure with."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts: list[list[str]] = [[], [], []]
    for i, path in enumerate(sorted(folder.glob("*.py"))):
        parts[{3: 1, 7: 2}.get(i % 10, 0)].append(path.read_text("utf-8"))
    return parts


_WINDOW = 64
N_CHARACTERS = 97


@cache
def text() -> Data:
    """Returns windows of text, and for each character the one that follows."""
    pairs = []
    for sources in _sources():
        codes = np.frombuffer("".join(sources).encode("ascii", "replace"), np.uint8)
        codes = np.where(codes == 10, 95, np.clip(codes.astype(int) - 32, 0, 96))
        n = (len(codes) - 1) // _WINDOW
        x, y = (
            codes[i : i + n * _WINDOW].reshape(n, _WINDOW).astype("int32")
            for i in (0, 1)
        )
        pairs.append((x, y))
    return Data(*pairs)


_N_WORDS = 4000
_N_BEFORE = 4
N_LABELS = 48


@cache
def table() -> Data:
    """Returns rows about tokens of programs, and the kind of the one that follows.

    A row has four tokens, as numbers of words, and as quantities the columns where they
    begin and the depths of indentation and brackets.
    """
    parts = [list(map(_tokens, sources)) for sources in _sources()]
    counts = Counter(word for tokens in parts[0] for word, _, _ in tokens)
    words = {word: i + 1 for i, (word, _) in enumerate(counts.most_common(_N_WORDS))}
    kinds = Counter(kind for tokens in parts[0] for _, kind, _ in tokens)
    labels = {kind: i for i, (kind, _) in enumerate(kinds.most_common(N_LABELS - 1))}
    pairs = []
    for part in parts:
        rows, quantities, targets = [], [], []
        for tokens in part:
            numbers = [words.get(word, 0) for word, _, _ in tokens]
            for i in range(_N_BEFORE, len(tokens)):
                rows.append(numbers[i - _N_BEFORE : i])
                quantities.append(tokens[i - 1][2])
                targets.append(labels.get(tokens[i][1], N_LABELS - 1))
        inputs = {
            "words": np.array(rows, "int32"),
            "quantities": np.log1p(np.array(quantities, "float32")),
        }
        pairs.append((inputs, np.array(targets, "int32")))
    return Data(*pairs)


def _tokens(source: str) -> list[tuple[str, str, tuple[int, int, int]]]:
    found, indents, brackets = [], 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        indents += (kind == "INDENT") - (kind == "DEDENT")
        brackets += (token.string in {"(", "[", "{"}) - (
            token.string in {")", "]", "}"}
        )
        label = token.string if kind == "OP" else kind
        found.append((token.string, label, (token.start[1], indents, brackets)))
    return found


def _normalized(x: Any, activation: str = "relu") -> Any:
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def _augmented(inputs: Any) -> Any:
    x = layers.Rescaling(1 / 255)(inputs)
    return layers.RandomTranslation(0.1, 0.1)(layers.RandomFlip("horizontal")(x))


def resnet(n_filters: tuple[int, ...] = (16, 32, 64), n_blocks: int = 1) -> keras.Model:
    """Returns a residual net for CIFAR-10."""

    def convolved(x: Any, filters: int, size: int, strides: int) -> Any:
        x = layers.Conv2D(
            filters, size, strides=strides, padding="same", use_bias=False
        )(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolved(_augmented(inputs), n_filters[0], 3, 1))
    for i, filters in enumerate(n_filters):
        for block in range(n_blocks):
            strides = 2 if i and not block else 1
            y = layers.ReLU()(convolved(x, filters, 3, strides))
            y = convolved(y, filters, 3, 1)
            if strides > 1:
                x = convolved(x, filters, 1, strides)
            x = layers.ReLU()(layers.Add()([x, y]))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


def mobilenet() -> keras.Model:
    """Returns a net of depthwise and pointwise convolutions for CIFAR-10."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(24, 3, strides=2, padding="same", use_bias=False)(
        _augmented(inputs)
    )
    x = _normalized(x, "relu6")
    for filters, strides in ((48, 1), (96, 2), (96, 1), (192, 2), (192, 1)):
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(
            x
        )
        x = layers.Conv2D(filters, 1, use_bias=False)(_normalized(x, "relu6"))
        x = _normalized(x, "relu6")
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


def gru() -> keras.Model:
    """Returns a recurrent net that tells the next character."""
    return keras.Sequential(
        [
            keras.Input((_WINDOW,), dtype="int32"),
            layers.Embedding(N_CHARACTERS, 32),
            layers.GRU(128, return_sequences=True),
            layers.Dense(N_CHARACTERS),
        ]
    )


@keras.saving.register_keras_serializable("deepcompress_benchmarks")
class Places(layers.Layer):
    """Adds to each element of a sequence what tells where it is."""

    def build(self, shape: tuple[int, ...]) -> None:
        """Makes the vectors of the places."""
        self.places = self.add_weight(shape=shape[1:], name="places")

    def call(self, x: Any) -> Any:
        """Adds them."""
        return x + self.places


def transformer() -> keras.Model:
    """Returns a small causal transformer that tells the next character."""
    inputs = keras.Input((_WINDOW,), dtype="int32")
    x = Places()(layers.Embedding(N_CHARACTERS, 64)(inputs))
    outputs = layers.Dense(N_CHARACTERS)(_attended(x, is_causal=True))
    return keras.Model(inputs, outputs)


def vit() -> keras.Model:
    """Returns a small transformer that takes a digit as sixteen patches."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(64, 7, strides=7)(inputs)
    x = Places()(layers.Reshape((16, 64))(x))
    x = layers.GlobalAveragePooling1D()(_attended(x, is_causal=False))
    return keras.Model(inputs, layers.Dense(10)(x))


def _attended(x: Any, *, is_causal: bool) -> Any:
    """Lets the elements of sequences attend to each other, twice."""
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x += layers.MultiHeadAttention(4, 16)(y, y, use_causal_mask=is_causal)
        y = layers.Dense(256, activation="gelu")(layers.LayerNormalization()(x))
        x += layers.Dense(64)(y)
    return layers.LayerNormalization()(x)


def tabular() -> keras.Model:
    """Returns a perceptron for rows of words and quantities."""
    words = keras.Input((_N_BEFORE,), dtype="int32", name="words")
    quantities = keras.Input((3,), name="quantities")
    x = layers.Flatten()(layers.Embedding(_N_WORDS + 1, 16)(words))
    x = layers.Concatenate()([x, layers.BatchNormalization()(quantities)])
    for units in (128, 64):
        x = layers.Dropout(0.1)(layers.Dense(units, activation="relu")(x))
    return keras.Model([words, quantities], layers.Dense(N_LABELS)(x))


def autoencoder() -> keras.Model:
    """Returns a net that draws a digit again from 32 numbers."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(32),
            layers.Dense(7 * 7 * 32, activation="relu"),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(
                1, 3, strides=2, padding="same", activation="sigmoid"
            ),
        ]
    )


def _resnet20() -> keras.Model:
    return resnet(n_blocks=3)


CASES = {
    "lenet300_100": Case(dc.models.lenet_300_100, digits, _FROM_LOGITS, drop=0.002),
    "lenet5": Case(dc.models.lenet5, digits, _FROM_LOGITS, drop=0.002),
    "mnist_cnn": Case(
        dc.models.mnist_cnn,
        digits,
        _FROM_LOGITS,
        epochs=12,
        drop=0.002,
    ),
    "autoencoder": Case(autoencoder, drawn_again, "mse", metrics=(), drop=0.05),
    "resnet": Case(resnet, photographs, _FROM_LOGITS, _sgd, 0.1, True, epochs=16),
    "resnet20": Case(_resnet20, photographs, _FROM_LOGITS, _sgd, 0.1, True, epochs=8),
    "mobilenet": Case(mobilenet, photographs, _FROM_LOGITS, _sgd, 0.1, True, epochs=16),
    "gru": Case(gru, text, _FROM_LOGITS, rate=3e-3, epochs=8),
    "transformer": Case(transformer, text, _FROM_LOGITS, _adamw, 3e-3, True, epochs=10),
    "vit": Case(vit, digits, _FROM_LOGITS, _adamw, 1e-3, True, epochs=20, drop=0.002),
    "tabular": Case(tabular, table, _FROM_LOGITS, epochs=4, batch_size=256),
}


def trained(name: str, seed: int, folder: Path) -> keras.Model:
    """Returns a trained net, from a file in a folder if it is there."""
    path = folder / f"{name}-{seed}.keras"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        CASES[name].trained(seed).save(path)
    model: keras.Model = keras.models.load_model(path)
    return model
