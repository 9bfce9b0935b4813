"""Deep Compression of a LeNet on MNIST, stage by stage.

Run as `python lenet_mnist.py --net lenet5`. The epochs, sparsities and bits are those
of `deepcompress demo`, which does the same with a progress bar.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import deepcompress as dc


class Net(NamedTuple):
    """A net, and how far it is trained, pruned and shared."""

    build: Callable[[], keras.Model]
    batch_size: int
    epochs: tuple[int, int, int]
    sparsity: float


NETS = {
    "lenet_300_100": Net(dc.models.lenet_300_100, 128, (14, 22, 5), 0.955),
    "lenet5": Net(dc.models.lenet5, 64, (10, 14, 4), 0.97),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=sorted(NETS), default="lenet_300_100")
    parser.add_argument("--data", metavar="FILE.npz", help="laid out as mnist.npz")
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path())
    parser.add_argument("--fast", action="store_true", help="few images, few epochs")
    options = parser.parse_args()

    net = NETS[options.net]
    digits = dc.models.load_digits(options.data)
    images, labels = digits.train
    if options.fast:
        net = net._replace(epochs=(3, 4, 1), sparsity=0.9)
        images, labels = images[:4000], labels[:4000]
    keras.utils.set_random_seed(0)
    batches = dc.models.ShiftedImages(images, labels, net.batch_size)
    model = net.build()
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def fit(epochs: int, *callbacks: keras.callbacks.Callback) -> None:
        """Trains on images moved by up to a pixel, at a rate that falls."""
        rate = keras.callbacks.LearningRateScheduler(lambda n: 1e-3 * (1 - n / epochs))
        model.fit(batches, epochs=epochs, callbacks=[rate, *callbacks], verbose=0)

    # The dense net that all else is compared with.
    dense, pruned, shared = net.epochs
    fit(dense)
    print_accuracy("dense", model, digits.validation)

    # Stage 1: the smallest weights of all layers go; the others learn to do without.
    schedule = dc.PolynomialDecay(net.sparsity, initial_sparsity=0.5, end=0.7)
    fit(pruned, dc.PruningCallback(schedule, scope="global"))
    print_accuracy("pruned", model, digits.validation)

    # Stage 2: the weights that are left share few values, and these are trained.
    fit(shared, dc.WeightSharingQuantizer(bits=4))
    print_accuracy("shared", model, digits.validation)

    # Stage 3: the file. Nothing is lost from here on.
    path = options.output / f"{options.net}.dcz"
    options.output.mkdir(parents=True, exist_ok=True)
    report = dc.HuffmanSerializer().save(model, path)
    loaded = dc.load_model(path)
    for saved, read in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert saved.dtype == read.dtype
        assert np.array_equal(saved.view("uint32"), read.view("uint32"))
    print(f"Every weight of {path} came back bit for bit.\n")
    print(report)

    # The test images are looked at here for the first time.
    print_accuracy("loaded file, test", loaded, digits.test)
    if digits.source != "MNIST":
        print(f"The images are {digits.source}: nothing published compares with this.")

    try:
        report.plot().savefig(path.with_suffix(".png"))
    except ImportError as error:
        print(error)


def print_accuracy(
    stage: str, model: keras.Model, images_and_labels: tuple[np.ndarray, np.ndarray]
) -> None:
    logs = model.evaluate(*images_and_labels, verbose=0, return_dict=True)
    sparsity = 1 - dc.count_weights(model) / dc.count_weights(model, zeros=True)
    print(f"{stage}: accuracy {logs['accuracy']:.2%}, sparsity {sparsity:.1%}")


if __name__ == "__main__":
    main()
