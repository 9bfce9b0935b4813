"""`deepcompress run`: what a file computes, printed or written."""

import json

import keras
import numpy as np
import pytest
from keras import layers as L

import deepcompress as dc
from deepcompress.commands.cli import main
from deepcompress.commands.running import pixels_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def net(folder):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), L.Flatten(), L.Dense(6, activation="softmax")]
    )
    dc.HuffmanSerializer().save(model, "net.dcz")
    return dc.CompressedModel("net.dcz")


def test_arrays_are_computed_and_written(net, folder, capsys):
    x = np.random.default_rng(0).random((12, 8, 8, 1), "float32")
    np.save("x.npy", x)
    assert main(["run", "net.dcz", "x.npy", "--output", "y.npz", "--top", "2"]) == 0
    printed = capsys.readouterr().out
    expected = net.predict(x)
    with np.load("y.npz") as written:
        np.testing.assert_array_equal(written["output"], expected)
    best = int(expected[0].argmax())
    assert f"{best}: {expected[0, best]:.5g}" in printed
    assert "and 2 more" in printed


def test_json_and_one_example(net, folder, capsys):
    x = np.random.default_rng(0).random((8, 8, 1), "float32")
    np.savez("x.npz", image=x[None])
    assert main(["run", "net.dcz", "x.npz", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["output"]
    np.testing.assert_allclose(found, net.predict(x[None]), rtol=1e-6)
    np.save("x.npy", x)
    assert main(["run", "net.dcz", "x.npy", "--quiet", "--output", "y.npy"]) == 0
    np.testing.assert_allclose(np.load("y.npy"), found, rtol=1e-6)


def test_an_image_is_brought_into_the_size_and_range(net, folder, capsys):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    image.fromarray(pixels).save("digit.png")
    assert main(["run", "net.dcz", "digit.png", "--output", "y.npy", "--quiet"]) == 0
    expected = net.predict(pixels[None, :, :, None] / np.float32(255))
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-5)
    image.fromarray(np.tile(pixels, (2, 2))).save("large.png")
    assert main(["run", "net.dcz", "large.png", "--quiet"]) == 0
    assert "resized from 16 x 16 to 8 x 8" in capsys.readouterr().err


def test_the_profile_is_printed_and_drawn(net, folder, capsys):
    np.save("x.npy", np.zeros((2, 8, 8, 1), "float32"))
    words = ["run", "net.dcz", "x.npy", "--profile", "--plot", "times.png"]
    assert main(words) == 0
    assert "Microseconds" in capsys.readouterr().out
    assert (folder / "times.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.npy"], "There is no file"),
        (["net.dcz"], "no .npy"),
        (["wrong.npy"], "batch, 8, 8, 1"),
        (["x.npy", "--output", "y.csv"], "Use .npz"),
    ],
)
def test_bad_input_is_one_line(net, folder, capsys, words, message):
    np.save("x.npy", np.zeros((2, 8, 8, 1), "float32"))
    np.save("wrong.npy", np.zeros((2, 8, 9, 1), "float32"))
    assert main(["run", "net.dcz", *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("first", "pixels"),
    [
        ([], "0..1"),
        ([L.Rescaling(1 / 255)], "0..255"),
        ([L.RandomFlip(), L.Rescaling(1 / 127.5, offset=-1)], "0..255"),
        ([L.Resizing(8, 8), L.Normalization(mean=120.0, variance=400.0)], "0..255"),
        ([L.Normalization(mean=0.4, variance=0.1)], "0..1"),
    ],
)
def test_pixels_are_given_as_the_first_layers_expect_them(folder, first, pixels):
    last = [L.Flatten(), L.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *first, *last])
    net = dc.CompressedModel(dc.HuffmanSerializer().dumps(model))
    assert pixels_of(net.program) == pixels


@pytest.mark.parametrize("dtype", ["U1", "complex64", "object"])
def test_what_is_no_number_is_refused_in_one_line(net, folder, capsys, dtype):
    np.save("x.npy", np.full((1, 8, 8, 1), 1, dtype))
    assert main(["run", "net.dcz", "x.npy"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "x.npy" in line


def test_not_a_number_is_shown(folder, capsys):
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    dc.HuffmanSerializer().save(model, "one.dcz")
    np.save("x.npy", np.float32([[np.nan, 0]]))
    assert main(["run", "one.dcz", "x.npy"]) == 0
    assert "nan" in capsys.readouterr().out
