"""The handwritten digits that LeNets are trained on, wherever one is."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import keras
import numpy as np

_SECONDS_TO_WAIT = 20.0
_LEAST_IMAGES = 12


@dataclass(frozen=True)
class Digits:
    """Images and labels, with a part of the training images held back.

    Attributes:
        train: Images, float32 of shape `(n, 28, 28, 1)` in [0, 1], and labels, of
            shape `(n,)`.
        validation: The images held back, for every choice that is made.
        test: The images that nothing is chosen by.
        source: Where they come from.

    Example:

    >>> import numpy as np
    >>> images, labels = np.zeros((6, 28, 28, 1), "float32"), np.arange(6)
    >>> digits = Digits((images, labels), (images, labels), (images, labels), "nowhere")
    >>> digits.source, digits.train[0].shape
    ('nowhere', (6, 28, 28, 1))
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    source: str


def load_digits(
    path: str | os.PathLike[str] | None = None, *, n_validation: int | None = None
) -> Digits:
    """Returns MNIST, or the digits in scikit-learn where MNIST cannot be had.

    MNIST comes from `keras.datasets.mnist`, which downloads it once. Without a
    network, the digits that scikit-learn brings stand in, since scikit-learn is
    installed wherever deepcompress is: 1,797 real handwritten digits of 8x8 pixels,
    enlarged to MNIST's 28x28. Results on them compare with nothing published.

    Args:
        path: The user's own data, an `.npz` file with `x_train`, `y_train`,
            `x_test`, `y_test` as `mnist.npz` has them. Defaults to `None`.
        n_validation: Training images to hold back. Defaults to `None`: a twelfth,
            the 5,000 of MNIST's 60,000.

    Raises:
        ValueError: The user's own data has not those arrays or shapes.

    Example:

    >>> load_digits("digits.npz")
    Traceback (most recent call last):
        ...
    FileNotFoundError: There is no file 'digits.npz'.
    """
    if path is not None:
        (x, y), test, source = *_load_own(path), Path(path).name
    else:
        try:
            with _short_timeout():
                (x, y), test = keras.datasets.mnist.load_data()
            source = "MNIST"
        except Exception:  # Keras raises bare Exceptions for failed downloads.
            (x, y), test = _load_small()
            source = "scikit-learn's digits"
    x, y = _as_images(x), _as_labels(y)
    if n_validation is None:
        n_validation = len(x) // 12
    # MNIST's own order is random already; the last images are held back.
    split = len(x) - n_validation
    return Digits(
        train=(x[:split], y[:split]),
        validation=(x[split:], y[split:]),
        test=(_as_images(test[0]), _as_labels(test[1])),
        source=source,
    )


class ShiftedImages(keras.utils.PyDataset):
    """Batches of images, each moved by a random number of pixels, anew every epoch.

    Args:
        images: float32 array of shape `(n, height, width, channels)`.
        labels: Array of shape `(n,)`.
        batch_size: Images in a batch. Defaults to `128`.
        shift: The most pixels an image moves in each direction. Defaults to `1`.
        seed: Seed of the order and the shifts. Defaults to `0`.

    Attributes:
        labels: The labels.
        batch_size: Images in a batch.
        shift: The most pixels an image moves.
        rng: The `numpy.random.Generator` that is drawn from.

    Example:

    >>> import numpy as np
    >>> batches = ShiftedImages(np.ones((6, 4, 4, 1), "float32"), np.arange(6), 3)
    >>> len(batches), batches[0][0].shape
    (2, (3, 4, 4, 1))
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int = 128,
        *,
        shift: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        margin = ((0, 0), (shift, shift), (shift, shift), (0, 0))
        self._windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(images, margin), images.shape[1:3], axis=(1, 2)
        )
        self.labels = labels
        self.batch_size = batch_size
        self.shift = shift
        self.rng = np.random.default_rng(seed)
        self._order = self.rng.permutation(len(labels))

    def __len__(self) -> int:
        return ceil(len(self.labels) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        begin = index * self.batch_size
        chosen = self._order[begin : begin + self.batch_size]
        rows, columns = self.rng.integers(0, 2 * self.shift + 1, (2, len(chosen)))
        images = self._windows[chosen, rows, columns]
        return np.moveaxis(images, 1, -1), self.labels[chosen]

    def on_epoch_end(self) -> None:
        """Shuffles the images anew."""
        self.rng.shuffle(self._order)


def _load_own(path: str | os.PathLike[str]) -> tuple[Any, Any]:
    names = ("x_train", "y_train", "x_test", "y_test")
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {os.fspath(path)!r}.")
    # NumPy would take what is no .npz file for a pickle, and offer to load it.
    if not is_zipfile(path):
        raise ValueError(f"{os.fspath(path)!r} is not an .npz file.")
    with np.load(path, allow_pickle=False) as data:
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(
                f"{os.fspath(path)!r} must hold the arrays {', '.join(names)}. "
                f"Missing: {', '.join(missing)}"
            )
        x_train, y_train, x_test, y_test = (data[name] for name in names)
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if x.shape[1:] not in {(28, 28), (28, 28, 1)} or y.shape != x.shape[:1]:
            raise ValueError(
                "Images must have the shape (n, 28, 28) and labels (n,). Received: "
                f"{x.shape} and {y.shape}"
            )
        if y.dtype.kind not in "iu" or not len(y) or y.min() < 0 or y.max() > 9:
            raise ValueError("Labels must be integers from 0 to 9.")
    if len(x_train) < _LEAST_IMAGES:
        raise ValueError(
            f"At least {_LEAST_IMAGES} training images are needed. "
            f"Received: {len(x_train)}"
        )
    return (x_train, y_train), (x_test, y_test)


def _load_small() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits  # noqa: PLC0415  (only without MNIST)
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    digits = load_digits()
    enlarged = np.kron(digits.images, np.ones((3, 3))) * (255 / 16)
    images = np.pad(enlarged, ((0, 0), (2, 2), (2, 2)))
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    return (x_train, y_train), (x_test, y_test)


def _as_images(images: np.ndarray) -> np.ndarray:
    """Returns float32 images in [0, 1] with a channel axis."""
    scale = 255 if images.dtype.kind in "iu" or images.max() > 1 else 1
    return (images.reshape(-1, 28, 28, 1) / scale).astype("float32")


def _as_labels(labels: np.ndarray) -> np.ndarray:
    return labels.astype("int32")


@contextmanager
def _short_timeout() -> Iterator[None]:
    """Lets a download that nobody answers fail within seconds."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_TO_WAIT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
