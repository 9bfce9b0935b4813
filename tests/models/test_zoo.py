from importlib.resources import files

import numpy as np
import pytest

from deepcompress import models
from deepcompress.models.zoo import entries

NAMES = ("lenet5", "lenet_300_100", "mnist_cnn")
FOLDER = files("deepcompress.models") / "zoo"


@pytest.fixture(scope="module")
def digits():
    digits = models.load_digits()
    if digits.source != "MNIST":
        pytest.skip("MNIST cannot be had")
    return digits


def test_the_zoo_holds_what_lies_in_its_folder():
    assert tuple(entries()) == NAMES
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{name}.{kind}" for name in NAMES for kind in ("dcz", "json")
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_the_bytes_that_are_claimed(name):
    entry = entries()[name]
    assert len((FOLDER / f"{name}.dcz").read_bytes()) == entry.n_bytes
    assert getattr(models, name)().count_params() * 4 == entry.dense_bytes


@pytest.mark.parametrize("name", NAMES)
def test_a_net_is_as_accurate_as_is_claimed(name, digits):
    model = models.load(name)
    images, labels = digits.test
    taken_for = model.predict(images, batch_size=1000, verbose=0).argmax(1)
    accuracy = np.mean(taken_for == labels)
    # Another processor adds in another order; an image or two may tip over.
    assert accuracy == pytest.approx(entries()[name].test_accuracy, abs=3e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_says_what_is_in_the_zoo(name):
    entry = entries()[name]
    accuracy = f"{100 * entry.test_accuracy:.2f} %"
    assert f'"{name}"`: {entry.n_bytes:,} bytes, {accuracy}' in models.load.__doc__


@pytest.mark.parametrize("name", ["lenet6", "", "../zoo/lenet5", "lenet5.dcz"])
def test_an_unknown_name_is_told_what_there_is(name):
    with pytest.raises(ValueError, match=r"lenet5.*lenet_300_100.*mnist_cnn"):
        models.load(name)
