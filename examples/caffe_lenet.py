"""Caffe's MNIST LeNet by Caffe's own schedule: 10,000 iterations of SGD.

Run it with:

    python examples/caffe_lenet.py

which takes some minutes on one core. It prints accuracy and loss on the test images
each 500 iterations, writes them to `caffe_lenet.csv`, and plots them.

The settings are those of `lenet_solver.prototxt` and `lenet_train_test.prototxt`: rate
0.01 that falls as (1 + 0.0001 * iteration)^-0.75, momentum 0.9, batches of 64 images in
the order of the file, weight decay 0.0005, biases at twice the rate.
"""

import argparse
import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import deepcompress as dc

# What the original report measured with Caffe: iteration, accuracy, loss.
REPORTED = {500: (0.9705, 0.0964), 10_000: (0.9900, 0.0277)}
REPORTED_BEST = 0.9912
REPORTED_SECONDS = 14 * 60 + 51

Row = tuple[int, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--interval", type=int, default=500, help="between two tests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path())
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    begin = time.perf_counter()
    print(f"{'iteration':>9}{'accuracy':>10}{'loss':>9}   the report's")
    rows = train(dc.models.lenet5(), options.iterations, options.interval)
    seconds = time.perf_counter() - begin
    print(
        f"best {max(row[1] for row in rows):.4f} (the report's {REPORTED_BEST:.4f}), "
        f"{seconds:.0f} s (the report's {REPORTED_SECONDS} s)"
    )
    options.output.mkdir(parents=True, exist_ok=True)
    write(rows, options.output / "caffe_lenet.csv")
    try:
        plot(rows, options.output)
    except ImportError:
        print("Plots need matplotlib: pip install matplotlib")


def train(model: keras.Model, iterations: int, interval: int) -> list[Row]:
    """Trains, and returns accuracy and loss on the test images at each interval."""
    xavier = keras.initializers.VarianceScaling(
        scale=1.0, mode="fan_in", distribution="uniform"
    )
    for layer in model.layers:
        if layer.weights:
            layer.kernel.assign(xavier(layer.kernel.shape))
    digits = dc.models.load_digits(n_validation=0)
    model.compile(
        CaffeSGD(Inverse(0.01, gamma=1e-4, power=0.75), momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    rows: list[Row] = []

    def note(interval_number: int, logs: dict[str, Any]) -> None:
        iteration = (interval_number + 1) * interval
        rows.append((iteration, logs["val_accuracy"], logs["val_loss"]))
        reported = "{:>8.4f}{:>9.4f}".format(*REPORTED.get(iteration, (np.nan,) * 2))
        print(
            "{:>9,}{:>10.4f}{:>9.4f}".format(*rows[-1]),
            "" if iteration not in REPORTED else reported,
            flush=True,
        )

    model.fit(
        batches(*digits.train, 64),
        steps_per_epoch=interval,
        epochs=iterations // interval,
        validation_data=(_scaled(digits.test[0]), digits.test[1]),
        validation_batch_size=100,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
        shuffle=False,
        verbose=0,
    )
    return rows


class CaffeSGD(keras.optimizers.SGD):
    """SGD with Caffe's weight decay and its own rate of biases.

    The decay is a part of the gradient, so that the momentum carries it on; Keras'
    `weight_decay` is none. Biases learn at twice the rate and do not decay.
    """

    decay = 5e-4

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Changes one variable."""
        if len(variable.shape) == 1:
            super().update_step(gradient, variable, 2.0 * learning_rate)
        else:
            decayed = gradient + self.decay * keras.ops.convert_to_tensor(variable)
            super().update_step(decayed, variable, learning_rate)


class Inverse(keras.optimizers.schedules.LearningRateSchedule):
    """Caffe's `"inv"`: a rate that falls with a power of the iterations."""

    def __init__(self, rate: float, gamma: float, power: float) -> None:
        self.rate, self.gamma, self.power = rate, gamma, power

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        step = keras.ops.cast(step, "float32")
        return self.rate * (1.0 + self.gamma * step) ** -self.power

    def get_config(self) -> dict[str, float]:
        """Returns the arguments that make an equal schedule."""
        return {"rate": self.rate, "gamma": self.gamma, "power": self.power}


def batches(
    images: np.ndarray, labels: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Goes through the images in their order, again and again, as Caffe does."""
    images = _scaled(images)
    begin = 0
    while True:
        chosen = np.arange(begin, begin + size) % len(images)
        yield images[chosen], labels[chosen]
        begin = (begin + size) % len(images)


def _scaled(images: np.ndarray) -> np.ndarray:
    """Returns the bytes of an image divided by 256, where Keras divides by 255."""
    return images * np.float32(255 / 256)


def write(rows: list[Row], path: Path) -> None:
    """Writes the table."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["iteration", "test_accuracy", "test_loss"])
        table.writerows([step, f"{hit:.4f}", f"{loss:.4f}"] for step, hit, loss in rows)


def plot(rows: list[Row], folder: Path) -> None:
    """Plots accuracy and loss over the iterations, with the report's figures."""
    from matplotlib.figure import Figure

    iterations = [row[0] for row in rows]
    for column, what in ((1, "accuracy"), (2, "loss")):
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(iterations, [row[column] for row in rows], marker="o", label="here")
        axes.plot(
            list(REPORTED),
            [figures[column - 1] for figures in REPORTED.values()],
            "x",
            color="tab:red",
            markersize=9,
            label="the report, with Caffe",
        )
        axes.set_xlabel("iterations")
        axes.set_ylabel(f"test {what}")
        axes.set_title(f"Caffe's LeNet on MNIST: {what}")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(folder / f"caffe_lenet_{what}.png", dpi=100)


if __name__ == "__main__":
    main()
