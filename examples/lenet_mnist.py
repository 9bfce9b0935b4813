"""Deep Compression of a LeNet on MNIST, stage by stage.

Run as `python lenet_mnist.py --net lenet5`. The settings of the trainings are those of
`deepcompress demo`, which does the same with a progress bar.
"""

import argparse
import dataclasses
from pathlib import Path

import keras
import numpy as np

import deepcompress as dc
from deepcompress.commands.mnist import Digits, ShiftedImages, load_digits
from deepcompress.commands.recipes import RECIPES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=sorted(RECIPES), default="lenet_300_100")
    parser.add_argument("--data", metavar="FILE.npz", help="laid out as mnist.npz")
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path())
    parser.add_argument("--fast", action="store_true", help="few images, few epochs")
    options = parser.parse_args()

    recipe = RECIPES[options.net]
    digits = load_digits(options.data)
    if options.fast:
        recipe = dataclasses.replace(
            recipe, dense_epochs=3, pruning_epochs=4, sharing_epochs=1, sparsity=0.9
        )
        digits = dataclasses.replace(
            digits, train=tuple(array[:4000] for array in digits.train)
        )
    keras.utils.set_random_seed(0)
    model = recipe.build()

    # The dense net that all else is compared with.
    fit(model, digits, recipe.batch_size, recipe.dense_epochs)
    print_accuracy("dense", model, digits.validation)

    # Stage 1: the smallest weights of all layers go; the others learn to do without.
    pruning = dc.PruningCallback(
        dc.PolynomialDecay(recipe.sparsity, initial_sparsity=0.5, end=0.7),
        scope="global",
    )
    fit(model, digits, recipe.batch_size, recipe.pruning_epochs, [pruning])
    print_accuracy("pruned", model, digits.validation)

    # Stage 2: the weights that are left share few values, and these are trained.
    sharing = dc.WeightSharingQuantizer(bits=recipe.bits)
    fit(model, digits, recipe.batch_size, recipe.sharing_epochs, [sharing])
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


def fit(
    model: keras.Model, digits: Digits, batch_size: int, epochs: int, callbacks=()
) -> None:
    """Trains on images moved by up to a pixel, at a rate that falls with the steps."""
    batches = ShiftedImages(*digits.train, batch_size)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-3, epochs * len(batches), alpha=0.02
    )
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=epochs, callbacks=list(callbacks), verbose=0)


def print_accuracy(
    stage: str, model: keras.Model, images_and_labels: tuple[np.ndarray, np.ndarray]
) -> None:
    logs = model.evaluate(*images_and_labels, verbose=0, return_dict=True)
    kernels = [w for w in model.get_weights() if w.ndim > 1]
    zeros = sum((w == 0).sum() for w in kernels) / sum(w.size for w in kernels)
    print(f"{stage}: accuracy {logs['accuracy']:.2%}, sparsity {zeros:.1%}")


if __name__ == "__main__":
    main()
