"""An AlexNet-style net, trained on CIFAR-10 and compressed.

Four convolutions and three dense layers, 1,081,066 parameters. Run it with:

    python examples/records/alexnet_cifar10.py --stages DIR

which takes about 35 minutes on one core; with `--stages`, a run that was cut goes on
where it was. CIFAR-10 comes from `keras.datasets.cifar10`, or from a file with the same
arrays (`--data cifar10.npz`).
"""

from functools import partial

import keras
import numpy as np
from keras import layers
from record import Batches, Level, Recipe, Run, arguments

import deepcompress as dc

# Of the channels of the training images, in [0, 1].
_MEAN, _DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="FILE.npz", help="instead of Keras' data")
    options = parser.parse_args()
    run = Run(RECIPE, load_images(options.data, is_small=options.fast), options)
    dense = run.dense()
    run.report(dense, run.compress(dense))


def alexnet_cifar10() -> keras.Model:
    """Returns an AlexNet for images of shape `(32, 32, 3)`."""
    x = inputs = keras.Input((32, 32, 3))
    for name, filters, size, is_pooled in (
        ("conv1", 32, 5, True),
        ("conv2", 64, 3, True),
        ("conv3", 96, 3, False),
        ("conv4", 96, 3, True),
    ):
        conv = layers.Conv2D(filters, size, padding="same", use_bias=False, name=name)
        x = conv(x)
        if is_pooled:
            x = layers.MaxPooling2D(name=f"pool{name[-1]}")(x)
        x = layers.BatchNormalization(name=f"norm{name[-1]}")(x)
        x = layers.ReLU(name=f"relu{name[-1]}")(x)
    x = layers.Flatten(name="flatten")(x)
    for name, units in (("5", 512), ("6", 256)):
        x = layers.Dense(units, activation="relu", name=f"fc{name}")(x)
        x = layers.Dropout(0.5, name=f"drop{name}")(x)
    x = layers.Dense(10, name="fc7")(x)
    return keras.Model(inputs, x, name="alexnet_cifar10")


class MirroredImages(dc.models.ShiftedImages):
    """Batches of images that are moved by up to four pixels, half of them mirrored."""

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = super().__getitem__(index)
        is_mirrored = self.rng.random((len(images), 1, 1, 1)) < 0.5
        return np.where(is_mirrored, images[:, :, ::-1], images), labels


def mirrored(images: np.ndarray, labels: np.ndarray) -> Batches:
    """Makes batches of images that are moved and mirrored."""
    return partial(MirroredImages, images, labels, shift=4)


def load_images(path: str | None, *, is_small: bool) -> dc.models.Digits:
    """Returns CIFAR-10, with the last 5,000 training images held back."""
    if path:
        with np.load(path) as data:
            x, y, *test = (data[f"{a}_{b}"] for b in ("train", "test") for a in "xy")
    else:
        (x, y), test = keras.datasets.cifar10.load_data()

    def ready(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaled = (x / np.float32(255) - np.float32(_MEAN)) / np.float32(_DEVIATION)
        return scaled, y.ravel().astype("int32")

    split = len(x) - 5000
    return dc.models.Digits(
        train=ready(x[:2000], y[:2000]) if is_small else ready(x[:split], y[:split]),
        validation=ready(x[split:], y[split:]),
        test=ready(*test),
        source="CIFAR-10",
    )


RECIPE = Recipe(
    build=alexnet_cifar10,
    dense_epochs=24,
    levels=(Level(118_000, 24, is_point=True),),
    sharing_epochs=5,
    batch_size=128,
    rate=2e-3,
    sharing_rate=5e-4,
    bits=5,
    bias_bits=4,
    mantissa_bits=5,
    batches=mirrored,
)

if __name__ == "__main__":
    main()
