"""Trained and compressed nets that come with the package."""

import json
from dataclasses import dataclass
from importlib.resources import files

import keras

from deepcompress import _checks
from deepcompress.saving.serializer import load_model

_FOLDER = files("deepcompress.models") / "zoo"


@dataclass(frozen=True)
class ZooEntry:
    """What is known of a net in the zoo.

    Attributes:
        data: What it was trained on; its inputs are scaled as these.
        test_accuracy: Its accuracy on the test images.
        n_bytes: Bytes of the file.
        dense_bytes: Bytes of the dense net, 4 a parameter.
        command: The command that made the file.
    """

    data: str
    test_accuracy: float
    n_bytes: int
    dense_bytes: int
    command: str


def entries() -> dict[str, ZooEntry]:
    """Returns what is known of each net in the zoo, by name.

    Example:

    >>> for name, entry in entries().items():
    ...     print(f"{name}: {entry.dense_bytes / entry.n_bytes:.0f}x smaller")
    lenet5: 480x smaller
    lenet_300_100: 258x smaller
    mnist_cnn: 746x smaller
    """
    return {
        path.name.removesuffix(".json"): ZooEntry(**json.loads(path.read_text()))
        for path in sorted(_FOLDER.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".json")
    }


def load(name: str) -> keras.Model:
    """Returns a trained net that comes with the package, in a few kilobytes.

    The input is images of shape `(28, 28, 1)` in [0, 1], white on black, as MNIST has
    them; the output is logits of shape `(10,)`. Units that pruning has emptied are not
    there any more.

    - `"lenet_300_100"`: 4,141 bytes, 98.53 % of MNIST's test images
    - `"lenet5"`: 3,594 bytes, 99.23 %
    - `"mnist_cnn"`: 6,433 bytes, 99.33 %

    `deepcompress.models.zoo.entries()` tells the command that made each.

    Args:
        name: The name of the net.

    Raises:
        ValueError: There is no such net.

    Example:

    >>> model = load("lenet5")
    >>> model.output_shape
    (None, 10)
    """
    known = entries()
    _checks.one_of("name", name, known)
    return load_model(str(_FOLDER / f"{name}.dcz"))
