"""The way from a dense net to a record: train, prune in levels, share, code.

Every choice is made on 5,000 training images that are held back. The test images are
looked at once, at the end, through the files that have been written.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import deepcompress as dc
from deepcompress.mnist import Digits, ShiftedImages, load_digits
from deepcompress.variables import named_variables


@dataclass(frozen=True)
class Level:
    """A training that leaves fewer weights.

    Attributes:
        n_weights: Weights that are left, biases not counted.
        epochs: Epochs of pruning and retraining.
        is_point: Whether its weights are shared afterwards, and files written.
    """

    n_weights: int
    epochs: int
    is_point: bool = False


@dataclass(frozen=True)
class Recipe:
    """How one net is compressed.

    Attributes:
        build: Returns the untrained net.
        dense_epochs: Epochs of the dense net.
        levels: The levels, one after the other.
        sharing_epochs: Epochs of training the centroids.
        batch_size: Images in a batch.
        rate: The highest learning rate.
        bits: Bits of a code of the weights.
        bias_bits: Bits of a code of the biases.
        mantissa_bits: Binary digits of a shared value.
        filters: The share of filters that goes before the first level, by pattern;
            what is left trains in a fraction of the time.
        filter_epochs: Epochs in which they go.
    """

    build: Callable[[], keras.Model]
    dense_epochs: int
    levels: tuple[Level, ...]
    sharing_epochs: int
    batch_size: int = 64
    rate: float = 1e-3
    bits: int = 4
    bias_bits: int = 3
    mantissa_bits: int = 3
    filters: Mapping[str, float] | None = None
    filter_epochs: int = 0


class VariedImages(ShiftedImages):
    """Batches of images that are turned, scaled and moved.

    An epoch draws as many images as there are from a pool of several versions of each.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, batch_size: int, n: int, seed: int
    ) -> None:
        super().__init__(images, labels, batch_size, seed=seed)
        self._n = n

    def __len__(self) -> int:
        return ceil(self._n / self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = super().__getitem__(index)
        return images.astype("float32"), labels


def varied(images: np.ndarray) -> np.ndarray:
    """Returns the images, and five versions of each turned and scaled at random."""
    vary = keras.Sequential(
        [
            keras.layers.RandomRotation(0.03, fill_mode="constant", seed=1),
            keras.layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1), "constant", seed=2),
        ]
    )
    versions = [images.astype("float16")]
    for _ in range(5):
        for part in np.array_split(images, max(1, len(images) // 1000)):
            version = keras.ops.convert_to_numpy(vary(part, training=True))
            versions.append(version.astype("float16"))
    return np.concatenate(versions)


def main(recipe: Recipe) -> None:
    """Runs a recipe as its script's arguments say."""
    parser = argparse.ArgumentParser(description="Makes the files of a record.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument(
        "--fast", action="store_true", help="one epoch each, to see that it works"
    )
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    Run(recipe, load_digits(), options.seed, options.fast).all(options.output)


class Run:
    """One run of a recipe.

    Args:
        recipe: The recipe.
        digits: The images.
        seed: Seed of what is random.
        is_fast: Whether every training has one epoch only.
    """

    def __init__(
        self, recipe: Recipe, digits: Digits, seed: int, is_fast: bool
    ) -> None:
        self.recipe = recipe
        self.digits = digits
        self.seed = seed
        self.is_fast = is_fast
        images, labels = digits.train
        self.pool = varied(images), np.tile(labels, 6)
        self.begin = time.perf_counter()

    def all(self, output: Path) -> None:
        """Goes all the way, and prints what it comes to."""
        dense = model = self.recipe.build()
        self.train(model, self.recipe.dense_epochs)
        self.say(model, "dense")
        teacher = copy(dense)
        if self.recipe.filters:
            pruning = dc.PruningCallback(
                {
                    f"*/{pattern}": share
                    for pattern, share in self.recipe.filters.items()
                },
                structure="channel",
                criterion="saliency",
            )
            self.train(model, self.recipe.filter_epochs, pruning, teacher=teacher)
            model = dc.shrink(model)
            self.say(model, "fewer filters")
        points = []
        for level in self.recipe.levels:
            ease_dropout(model, dense, level.n_weights / dense.count_params())
            self.prune(model, teacher, level)
            model = dc.shrink(model)
            self.say(model, f"{level.n_weights:,} weights")
            if level.is_point:
                shared = copy(model)
                self.share(shared, teacher)
                self.say(shared, "shared")
                path = output / f"{dense.name}_{level.n_weights}.dcz"
                points.append((path, *save(shared, path)))
        dense_bytes = 4 * dense.count_params()
        print(f"{'file':<28}{'bytes':>8}{'smaller':>9}{'whole':>8}{'test error':>12}")
        for path, alone, whole in points:
            error = self.error(dc.load_model(path), self.digits.test)
            print(
                f"{path.name:<28}{alone:>8,}{dense_bytes / alone:>8.1f}x{whole:>8,}"
                f"{error:>11.2f}%"
            )

    def train(
        self,
        model: keras.Model,
        epochs: int,
        *callbacks: keras.callbacks.Callback,
        teacher: keras.Model | None = None,
        rate: float | None = None,
    ) -> None:
        """Trains on varied images, by a teacher too if there is one."""
        self.seed += 1
        n = len(self.digits.train[0])
        images = VariedImages(*self.pool, self.recipe.batch_size, n, self.seed)
        epochs = 1 if self.is_fast else epochs
        rate = rate or self.recipe.rate
        warm_up = len(images) // 4
        rates = keras.optimizers.schedules.CosineDecay(
            rate / 3,
            epochs * len(images) - warm_up,
            alpha=0.03,
            warmup_target=rate,
            warmup_steps=warm_up,
        )
        trained = model
        if teacher is not None:
            trained = keras.distillation.Distiller(
                teacher,
                model,
                [keras.distillation.LogitsDistillation(temperature=2.0)],
                student_loss_weight=0.1,
            )
        trained.compile(
            keras.optimizers.Adam(rates),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        trained.fit(images, epochs=epochs, verbose=0, callbacks=list(callbacks))

    def prune(self, model: keras.Model, teacher: keras.Model, level: Level) -> None:
        """Leaves the weights of a level."""
        kernels = [
            v.variable.numpy() for v in named_variables(model) if v.is_compressible
        ]
        size = sum(kernel.size for kernel in kernels)
        left = sum(int(np.count_nonzero(kernel)) for kernel in kernels)
        schedule = dc.PolynomialDecay(
            1 - level.n_weights / size, initial_sparsity=1 - left / size, begin=0.02
        )
        pruning = dc.PruningCallback(schedule, scope="global", criterion="saliency")
        self.train(model, level.epochs, pruning, teacher=teacher)

    def share(self, model: keras.Model, teacher: keras.Model) -> None:
        """Lets weights and biases share few values, and trains these."""
        recipe = self.recipe
        sharing = dc.WeightSharingQuantizer(
            bits=recipe.bits,
            bias_bits=recipe.bias_bits,
            mantissa_bits=recipe.mantissa_bits,
            init="optimal",
        )
        rate = recipe.rate / 10
        self.train(model, recipe.sharing_epochs, sharing, teacher=teacher, rate=rate)

    def say(self, model: keras.Model, what: str) -> None:
        """Prints the error on the images held back."""
        error = self.error(model, self.digits.validation)
        seconds = time.perf_counter() - self.begin
        print(f"{seconds:>6.0f} s  {what:<16} {error:.2f}% held back", flush=True)

    @staticmethod
    def error(model: keras.Model, images: tuple[np.ndarray, np.ndarray]) -> float:
        """Returns the share of images taken for something else, in per cent."""
        taken_for = model.predict(images[0], batch_size=1000, verbose=0).argmax(1)
        return float(100 * np.mean(taken_for != images[1]))


def ease_dropout(model: keras.Model, dense: keras.Model, share: float) -> None:
    """Drops fewer units where fewer weights are left.

    Han, Pool, Tran, Dally 2015, "Learning both weights and connections", section 3.2.
    """
    for layer, before in zip(model.layers, dense.layers, strict=True):
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = before.rate * share**0.5


def copy(model: keras.Model) -> keras.Model:
    """Returns the same net with the same weights."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def save(model: keras.Model, path: Path) -> tuple[int, int]:
    """Writes a file, and one without architecture beside it; returns their sizes."""
    dc.HuffmanSerializer(coder="context").save(model, path)
    alone = path.with_suffix(".weights.dcz")
    weights = dc.HuffmanSerializer(coder="context", include_architecture=False)
    weights.save(model, alone)
    twin = weights.load(alone, model=keras.models.clone_model(model))
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours.view("uint32"), theirs.view("uint32"))
    return alone.stat().st_size, path.stat().st_size
