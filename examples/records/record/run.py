"""Running a recipe: its trainings one after the other, its files, and the table."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

import deepcompress as dc

from .recipe import Level, Recipe


def main(recipe: Recipe) -> None:
    """Runs a recipe as its script's arguments say."""
    options = arguments("Makes the files of a record.").parse_args()
    run = Run(recipe, dc.models.load_digits(), options)
    dense = run.dense()
    run.report(dense, run.compress(dense))


def arguments(what: str) -> argparse.ArgumentParser:
    """Returns the arguments that all the scripts have."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path())
    parser.add_argument(
        "--stages",
        metavar="DIR",
        type=Path,
        help="keep what each training leaves here, and go on from what lies here",
    )
    parser.add_argument(
        "--fast", action="store_true", help="one epoch each, to see that it works"
    )
    return parser


@dataclass(frozen=True)
class Point:
    """A file, and what it is worth.

    Attributes:
        file: The name of the file.
        n_weights: Weights that are left, biases not counted.
        n_bytes: Bytes of the file, architecture included.
        n_bytes_alone: Bytes of the same without architecture.
        held_back_error: Error on the images held back, in per cent.
        test_error: Error on the test images, in per cent.
    """

    file: str
    n_weights: int
    n_bytes: int
    n_bytes_alone: int
    held_back_error: float
    test_error: float


class Run:
    """One run of a recipe.

    Args:
        recipe: The recipe.
        digits: The images.
        options: What the script was asked for.
        name: What the files are named after. Defaults to `None`: the net.
    """

    def __init__(
        self,
        recipe: Recipe,
        digits: dc.models.Digits,
        options: argparse.Namespace,
        name: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.digits = digits
        self.seed = options.seed
        self.is_fast = options.fast
        self.stages = options.stages
        self.output = options.output
        self.name = name
        self.seconds: dict[str, float] = {}
        self.batches = recipe.batches(*digits.train)
        keras.utils.set_random_seed(self.seed)

    def dense(self, teacher: keras.Model | None = None) -> keras.Model:
        """Returns the trained net."""
        model = self.recipe.build()
        self.name = self.name or model.name
        epochs = self.recipe.dense_epochs
        return self.cached("dense", partial(self.train, model, epochs, teacher=teacher))

    def compress(
        self, dense: keras.Model, teacher: keras.Model | None = None
    ) -> list[Point]:
        """Goes all the way from a trained net to its files."""
        recipe = self.recipe
        teacher = teacher or dense
        model = copy(dense)
        if recipe.filters:
            model = self.cached("filters", partial(self.drop_filters, model, teacher))
        files = []
        for level in recipe.levels:
            ease_dropout(model, dense, level.n_weights / dense.count_params())
            model = self.cached(
                f"{level.n_weights}", partial(self.prune, model, teacher, level)
            )
            if level.is_point:
                shared = self.cached(
                    f"{level.n_weights}_shared",
                    partial(self.share, copy(model), teacher),
                )
                path = self.output / f"{self.name}_{level.n_weights}.dcz"
                files.append((path, level, save(shared, path)))
        return [
            Point(path.name, level.n_weights, *sizes, *self.errors(dc.load_model(path)))
            for path, level, sizes in files
        ]

    def report(self, dense: keras.Model, points: list[Point]) -> None:
        """Prints what it comes to, and writes it to a file."""
        dense_bytes = 4 * dense.count_params()
        held_back, test = self.errors(dense)
        print(f"dense: {dense_bytes:,} bytes, {test:.2f}% test error")
        print(f"{'file':<28}{'bytes':>8}{'smaller':>9}{'alone':>8}{'test error':>12}")
        for point in points:
            print(
                f"{point.file:<28}{point.n_bytes:>8,}"
                f"{dense_bytes / point.n_bytes:>8.1f}x{point.n_bytes_alone:>8,}"
                f"{point.test_error:>11.2f}%"
            )
        results = {
            "net": self.name,
            "source": self.digits.source,
            "command": command(),
            "seconds": self.seconds,
            "dense": {
                "n_bytes": dense_bytes,
                "held_back_error": held_back,
                "test_error": test,
            },
            "points": [asdict(point) for point in points],
        }
        path = self.output / f"{self.name}.json"
        path.write_text(json.dumps(results, indent=2) + "\n")

    def cached(self, what: str, work: Callable[[], keras.Model]) -> keras.Model:
        """Returns the model after a training, or as an earlier run has left it."""
        self.seed += 1
        path = self.stages and self.stages / f"{self.name}_{what}.keras"
        if path and path.exists():
            model = keras.models.load_model(path, compile=False)
            seconds = float(path.with_suffix(".seconds").read_text())
        else:
            begin = time.perf_counter()
            model = work()
            seconds = round(time.perf_counter() - begin, 1)
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_suffix(".seconds").write_text(str(seconds))
                model.save(path)
        self.seconds[what] = seconds
        error = self.error(model, self.digits.validation)
        print(
            f"{seconds:>7.0f} s  {self.name} {what:<14} {error:.2f}% held back",
            flush=True,
        )
        return model

    def train(
        self,
        model: keras.Model,
        epochs: int,
        *callbacks: keras.callbacks.Callback,
        teacher: keras.Model | None = None,
        rate: float | None = None,
    ) -> keras.Model:
        """Trains on varied images, by a teacher too if there is one."""
        images = self.batches(self.recipe.batch_size, seed=self.seed)
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
                # Named, the loss would be taken of the logits themselves.
                keras.distillation.LogitsDistillation(
                    temperature=2.0, loss=keras.losses.KLDivergence()
                ),
                student_loss_weight=0.1,
            )
        trained.compile(
            keras.optimizers.Adam(rates),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        trained.fit(images, epochs=epochs, verbose=0, callbacks=list(callbacks))
        return model

    def drop_filters(self, model: keras.Model, teacher: keras.Model) -> keras.Model:
        """Leaves fewer filters."""
        assert self.recipe.filters
        pruning = dc.PruningCallback(
            {f"*/{pattern}": share for pattern, share in self.recipe.filters.items()},
            structure="channel",
            criterion="saliency",
        )
        epochs = self.recipe.filter_epochs
        return dc.shrink(self.train(model, epochs, pruning, teacher=teacher))

    def prune(
        self, model: keras.Model, teacher: keras.Model, level: Level
    ) -> keras.Model:
        """Leaves the weights of a level."""
        schedule = dc.PolynomialDecay(n_weights=level.n_weights, begin=0.02)
        pruning = dc.PruningCallback(schedule, scope="global", criterion="saliency")
        return dc.shrink(self.train(model, level.epochs, pruning, teacher=teacher))

    def share(self, model: keras.Model, teacher: keras.Model) -> keras.Model:
        """Lets weights and biases share few values, and trains these."""
        recipe = self.recipe
        sharing = dc.WeightSharingQuantizer(
            bits=recipe.bits,
            bias_bits=recipe.bias_bits,
            mantissa_bits=recipe.mantissa_bits,
            init="optimal",
        )
        epochs, rate = recipe.sharing_epochs, recipe.sharing_rate
        return self.train(model, epochs, sharing, teacher=teacher, rate=rate)

    def errors(self, model: keras.Model) -> tuple[float, float]:
        """Returns the errors on the images held back and on the test images."""
        return (
            self.error(model, self.digits.validation),
            self.error(model, self.digits.test),
        )

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


def command() -> str:
    """Returns what was typed, without what says where files lie."""
    script = Path(sys.argv[0]).resolve()
    words = iter(sys.argv[1:])
    places = {"--output", "--stages", "--data"}
    kept = [word for word in words if not (word in places and next(words, ""))]
    return " ".join(["python", "/".join(script.parts[-3:]), *kept])


def copy(model: keras.Model) -> keras.Model:
    """Returns the same net with the same weights."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.trainable = True  # a teacher is frozen, and so are its clones
    return twin


def save(model: keras.Model, path: Path) -> tuple[int, int]:
    """Writes a file, and one without architecture beside it; returns their sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dc.HuffmanSerializer(coder="context").save(model, path)
    alone = path.with_suffix(".weights.dcz")
    weights = dc.HuffmanSerializer(coder="context", include_architecture=False)
    weights.save(model, alone)
    twin = weights.load(alone, model=keras.models.clone_model(model))
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours.view("uint32"), theirs.view("uint32"))
    return path.stat().st_size, alone.stat().st_size
