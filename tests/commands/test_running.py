"""`deepcompress run`: what a file computes, printed or written."""

import json

import keras
import numpy as np
import pytest
from helpers.saying import one_line_of_error
from keras import layers as L

import deepcompress as dc
from deepcompress.commands.cli import main
from deepcompress.commands.given import pixels_of


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


def test_a_picture_that_cannot_be_read_is_named(net, folder, capsys):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)
    image.fromarray(pixels).save("whole.png")
    data = (folder / "whole.png").read_bytes()
    for name, some in [("cut.png", data[:999]), ("odd.png", data[:99])]:
        (folder / name).write_bytes(some)
        said = one_line_of_error(capsys, "run", "net.dcz", name)
        assert f"The picture {name!r} cannot be read" in said


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
        (["x.npy", "--top", "0"], "at least 1"),
        (["x.npy", "--pixels", "0..1"], "'x.npy' holds no pixels of 8 bits"),
        (["."], "'.' is a folder. Give one file"),
        (["two.npz"], "takes one. 'two.npz' holds 'a', 'b'"),
        (["latin.csv"], "'latin.csv' is no text in UTF-8"),
        (["empty.csv"], "'empty.csv' holds no numbers"),
        (["few.csv"], "takes 64 numbers for each example. 'few.csv' has 2 in each"),
        (["ragged.csv"], "'ragged.csv', line 4: there are 3 numbers, and 2 above"),
        (["word.csv"], "'word.csv', line 2: 'none' is no number"),
    ],
)
def test_bad_input_is_one_line(net, folder, capsys, words, message):
    np.save("x.npy", np.full((2, 8, 8, 1), 0.5, "float32"))
    np.save("wrong.npy", np.zeros((2, 8, 9, 1), "float32"))
    np.savez("two.npz", a=np.zeros((2, 8, 8, 1)), b=np.zeros(3))
    tables = {"empty": "a,b\n", "few": "1,2\n", "ragged": "a,b\n\n1,2\n1,2,3\n"}
    for name, text in {**tables, "word": "1,2\n1,none\n"}.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "latin.csv").write_bytes(b"\xe4,b\n")
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


def test_pixels_of_8_bits_are_given_as_those_of_a_picture(net, folder, capsys):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    image.fromarray(pixels).save("x.png")
    np.save("x.npy", pixels)
    np.savez("x.npz", pixels[None, :, :, None])
    lines = [",".join(f"p{i}" for i in range(64)), ",".join(map(str, pixels.flat))]
    (folder / "x.csv").write_text("\n".join(lines))
    made = {}
    for words in (["x.png"], ["x.npy"], ["x.npz"], ["x.csv", "--pixels", "0..1"]):
        assert main(["run", "net.dcz", *words, "--quiet", "--output", "y.npy"]) == 0
        said = capsys.readouterr().err
        assert ("between 0 and 1; --pixels" in said) is words[0].startswith("x.np")
        made[words[0]] = np.load("y.npy")
    for each in made.values():
        np.testing.assert_array_equal(each, made["x.png"])
    words = ["run", "net.dcz", "x.npy", "--quiet", "--output", "y.npy"]
    assert main([*words, "--pixels", "0..255"]) == 0
    expected = net.predict(pixels[None, :, :, None].astype("float32"))
    np.testing.assert_array_equal(np.load("y.npy"), expected)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (3, 8, 8), (3, 8, 8, 1)])
def test_axes_that_are_clear_may_be_missing(net, folder, shape):
    x = np.random.default_rng(0).random(shape, "float32")
    np.save("x.npy", x)
    assert main(["run", "net.dcz", "x.npy", "--quiet", "--output", "y.npy"]) == 0
    expected = net.predict(x.reshape(-1, 8, 8, 1))
    np.testing.assert_array_equal(np.load("y.npy"), expected)


@pytest.mark.parametrize(
    "text",
    [
        "1,2,-3.5\n4,5,6e-1\n",
        "\ufeffleft,middle,right\r\n1,2,-3.5\r\n\r\n4,5,0.6\r\n",
        '"a";"b, c";""\n1;2;-3.5\n4;5;.6',
        "1\t2\t-3.5\n4\t5\t0.6\n",
        "  1 2   -3.5\n4 5 0.6\n",
    ],
)
def test_a_table_has_an_example_in_each_row(folder, text):
    pair = [keras.Input((2,), name="pair"), keras.Input((1,), name="one")]
    both = keras.Model(pair, L.Dense(4)(L.Concatenate()(pair)))
    dc.HuffmanSerializer().save(both, "both.dcz")
    (folder / "x.csv").write_bytes(text.encode())
    assert main(["run", "both.dcz", "x.csv", "--quiet", "--output", "y.npy"]) == 0
    x = np.float32([[1, 2, -3.5], [4, 5, 0.6]])
    expected = dc.CompressedModel("both.dcz").predict([x[:, :2], x[:, 2:]])
    np.testing.assert_array_equal(np.load("y.npy"), expected)


def test_what_is_not_finite_is_null_in_json(folder, capsys):
    model = keras.Sequential([keras.Input((2,)), L.Rescaling(2.0)])
    dc.HuffmanSerializer().save(model, "twice.dcz")
    np.save("x.npy", np.float32([[np.nan, 1], [-np.inf, 2]]))
    assert main(["run", "twice.dcz", "x.npy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"output": [[None, 2], [None, 4]]}


def test_more_than_all_outputs_is_said(net, folder, capsys):
    np.save("x.npy", np.zeros((1, 8, 8, 1), "float32"))
    assert main(["run", "net.dcz", "x.npy", "--top", "99"]) == 0
    assert "'output' has 6 elements" in capsys.readouterr().err
    assert main(["run", "net.dcz", "x.npy", "--top", "6"]) == 0
    assert not capsys.readouterr().err


def test_numbers_for_a_model_of_texts_are_refused_in_one_line(folder, capsys):
    words = keras.layers.StringLookup(vocabulary=["a", "b"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), words])
    dc.HuffmanSerializer().save(model, "words.dcz")
    (folder / "x.txt").write_text("b\na\n")
    assert main(["run", "words.dcz", "x.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": [[2], [1]]}
    np.save("x.npy", np.zeros((2, 1)))
    assert main(["run", "words.dcz", "x.npy"]) == 1
    assert "takes texts. 'x.npy' holds" in capsys.readouterr().err
