import dataclasses
import io

import keras
import numpy as np
import pytest
from helpers.own_digits import own
from rich.console import Console

import deepcompress as dc
from deepcompress.commands import demo
from deepcompress.commands.recipes import SETTINGS, DemoSettings


class Untrained(DemoSettings):
    """The settings of a net that stays as it was built."""

    def train(self, model, digits, callbacks=()):
        model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    def prune(self, model, digits, callbacks=()):
        pass

    def share(self, model, digits, callbacks=()):
        pass


@pytest.fixture
def short(monkeypatch):
    """The settings with an epoch a stage."""
    settings = dataclasses.replace(
        SETTINGS["lenet_300_100"], dense_epochs=1, pruning_epochs=2, sharing_epochs=1
    )
    monkeypatch.setitem(SETTINGS, "lenet_300_100", settings)


def run(output, **arguments):
    text = io.StringIO()
    report = demo.run(output=output, console=Console(file=text, width=100), **arguments)
    return report, text.getvalue()


@pytest.mark.long
def test_the_demo_goes_all_the_way_on_own_data(short, tmp_path):
    data = own(tmp_path / "own.npz", n=600)
    report, text = run(tmp_path, data=data)
    path = tmp_path / "lenet_300_100.dcz"
    assert report.size == path.stat().st_size
    assert dc.load_model(path).count_params() == 266_610
    assert "All 266,610 weights came back bit for bit." in text
    assert "own.npz: 550 images to train on, 50 held back, 50 to test." in text
    assert "prune 2/2: validation accuracy" in text
    assert "Test error of lenet_300_100 on own.npz" in text
    assert "stand in" not in text


@pytest.mark.long
def test_other_digits_stand_in_and_one_line_says_so(short, tmp_path, monkeypatch):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    _, text = run(tmp_path)
    assert text.splitlines()[0].startswith("MNIST cannot be had")
    assert "All 266,610 weights came back bit for bit." in text
    assert "The paper's, for comparison" not in text


@pytest.mark.long
def test_a_difference_after_loading_would_be_found(tmp_path, monkeypatch):
    untrained = Untrained(**dataclasses.asdict(SETTINGS["lenet_300_100"]))
    monkeypatch.setitem(SETTINGS, "lenet_300_100", untrained)
    data = own(tmp_path / "own.npz", n=200)
    check = demo._check_in_fresh_process

    def altered(model, path, digits):
        kernel = model.layers[-1].kernel
        value = kernel.numpy().copy()
        value[0, :3] = np.nextafter(value[0, :3], 1)
        kernel.assign(value)
        return check(model, path, digits)

    monkeypatch.setattr(demo, "_check_in_fresh_process", altered)
    with pytest.raises(RuntimeError, match="3 of 266610 weights differ"):
        run(tmp_path, data=data)


def test_a_missing_folder_is_found_before_training(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run(tmp_path / "no")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "ratio", "error"), [("lenet_300_100", 60, 0.0158), ("lenet5", 80, 0.0074)]
)
def test_the_goals_hold_on_mnist(net, ratio, error, tmp_path):
    report, text = run(tmp_path, net=net)
    assert "on MNIST" in text, "MNIST is needed for this test"
    assert report.ratio >= ratio
    x, y = demo.load_digits().test
    accuracy = dc.load_model(tmp_path / f"{net}.dcz").evaluate(x, y, verbose=0)[1]
    assert 1 - accuracy <= error
