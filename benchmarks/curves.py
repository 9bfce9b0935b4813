"""Two curves of the papers, on LeNet-300-100: how far to prune, and where to start.

Measures accuracy on the test images over the share of weights that is pruned, with and
without retraining (Han, Pool, Tran, Dally 2015, figure 5), and over the bits of a code
for each way to place the first centroids (Han, Mao, Dally 2016, figure 8). Nothing is
chosen by them.

Run it with:

    python benchmarks/curves.py --output docs/results

which takes some three minutes on one core.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import deepcompress as dc

SHARES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99)
INITS = ("linear", "density", "random", "optimal")
BITS = (2, 3, 4, 5, 6, 7, 8)
# As strong a pull towards zero as the paper's L2, with which the curves are drawn.
DECAY = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path())
    parser.add_argument("--epochs", type=int, default=10, help="of the dense net")
    parser.add_argument("--fast", action="store_true", help="few images and points")
    options = parser.parse_args()

    begin = time.perf_counter()
    keras.utils.set_random_seed(0)
    digits = dc.models.load_digits()
    curves = Curves(digits, 4000 if options.fast else len(digits.train[0]))
    dense = dc.models.lenet_300_100()
    for layer in dense.layers:
        if layer.weights:
            layer.kernel.regularizer = keras.regularizers.L2(DECAY)
    curves.fit(dense, options.epochs)
    shares, bits = (SHARES[::5], BITS[::3]) if options.fast else (SHARES, BITS)
    results = {
        "command": "python benchmarks/curves.py",
        "source": digits.source,
        "pruning": curves.pruning(dense, shares),
        "sharing": curves.sharing(curves.pruned(dense, 0.9), bits),
        "seconds": round(time.perf_counter() - begin),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "curves.json"
    path.write_text(json.dumps(results, indent=1) + "\n")


class Curves:
    """Measures curves on some images.

    Args:
        digits: The images.
        n_images: Images to train on.
    """

    def __init__(self, digits: dc.models.Digits, n_images: int) -> None:
        self.train = tuple(array[:n_images] for array in digits.train)
        self.test = digits.test

    def pruning(
        self, dense: keras.Model, shares: tuple[float, ...]
    ) -> list[dict[str, float]]:
        """Prunes to each share, and retrains for two epochs."""
        points = []
        for share in shares:
            model = copy(dense)
            dc.prune(model, share)
            without = self.accuracy(model)
            accuracy = self.accuracy(self.pruned(dense, share, epochs=2))
            points.append({"pruned": share, "without": without, "with": accuracy})
            print(points[-1], flush=True)
        return points

    def sharing(
        self, pruned: keras.Model, bits: tuple[int, ...]
    ) -> list[dict[str, float | str]]:
        """Shares with each way to begin, and trains the centroids for an epoch."""
        points: list[dict[str, float | str]] = []
        for init in INITS:
            for width in bits:
                model = copy(pruned)
                sharing = dc.WeightSharingQuantizer(bits=width, init=init)
                sharing.quantize(model)
                untrained = self.accuracy(model)
                model.set_weights(pruned.get_weights())
                self.fit(model, 1, sharing, rate=1e-4)
                points.append(
                    {
                        "init": init,
                        "bits": width,
                        "untrained": untrained,
                        "trained": self.accuracy(model),
                    }
                )
                print(points[-1], flush=True)
        return points

    def pruned(self, dense: keras.Model, share: float, epochs: int = 3) -> keras.Model:
        """Returns a net that was pruned by magnitude, layer by layer, and retrained."""
        model = copy(dense)
        dc.prune(model, share)
        self.fit(model, epochs, dc.PruningCallback(share), rate=5e-4)
        return model

    def fit(
        self,
        model: keras.Model,
        epochs: int,
        *callbacks: keras.callbacks.Callback,
        rate: float = 1e-3,
    ) -> None:
        """Trains."""
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(
            *self.train,
            batch_size=128,
            epochs=epochs,
            callbacks=list(callbacks),
            verbose=0,
        )

    def accuracy(self, model: keras.Model) -> float:
        """Returns the accuracy on the test images."""
        images, labels = self.test
        taken_for = model.predict(images, batch_size=1000, verbose=0).argmax(1)
        return round(float((taken_for == labels).mean()), 4)


def copy(model: keras.Model) -> keras.Model:
    """Returns the same net with the same weights."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


if __name__ == "__main__":
    main()
