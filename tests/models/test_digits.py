import keras
import numpy as np
import pytest
from helpers.own_digits import own

from deepcompress.models import ShiftedImages, load_digits


@pytest.fixture
def no_mnist(monkeypatch):
    """A machine without a network and without a cached MNIST."""

    def fail():
        raise Exception("URL fetch failure on mnist.npz")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)


def check(digits, n_train, n_validation, n_test):
    for (x, y), n in (
        (digits.train, n_train),
        (digits.validation, n_validation),
        (digits.test, n_test),
    ):
        assert x.shape == (n, 28, 28, 1)
        assert x.dtype == "float32"
        assert y.shape == (n,)
        assert 0 <= x.min() < x.max() <= 1
        assert set(np.unique(y)) == set(range(10))


def test_real_digits_stand_in_where_mnist_cannot_be_had(no_mnist):
    digits = load_digits()
    check(digits, 1318, 119, 360)
    assert digits.source == "scikit-learn's digits"


def test_no_image_is_in_two_parts(no_mnist):
    digits = load_digits()
    train = {image.tobytes() for image in digits.train[0]}
    assert not train & {image.tobytes() for image in digits.test[0]}


def test_own_data_is_taken(tmp_path):
    digits = load_digits(own(tmp_path / "mine.npz"))
    check(digits, 110, 10, 50)
    assert digits.source == "mine.npz"
    assert len(load_digits(tmp_path / "mine.npz", n_validation=60).train[0]) == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "Missing: y_test"),
        ({"x_test": np.zeros((50, 8, 8))}, r"\(n, 28, 28\)"),
        ({"y_train": np.zeros(7)}, r"labels \(n,\)"),
        ({"y_test": np.arange(50) + 20}, "Labels must be integers from 0 to 9"),
        ({"y_test": np.full(50, "a")}, "Labels must be integers from 0 to 9"),
        (
            {"x_train": np.zeros((6, 28, 28)), "y_train": np.zeros(6, int)},
            "At least 12",
        ),
    ],
)
def test_own_data_of_another_form_is_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_digits(own(tmp_path / "mine.npz", **changes))


def test_what_is_no_npz_file_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes(b"PK half a file")
    with pytest.raises(ValueError, match=r"is not an \.npz file"):
        load_digits(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        load_digits(tmp_path / "other.npz")


def test_shifted_images_are_the_images_moved():
    images = np.zeros((40, 6, 6, 2), "float32")
    images[:, 3, 3] = 1
    batches = ShiftedImages(images, np.arange(40), batch_size=16, shift=1)
    assert len(batches) == 3
    places = set()
    labels = []
    for index in range(3):
        x, y = batches[index]
        assert x.shape == (len(y), 6, 6, 2)
        places |= {tuple(place) for place in np.argwhere(x[..., 0])[:, 1:]}
        labels += y.tolist()
    assert places == {(row, column) for row in (2, 3, 4) for column in (2, 3, 4)}
    assert sorted(labels) == list(range(40))
    batches.on_epoch_end()
    assert [label for i in range(3) for label in batches[i][1]] != labels
