"""Models with code of the user's own go through the command."""

import importlib
import subprocess
import sys

import keras
import pytest
from helpers.saying import one_line_of_error

import deepcompress as dc
from deepcompress.commands.cli import main

RUN = "import sys; from deepcompress.commands.cli import main; sys.exit(main())"

OWN_CODE = """
import warnings

import keras


def rmse(a, b):
    return keras.ops.sqrt(keras.ops.mean(keras.ops.square(a - b)))


def power(n):
    def loss(a, b):
        return keras.ops.mean((a - b) ** n)

    return loss


fourth = power(4)


class Tutorial(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


class Half(keras.layers.Layer):
    def call(self, x):
        return x / 2

    @classmethod
    def from_config(cls, config):
        warnings.warn("half of it is lost")
        return cls(**config)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file of a model with a loss that Keras does not know, and that loss."""
    (tmp_path / "own_code.py").write_text(OWN_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("own_code")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", module.rmse)
    model.save("own.keras")
    model = keras.Sequential([keras.Input((3,)), module.Half(), keras.layers.Dense(2)])
    model.compile("adam", module.rmse)
    model.save("half.keras")
    del sys.modules["own_code"]
    monkeypatch.delitem(sys.modules, "own_code", raising=False)
    return module


def test_a_compilation_that_cannot_be_restored_is_left_out(own, capsys):
    assert main(["compress", "own.keras", "own.dcz"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("deepcompress: note: the compilation of 'own.keras' was")
    assert "(Could not locate function 'rmse'" in said
    assert said.count("--custom-objects") == said.count("\n") == 1
    assert not dc.load_model("own.dcz").compiled


def test_a_compilation_is_left_out_on_request(own, capsys):
    assert main(["compress", "--no-compile", "own.keras", "own.dcz"]) == 0
    assert capsys.readouterr().err == ""
    assert not dc.load_model("own.dcz").compiled


def test_objects_of_ones_own_are_named(own, capsys):
    loss = ["--custom-objects", "own_code:rmse"]
    assert main(["compress", *loss, "own.keras", "own.dcz"]) == 0
    assert main(["extract", *loss, "own.dcz", "again.keras"]) == 0
    assert capsys.readouterr().err == ""
    model = keras.models.load_model("again.keras", {"rmse": own.rmse})
    assert model.loss is own.rmse
    assert main(["extract", "own.dcz", "without.keras"]) == 0
    assert "the compilation of 'own.dcz' was left out" in capsys.readouterr().err


@pytest.mark.filterwarnings("default:half of it")
def test_layers_of_ones_own_are_named(own, capsys):
    objects = ["own_code:Half", "own_code:rmse"]
    named = [word for each in objects for word in ("--custom-objects", each)]
    assert main(["compress", "--quiet", *named, "half.keras", "half.dcz"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "deepcompress: warning: half of it is lost\n" in captured.err


def test_only_what_matters_reaches_the_person(own):
    """Native code logs as TensorFlow is imported, whatever the level."""
    named = ["--custom-objects", "own_code:Half"]
    ended = subprocess.run(
        [sys.executable, "-c", RUN, "compress", *named, "half.keras", "half.dcz"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = ended.stderr.splitlines()
    assert {line.partition(" (")[0] for line in said} == {
        "deepcompress: warning: half of it is lost",
        "deepcompress: note: the compilation of 'half.keras' was left out, since Keras "
        "cannot restore it; give what it needs as --custom-objects MODULE:NAME.",
    }


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ("no_such_module:a", "no no_such_module:a for --custom-objects"),
        ("json:no_such_name", "no json:no_such_name for --custom-objects"),
    ],
)
def test_objects_that_there_are_not_are_one_line(objects, message, own, capsys):
    arguments = ["compress", "--custom-objects", objects, "own.keras", "own.dcz"]
    assert message in one_line_of_error(capsys, *arguments)


def test_a_missing_layer_is_one_line(own, capsys):
    error = one_line_of_error(capsys, "compress", "half.keras", "half.dcz")
    assert "--custom-objects" in error
    assert "'Half'" in error


def test_what_a_function_has_made_is_found_by_its_name(own, capsys):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", own.fourth)
    model.save("fourth.keras")
    named = ["--custom-objects", "own_code:fourth"]
    assert main(["compress", "--quiet", *named, "fourth.keras", "fourth.dcz"]) == 0
    assert capsys.readouterr().err == ""
    assert dc.load_model("fourth.dcz", custom_objects={"loss": own.fourth}).compiled


def test_code_in_a_file_runs_only_on_request(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    layers = [keras.layers.Lambda(lambda x: 2 * x, name="twice"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.save("code.keras")
    said = one_line_of_error(capsys, "compress", "code.keras", "code.dcz")
    assert "the lambda of the layer 'twice'" in said
    assert "--no-safe-mode" in said
    assert main(["compress", "--quiet", "--no-safe-mode", "code.keras", "a.dcz"]) == 0
    said = one_line_of_error(capsys, "extract", "a.dcz", "again.keras")
    assert "the lambda of the layer 'twice'" in said
    assert main(["extract", "--no-safe-mode", "a.dcz", "again.keras"]) == 0
    again = keras.models.load_model("again.keras", safe_mode=False)
    assert (again.get_weights()[0] == model.get_weights()[0]).all()


@pytest.mark.filterwarnings("ignore:The object being serialized includes")
def test_a_lambda_that_keras_cannot_read_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    dense = keras.layers.Dense(2, activation=lambda x: 2 * x, name="odd")
    keras.Sequential([keras.Input((3,)), dense]).save("odd.keras")
    for options in ([], ["--no-safe-mode"]):
        said = one_line_of_error(capsys, "compress", *options, "odd.keras", "odd.dcz")
        assert "The layer 'odd' has a lambda as its `activation`" in said


def test_a_class_that_takes_nothing_goes_through(own, capsys):
    model = own.Tutorial()
    model.build((None, 3))
    model.trainable = False
    model.save("tutorial.keras")
    named = ["--custom-objects", "own_code:Tutorial"]
    words = [*named, "tutorial.keras", "tutorial.dcz"]
    assert main(["compress", "--quiet", *words]) == 0
    known = {"Tutorial": own.Tutorial}
    loaded = dc.load_model("tutorial.dcz", custom_objects=known)
    assert loaded.trainable is False
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert (ours == theirs).all()
